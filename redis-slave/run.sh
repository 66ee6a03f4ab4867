#!/bin/sh
# Starts a Redis slave of the guestbook's master.
#
#   GET_HOSTS_FROM   env: the master is at REDIS_MASTER_SERVICE_HOST and _PORT, which Kubernetes sets for
#                    the Service redis-master; anything else: at the DNS name redis-master, port 6379
#   REDIS_PASSWORD   is the slave's own password, and the one that it sends to the master; empty means none
#
# Arguments go to redis-server unchanged.
set -eu

host=redis-master
port=6379
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
  # Kubernetes sets the variables when the container starts, so the next restart finds a Service that was created later.
  host=${REDIS_MASTER_SERVICE_HOST:?is not set: create the Service redis-master first, or use GET_HOSTS_FROM=dns}
  port=${REDIS_MASTER_SERVICE_PORT:-6379}
else
  # Process 1 ignores a signal unless it has a handler for it, and would wait out the grace period.
  trap exit TERM INT
  # redis-server exits at once if the name does not resolve. Waiting here spares the container a crash loop.
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
# Redis's settings need the password in double quotes. quoted is empty if there is no password.
quoted=$(printf %s "$given" | sed 's/["\\]/\\&/g; s/.*/"&"/')
# Redis reads the settings from standard input ("-"), so that the password shows in no process list.
# exec makes redis-server get the signals that stop the container, instead of this shell.
exec redis-server - "$@" <<CONF
replicaof $host $port
${quoted:+requirepass $quoted}
${quoted:+masterauth $quoted}
CONF
