package store

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/guestbook"
)

// This file contains every text in Redis's replies that the store depends on. The texts in this file are the same in Redis 2.8 to 8.0 and
// in Valkey 9.1, unless a comment names other versions.

// An error reply of Redis begins with a code.
const (
	codeLoading  = "LOADING"
	codeReadOnly = "READONLY"            // the server is a slave, and refuses writes; Store.write and pool.handleError handle this reply
	codeNoSlaves = "NOREPLICAS"          // too few slaves are in sync, so the master refuses writes
	codeMisconf  = "MISCONF"             // Redis cannot write to its disk; a master then refuses writes and PING
	codeNoPerm   = "NOPERM"              // the ACL of Redis forbids the command or a key
	codeUnknown  = "ERR unknown command" // the command is disabled or renamed, or the server is no Redis
)

// advice maps the beginnings of error replies of Redis to a description of the problem and what to do. If several elements of "advice"
// match a reply, mapError uses the first of these elements.
var advice = []struct{ codes, reason string }{
	{"NOAUTH", "Redis wants a password: set REDIS_PASSWORD"},
	{"WRONGPASS|ERR invalid password", "Redis does not take the password: check REDIS_PASSWORD and REDIS_USERNAME"},
	{"ERR AUTH|ERR Client sent AUTH", "Redis has no password: set none in REDIS_PASSWORD"},
	{"ERR wrong number of arguments for 'auth'", "this Redis knows no users: set none in REDIS_USERNAME"}, // Redis before 6.0 sends this error
	{codeNoPerm, "Redis forbids its user what the guestbook needs: allow it what api/redis-user.conf does"},
	{"DENIED", "Redis is in protected mode, and answers its own machine only: give it a password, or turn that off"},
	{"MOVED|ASK|CLUSTERDOWN|CROSSSLOT|TRYAGAIN|ERR SELECT is not allowed", "this Redis is one node of a cluster, which the guestbook cannot follow: use a Redis of its own"},
	{"ERR DB index|ERR invalid DB index", "Redis has no database of that number: check REDIS_DB"},
	{"ERR max number of clients", "Redis has no connection left: raise its maxclients, or run fewer frontend pods"},
	{codeUnknown, "the server does not know a command that the guestbook needs: is it a Redis, and not a sentinel?"},
	{codeLoading, "Redis is still loading its data: try again in a moment"},
	{"BUSY", "Redis is busy with a script: try again in a moment"},
	{"MASTERDOWN", "the slave has lost its master, and is set not to answer then"},
	{codeReadOnly, "the master's address leads to a slave: check REDIS_MASTER_ADDR, or try again in a moment"},
	{codeMisconf, "Redis cannot write to its disk, and so takes no messages: give it room"},
	{codeNoSlaves, "Redis takes no messages while too few slaves are in sync"},
}

// writesOnly matches the errors with which Redis refuses writes but not reads.
var writesOnly = regexp.MustCompile("^(" + codeReadOnly + "|" + codeMisconf + "|" + codeNoSlaves + ")")

// inScript matches the text that Redis 6.0 puts before the code of an error inside a script, as in: ERR Error running script (call to
// f_0ae…): @user_script:4: @user_script: 4: -READONLY You can't write against a read only replica.
var inScript = regexp.MustCompile(`^(ERR Error running script.*)?@user_script: ?\d+: -?`)

// noPermInScript matches the error with which an ACL forbids a command or a key inside a script: first the error of Redis 7.2 and later,
// then the error of older versions.
var noPermInScript = regexp.MustCompile("^ERR ACL failure in script|^(ERR )?The user executing the script can't")

// firstWords matches at most ten words of at most 40 characters at the beginning of an error. firstWords stops before a quotation mark,
// because quoted text in an error may be an argument of the command.
var firstWords = regexp.MustCompile("^[^\\s'\"`]{1,40}( [^\\s'\"`]{1,40}){0,9}")

// mapError converts an error reply of Redis to an error of the package "guestbook": ErrWrongType for a key with another type of data,
// ErrFull if the memory of Redis is full or the guestbook has reached Redis's greatest length of a string, ErrForbidden for a key that
// Redis's ACL forbids, and RefusedError for all other replies, even for a command that the ACL forbids. If the error is nil or no reply of
// Redis, mapError returns the error unchanged.
func mapError(err error) error {
	reply, ok := errors.AsType[redis.Error](err)
	if !ok {
		return err
	}
	text := inScript.ReplaceAllString(string(reply), "")
	text, known := strings.CutSuffix(noPermInScript.ReplaceAllString(text, codeNoPerm+" $0"), " (known)") // append.lua adds " (known)" if the post is stored already
	begins := func(code string) bool { return strings.HasPrefix(text, code) }
	switch {
	case begins("WRONGTYPE"):
		return guestbook.ErrWrongType
	case begins("OOM"), begins("ERR string exceeds maximum allowed size"):
		return guestbook.ErrFull
	case begins(codeNoPerm) && (strings.Contains(text, " access a key") || strings.Contains(text, " of the keys")):
		return guestbook.ErrForbidden // Redis forbids the key, and not the command or the database
	}
	refused := &guestbook.RefusedError{WritesOnly: writesOnly.MatchString(text)}
	for _, a := range advice {
		if slices.ContainsFunc(strings.Split(a.codes, "|"), begins) {
			// An error about an unknown command repeats the command's arguments. The arguments of AUTH include the password, which no log
			// may contain.
			text, _, _ = strings.Cut(text, ", with args")
			text, _, _ = strings.Cut(text, "\n")
			refused.Reason, refused.Outcome, refused.Err = a.reason, map[bool]string{false: " (nothing was stored)"}[known], redis.Error(text)
			return refused
		}
	}
	text = strings.ToValidUTF8(firstWords.FindString(text), "")
	refused.Reason, refused.Err = "Redis answers with an error that the guestbook does not know, so the outcome is unknown: "+text, redis.Error(text)
	return refused
}

// isReply reports whether err is an error reply of Redis that begins with "code", or wraps such a reply. If "code" is "", every error reply
// of Redis matches.
func isReply(err error, code string) bool {
	reply, ok := errors.AsType[redis.Error](err)
	return ok && strings.HasPrefix(string(reply), code)
}

// The following constants are lines in Redis's reply to INFO replication.
const (
	roleMaster = "role:master\r\n"
	roleSlave  = "role:slave\r\n"
	linkUp     = "master_link_status:up\r\n"
)

// unsynced matches the reply to INFO replication of a slave that lacks the master's data and whose link to the master is down. A slave that
// never had a link to its master reports master_link_down_since_seconds:-1, or in Redis 6.0 the seconds since 1970, a number of ten digits.
// A slave whose full copy of the master was interrupted reports the replication offset 1 and no backlog. A slave of Redis 8 or Valkey may
// report the offset 1 although it is in sync, but then reports an active backlog.
var unsynced = regexp.MustCompile(`(?s)master_link_down_since_seconds:(-1|\d{10,})\r\n|slave_repl_offset:1\r\n.*repl_backlog_active:0\r\n`)

var errUnsynced = errors.New("the slave has not finished its first sync")

// synced returns nil if the store may read from the server. The arguments of synced are the server's reply to INFO replication, and the
// error of this command. For a slave that has no link to its master and lacks the master's data, synced returns errUnsynced, because such a
// slave answers as if every guestbook were empty. If INFO failed, synced returns the error of INFO, or nil if Redis forbids INFO or does not
// know it.
func synced(info string, err error) error {
	switch {
	case isReply(err, codeNoPerm), isReply(err, codeUnknown):
		return nil // a managed Redis may forbid INFO; its provider is trusted to keep the slaves in sync
	case err == nil && strings.Contains(info, roleSlave) && !strings.Contains(info, linkUp) && unsynced.MatchString(info):
		return errUnsynced
	}
	return err
}

// isEmpty reports whether a Redis without any data would send the reply: the number 0, an empty string, or an array whose last element is
// one of these. For the reply nil, isEmpty returns false.
func isEmpty(reply any) bool {
	switch reply := reply.(type) {
	case []byte:
		return len(reply) == 0
	case []any:
		return isEmpty(reply[len(reply)-1])
	}
	return reply == int64(0)
}

// isAnswer reports whether err is nil or an error about the data in Redis: ErrWrongType, ErrForbidden, ErrNoEntry or ErrTooLong. If
// isAnswer returns false, the store asks another server.
func isAnswer(err error) bool {
	return err == nil || errors.Is(err, guestbook.ErrWrongType) || errors.Is(err, guestbook.ErrForbidden) ||
		errors.Is(err, guestbook.ErrNoEntry) || errors.Is(err, guestbook.ErrTooLong)
}
