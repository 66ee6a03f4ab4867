# This script makes the Redis in the pod of redis-master the master again. The variable SINGLE is the host name of redis-master. The
# host $SINGLE first becomes a slave of the current master, which is one of the three Redis servers. During the failover, the
# current master delays new writes until $SINGLE has all earlier writes.
. "${0%/*}/common.sh"
master=$(named 2)
case " $HOSTS " in *" ${master:-?} "*) ;; *) say "no two sentinels name one of the three as the master: try again when they do"; exit 1 ;; esac
copies "$(version "$SINGLE")" "$master" || exit 1
# The script sets down-after-milliseconds to an hour, so that the sentinels start no failover while the messages move.
for host in $HOSTS; do sentinel "$host" sentinel set guestbook down-after-milliseconds 3600000; done
[ -z "$password" ] || printf '%s\n' "config set masterauth $password" | redis-cli -h "$SINGLE" -p "$PORT"
redis "$SINGLE" config set replica-announce-ip "$SINGLE"
redis "$SINGLE" replicaof "$master" "$PORT"
until redis "$SINGLE" info replication | grep -qx master_link_status:up; do sleep 0.5; done
redis "$master" failover to "$SINGLE" "$PORT" timeout 5000 | grep -x OK || { say "$master does not hand over"; exit 1; }
until [ "$(redis "$SINGLE" role | head -n 1)" = master ]; do sleep 0.1; done
# The script makes all sentinels forget the master. While no sentinel monitors a master, the three Redis servers start as slaves
# of redis-master. The loop repeats "sentinel remove", because a sentinel that has forgotten the master may learn it again from
# another sentinel.
until [ "$(named 3)" = none ]; do
  for host in $HOSTS; do sentinel "$host" sentinel remove guestbook; done
  sleep 2
done
say "$SINGLE is the master"
