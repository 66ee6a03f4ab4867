#!/bin/sh
# install-programs.sh installs each named Debian package, unless this machine already has a program with the package's name.
#
#   install-programs.sh PACKAGE…
set -eu
PATH="$PATH:/usr/sbin"
missing=
for program; do command -v "$program" >/dev/null || missing="$missing $program"; done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "this machine has no apt-get: install these programs first:$missing" >&2
  exit 1
fi
echo "installing$missing with apt-get"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086 # $missing has one argument for each package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# install-programs.sh stops the servers that Debian starts after their installation, so that the guestbook can use their ports.
for server in nginx redis-server prometheus prometheus-redis-exporter haproxy; do
  case "$missing " in
    *" $server "*) $sudo systemctl disable --now $server >/dev/null 2>&1 || $sudo service $server stop >/dev/null 2>&1 || true ;;
  esac
done
