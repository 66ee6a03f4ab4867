. "${0%/*}/common.sh"
# Process 1 ignores a signal that it has no handler for.
trap exit TERM
enter
# The sentinels say who is the master, so that all who start together find the one that was. The file "copied" says that
# this disk holds a copy of the book. Without it this one must never be the master: the others would copy the emptiness.
said=
until
  ask
  master=$(most 2)
  case $master in
    '') false ;;
    none) [ "$(most 3)" = none ] && master=$SINGLE ;;
    "$ME") [ -e copied ] ;;
  esac
do
  reason="the sentinels name ${master:-nobody}, and the book $([ -e copied ] && echo is || echo is not) on this disk"
  case $asked in *refuses*) reason="other sentinels do not take this one's password: give it the Secret redis that they have; docs/high-availability.md tells how to change it" ;; esac
  [ "$reason" = "$said" ] || say "waiting: $reason"
  said=$reason
  sleep 0.5
done
[ "$master" != "$SINGLE" ] || copies "$(own)" "$SINGLE" || exit 1
say "the master is $master"
follow="replicaof $master $PORT"
[ "$master" != "$ME" ] || follow=
# 0: no sentinel makes this one the master. A slave that has just started may lack what the master has.
priority=100
[ -z "$follow" ] || priority=0
# Besides: notes when the first copy is complete, and follows the master where no sentinel has told it to.
(
  # Often until the copy is complete: from then on this one confirms writes, so the sentinels must be able to choose it.
  lost=0 turn=0 pause=0.2
  while sleep $pause && kill -0 $$; do
    # With no master to be had for 30 s, what is on this disk is better than nothing.
    turn=$((turn + 1))
    [ $turn != 150 ] || [ ! -e copied ] || redis "$LOCAL" config set replica-priority 100
    info=$(redis "$LOCAL" info replication)
    case $info in
      *role:master*) pause=1 ;;
      *master_link_status:up*)
        lost=0
        [ $pause = 1 ] || { redis "$LOCAL" config set replica-priority 100 | grep OK && touch copied && pause=1; } ;;
      *role:slave*)
        [ $pause = 1 ] || [ $((turn % 5)) = 0 ] || continue
        master=$(named 2)
        case " $HOSTS " in *" $master "*) ;; *) continue ;; esac
        case $master in '' | "$ME" | "$(echo "$info" | sed -n 's/^master_host://p')") continue ;; esac
        lost=$((lost + 1))
        [ $lost -lt 5 ] || redis "$LOCAL" replicaof "$master" "$PORT" ;;
    esac
  done
) >/dev/null 2>&1 &
# The settings come on standard input ("-"), so that the password shows in no process list.
# appendfsync: a write is answered once it is on the disk. maxmemory…: as redis-master's.
# replica-announce-ip: by its name, for its address is another after each restart.
# min-replicas…: a master that has had no slave for 3 s refuses writes: the others may have chosen another.
# repl-timeout: a master whose node has died says no goodbye. It pings more often than that, and so does redis-master.
exec redis-server - <<CONF
bind $BIND
port $PORT
protected-mode no
dir "$DATA"
appendonly yes
appendfsync always
save ""
maxmemory 100mb
maxmemory-policy volatile-ttl
maxmemory-clients 64mb
replica-announce-ip $ME
replica-priority $priority
min-replicas-to-write 1
min-replicas-max-lag 3
repl-diskless-sync-delay 0
repl-timeout 20
repl-ping-replica-period 2
$follow
${password:+requirepass $password}
${password:+masterauth $password}
CONF
