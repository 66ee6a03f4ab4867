//go:build faults

package faults

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

// mutant is a deliberate bug in the API's code. The field "fault" names the test case that must detect the bug.
type mutant struct{ name, file, right, wrong, fault string }

const store = "api/internal/store/"

var mutants = []mutant{
	{"idempotency keys are not looked up", store + "append.lua", "if record then", "if false then",
		"connections to the master end in mid-reply for 3 s"},
	{"idempotency keys are forgotten after a second", store + "append.lua", "24 * 60 * 60", "1",
		"connections to the master end in mid-reply for 3 s"},
	{"a write is acknowledged that no slave has confirmed", store + "batch.go", "err != nil || slaves < w.waitSlaves", "err == nil && slaves < 0",
		"three Redis: the master cut off from the others, but not from one proxy and one pod, for 15 s"},
	{"a slave that was never in sync is read", store + "replies.go", "return errUnsynced", "return nil",
		"a slave emptied, in sync after 5 s"},
	{"a write is repeated whatever went wrong", store + "store.go", "if s.writer.waitSlaves == 0 && isReply(err, codeReadOnly) {", "if err != nil {",
		"connections to the master end in mid-reply for 3 s"},
	{"nothing was stored, says an answer after a write", store + "pool.go", "if noReply {", "if false {",
		"connections to the master end in mid-reply for 3 s"},
	{"the ids of two posts are swapped", store + "batch.go", "for _, one := range commands {\n\t\tone.reply", "for i := range commands { one := commands[len(commands)-1-i]; one.reply",
		"the way to the slaves swallows everything for 5 s; 100 more visitors"},
	{"an entry is appended in two parts", store + "book.go", `redis.Int64(s.write(ctx, "APPEND", key, raw))`,
		`redis.Int64(s.write(ctx, "APPEND", key, raw[:1])); if err == nil { length, err = redis.Int64(s.write(ctx, "APPEND", key, raw[1:])) }`,
		"none, for 10 s"},
	{"an entry is appended to what a slave holds", store + "book.go", `redis.Int64(s.write(ctx, "APPEND", key, raw))`,
		`int64(0), error(nil); { old, _ := s.Get(ctx, key, 1<<30); length = int64(len(old + raw)); err = s.Set(ctx, key, old+raw) }`,
		"none, for 10 s"},
	{"an id is where the entry ends", store + "append.lua", "(length - #ARGV[1])", "length",
		"none, for 10 s"},
	{"hide blanks another entry, as if ids had moved", store + "hide.lua", "local start = tonumber(ARGV[1])", "local start = redis.call('GET', KEYS[1]):find(',', 2, true) - 1",
		"none, for 10 s"},
	{"a page is older than what was seen", store + "book.go", "if before < 0 && start+int64(len(data)) <= seen {", "if false {",
		"both slaves cut off from the master for 3 s"},
}

// TestMutants checks that the test cases detect each deliberate bug in the slice "mutants".
func TestMutants(t *testing.T) {
	alarms = newWatch(t)
	all := slices.Concat(quiet, redisFaults, networkFaults, podFaults, haFaults)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			i := slices.IndexFunc(all, func(f fault) bool { return f.name == m.fault })
			if i < 0 {
				t.Fatalf("no fault is called %q", m.fault)
			}
			f := all[i]
			f.name = "mutant, " + m.name
			file := filepath.Join(must.Root(t), m.file)
			source := must.Read(t, file)
			if !strings.Contains(source, m.right) {
				t.Fatalf("%s has no %q", m.file, m.right)
			}
			f.setup.apiBinary = buildWith(t, t.TempDir(), file, strings.Replace(source, m.right, m.wrong, 1))
			row := f.run(t)
			if !row.wrong {
				t.Errorf("it was not found: %s", row)
			}
			t.Log(strings.Join(row.problems, "\n"))
		})
	}
}

// buildWith compiles the API with a changed source file.
func buildWith(t *testing.T, folder, file, text string) (binary string) {
	t.Helper()
	changed, overlay, binary := filepath.Join(folder, filepath.Base(file)), filepath.Join(folder, "overlay.json"), filepath.Join(folder, "api")
	must.Write(t, changed, text)
	must.Write(t, overlay, string(must.Get(json.Marshal(map[string]map[string]string{"Replace": {file: changed}}))(t)))
	must.OK(t, localpod.Build(t.Context(), binary, "-overlay", overlay))
	return binary
}
