# Kubernetes runs this script before it stops the pod. If this pod's Redis is the master, the script promotes a slave that has all
# writes.
. "${0%/*}/common.sh"
# The script reads the password from the setting masterauth, because take-password.sh may have changed the password since the
# container started.
REDISCLI_AUTH=$(redis "$LOCAL" config get masterauth | sed -n 2p)
[ "$(redis "$LOCAL" role | head -n 1)" = master ] && [ "$(named 2)" = "$ME" ] || exit 0
# A Redis that was cut off may still call itself the master, but is not the next master.
former=$ME
for other in $HOSTS; do [ "$(redis "$other" role | head -n 1)" != master ] || former="$former $other"; done
# "await_copies MS" waits up to MS milliseconds until the slaves have all of this master's writes. The command WAIT waits only
# for its own connection's writes, so "await_copies" first sends a PUBLISH, which the slaves receive after all earlier writes.
await_copies() {
  slaves=$(redis "$LOCAL" info replication | sed -n 's/^connected_slaves://p')
  printf '%s\n' "publish leave $ME" "wait ${slaves:-2} $1" | redis-cli -h "$LOCAL" -p "$PORT"
}
# A slave that is loading the messages acknowledges nothing for about a second, so a timeout of five seconds suffices.
await_copies 5000
# With min-replicas-to-write 100, this master refuses all writes, and the API retries a refused write until the next master
# accepts it. The script does not use CLIENT PAUSE, because the failover would close the connections of delayed writes without a
# reply.
redis "$LOCAL" config set min-replicas-to-write 100
await_copies 1000
for host in $HOSTS; do
  # The script asks the sentinel of another pod for a failover, because this pod's sentinel stops together with this pod.
  [ "$host" != "$ME" ] && sentinel "$host" sentinel failover guestbook | grep -qx OK && break
done
next=
for _ in $(seq 50); do
  sleep 0.1
  for other in $HOSTS; do
    case " $former " in *" $other "*) continue ;; esac
    [ -n "$next" ] || [ "$(redis "$other" role | head -n 1)" != master ] || next=$other
  done
  [ -n "$next" ] || continue
  # The next master refuses writes until another Redis replicates from it, and the API retries a refused write for only two
  # seconds. The sentinels may need two seconds to make the other Redis servers slaves of the next master, so the script sends
  # REPLICAOF itself.
  for other in $HOSTS; do [ "$other" = "$next" ] || redis "$other" replicaof "$next" "$PORT"; done
  case $(redis "$LOCAL" info) in
    # After a full copy from the next master, Redis ignores SIGTERM until it has rewritten its append-only file.
    *aof_rewrite_in_progress:0*master_link_status:up*)
      # The next master accepts writes only while a slave is in sync. The script waits until two slaves of the next master are in
      # sync, because one of them is this Redis, which stops soon. The script waits until two sentinels name the next master,
      # because this Redis asks the sentinels for its master at the next start.
      redis "$next" info replication | grep -q '^min_slaves_good_slaves:[2-9]' && [ "$(named 2)" = "$next" ] && exit ;;
  esac
done
