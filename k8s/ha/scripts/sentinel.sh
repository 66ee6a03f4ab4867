# This script runs in each pod, and starts the sentinel of the pod. Two of the three sentinels elect the master.
. "${0%/*}/common.sh"
enter
# In the file sentinel.conf, the sentinel stores the Redis servers and the other sentinels that it knows. This script keeps the
# lines about servers and sentinels, and replaces all other lines of sentinel.conf.
learnt=$(grep -E '^sentinel (monitor|config-epoch|leader-epoch|current-epoch|known-replica|known-sentinel) ' sentinel.conf || true)
# The script derives the sentinel's ID, myid, from the pod's name. With a random ID, a sentinel that has lost its disk would
# count as two sentinels. down-after-milliseconds is 15 s at first, because the master may start later than the sentinels.
after=15000
umask 077
cat >sentinel.new <<CONF
bind $BIND
port $SENTINEL_PORT
protected-mode no
dir "$DATA"
sentinel myid $(printf %s "$ME" | sha1sum | cut -c1-40)
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $ME
sentinel announce-port $SENTINEL_PORT
${password:+requirepass $password}
$(echo "$learnt" | grep ' monitor ' && settings $after | sed 's/^/sentinel /')
$(echo "$learnt" | grep -v ' monitor ')
CONF
mv sentinel.new sentinel.conf
field() { echo "$state" | sed -n "/^$1\$/ {n;p;}"; }
# If this sentinel has no master, the loop below asks the other sentinels for the master.
(
  # info-period: the sentinel sends INFO to each Redis every second instead of every ten seconds, so that it soon knows the
  # state of a new slave.
  # tilt-period: if the sentinel's process was paused, the sentinel starts failovers again after 5 s instead of 30 s.
  until sentinel "$LOCAL" sentinel debug info-period 1000 tilt-period 5000 | grep -qx OK; do sleep 0.2 && kill -0 $$ || exit; done
  turn=0 wrong=0
  while sleep 1 && kill -0 $$; do
    state=$(sentinel "$LOCAL" sentinel master guestbook)
    master=$(field ip)
    down=$(field s-down-time)
    if [ -z "$master" ]; then
      master=$(named 1 | grep -vx none | head -n 1)
      [ -z "$master" ] || { watch "$master"; after=1500; }
      continue
    fi
    # A sentinel promotes no slave that lost the master more than 10 × down-after-milliseconds before the sentinel noticed the
    # loss. If this sentinel restarts while the master is down, and so notices the loss late, the loop raises
    # down-after-milliseconds, so that the sentinel can still promote a slave.
    new=$after
    if [ "${down:-0}" -gt $((2 * after)) ]; then
      new=$down
    elif [ "$(field flags)" = master ] && [ "$(field last-ok-ping-reply)" -lt 1000 ]; then
      new=1500
    fi
    [ "$new" = "$after" ] || { sentinel "$LOCAL" sentinel set guestbook down-after-milliseconds "$new" && after=$new; }
    # If two failovers overlap, this sentinel may keep a master that the other sentinels have already replaced. If two sentinels
    # name another master, the loop makes this sentinel forget its master. A sentinel without a master adopts the master of the
    # other sentinels.
    turn=$(((turn + 1) % 10))
    [ $turn = 0 ] || continue
    other=$(named 2)
    case $other in '' | none | "$master") wrong=0 ;; *) wrong=$((wrong + 1)) ;; esac
    [ $wrong -lt 2 ] || { sentinel "$LOCAL" sentinel remove guestbook; wrong=0; }
  done
) >/dev/null 2>&1 &
exec redis-server sentinel.conf --sentinel
