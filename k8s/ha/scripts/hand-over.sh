# Makes SINGLE the master again. SINGLE becomes a slave first, and then writes wait until SINGLE has all that the master has.
. "${0%/*}/common.sh"
master=$(named 2)
case " $HOSTS " in *" ${master:-?} "*) ;; *) say "no two sentinels name one of the three as the master: try again when they do"; exit 1 ;; esac
copies "$(version "$SINGLE")" "$master" || exit 1
# An hour of down-after-milliseconds keeps the sentinels from making one of the three the master.
for host in $HOSTS; do sentinel "$host" sentinel set guestbook down-after-milliseconds 3600000; done
[ -z "$password" ] || printf '%s\n' "config set masterauth $password" | redis-cli -h "$SINGLE" -p "$PORT"
redis "$SINGLE" config set replica-announce-ip "$SINGLE"
redis "$SINGLE" replicaof "$master" "$PORT"
until redis "$SINGLE" info replication | grep -qx master_link_status:up; do sleep 0.5; done
redis "$master" failover to "$SINGLE" "$PORT" timeout 5000 | grep -x OK || { say "$master does not hand over"; exit 1; }
until [ "$(redis "$SINGLE" role | head -n 1)" = master ]; do sleep 0.1; done
# The sentinels forget the master, so that the three copy SINGLE if the book moves here once more. A sentinel without a master
# asks the others for one, so the loop repeats until all have forgotten it.
until [ "$(named 3)" = none ]; do
  for host in $HOSTS; do sentinel "$host" sentinel remove guestbook; done
  sleep 2
done
say "$SINGLE is the master"
