// Package admin implements the operator's commands: "entries", "hide", "export" and "import". The operator's commands use only the Redis
// master, and read the same environment variables as the API.
package admin

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/settings"
	"guestbook/api/internal/store"
)

// Usage is the help text for the operator's commands.
const Usage = `
An operator gives a command:

  api entries                  lists the entries, the newest last: id, tab and text; \n, \" and \\ as in Go
  api hide ID                  overwrites the text of an entry with blanks, for good: no page shows it
  api export [FILE]            writes each entry as a line of JSON; FILE gets its name once it is whole
  api import [-name N] <FILE   appends the entries of an export; repeated within a day, it goes on where it broke off;
                               another name makes it another import, which appends all entries again

  -key KEY                     the guestbook; by default GUESTBOOK_KEY, or else messages`

// timeout bounds each call to the store.
const timeout = 10 * time.Second

// command holds the arguments, the input and the output of one operator's command.
type command struct {
	store  *store.Store
	key    string
	name   string // the flag -name: the import's name; if an import is repeated with its name within a day, no entry is appended twice
	stdin  io.Reader
	stdout *bufio.Writer
	stderr io.Writer
}

// commands maps the name of an operator's command to the method that runs the command. The command needs at least "least" and at most
// "most" arguments in addition to its flags.
var commands = map[string]struct {
	run         func(*command, []string) error
	least, most int
}{
	"entries": {(*command).entries, 0, 0},
	"hide":    {(*command).hide, 1, 1},
	"export":  {(*command).export, 0, 1},
	"import":  {(*command).load, 0, 0},
}

// errUsage is part of every error about wrong arguments, for which the function "Run" returns the exit code 2.
var errUsage = errors.New("see api -help")

// Run executes the operator's command args[0] with the arguments args[1:], and returns the exit code: 0 for success, 1 after an error, 2
// for wrong arguments. Run prints the error to stderr. Run also sets the memory limit of the Go runtime.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	debug.SetMemoryLimit(24 << 20) // with 24 MB for the Go runtime, the whole process stays below 40 MB
	c := &command{stdin: stdin, stdout: bufio.NewWriterSize(stdout, 64<<10), stderr: stderr}
	err := cmp.Or(c.run(args[0], args[1:]), c.stdout.Flush())
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "api:", err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// run executes the operator's command "name" with its flags and arguments "args"; for the flag -help, "run" only prints Usage. The method
// "run" returns an error that wraps errUsage if there is no such command or the arguments are wrong. The method "run" also returns the
// error of the settings or of the command.
func (c *command) run(name string, args []string) (err error) {
	named, ok := commands[name]
	if !ok {
		return fmt.Errorf("there is no command %q: %w", name, errUsage)
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.key, "key", "", "")
	if name == "import" {
		flags.StringVar(&c.name, "name", "", "")
	}
	var words []string
	for err = flags.Parse(args); err == nil && flags.NArg() > 0; err = flags.Parse(flags.Args()[1:]) { // Parse stops at each argument, but a flag may follow the argument, as in "hide 7 -key a"
		words = append(words, flags.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = fmt.Fprintln(c.stdout, Usage[1:])
		return err
	case err != nil:
		return fmt.Errorf("%s: %w: %w", name, err, errUsage)
	case len(words) < named.least, len(words) > named.most:
		return fmt.Errorf("%s: wrong arguments: %w", name, errUsage)
	}
	config, err := settings.Load()
	if err != nil {
		return err
	}
	c.key = cmp.Or(c.key, config.Key, guestbook.DefaultKey)
	options := config.Redis(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	options.SlaveAddr, options.ReadTimeout = options.MasterAddr, timeout
	c.store = store.New(options)
	if err = named.run(c, words); err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return errors.Join(err, c.store.Close())
}
