# HOSTS are the three, ME is this one's name among them. SINGLE is the Redis from which the book moves here, and back.
say() { echo "$(date -u +%T) ${0##*/}: $*" >&2; }
# redis HOST COMMAND… and sentinel HOST COMMAND… ask one server, for two seconds at most.
redis() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$PORT" "$@" 2>/dev/null | tr -d '\r'; }
sentinel() { host=$1; shift; timeout 2 redis-cli -h "$host" -p "$SENTINEL_PORT" "$@" 2>/dev/null | tr -d '\r'; }
# ask sets asked: for each sentinel that answers, whom it calls the master, "none", or "refuses" if its password is another.
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
# most N prints whom at least N of the asked name. named N asks first.
most() {
  for host in $HOSTS none; do
    count=0
    for name in $asked; do [ "$name" != "$host" ] || count=$((count + 1)); done
    [ $count -lt "$1" ] || echo "$host"
  done
}
named() { ask; most "$1"; }
# version HOST prints Redis 7.0.15 or Valkey 9.1.2. Valkey names the Redis that it is like, too. own prints this image's.
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
# An empty one is none; redis-cli would send it.
[ -n "${REDISCLI_AUTH:-}" ] || unset REDISCLI_AUTH
# quote puts a password into double quotes, as settings and redis-cli want it, and prints nothing if there is none.
quote() { sed 's/["\\]/\\&/g; s/.*/"&"/'; }
password=$(printf %s "${REDISCLI_AUTH:-}" | quote)
# enter: into the folder of the data.
enter() {
  cd "$DATA" && [ -w . ] && return
  say "user $(id -u) cannot write to $DATA: give it to this user with chown, or to the group that fsGroup names"
  exit 1
}
# settings DOWN_AFTER prints how a sentinel watches the master, as arguments of "sentinel set" or lines of its file.
# down-after-milliseconds: for how long the master must be silent.
# failover-timeout: an attempt that fails is repeated after twice this.
settings() {
  echo "down-after-milliseconds guestbook $1"
  echo "failover-timeout guestbook 3000"
  echo "parallel-syncs guestbook 2"
  [ -z "$password" ] || printf '%s\n' "auth-pass guestbook $password"
}
# watch HOST: this pod's sentinel watches HOST as the master. Through standard input, because arguments show in a process list.
watch() {
  {
    echo "sentinel monitor guestbook $1 $PORT 2"
    settings 1500 | sed 's/\([^ ]*\) guestbook/sentinel set guestbook \1/'
  } | redis-cli -h "$LOCAL" -p "$SENTINEL_PORT" >/dev/null
}
