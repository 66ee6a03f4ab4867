# Lets the three and their sentinels take the password on standard input, too, and use it among themselves, until they are
# started anew with it.
. "${0%/*}/common.sh"
new=$(head -n 1 | tr -d '\r' | quote)
if [ -z "$password" ] || [ -z "$new" ]; then say "there must be a password already, and the new one on standard input"; exit 1; fi
# tell HOST PORT reads commands. Each must be answered with OK.
tell() {
  ! timeout 5 redis-cli -h "$1" -p "$2" 2>&1 | grep -vx OK || { say "$1:$2 says so. Start it anew, and run this again"; exit 1; }
}
for host in $HOSTS; do
  for port in "$PORT" "$SENTINEL_PORT"; do printf '%s\n' "acl setuser default >$new" | tell "$host" "$port"; done
done
for host in $HOSTS; do
  printf '%s\n' "config set masterauth $new" | tell "$host" "$PORT"
  printf '%s\n' "sentinel set guestbook auth-pass $new" "sentinel config set sentinel-pass $new" | tell "$host" "$SENTINEL_PORT"
done
say "all three take both passwords"
