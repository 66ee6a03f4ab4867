. "${0%/*}/common.sh"
enter
# The script asks the sentinels for the master, so that Redis pods that start together find the previous master. The file "copied"
# records that this disk holds a copy of the messages. Without the file "copied", this Redis does not start as the master, because
# the other two Redis servers would replace their messages by this Redis's empty data.
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
# With a replica-priority of 0, the sentinels do not make this Redis the master. A slave that has just started may lack writes.
priority=100
[ -z "$follow" ] || priority=0
# When this Redis has copied the master's messages, the loop below raises replica-priority from 0, and creates the file "copied". If
# this Redis follows a former master, the loop makes this Redis a slave of the current master.
(
  lost=0 turn=0 pause=0.2
  while sleep $pause && kill -0 $$; do
    # 30 s after its start, this Redis may become the master with an old copy of the messages, which is better than none.
    turn=$((turn + 1))
    [ $turn != 150 ] || [ ! -e copied ] || redis "$LOCAL" config set replica-priority 100
    info=$(redis "$LOCAL" info replication)
    case $info in
      # A slave may become the master before the loop has created the file "copied".
      *role:master* | *master_link_status:up*)
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
# Redis reads its settings from standard input ("-"), so that no process list shows the password.
# appendfsync: Redis acknowledges a write only after the write is on the disk.
# maxmemory…, client-output-buffer-limit: k8s/redis-master-deployment.yaml explains the memory settings of Redis.
# replica-announce-ip: Redis announces its DNS name to master and sentinels, because a restart changes the pod's address.
# min-replicas…: a master that has had no slave for 3 s refuses writes, because the sentinels may have chosen another master.
# repl-timeout: a slave closes a connection on which the master has been silent for 20 s, because a master whose node has failed
# does not close its connections.
# repl-ping-replica-period: a master pings its slaves every 2 s, so that a connection without writes is not silent.
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
