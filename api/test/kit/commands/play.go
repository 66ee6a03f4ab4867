package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Call is one command that a code block of a document runs.
type Call struct {
	Args  []string
	Input string // the standard input, from a pipe or a file
}

func (c Call) String() string { return strings.Join(c.Args, " ") }

// standIn is a shell function that bash calls in place of every program, such as kubectl. standIn appends the command and its input to the
// file $CALLS, and prints the output "word". In call number $FAILS, standIn prints nothing, and fails unless $FAILS is negative. "grep"
// fails if its input is empty.
const standIn = `command_not_found_handle() {
  local input= number
  IFS= read -rd '' input || :
  printf '%s\0' "$@" "$input"$'\1' >>"$CALLS"
  echo >>"$CALLS.lines"
  mapfile -t number <"$CALLS.lines"
  [ "${#number[@]}" != "${FAILS#-}" ] || return $((FAILS > 0))
  [ "$1$input" != grep ] || return 1
  echo word
}
`

var (
	// file matches the name of a file in a command, as in "/tmp/NAME" or "<NAME". A temporary folder replaces /tmp while a block runs.
	file = regexp.MustCompile(`(?:/tmp/|<)(\w[\w.-]*)`)
	// built matches the folder that play removes from a command such as .build/minikube, so that bash calls standIn.
	built = regexp.MustCompile(`(?m)(^| )\.(?:build)?/`)
)

// play runs a code block in bash, with standIn in place of every program, and returns the commands that ran. The parameter "fails" is the
// number of the command that must fail, negative for a command that is cut; 0 means that no command fails. The result "damaged" is the
// path of a file that the block has overwritten with nothing, or "".
func play(ctx context.Context, b Block, fails int) (ran []Call, damaged string, err error) {
	dir, err := os.MkdirTemp("", "play")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	err = os.Mkdir(filepath.Join(dir, "dist"), 0o700) // the block in CHANGELOG.md runs "cd dist"
	files := file.FindAllStringSubmatch(b.Text, -1)
	for _, match := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, match[1]), []byte("from before"), 0o600))
	}
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	calls := filepath.Join(dir, "calls")
	text := strings.ReplaceAll(built.ReplaceAllString(b.Text, "$1"), "/tmp/", dir+"/")
	shell := exec.CommandContext(ctx, "bash", "-c", standIn+text)
	shell.Dir = dir
	shell.Env = []string{"PATH=" + dir, "CALLS=" + calls, fmt.Sprintf("FAILS=%d", fails)}
	out, err := shell.CombinedOutput()
	if ctx.Err() != nil || strings.Contains(string(out), "bash: ") {
		return nil, "", fmt.Errorf("%sit cannot be played: %w\n%s", b, err, out)
	}
	written, err := os.ReadFile(calls)
	if err != nil {
		return nil, "", fmt.Errorf("%sit runs no command: %w\n%s", b, err, out)
	}
	for call := range strings.SplitSeq(strings.TrimSuffix(strings.ReplaceAll(string(written), dir, "/tmp"), "\x01\x00"), "\x01\x00") {
		fields := strings.Split(call, "\x00")
		ran = append(ran, Call{Args: fields[:len(fields)-1], Input: fields[len(fields)-1]})
	}
	for _, match := range files {
		if info, err := os.Stat(filepath.Join(dir, match[1])); err == nil && info.Size() == 0 && filepath.Ext(match[1]) != ".new" {
			damaged = match[1]
		}
	}
	return ran, damaged, nil
}

// harmless matches commands that only read or add something, such as "kubectl get".
var harmless = []*regexp.Regexp{
	regexp.MustCompile(`^kubectl( --context \w+)? (get|describe|logs|wait|kustomize|port-forward|top|rollout status|create|expose) `),
	regexp.MustCompile(`^kubectl exec (-i )?\S+ (-c \w+ )?-- /api (entries|export)( |$)`),
	regexp.MustCompile(`^kubectl exec \S+ (-c \w+ )?-- redis-cli (-p \d+ |--raw )*(get|info|sentinel get-master-addr-by-name|sentinel ckquorum) `),
	regexp.MustCompile(`^kubectl exec redis-move -- /move.sh check$`),
	regexp.MustCompile(`^(cat|cut|grep|openssl rand|sed s|sha256sum --check|sort|ssh-keygen -Y verify|uniq)( |$)`),
	regexp.MustCompile(`^make (faults|soak)$`),
}

// overwrites reports whether a command may delete or overwrite something. "kubectl … -f -" and "api import" without input change nothing.
func (c Call) overwrites() bool {
	if c.Input == "" && regexp.MustCompile(` -f -( |$)|/api import`).MatchString(c.String()) {
		return false
	}
	return !slices.ContainsFunc(harmless, func(p *regexp.Regexp) bool { return p.MatchString(c.String()) })
}

// cut matches commands that exit with 0 and without the rest of their output if the connection to the cluster is lost.
var cut = regexp.MustCompile(`^kubectl.* exec .*(\.sh|export)`)

// Fail runs a document's code block once for each of its commands, and makes this command fail. The result "faults" has a message for each
// run in which a later command may delete or overwrite something.
func Fail(ctx context.Context, b Block) (plays int, faults []string, err error) {
	all, _, err := play(ctx, b, 0)
	if err != nil {
		return 0, nil, err
	}
	for n := range 2 * len(all) { // each command fails, then is cut
		i, fails := n/2, (n/2+1)*(1-n%2*2)
		if fails < 0 && !cut.MatchString(all[i].String()) {
			continue
		}
		ran, damaged, err := play(ctx, b, fails)
		if err != nil {
			return i, faults, err
		}
		if len(ran) <= i || !slices.Equal(ran[i].Args, all[i].Args) {
			return i, faults, fmt.Errorf("%sits commands come in another order each time: %q, then %q", b, all, ran)
		}
		if after := slices.IndexFunc(ran[i+1:], Call.overwrites); after >= 0 {
			faults = append(faults, fmt.Sprintf("%safter this failed: %s\nthis ran:          %s", b, all[i], ran[i+1+after]))
		} else if damaged != "" {
			faults = append(faults, fmt.Sprintf("%safter this failed: %s\n%s was lost", b, all[i], damaged))
		}
	}
	return len(all), faults, nil
}

// selector matches a label selector in a kubectl command.
var selector = regexp.MustCompile(`(?: -l |--pod-selector=)(\S+)`)

// Vague returns an error message if a kubectl command may change objects of other applications, and otherwise "".
func (c Call) Vague() string {
	if !c.overwrites() || c.Args[0] != "kubectl" || len(c.Args) < 2 || c.Args[1] == "exec" {
		return ""
	}
	precise := []string{"app=guestbook,tier=frontend", "app=redis,role=master,tier=backend", "lesson=drain"} // label selectors that match only objects of the guestbook
	selectors := selector.FindAllStringSubmatch(c.String(), -1)
	for _, match := range selectors {
		if !slices.Contains(precise, match[1]) {
			return "others may have the labels " + match[1]
		}
	}
	names := c.Args[2:]
	if slices.Contains([]string{"rollout", "set", "config"}, c.Args[1]) { // these subcommands have two words, as in "rollout restart"
		names = names[min(1, len(names)):]
	}
	names = slices.DeleteFunc(slices.Clone(names), func(arg string) bool { return strings.HasPrefix(arg, "-") })
	isChosen := len(selectors) > 0 || slices.Contains(c.Args, "-f") || slices.Contains(c.Args, "-k")
	if slices.Contains(c.Args, "--all") || !isChosen && len(names) == 1 && !strings.Contains(names[0], "/") {
		return "it takes all of a kind"
	}
	return ""
}

// Calls returns the commands that a document's code block runs.
func Calls(ctx context.Context, b Block) ([]Call, error) {
	calls, _, err := play(ctx, b, 0)
	return calls, err
}
