# Hands over to a slave that has all writes before this master stops.
. "${0%/*}/common.sh"
# masterauth may be newer than the password in this container's environment.
REDISCLI_AUTH=$(redis "$LOCAL" config get masterauth | sed -n 2p)
[ "$(redis "$LOCAL" role | head -n 1)" = master ] && [ "$(named 2)" = "$ME" ] || exit 0
# await_copies MS waits until the slaves have all that this master has. await_copies sends PUBLISH first, because WAIT covers only
# commands of its own connection.
await_copies() {
  slaves=$(redis "$LOCAL" info replication | sed -n 's/^connected_slaves://p')
  printf '%s\n' "publish leave $ME" "wait ${slaves:-2} $1" | redis-cli -h "$LOCAL" -p "$PORT"
}
# A slave that loads the book acknowledges nothing for a second. Writes go on meanwhile.
await_copies 5000
# This master refuses writes from now on, so that the API repeats them until the next master takes them. CLIENT PAUSE would hold
# writes back here, and their outcome would be unknown when the sentinels close the connections.
redis "$LOCAL" config set min-replicas-to-write 100
await_copies 1000
for host in $HOSTS; do
  # This pod's sentinel is not asked, because it stops with the pod.
  [ "$host" != "$ME" ] && sentinel "$host" sentinel failover guestbook | grep -qx OK && break
done
next=
for _ in $(seq 50); do
  sleep 0.1
  for other in $HOSTS; do
    [ -n "$next" ] || [ "$other" = "$ME" ] || [ "$(redis "$other" role | head -n 1)" != master ] || next=$other
  done
  [ -n "$next" ] || continue
  # The next master takes writes once the third Redis follows it, and the API repeats a refused write for two seconds only. This
  # script redirects the third Redis, because the sentinels do so only after a second or two.
  for other in $HOSTS; do [ "$other" = "$next" ] || redis "$other" replicaof "$next" "$PORT"; done
  case $(redis "$LOCAL" info) in
    # Redis ignores SIGTERM while it writes its new copy of the book to its disk.
    *aof_rewrite_in_progress:0*master_link_status:up*)
      # Two good slaves mean that the third follows the next master, which then takes writes without this Redis. Two sentinels
      # must name the next master, so that this Redis starts as its slave.
      redis "$next" info replication | grep -q '^min_slaves_good_slaves:[2-9]' && [ "$(named 2)" = "$next" ] && exit ;;
  esac
done
