#!/bin/sh
# Copies the book of another Redis to the disk of this slave, from which redis-master then starts. docs/migrate.md describes each
# step.
#
#   move.sh check    waits until the copy is whole, and changes nothing at the master
#   move.sh freeze   does the same, then makes the master refuse writes and this slave stop following it with all of them
#   move.sh thaw     undoes that: the master takes writes, and this slave follows it
#
#   GET_HOSTS_FROM   means the same as for run.sh
#
# move.sh works with masters of Redis 2.8 and later. If it fails, it prints the reason, and the master goes on as before.
set -eu

die() {
  echo "move.sh: $*" >&2
  exit 1
}
# here COMMAND… asks this slave, and there COMMAND… asks its master. -e makes an error reply a failure.
here() { timeout 5 redis-cli -e "$@" 2>&1 | tr -d '\r'; }
there() { timeout 5 redis-cli -e -h "$host" -p "$port" "$@" 2>&1 | tr -d '\r'; }
# of INFO NAME prints a field of INFO, which is an output of "info".
of() { printf '%s\n' "$1" | sed -n "s/^$2://p"; }
# later A B reports whether version A is later than B, by the first two numbers. An empty version counts as 0.0, because a Redis
# has no valkey_version.
later() { ! printf '%s\n' "${1:-0.0}" "${2:-0.0}" | cut -d . -f 1,2 | sort -c -t . -k 1,1n -k 2,2n 2>/dev/null; }

host=redis-master port=6379
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
  host=$REDIS_MASTER_SERVICE_HOST port=${REDIS_MASTER_SERVICE_PORT:-6379}
fi

# book fails if the master has no book that this slave can copy.
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

# copied waits until this slave has on its disk all that the master had written at the call.
copied() {
  offset=$(of "$(there info replication)" master_repl_offset)
  [ -n "$offset" ] || die "$host no longer answers: try again when it does"
  [ "$(of "$(here info replication)" role)" = slave ] || die "this Redis follows $host no more: run \"move.sh thaw\", then begin again with \"move.sh check\""
  tries=600
  until
    info=$(here info)
    # Pings increase the offset as well, so it may be greater.
    [ "$(of "$info" master_link_status)" = up ] && [ "$(of "$info" slave_repl_offset)" -ge "$offset" ] &&
      [ "$(of "$info" aof_rewrite_in_progress)$(of "$info" aof_rewrite_scheduled)" = 00 ] &&
      [ "$(of "$info" aof_last_bgrewrite_status)$(of "$info" aof_last_write_status)" = okok ]
  do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || die "there is no whole copy after a minute: \"kubectl logs redis-move\" shows why"
    sleep 0.1
  done
}

# setting NAME prints a setting of the master. set_to NAME VALUE changes a setting of the master.
setting() { there config get "$1" | tail -n 1; }
set_to() { [ "$(there config set "$1" "$2")" = OK ] || die "$host refuses the setting $1 $2"; }

# same fails unless the books have the same length here and there.
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
    # The policy comes first, because otherwise the master would make room by dropping keys.
    set_to maxmemory-policy noeviction
    # A limit of one byte makes the master refuse all commands that need memory, in scripts and in Redis 2.8 as well.
    set_to maxmemory 1
    copied
    same
    # A master without a disk is empty after a restart, and would empty this slave if it still followed.
    [ "$(here replicaof no one)" = OK ] || die "this Redis does not stop following $host"
    trap - EXIT
    echo "move.sh: $frozen"
    ;;
  thaw)
    # 0 means no limit, as in the example's Redis.
    set_to maxmemory 0
    [ "$(here replicaof "$host" "$port")" = OK ] || die "this Redis does not follow $host"
    echo "move.sh: $host takes writes again"
    ;;
  *) die "usage: move.sh check, freeze or thaw" ;;
esac
