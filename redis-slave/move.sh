#!/bin/sh
# This script copies the messages of an existing Redis master to the disk of this slave. After the move, the redis-master of k8s/
# starts with the copied messages. docs/migrate.md describes each step of the migration.
#
#   "move.sh check"    waits until this slave has a complete copy, and changes nothing on the master.
#   "move.sh freeze"   waits for a complete copy, makes the master refuse writes, and ends the replication once this slave has all
#                      writes.
#   "move.sh thaw"     makes the master accept writes again, and restarts this slave's replication.
#
#   GET_HOSTS_FROM     has the same meaning as in run.sh.
#
# move.sh works with masters of Redis 2.8 and later. If move.sh fails, it prints the reason, and the master still accepts writes.
set -eu

die() {
  echo "move.sh: $*" >&2
  exit 1
}
# The function "here" sends a command to this slave and prints the reply. With -e, redis-cli fails if the reply is an error.
here() { timeout 5 redis-cli -e "$@" 2>&1 | tr -d '\r'; }
# The function "there" sends a command to this slave's master and prints the reply.
there() { timeout 5 redis-cli -e -h "$host" -p "$port" "$@" 2>&1 | tr -d '\r'; }
# The function "of" takes the output of Redis's command INFO and the name of a field, and prints the field's value.
of() { printf '%s\n' "$1" | sed -n "s/^$2://p"; }
# The function "later" compares the first two numbers of two versions: "later 7.2.1 7.0.9" succeeds. Redis reports no
# valkey_version, and an empty version counts as 0.0.
later() { ! printf '%s\n' "${1:-0.0}" "${2:-0.0}" | cut -d . -f 1,2 | sort -c -t . -k 1,1n -k 2,2n 2>/dev/null; }

host=redis-master port=6379
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
  host=$REDIS_MASTER_SERVICE_HOST port=${REDIS_MASTER_SERVICE_PORT:-6379}
fi

# The function "book" exits the script unless the master has messages that this slave can copy.
book() {
  theirs=$(there info)
  version=$(of "$theirs" redis_version)
  [ -n "$version" ] || die "$host does not answer: $theirs"
  [ "$(of "$theirs" role)" = master ] || die "$host is a slave of $(of "$theirs" master_host): make the Service $host lead to the master"
  [ "$(of "$theirs" loading)" = 0 ] || die "$host is still loading its file: try again when it has finished"
  info=$(here info)
  if later "$version" "$(of "$info" redis_version)" || later "$(of "$theirs" valkey_version)" "$(of "$info" valkey_version)"; then
    die "$host is newer than this Redis, which cannot read its copy: move by \"api export\" and \"api import\""
  fi
  [ "$(there dbsize)" != 0 ] || die "$host is empty: there is no book to move"
}

# The function "copied" waits until this slave's disk has all writes that the master had accepted before the call.
copied() {
  offset=$(of "$(there info replication)" master_repl_offset)
  [ -n "$offset" ] || die "$host no longer answers: try again when it does"
  [ "$(of "$(here info replication)" role)" = slave ] || die "this Redis follows $host no more: run \"move.sh thaw\", then begin again with \"move.sh check\""
  tries=600
  until
    info=$(here info)
    # slave_repl_offset may exceed $offset, because the master's pings increase the replication offset.
    [ "$(of "$info" master_link_status)" = up ] && [ "$(of "$info" slave_repl_offset)" -ge "$offset" ] &&
      [ "$(of "$info" aof_rewrite_in_progress)$(of "$info" aof_rewrite_scheduled)" = 00 ] &&
      [ "$(of "$info" aof_last_bgrewrite_status)$(of "$info" aof_last_write_status)" = okok ]
  do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || die "there is no whole copy after a minute: \"kubectl logs redis-move\" shows why"
    sleep 0.1
  done
}

# The function "setting" prints a setting of the master, and the function "set_to" changes a setting of the master.
setting() { there config get "$1" | tail -n 1; }
set_to() { [ "$(there config set "$1" "$2")" = OK ] || die "$host refuses the setting $1 $2"; }

# The function "same" exits the script unless each key has the same length on this slave and on the master.
same() {
  for key in messages guestbook; do
    [ "$(there strlen $key)" = "$(here strlen $key)" ] || die "$key is not the same here as at $host: begin again with \"move.sh check\""
  done
}

frozen="$host refuses writes, and this disk has all of them: delete $host, then this pod"
case ${1:-} in
  check)
    book
    copied
    echo "move.sh: the copy of $host, Redis $version, is whole: $(there dbsize) keys; messages has $(there strlen messages) bytes, guestbook $(there strlen guestbook)"
    ;;
  freeze)
    book
    was=$(setting maxmemory) policy=$(setting maxmemory-policy)
    if [ "$was" = 1 ] && [ "$(of "$info" role)" = master ]; then
      same
      echo "move.sh: $frozen"
      exit
    fi
    copied
    trap 'set_to maxmemory "$was"; set_to maxmemory-policy "$policy"; echo "move.sh: $host takes writes again" >&2' EXIT
    trap 'exit 1' HUP INT TERM
    # The script sets maxmemory-policy before maxmemory, because the master would otherwise evict keys to make room.
    set_to maxmemory-policy noeviction
    # With a maxmemory of one byte, the master refuses all commands that need memory, even in Lua scripts and in Redis 2.8.
    set_to maxmemory 1
    copied
    same
    # A master without a disk is empty after a restart. A slave that replicates from an empty master deletes its own messages.
    [ "$(here replicaof no one)" = OK ] || die "this Redis does not stop following $host"
    trap - EXIT
    echo "move.sh: $frozen"
    ;;
  thaw)
    # After a restart without a disk, the old master is empty, and this disk has the only copy of the messages.
    for key in messages guestbook; do
      [ "$(there strlen $key)" -ge "$(here strlen $key)" ] || die "$key is shorter at $host than here: keep this copy, and go on with the commands after \"move.sh freeze\""
    done
    # A maxmemory of 0 means no limit, as in the Redis of the PHP guestbook.
    set_to maxmemory 0
    [ "$(here replicaof "$host" "$port")" = OK ] || die "this Redis does not follow $host"
    echo "move.sh: $host takes writes again"
    ;;
  *) die "usage: move.sh check, freeze or thaw" ;;
esac
