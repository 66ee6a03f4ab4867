. "${0%/*}/common.sh"
trap exit TERM
enter
# The sentinel writes into its file which servers it watches and which sentinels it knows. This script keeps the lines about both,
# and writes all others anew.
learnt=$(grep -E '^sentinel (monitor|config-epoch|leader-epoch|current-epoch|known-replica|known-sentinel) ' sentinel.conf || true)
# myid is made from the name, so that a sentinel that lost its disk does not count as a further one in the majority.
# down-after-milliseconds is long at first, because the master may start a little later than the sentinels.
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
# This loop asks the others for the master while this sentinel knows none, and sets down-after-milliseconds.
(
  # info-period: the sentinel asks each Redis every second instead of every ten, so that it can choose one that has just become a
  # slave.
  # tilt-period: the sentinel acts again 5 s after a pause of its own, instead of 30 s.
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
    # A sentinel ignores slaves that lost the master earlier than 10 × down-after before it noticed. A sentinel that noticed late
    # would never find a good slave, so down-after grows with the master's silence. down-after becomes short again once the master
    # has answered within the last second.
    new=$after
    if [ "${down:-0}" -gt $((2 * after)) ]; then
      new=$down
    elif [ "$(field flags)" = master ] && [ "$(field last-ok-ping-reply)" -lt 1000 ]; then
      new=1500
    fi
    [ "$new" = "$after" ] || { sentinel "$LOCAL" sentinel set guestbook down-after-milliseconds "$new" && after=$new; }
    # This sentinel may keep a master that the others have given up, if a failover ended during the next one. The script then
    # makes it forget that master and ask the others.
    turn=$(((turn + 1) % 10))
    [ $turn = 0 ] || continue
    other=$(named 2)
    case $other in '' | none | "$master") wrong=0 ;; *) wrong=$((wrong + 1)) ;; esac
    [ $wrong -lt 2 ] || { sentinel "$LOCAL" sentinel remove guestbook; wrong=0; }
  done
) >/dev/null 2>&1 &
exec redis-server sentinel.conf --sentinel
