# Before a master stops, another that has all of its writes takes its place.
. "${0%/*}/common.sh"
# The password that this Redis sends to the others may be newer than this container.
REDISCLI_AUTH=$(redis "$LOCAL" config get masterauth | sed -n 2p)
[ "$(redis "$LOCAL" role | head -n 1)" = master ] && [ "$(named 2)" = "$ME" ] || exit 0
# This one refuses writes from now on, so that the API sends them again until the next master takes them. A pause would hold
# them back here, and their outcome would be unknown when the sentinels end the connections.
redis "$LOCAL" config set min-replicas-to-write 100
# WAIT counts the slaves that have what its own connection has sent, and so all before that.
slaves=$(redis "$LOCAL" info replication | sed -n 's/^connected_slaves://p')
printf '%s\n' "publish leave $ME" "wait ${slaves:-2} 1000" | redis-cli -h "$LOCAL" -p "$PORT"
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
  info=$(redis "$LOCAL" info)
  case $next,$info in
    ,*) ;;
    *role:master*) redis "$LOCAL" replicaof "$next" "$PORT" ;;
    # Its copy is on its disk: while a Redis writes that, it does not stop when it is told to.
    *aof_rewrite_in_progress:0*master_link_status:up*)
      # The third follows the next master, too, so that this takes writes without this one.
      redis "$next" info replication | grep -q '^min_slaves_good_slaves:[2-9]' && exit ;;
  esac
done
