#!/bin/sh
# Starts a Redis slave of the guestbook's master.
#
#   GET_HOSTS_FROM   env: the master is at REDIS_MASTER_SERVICE_HOST and _PORT, which Kubernetes sets for
#                    the Service redis-master; anything else: at the DNS name redis-master, port 6379
#   REDIS_PASSWORD   where set: the slave's own password and the one it gives to the master
#
# Arguments go to redis-server as they are.
set -eu

host=redis-master
port=6379
if [ "${GET_HOSTS_FROM:-dns}" = env ]; then
  # Kubernetes sets the variables when the container starts: the restart after this finds a Service created later.
  host=${REDIS_MASTER_SERVICE_HOST:?is not set: create the Service redis-master first, or use GET_HOSTS_FROM=dns}
  port=${REDIS_MASTER_SERVICE_PORT:-6379}
else
  # Process 1 ignores a signal that it has no handler for, and so would wait out the grace period.
  trap exit TERM INT
  # A name that does not resolve ends redis-server at once; waiting here spares the container a crash loop.
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
# In double quotes, as Redis's settings want it; nothing where there is no password.
quoted=$(printf %s "$given" | sed 's/["\\]/\\&/g; s/.*/"&"/')
# The settings come on standard input ("-"), so that the password shows in no process list.
# exec: the signals that stop the container must arrive at redis-server, not at this shell.
exec redis-server - "$@" <<CONF
replicaof $host $port
${quoted:+requirepass $quoted}
${quoted:+masterauth $quoted}
CONF
