#!/bin/sh
# This script starts a Redis slave of the guestbook's master.
#
#   GET_HOSTS_FROM   is "env" if the master's address is in REDIS_MASTER_SERVICE_HOST and REDIS_MASTER_SERVICE_PORT, which
#                    Kubernetes sets for the Service redis-master. Unless GET_HOSTS_FROM is "env", the master's address is
#                    redis-master:6379.
#   REDIS_PASSWORD   is the slave's own password, and the password that the slave sends to the master. An empty
#                    REDIS_PASSWORD means no password.
set -eu

host=redis-master
port=6379
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
  # If the Service redis-master does not exist yet, run.sh exits, and Kubernetes restarts the container until the Service
  # exists.
  host=${REDIS_MASTER_SERVICE_HOST:?is not set: create the Service redis-master first, or use GET_HOSTS_FROM=dns}
  port=${REDIS_MASTER_SERVICE_PORT:-6379}
else
  # The shell is process 1, which ignores SIGTERM unless it has a handler for that signal. Without a handler for SIGTERM, stopping
  # the container would take the whole grace period.
  trap exit TERM INT
  # The loop waits until the master's name resolves, because redis-server exits at once if it cannot resolve the name.
  until getent hosts "$host" >/dev/null; do
    echo "run.sh: waiting for the name $host to resolve"
    sleep 1
  done
fi

given=${REDIS_PASSWORD:-}
[ "$(printf %s "$given" | tr -d '\r\n')" = "$given" ] || {
  echo "the password has a newline: make its Secret with kubectl create secret generic redis --from-literal=password=…" >&2
  exit 1
}
# redis.conf needs the password in double quotes.
quoted=$(printf %s "$given" | sed 's/["\\]/\\&/g; s/.*/"&"/')
# Redis reads its settings from standard input ("-"), so that no process list shows the password. With exec, redis-server replaces
# the shell and receives the signals that stop the container.
exec redis-server - "$@" <<CONF
replicaof $host $port
${quoted:+requirepass $quoted}
${quoted:+masterauth $quoted}
CONF
