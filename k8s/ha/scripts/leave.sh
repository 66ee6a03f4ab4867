# Before a master stops, another that has all of its writes takes its place.
. "${0%/*}/common.sh"
# The password that this Redis sends to the others may be newer than this container.
REDISCLI_AUTH=$(redis "$LOCAL" config get masterauth | sed -n 2p)
[ "$(redis "$LOCAL" role | head -n 1)" = master ] && [ "$(named 2)" = "$ME" ] || exit 0
# await_copies MS waits until the slaves have all that this master has: WAIT counts those that have what its own connection has sent.
await_copies() {
  slaves=$(redis "$LOCAL" info replication | sed -n 's/^connected_slaves://p')
  printf '%s\n' "publish leave $ME" "wait ${slaves:-2} $1" | redis-cli -h "$LOCAL" -p "$PORT"
}
# A slave that is loading the book acknowledges nothing for a second. Writes go on meanwhile.
await_copies 5000
# This one refuses writes from now on, so that the API sends them again until the next master takes them. A pause would hold
# them back here, and their outcome would be unknown when the sentinels end the connections.
redis "$LOCAL" config set min-replicas-to-write 100
await_copies 1000
for host in $HOSTS; do
  # This pod's sentinel is told to stop, too.
  [ "$host" != "$ME" ] && sentinel "$host" sentinel failover guestbook | grep -qx OK && break
done
next=
for _ in $(seq 50); do
  sleep 0.1
  for other in $HOSTS; do
    [ -n "$next" ] || [ "$other" = "$ME" ] || [ "$(redis "$other" role | head -n 1)" != master ] || next=$other
  done
  [ -n "$next" ] || continue
  # The sentinels tell the third Redis within a second or two. The next master takes writes when the third follows it, and the
  # API sends a refused write again for two seconds only.
  for other in $HOSTS; do [ "$other" = "$next" ] || redis "$other" replicaof "$next" "$PORT"; done
  case $(redis "$LOCAL" info) in
    # While this Redis writes its copy to its disk, it does not stop when it is told to.
    *aof_rewrite_in_progress:0*master_link_status:up*)
      # The third follows the next master, so that this takes writes without this one. Two sentinels name it, so that this
      # Redis starts as its slave.
      redis "$next" info replication | grep -q '^min_slaves_good_slaves:[2-9]' && [ "$(named 2)" = "$next" ] && exit ;;
  esac
done
