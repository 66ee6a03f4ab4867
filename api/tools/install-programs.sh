#!/bin/sh
# Installs those of the named Debian packages whose program, which has the same name, this machine lacks.
#
#   install-programs.sh PACKAGE…
set -eu
PATH="$PATH:/usr/sbin"
missing=
for program; do command -v "$program" >/dev/null || missing="$missing $program"; done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "install these first:$missing" >&2
  exit 1
fi
echo "installing$missing with apt-get"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one argument for each package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# Debian starts a server that it installs; its port is needed here.
for server in nginx redis-server prometheus prometheus-redis-exporter haproxy; do
  case "$missing" in
    *$server*) $sudo systemctl disable --now $server >/dev/null 2>&1 || $sudo service $server stop >/dev/null 2>&1 || true ;;
  esac
done
