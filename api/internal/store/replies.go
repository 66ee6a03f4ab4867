package store

import (
	"errors"
	"regexp"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// This file has all that the store knows of the words in which Redis tells its states and errors. They are the same in
// Redis 6.0 to 8.0 and in Valkey 9.1 unless a line says otherwise.

// Codes with which error replies begin, where more than a refusal follows from them.
const (
	codeLoading    = "LOADING"  // it reads its data in
	codeReadOnly   = "READONLY" // it is a slave, and refuses writes
	codeMisconf    = "MISCONF"  // its disk fails; a master refuses writes then, and PING
	codeNoPerm     = "NOPERM"   // ACL forbids the command or a key
	codeUnknown    = "ERR unknown command"
	inScript6      = "ERR Error running script"            // 6: an error inside a script; its own code is in the middle
	noPermInScript = "ERR ACL failure in script"           // 7.2 and later
	noPermScript7  = "The user executing the script can't" // 6 and 7.0, after ERR or nothing
)

// refusals say for an error reply what is wrong and what to do. The first whose code the reply begins with counts.
var refusals = []struct {
	code, reason string
	writesOnly   bool // reads go on
}{
	{"NOAUTH", "Redis wants a password: set REDIS_PASSWORD", false},
	{"WRONGPASS", "Redis does not take the password: check REDIS_PASSWORD and REDIS_USERNAME", false},
	{"ERR invalid password", "Redis does not take the password: check REDIS_PASSWORD", false}, // before 6.0
	{"ERR AUTH", "Redis has no password: set none in REDIS_PASSWORD", false},
	{"ERR Client sent AUTH", "Redis has no password: set none in REDIS_PASSWORD", false}, // before 6.0
	{"ERR wrong number of arguments for 'auth'", "this Redis knows no users: set none in REDIS_USERNAME", false},
	{codeNoPerm, "Redis forbids its user what the guestbook needs: allow it what api/redis-user.conf does", false},
	{"DENIED", "Redis is in protected mode, and answers its own machine only: give it a password, or turn that off", false},
	{"MOVED", cluster, false}, {"ASK", cluster, false}, {"CLUSTERDOWN", cluster, false}, {"CROSSSLOT", cluster, false},
	{"TRYAGAIN", cluster, false}, {"ERR SELECT is not allowed", cluster, false},
	{"ERR DB index is out of range", "Redis has no database of that number: check REDIS_DB", false},
	{"ERR invalid DB index", "Redis has no database of that number: check REDIS_DB", false}, // before 6.0
	{"ERR max number of clients", "Redis has no connection left: raise its maxclients, or lower REDIS_POOL_SIZE", false},
	{codeUnknown, "the server does not know a command that the guestbook needs: is it a Redis, and not a sentinel?", false},
	{codeLoading, "Redis is still loading its data: try again in a moment", false},
	{"BUSY", "Redis is busy with a script: try again in a moment", false},
	{"MASTERDOWN", "the slave has lost its master, and is set not to answer then", false},
	{codeReadOnly, "the master's address leads to a slave: check REDIS_MASTER_ADDR, or try again in a moment", true},
	{codeMisconf, "Redis cannot write to its disk, and so takes no messages: give it room", true},
	{"NOREPLICAS", "Redis takes no messages while too few slaves are in sync", true},
	{"", "Redis answers with an error", false},
}

const cluster = "this Redis is one node of a cluster, which the guestbook cannot follow: use a Redis of its own"

// classify gives an error its meaning here, where it is one that Redis answered with.
func classify(err error) error {
	reply := redis.Error("")
	if !errors.As(err, &reply) {
		return err
	}
	text := string(reply)
	if strings.HasPrefix(text, inScript6) {
		// ERR Error running script (call to f_0ae…): @user_script:4: @user_script: 4: -READONLY You can't write …
		text = scriptPosition.ReplaceAllString(text, "")
	}
	if strings.HasPrefix(text, noPermInScript) || strings.Contains(text, noPermScript7) {
		text = codeNoPerm + " " + text
	}
	if strings.HasPrefix(text, codeUnknown) {
		// It goes on with the command's arguments: the password, or what somebody has written.
		text, _, _ = strings.Cut(text, ", with args")
	}
	switch {
	case strings.HasPrefix(text, "WRONGTYPE"):
		return guestbook.ErrWrongType
	case strings.HasPrefix(text, "OOM"), strings.Contains(text, "string exceeds maximum allowed size"):
		return guestbook.ErrFull
	case strings.HasPrefix(text, codeNoPerm) && strings.Contains(text, " key"): // not: "to run the 'get' command"
		return guestbook.ErrForbidden
	}
	for _, r := range refusals {
		if strings.HasPrefix(text, r.code) {
			return &guestbook.RefusedError{Reason: r.reason, WritesOnly: r.writesOnly, Err: redis.Error(text)}
		}
	}
	return err
}

var scriptPosition = regexp.MustCompile(`^.*@user_script: ?\d+: -?`)

// isReply says whether err is an error that Redis answered with and that starts with the code.
func isReply(err error, code string) bool {
	var reply redis.Error
	return errors.As(err, &reply) && strings.HasPrefix(string(reply), code)
}

// Fields of INFO's section replication.
const (
	roleMaster = "role:master\r\n"
	roleSlave  = "role:slave\r\n"
	linkUp     = "master_link_status:up\r\n"
)

// unsynced are the fields by which a slave whose link to its master is down tells that it does not hold its data:
// there was never a link (-1 seconds; in 6.0, whose clock begins in 1970, a number of ten digits), or it has dropped what it
// had for a copy that did not arrive (no offset, which is written as 1).
var unsynced = regexp.MustCompile(`master_link_down_since_seconds:(-1|\d{10,})\r\n|slave_repl_offset:1\r\n`)

// neverSynced says whether this is a slave that answers as if every guestbook were empty.
func neverSynced(info string) bool {
	return strings.Contains(info, roleSlave) && !strings.Contains(info, linkUp) && unsynced.MatchString(info)
}
