. "${0%/*}/common.sh"
# Process 1 ignores a signal unless it has a handler for it.
trap exit TERM
enter
# The sentinels name the master, so that servers that start together find the previous one. The file "copied" records that this
# disk holds a copy of the book. Without that file, this Redis never becomes the master, because the others would copy an empty
# book.
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
  case $asked in *refuses*) reason="other sentinels do not take this one's password: give it the Secret redis that they have; docs/high-availability.md describes how to change it" ;; esac
  [ "$reason" = "$said" ] || say "waiting: $reason"
  said=$reason
  sleep 0.5
done
[ "$master" != "$SINGLE" ] || copies "$(own)" "$SINGLE" || exit 1
say "the master is $master"
follow="replicaof $master $PORT"
[ "$master" != "$ME" ] || follow=
# Priority 0 keeps the sentinels from making this Redis the master, because a slave that has just started may lack writes.
priority=100
[ -z "$follow" ] || priority=0
# This loop records when the first copy is complete, and makes this Redis follow the master if no sentinel does.
(
  # The loop runs often until the copy is complete. From then on this slave confirms writes, so the sentinels must be able to make
  # it the master.
  lost=0 turn=0 pause=0.2
  while sleep $pause && kill -0 $$; do
    # After 30 s without a master, the copy on this disk is better than nothing.
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
# Redis reads its settings from standard input ("-"), so that the password shows in no process list.
# appendfsync: Redis answers a write once it is on the disk.
# maxmemory…, client-output-buffer-limit: k8s/redis-master-deployment.yaml has the reasons.
# replica-announce-ip: Redis announces its name, because its address changes at each restart.
# min-replicas…: a master without a slave for 3 s refuses writes, because the others may have chosen another master.
# repl-timeout: a master whose node has died does not close its connections. A master pings its slaves more often than this.
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
client-output-buffer-limit slave 64mb 64mb 0
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
