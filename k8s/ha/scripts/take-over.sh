# This script makes this pod's Redis the master. The variable SINGLE is the host of the old master, which is the Redis in the
# pod of redis-master. During the failover, the old master delays new writes until this pod's Redis has all earlier writes.
. "${0%/*}/common.sh"
copies "$(own)" "$SINGLE" || exit 1
tries=30
until ask; [ "$(most 3)" = none ]; do
  tries=$((tries - 1))
  if [ $tries = 0 ] || most 1 | grep -qvx none; then say "the sentinels have a master already, or do not answer: $asked"; exit 1; fi
  sleep 1
done
[ -z "$password" ] || printf '%s\n' "config set masterauth $password" | redis-cli -h "$SINGLE" -p "$PORT"
redis "$SINGLE" failover to "$ME" "$PORT" timeout 5000 | grep -x OK || { say "$SINGLE does not hand over"; exit 1; }
until [ "$(redis "$LOCAL" role | head -n 1)" = master ]; do
  redis "$SINGLE" info replication | grep -qx master_failover_state:no-failover && [ "$(redis "$SINGLE" role | head -n 1)" = master ] &&
    { say "$ME did not get all writes in time, and $SINGLE stays the master: try again when fewer visitors write"; exit 1; }
  sleep 0.1
done
watch "$ME"
for host in $HOSTS; do
  [ "$host" = "$ME" ] || redis "$host" replicaof "$ME" "$PORT"
done
say "$ME is the master"
