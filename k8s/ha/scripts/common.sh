# The variable HOSTS lists the host names of the three Redis servers. ME is the host name of this pod's Redis. SINGLE is the host
# name of the Redis in the pod of redis-master, from which an operator can move the messages to the three Redis servers, and back.
say() { echo "$(date -u +%T) ${0##*/}: $*" >&2; }
# The function "redis" sends a command to the Redis on a host and prints the reply, or nothing after two seconds.
redis() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$PORT" "$@" 2>/dev/null | tr -d '\r'; }
# The function "sentinel" sends a command to the sentinel on a host and prints the reply, or nothing after two seconds.
sentinel() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$SENTINEL_PORT" "$@" 2>/dev/null | tr -d '\r'; }
# The function "ask" asks all sentinels for the master, and sets the variable "asked" to one word for each reply: the master's
# host, "none" if the sentinel knows no master, or "refuses" if the sentinel refuses the password.
ask() {
  asked=$(
    for host in $HOSTS; do
      {
        answer=$(timeout 4 redis-cli -h "$host" -p "$SENTINEL_PORT" sentinel get-master-addr-by-name guestbook 2>&1) || exit
        case $answer in *"AUTH failed"* | NOAUTH*) answer=refuses ;; esac
        name=${answer%%[!a-zA-Z0-9.:-]*}
        echo "${name:-none}"
      } &
    done
    wait
  )
}
# The function "most" takes a number, and prints each name that occurs at least that often in the variable "asked".
most() {
  for host in $HOSTS "$SINGLE" none; do
    count=0
    for name in $asked; do [ "$name" != "$host" ] || count=$((count + 1)); done
    [ $count -lt "$1" ] || echo "$host"
  done
}
# "named N" asks all sentinels for the master, and prints each host that at least N sentinels name. "named N" prints "none" if
# at least N sentinels monitor no master.
named() { ask; most "$1"; }
# The function "version" prints the version of the Redis on a host, such as "Redis 7.0.15" or "Valkey 9.1.2". A Valkey server
# reports a valkey_version and a redis_version, of which "sort | tail -n 1" keeps the valkey_version.
version() { redis "$1" info server | sed -n 's/^valkey_version:/Valkey /p; s/^redis_version:/Redis /p' | sort | tail -n 1; }
# The function "own" prints the version of this image's redis-server, such as "Valkey 9.1.2".
own() { redis-server --version | sed 's/ server v=\([^ ]*\).*/ \1/'; }
# The function "copies" takes a version and a host, and reports whether a Redis of this version can replicate from the Redis on
# this host. Valkey can replicate from Redis 7.2 and earlier.
copies() {
  writer=$(version "$2")
  newest=$1
  case "$1, $writer" in Valkey*,\ Redis*) newest="Redis 7.2" ;; esac
  [ "$(printf '%s\n' "${newest#* }" "${writer#* }" | cut -d. -f1,2 | sort -V | tail -n 1)" = "$(echo "${newest#* }" | cut -d. -f1,2)" ] && return
  say "$1 cannot copy the book of $2, which is $writer: run an image of that version in place of $1"
  return 1
}
# The function "promote" takes the hosts of the master and of a slave, and makes the slave the master. The master delays new
# writes until the slave has all earlier writes.
promote() {
  redis "$1" failover to "$2" "$PORT" timeout 5000 | grep -x OK || { say "$1 does not hand over"; return 1; }
  until [ "$(redis "$2" role | head -n 1)" = master ]; do
    redis "$1" info replication | grep -qx master_failover_state:no-failover && [ "$(redis "$1" role | head -n 1)" = master ] &&
      { say "$2 did not get all writes in time, and $1 stays the master: try again when fewer visitors write"; return 1; }
    sleep 0.1
  done
}
[ "$(printf %s "${REDISCLI_AUTH:-}" | tr -d '\r\n')" = "${REDISCLI_AUTH:-}" ] || {
  say "the password has a newline: make its Secret with kubectl create secret generic redis --from-literal=password=…"
  exit 1
}
# With an empty REDISCLI_AUTH, redis-cli would send an empty password.
[ -n "${REDISCLI_AUTH:-}" ] || unset REDISCLI_AUTH
# The function "quote" reads a password and prints it in double quotes, for redis.conf and redis-cli, or nothing if it is empty.
quote() { sed 's/["\\]/\\&/g; s/.*/"&"/'; }
password=$(printf %s "${REDISCLI_AUTH:-}" | quote)
# The function "enter" changes to the folder DATA, and exits the script if Redis cannot write to this folder.
enter() {
  cd "$DATA" && [ -w . ] && return
  say "user $(id -u) cannot write to $DATA: give it to this user with chown, or to the group that fsGroup names"
  exit 1
}
# The function "settings" prints the settings with which a sentinel monitors the master. down-after-milliseconds is the time
# without a reply after which a sentinel considers the master down.
# failover-timeout: a sentinel retries a failed failover after twice the failover-timeout.
settings() {
  echo "down-after-milliseconds guestbook $1"
  echo "failover-timeout guestbook 3000"
  echo "parallel-syncs guestbook 2"
  [ -z "$password" ] || printf '%s\n' "auth-pass guestbook $password"
}
# The function "watch" makes this pod's sentinel monitor a host as the master. redis-cli reads its commands from standard
# input, because a process list would otherwise show the password.
watch() {
  {
    echo "sentinel monitor guestbook $1 $PORT 2"
    settings 1500 | sed 's/\([^ ]*\) guestbook/sentinel set guestbook \1/'
  } | redis-cli -h "$LOCAL" -p "$SENTINEL_PORT" >/dev/null
}
