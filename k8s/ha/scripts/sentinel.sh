. "${0%/*}/common.sh"
trap exit TERM
enter
# The sentinel writes into its file what it learns: whom it watches, and who else does. All else is written anew.
learnt=$(grep -E '^sentinel (monitor|config-epoch|leader-epoch|current-epoch|known-replica|known-sentinel) ' sentinel.conf || true)
# myid: made from the name, so that one whose disk was lost does not count as one more, of whom a majority is needed.
# down-after…: long at first, because all may have been started together, and the master be a little slower.
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
# Besides: asks the others for the master while this one knows none, and sets for how long the master must be silent.
(
  # info-period: the sentinel looks at each Redis every second, not every ten, to choose one that has just become a slave.
  # tilt-period: after a pause of itself it trusts its own eyes again after 5 s, not after 30.
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
    # A slave counts as bad if it lost the master more than (time since this sentinel noticed) + 10 × down-after ago. One that
    # noticed late would find none good, ever: down-after follows the time. It is short again once the master has answered
    # within the last second.
    new=$after
    if [ "${down:-0}" -gt $((2 * after)) ]; then
      new=$down
    elif [ "$(field flags)" = master ] && [ "$(field last-ok-ping-reply)" -lt 1000 ]; then
      new=1500
    fi
    [ "$new" = "$after" ] || { sentinel "$LOCAL" sentinel set guestbook down-after-milliseconds "$new" && after=$new; }
    # A failover that ends while the next one is under way may leave this sentinel with a master that the others have given
    # up. It forgets that master then, and asks the others again.
    turn=$(((turn + 1) % 10))
    [ $turn = 0 ] || continue
    other=$(named 2)
    case $other in '' | none | "$master") wrong=0 ;; *) wrong=$((wrong + 1)) ;; esac
    [ $wrong -lt 2 ] || { sentinel "$LOCAL" sentinel remove guestbook; wrong=0; }
  done
) >/dev/null 2>&1 &
exec redis-server sentinel.conf --sentinel
