# This script makes this pod's Redis the master, in place of the Redis in the pod of redis-master.
. "${0%/*}/common.sh"
copies "$(own)" "$SINGLE" || exit 1
tries=30
until ask; [ "$(most 3)" = none ]; do
  if [ $((tries -= 1)) = 0 ] || most 1 | grep -qvx none; then say "the sentinels have a master already, or do not answer: $asked"; exit 1; fi
  sleep 1
done
[ -z "$password" ] || printf '%s\n' "config set masterauth $password" | redis-cli -h "$SINGLE" -p "$PORT"
promote "$SINGLE" "$ME" || exit 1
watch "$ME"
for host in $HOSTS; do
  [ "$host" = "$ME" ] || redis "$host" replicaof "$ME" "$PORT"
done
# Until the sentinels know each other, they cannot replace this master.
tries=60
for host in $HOSTS; do
  until sentinel "$host" sentinel ckquorum guestbook | grep -q '^OK 3 '; do
    [ $((tries -= 1)) -gt 0 ] ||
      { say "$ME is the master, but the sentinel of $host does not reach both others: repair them, then run the command after take-over.sh"; exit 1; }
    sleep 0.5
  done
done
echo "$ME is the master"
