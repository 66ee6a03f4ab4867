[ "$(printf %s "${REDIS_PASSWORD:-}" | tr -d '\r\n')" = "${REDIS_PASSWORD:-}" ] || {
  echo "the password has a newline: make its Secret with kubectl create secret generic redis --from-literal=password=…" >&2
  exit 1
}
# The variable FIRST is the first command of each health check: AUTH, or PING if there is no password. In the command AUTH, the
# password follows its length in bytes, so that the password may contain any characters.
first=PING
[ -z "${REDIS_PASSWORD:-}" ] || first=$(printf "*2\\r\n\$4\\r\nAUTH\\r\n\$%s\\r\n%s" "$(printf %s "$REDIS_PASSWORD" | wc -c)" "$REDIS_PASSWORD")
FIRST=$(printf '%s\r\n.' "$first")
export FIRST="${FIRST%.}"
# The script appends the pod's DNS domain to the names of the servers, because HAProxy ignores the search list of resolv.conf.
domain=${DOMAIN-$(sed -n 's/^search \([^ ]*\).*/.\1/p' /etc/resolv.conf)}
# shellcheck disable=SC2086 # the shell splits HOSTS into three arguments
set -- $HOSTS $SINGLE
export NAME_0="$1" NAME_1="$2" NAME_2="$3"
export HOST_0="$1$domain" HOST_1="$2$domain" HOST_2="$3$domain" HOST_SINGLE="$4$domain"
# HAProxy listens on IPv4 and IPv6 if the kernel supports IPv6, and otherwise only on IPv4.
any='*'
[ ! -e /proc/net/if_inet6 ] || any=::
export LISTEN="${LISTEN:-$any}" HEALTH="${HEALTH:-$any}:8404"
exec haproxy -W -db -f "${0%/*}/haproxy.cfg"
