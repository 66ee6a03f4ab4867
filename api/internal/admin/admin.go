// Package admin has the commands of whoever runs a guestbook: they look at it, take entries back, save it and bring it
// elsewhere. They work on the master, with the settings of the API.
package admin

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/settings"
	"guestbook/api/internal/store"
)

// Usage is about the commands.
const Usage = `
The guestbook's keeper gives it a command:

  api entries [-last N]      lists the entries, or the newest N: id, tab and text; in a text, \n stands for a new line
  api hide ID                blanks an entry for good, where it stands: it is shown no more
  api export [FILE]          writes each entry as a line: {"text": "…"}; FILE is there once it is whole
  api import <FILE           appends the entries of such lines; repeated, it goes on where it broke off

  -key KEY                   the guestbook; GUESTBOOK_KEY unless given, or messages`

// timeout is how long a single step may take.
const timeout = 10 * time.Second

// keeper is one command at work.
type keeper struct {
	store *store.Store
	key   string
	in    *bufio.Reader
	out   *bufio.Writer
	last  int // of the entries to list; 0: all
}

// errUsage is followed by what is wrong.
var errUsage = errors.New("see api -help")

// Run carries out a command and gives the exit code: 0, 1 for an error, 2 for wrong arguments.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := run(args, stdin, stdout)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "api:", err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func run(args []string, stdin io.Reader, stdout io.Writer) (err error) {
	command, ok := map[string]func(*keeper, []string) error{
		"entries": (*keeper).entries, "hide": (*keeper).hide, "export": (*keeper).export, "import": (*keeper).load,
	}[args[0]]
	if !ok {
		return fmt.Errorf("there is no command %q: %w", args[0], errUsage)
	}
	k := &keeper{in: bufio.NewReaderSize(stdin, chunk), out: bufio.NewWriterSize(stdout, 64<<10)}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&k.key, "key", "", "")
	if args[0] == "entries" {
		flags.IntVar(&k.last, "last", 0, "")
	}
	var words []string
	for rest := args[1:]; err == nil; rest = flags.Args()[1:] { // flags may follow the id
		if err = flags.Parse(rest); flags.NArg() == 0 {
			break
		}
		words = append(words, flags.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = fmt.Fprintln(stdout, Usage[1:])
		return err
	case err != nil:
		return fmt.Errorf("%s: %w: %w", args[0], err, errUsage)
	case k.last < 0, len(words) > 1, len(words) == 1 && args[0] != "hide" && args[0] != "export", len(words) == 0 && args[0] == "hide":
		return fmt.Errorf("%s: wrong arguments: %w", args[0], errUsage)
	}
	config, err := settings.Load()
	if err != nil {
		return err
	}
	k.key = cmp.Or(k.key, config.Key, guestbook.DefaultKey)
	options := config.Redis(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	options.SlaveAddr, options.ReadTimeout = options.MasterAddr, timeout
	k.store = store.New(options)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", args[0], err)
		}
		err = errors.Join(err, k.out.Flush(), k.store.Close())
	}()
	return command(k, words)
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), timeout)
}

// each goes through all entries that were there when it began, oldest first, some at a time.
func (k *keeper) each(do func(guestbook.Entry) error) error {
	ctx, cancel := within()
	defer cancel()
	end, err := k.store.End(ctx, k.key)
	for at := guestbook.Start; err == nil && at.End < end.End; {
		var entries []guestbook.Entry
		entries, at, err = k.since(at, end.End)
		for _, entry := range entries {
			if err == nil && entry.ID <= end.ID {
				err = do(entry)
			}
		}
	}
	return err
}

func (k *keeper) since(at guestbook.Mark, upto int64) ([]guestbook.Entry, guestbook.Mark, error) {
	ctx, cancel := within()
	defer cancel()
	entries, at, err := k.store.Since(ctx, k.key, at, upto)
	if errors.Is(err, guestbook.ErrNoEntry) {
		err = errors.New("the guestbook was written anew meanwhile: start again")
	}
	return entries, at, err
}

func (k *keeper) entries([]string) error {
	var newest []guestbook.Entry
	err := k.each(func(entry guestbook.Entry) error {
		if k.last == 0 {
			return k.print(entry)
		}
		if len(newest) == 2*k.last {
			newest = append(newest[:0], newest[k.last:]...)
		}
		newest = append(newest, entry)
		return nil
	})
	for _, entry := range newest[max(0, len(newest)-k.last):] {
		err = errors.Join(err, k.print(entry))
	}
	return err
}

// print writes an entry in a line of its own. What could move a terminal's cursor, or turn its text around, is escaped.
func (k *keeper) print(entry guestbook.Entry) error {
	line := strconv.AppendInt(nil, entry.ID, 10)
	line = append(line, '\t')
	for _, r := range entry.Text {
		if strconv.IsPrint(r) {
			line = append(line, string(r)...)
		} else {
			quoted := strconv.QuoteRune(r)
			line = append(line, quoted[1:len(quoted)-1]...)
		}
	}
	_, err := k.out.Write(append(line, '\n'))
	return err
}

func (k *keeper) hide(words []string) error {
	id, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || id < 0 {
		return fmt.Errorf("%q is no id: %w", words[0], errUsage)
	}
	ctx, cancel := within()
	defer cancel()
	blanked, err := k.store.Hide(ctx, k.key, id)
	switch {
	case err != nil:
		return fmt.Errorf("%d: %w", id, err)
	case blanked == 0:
		fmt.Fprintf(k.out, "entry %d was hidden already\n", id)
	default:
		fmt.Fprintf(k.out, "entry %d is hidden: %d bytes\n", id, blanked)
	}
	return nil
}
