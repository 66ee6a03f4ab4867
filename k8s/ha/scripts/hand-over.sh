# This script makes the Redis in the pod of redis-master a slave of the current master, and then the master again.
. "${0%/*}/common.sh"
master=$(named 2)
case " $HOSTS " in *" ${master:-?} "*) ;; *) say "no two sentinels name one of the three as the master: try again when they do"; exit 1 ;; esac
copies "$(version "$SINGLE")" "$master" || exit 1
# "patience MS" sets the time without a reply after which the sentinels start a failover.
patience() { for host in $HOSTS; do sentinel "$host" sentinel set guestbook down-after-milliseconds "$1"; done; }
# While the messages move, the sentinels must start no failover. If this script fails, the trap makes the sentinels watch the master
# again.
trap 'patience 1500' EXIT
patience 3600000
[ -z "$password" ] || printf '%s\n' "config set masterauth $password" | redis-cli -h "$SINGLE" -p "$PORT"
redis "$SINGLE" config set replica-announce-ip "$SINGLE"
redis "$SINGLE" replicaof "$master" "$PORT"
tries=600
until redis "$SINGLE" info replication | grep -qx master_link_status:up; do
  [ $((tries -= 1)) -gt 0 ] || { say "$SINGLE has not copied the book in five minutes: see its log"; exit 1; }
  sleep 0.5
done
promote "$master" "$SINGLE" || exit 1
trap - EXIT
# The script makes all sentinels forget the master. While no sentinel monitors a master, the three Redis servers start as slaves
# of redis-master. The loop repeats "sentinel remove", because a sentinel that has forgotten the master may learn it again from
# another sentinel.
until [ "$(named 3)" = none ]; do
  for host in $HOSTS; do sentinel "$host" sentinel remove guestbook; done
  sleep 2
done
echo "$SINGLE is the master"
