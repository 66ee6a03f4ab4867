package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// Each error reply in TestMapError was sent by Redis or Valkey, or is in their source code.
func TestMapError(t *testing.T) {
	const in6 = "ERR Error running script (call to f_295d5e6d75422526eb7f2cfbca68084cede33e4c): @user_script:4: "
	for _, c := range []struct {
		reply string
		is    error  // the wanted error, or nil if a RefusedError is wanted
		words string // a part of the reason in the wanted RefusedError
	}{
		{in6 + "@user_script: 4: -READONLY You can't write against a read only replica.", nil, "leads to a slave"}, // Redis 6.0 sends this reply
		{in6 + "WRONGTYPE Operation against a key holding the wrong kind of value", guestbook.ErrWrongType, ""},
		{in6 + "ERR string exceeds maximum allowed size (512MB)", guestbook.ErrFull, ""},
		{in6 + "@user_script: 4: The user executing the script can't run this command or subcommand", nil, "forbids its user"},
		{in6 + "@user_script: 4: The user executing the script can't access at least one of the keys mentioned in the command arguments", guestbook.ErrForbidden, ""},
		{"ERR The user executing the script can't run this command or subcommand script: 295d5e, on @user_script:1.", nil, "forbids its user"}, // Redis 7.0 sends this reply
		{"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 295d5e, on @user_script:1.", guestbook.ErrForbidden, ""},
		{"ERR ACL failure in script: User u has no permissions to run the 'append' command script: on @user_script:1.", nil, "forbids its user"}, // Redis 8.0 and Valkey 9.1 send this reply
		{"ERR ACL failure in script: User keymaster has no permissions to run the 'append' command script: on @user_script:1.", nil, "forbids its user"},
		{"ERR ACL failure in script: No permissions to access a key script: on @user_script:1.", guestbook.ErrForbidden, ""},
		{"NOPERM this user has no permissions to run the 'strlen' command or its subcommand", nil, "forbids its user"}, // Redis 6.0 sends this reply
		{"NOPERM this user has no permissions to access one of the keys used as arguments", guestbook.ErrForbidden, ""},
		{"NOPERM User u has no permissions to run the 'strlen' command", nil, "forbids its user"}, // Redis 8.0 sends this reply
		{"NOPERM No permissions to access a key", guestbook.ErrForbidden, ""},
		{"NOPERM User keymaster has no permissions to access database 1", nil, "forbids its user"}, // Valkey 9.1 sends this reply
		{"DENIED Redis is running in protected mode because protected mode is enabled", nil, "protected mode"},
		{"MOVED 7365 10.0.0.12:6379", nil, "one node of a cluster"},
		{"CROSSSLOT Keys in request don't hash to the same slot", nil, "one node of a cluster"},
		{"ERR SELECT is not allowed in cluster mode", nil, "one node of a cluster"},
		{"LOADING Redis is loading the dataset in memory", nil, "loading"},
		{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", nil, "busy"},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", nil, "lost its master"},
		{"ERR Client sent AUTH, but no password is set", nil, "REDIS_PASSWORD"}, // Redis 5 sends this reply
		{"ERR wrong number of arguments for 'auth' command", nil, "REDIS_USERNAME"},
		{"ERR unknown command `AUTH`, with args beginning with: `hunter2`, ", nil, "does not know a command"}, // Redis 6.0 sends this reply
		{"ERR unknown command 'AUTH', with args beginning with: 'hunter2' ", nil, "does not know a command"},
		{"ERR unknown command 'SET', with args beginning with: 'messages' 'string exceeds maximum allowed size' ", nil, "does not know a command"},
		{in6 + "Write commands not allowed after non deterministic commands", nil, "the outcome is unknown: Write commands not allowed after non deterministic commands"},
		{"ERR strange 'hunter2'", nil, "the outcome is unknown: ERR strange"},
		{"ERR strange\nhunter2", nil, "the outcome is unknown: ERR strange"},
		{"ERR " + strings.Repeat("word ", 1000) + "hunter2", nil, "the outcome is unknown: ERR word word"},
		{"ERR " + strings.Repeat("long", 1000) + "hunter2", nil, "the outcome is unknown: ERR longlong"},
	} {
		err := mapError(fmt.Errorf("get a connection: %w", redis.Error(c.reply)))
		refused := (*guestbook.RefusedError)(nil)
		switch {
		case c.is != nil && !errors.Is(err, c.is):
			t.Errorf("%q means %v, want %v", c.reply, err, c.is)
		case c.is == nil && (!errors.As(err, &refused) || !strings.Contains(refused.Reason, c.words)):
			t.Errorf("%q means %v, want %q", c.reply, err, c.words)
		case refused != nil && (refused.Outcome == "") != strings.HasPrefix(c.words, "the outcome is unknown"):
			t.Errorf("%q: the outcome is %q", c.reply, refused.Outcome)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("it tells the password: %v", err)
		}
	}
	if err := errors.New("connection refused"); !errors.Is(mapError(err), err) || mapError(nil) != nil {
		t.Error("what is no reply is changed")
	}
}
