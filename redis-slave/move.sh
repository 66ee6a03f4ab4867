#!/bin/sh
# Copies the book of another Redis to the disk of this slave, from which redis-master then starts. docs/migrate.md tells the whole.
#
#   move.sh check    waits until the copy is whole; changes nothing at the master
#   move.sh freeze   the same, and the master refuses writes from then on: whoever writes hears that nothing was stored
#   move.sh thaw     the master takes writes again
#
# It works with masters of Redis 2.8 and later. Where it cannot, it says why, and the master goes on as before.
set -eu

die() {
  echo "move.sh: $*" >&2
  exit 1
}
# here COMMAND… and there COMMAND… ask this slave and its master. -e: an error is a failure.
here() { timeout 5 redis-cli -e "$@" 2>&1 | tr -d '\r'; }
there() { timeout 5 redis-cli -e -h "$host" -p "$port" "$@" 2>&1 | tr -d '\r'; }
# of INFO NAME is a field of what "info" says.
of() { printf '%s\n' "$1" | sed -n "s/^$2://p"; }
# later A B: version A is later than B, by its first two numbers. A Redis has no valkey_version, which is as 0.0.
later() {
  [ "$(printf '%s\n' "${1:-0.0}" "${2:-0.0}" | cut -d . -f 1-2 | sort -t . -k 1,1n -k 2,2n | tail -n 1)" != "$(echo "${2:-0.0}" | cut -d . -f 1-2)" ]
}

# master finds the master, and ends this if there is no book to copy from it.
master() {
  info=$(here info)
  host=$(of "$info" master_host) port=$(of "$info" master_port)
  [ -n "$host" ] || die "this Redis is no slave: start the pod redis-move anew"
  theirs=$(there info)
  version=$(of "$theirs" redis_version)
  [ -n "$version" ] || die "$host does not answer: $theirs"
  [ "$(of "$theirs" role)" = master ] || die "$host is a slave of $(of "$theirs" master_host), not a master: let the Service $host lead to the master"
  [ "$(of "$theirs" loading)" = 0 ] || die "$host is still loading its file: try again once it has"
  if later "$version" "$(of "$info" redis_version)" || later "$(of "$theirs" valkey_version)" "$(of "$info" valkey_version)"; then
    die "$host is newer than this Redis, which cannot read its copy: move by \"api export\" and \"api import\" (docs/keeper.md)"
  fi
  [ "$(there dbsize)" != 0 ] || die "$host is empty: there is no book to move"
}

# copied waits until all that the master had written when this was called is here, and on the disk.
copied() {
  offset=$(of "$(there info replication)" master_repl_offset)
  tries=600
  until
    info=$(here info)
    [ "$(of "$info" master_link_status)" = up ] && [ "$(of "$info" slave_repl_offset)" -ge "$offset" ] &&
      [ "$(of "$info" aof_rewrite_in_progress)$(of "$info" aof_rewrite_scheduled)" = 00 ] &&
      [ "$(of "$info" aof_last_bgrewrite_status)$(of "$info" aof_last_write_status)" = okok ]
  do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || die "there is no whole copy after a minute: \"kubectl logs redis-move\" says why"
    sleep 0.1
  done
}

# setting NAME prints a setting of the master, and set_to NAME VALUE changes it.
setting() { there config get "$1" | tail -n 1; }
set_to() { [ "$(there config set "$1" "$2")" = OK ] || die "$host does not take the setting $1 $2"; }

case ${1:-} in
  check)
    master
    copied
    echo "move.sh: the copy of $host, Redis $version, is whole: $(there dbsize) keys; messages has $(there strlen messages) bytes, guestbook $(there strlen guestbook)"
    ;;
  freeze)
    master
    copied
    was=$(setting maxmemory) policy=$(setting maxmemory-policy)
    # 1: it was frozen before.
    [ "$was" != 1 ] || was=0
    trap 'set_to maxmemory "$was"; set_to maxmemory-policy "$policy"; echo "move.sh: $host takes writes again" >&2' EXIT
    trap 'exit 1' HUP INT TERM
    # The policy comes first, because otherwise the master would make room for more by forgetting keys.
    set_to maxmemory-policy noeviction
    # It may hold one byte: nothing more, so it refuses all that needs memory, also in a script, and also as Redis 2.8.
    set_to maxmemory 1
    copied
    for key in messages guestbook; do
      [ "$(there strlen $key)" = "$(here strlen $key)" ] || die "$key is not the same here as at $host"
    done
    trap - EXIT
    echo "move.sh: $host refuses writes from now on, and this disk has all of them: delete $host, then this pod"
    ;;
  thaw)
    master
    # As the example's Redis has it: no bound.
    set_to maxmemory 0
    echo "move.sh: $host takes writes again"
    ;;
  *) die "usage: move.sh check, freeze or thaw" ;;
esac
