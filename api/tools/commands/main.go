// Command commands fails if the API has sent a command, or a form of one, that Redis 2.8 does not know.
//
//	commands FOLDER    what the tests have recorded there, see REDIS_COMMANDS in api/test/kit/localpod
//
// It asks a redis-server of 7.0 or later, which tells since when each command and form exists (COMMAND DOCS).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
)

// mostWords is how many words follow a command in the forms that Redis 2.8 knows, for commands of which later versions take
// more words. The second word of AUTH is REDIS_USERNAME.
var mostWords = map[string]int{"set": 4, "info": 1, "auth": 2, "ping": 0}

// bySetting are the command that REDIS_WAIT_SLAVES asks for, and those of slaves.
var bySetting = []string{"wait", "replconf", "psync", "sync"}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "commands:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	forms := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for form := range strings.Lines(string(text)) {
			forms[strings.TrimSpace(form)] = true
		}
	}
	c, stop, err := localpod.NewerRedis()
	if err != nil {
		return err
	}
	defer stop()
	names, wrong := map[string]bool{}, 0
	for form := range forms {
		words := strings.Fields(form)
		names[words[0]] = true
		if slices.Contains(bySetting, words[0]) {
			continue
		}
		if reason, err := newer(c, words); err != nil {
			return err
		} else if reason != "" {
			wrong++
			fmt.Fprintf(os.Stderr, "%s: %s\n", form, reason)
		}
	}
	for _, name := range []string{"get", "set", "append", "eval", "strlen", "getrange", "setrange", "persist", "info", "ping"} {
		if !names[name] {
			return fmt.Errorf("no test has sent %s: nothing was recorded", name)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d forms are unknown to Redis 2.8", wrong, len(forms))
	}
	fmt.Printf("Redis 2.8 knows all %d forms of %d commands\n", len(forms), len(names))
	return nil
}

// newer returns why Redis 2.8 does not know a form, or "".
func newer(c redis.Conn, form []string) (string, error) {
	reply, err := redis.Values(c.Do("COMMAND", "DOCS", form[0]))
	if err != nil || len(reply) != 2 {
		return "this Redis has no documentation of it", err
	}
	docs := dictionary(reply[1])
	if since, _ := redis.String(docs["since"], nil); after28(since) {
		return "since Redis " + since, nil
	}
	for token, since := range options(docs["arguments"]) {
		if slices.Contains(form[2:], token) && after28(since) {
			return token + " since Redis " + since, nil
		}
	}
	words, err := strconv.Atoi(form[1])
	if most, ok := mostWords[form[0]]; ok {
		if words > most {
			return fmt.Sprintf("more than %d words follow it", most), nil
		}
		return "", err
	}
	history, _ := redis.Values(docs["history"], nil)
	for _, change := range history {
		pair, _ := redis.Strings(change, nil)
		if after28(pair[0]) {
			return fmt.Sprintf("changed in Redis %s (%s): say in mostWords which forms 2.8 knows", pair[0], pair[1]), nil
		}
	}
	return "", err
}

// dictionary returns the pairs of a flat list.
func dictionary(reply any) map[string]any {
	values, _ := redis.Values(reply, nil)
	d := map[string]any{}
	for i := 0; i+1 < len(values); i += 2 {
		key, _ := redis.String(values[i], nil)
		d[key] = values[i+1]
	}
	return d
}

// options returns since when each option among the arguments exists.
func options(arguments any) map[string]string {
	found := map[string]string{}
	list, _ := redis.Values(arguments, nil)
	for _, argument := range list {
		d := dictionary(argument)
		token, _ := redis.String(d["token"], nil)
		since, _ := redis.String(d["since"], nil)
		if token != "" && since != "" {
			found[token] = since
		}
		for token, inner := range options(d["arguments"]) {
			if found[token] = inner; since != "" {
				found[token] = max(since, inner)
			}
		}
	}
	return found
}

// after28 reports whether a version is later than 2.8.
func after28(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return version != ""
	}
	return major > 2 || major == 2 && minor > 8
}
