# This script reads a new password from standard input. When this script has ended, the three Redis servers and their sentinels
# accept both the old and the new password. After this script, the servers and sentinels log in to each other with the new password.
# After a restart, a Redis reads its password from the Secret again.
. "${0%/*}/common.sh"
new=$(head -n 1 | tr -d '\r' | quote)
if [ -z "$password" ] || [ -z "$new" ]; then say "set a first password by the Secret redis, and write the new one to standard input"; exit 1; fi
# The function "tell" sends the commands from standard input to a server, and fails unless the server replies to each command with
# OK. The caller must exit the script, because "exit" in the last function of a pipeline ends only a subshell.
tell() {
  replies=$(timeout 5 redis-cli -h "$1" -p "$2" 2>&1) && [ "$(echo "$replies" | sort -u)" = OK ] && return
  say "$1:$2 replies ${replies:-nothing}: restart it, and run this again"
  return 1
}
for host in $HOSTS; do
  for port in "$PORT" "$SENTINEL_PORT"; do printf '%s\n' "acl setuser default >$new" | tell "$host" "$port" || exit 1; done
done
for host in $HOSTS; do
  printf '%s\n' "config set masterauth $new" | tell "$host" "$PORT" || exit 1
  printf '%s\n' "sentinel set guestbook auth-pass $new" "sentinel config set sentinel-pass $new" | tell "$host" "$SENTINEL_PORT" || exit 1
done
echo "all three take both passwords"
