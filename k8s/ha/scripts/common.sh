# HOSTS has the names of the three servers, and ME is this one's. SINGLE is the Redis from which the book moves here, and back.
say() { echo "$(date -u +%T) ${0##*/}: $*" >&2; }
# redis HOST COMMAND… and sentinel HOST COMMAND… ask one server, for at most two seconds.
redis() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$PORT" "$@" 2>/dev/null | tr -d '\r'; }
sentinel() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$SENTINEL_PORT" "$@" 2>/dev/null | tr -d '\r'; }
# ask sets asked to one word for each sentinel that answers: the name of its master, "none", or "refuses" if its password differs.
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
# most N prints each name that at least N words of asked have. named N asks first.
most() {
  for host in $HOSTS none; do
    count=0
    for name in $asked; do [ "$name" != "$host" ] || count=$((count + 1)); done
    [ $count -lt "$1" ] || echo "$host"
  done
}
named() { ask; most "$1"; }
# version HOST prints "Redis 7.0.15" or "Valkey 9.1.2". Valkey also reports a version of Redis, which sort and tail drop. own
# prints this image's version.
version() { redis "$1" info server | sed -n 's/^valkey_version:/Valkey /p; s/^redis_version:/Redis /p' | sort | tail -n 1; }
own() { redis-server --version | sed 's/ server v=\([^ ]*\).*/ \1/'; }
# copies READER HOST reports whether a server of the version READER can read what HOST writes.
copies() {
  writer=$(version "$2")
  newest=$1
  case "$1, $writer" in Valkey*,\ Redis*) newest="Redis 7.2" ;; esac
  [ "$(printf '%s\n' "${newest#* }" "${writer#* }" | cut -d. -f1,2 | sort -V | tail -n 1)" = "$(echo "${newest#* }" | cut -d. -f1,2)" ] && return
  say "$1 cannot copy the book of $2, which is $writer: run an image of that version in place of $1"
  return 1
}
[ "$(printf %s "${REDISCLI_AUTH:-}" | tr -d '\r\n')" = "${REDISCLI_AUTH:-}" ] || {
  say "the password has a newline: make its Secret with kubectl create secret generic redis --from-literal=password=…"
  exit 1
}
# redis-cli would send an empty password, so an empty variable is unset.
[ -n "${REDISCLI_AUTH:-}" ] || unset REDISCLI_AUTH
# quote puts the password on its input into double quotes, as settings and redis-cli need it. An empty input prints nothing.
quote() { sed 's/["\\]/\\&/g; s/.*/"&"/'; }
password=$(printf %s "${REDISCLI_AUTH:-}" | quote)
# enter changes into the folder of the data, or exits if Redis cannot write there.
enter() {
  cd "$DATA" && [ -w . ] && return
  say "user $(id -u) cannot write to $DATA: give it to this user with chown, or to the group that fsGroup names"
  exit 1
}
# settings DOWN_AFTER prints how a sentinel watches the master, as arguments of "sentinel set" or lines of its file.
# down-after-milliseconds is how long the master must be silent.
# failover-timeout: a sentinel repeats a failed attempt after twice this time.
settings() {
  echo "down-after-milliseconds guestbook $1"
  echo "failover-timeout guestbook 3000"
  echo "parallel-syncs guestbook 2"
  [ -z "$password" ] || printf '%s\n' "auth-pass guestbook $password"
}
# watch HOST makes this pod's sentinel watch HOST as the master. The commands go through standard input, because arguments show in
# a process list.
watch() {
  {
    echo "sentinel monitor guestbook $1 $PORT 2"
    settings 1500 | sed 's/\([^ ]*\) guestbook/sentinel set guestbook \1/'
  } | redis-cli -h "$LOCAL" -p "$SENTINEL_PORT" >/dev/null
}
