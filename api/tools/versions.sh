#!/bin/sh
# versions.sh runs the tests of the contract suite and of the store with each version of redis-server and nginx, and prints a table.
#
#   versions.sh [FOLDER…]   tests the redis-server and nginx of each folder; without a folder, tests the programs in PATH
#
# versions.sh fails if a test fails, if no test runs, or if the tests do not start the folder's redis-server or nginx. The output of failed
# tests goes to standard error.
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
red=0
failures=$tmp/failures
: >"$failures"

# "tests PACKAGE" runs the tests of the package, sets the variable "result" to the text for the printed table, and appends the
# output of failed tests to the file $failures.
tests() {
  : >"$tmp/used"
  PATH="$tmp/bin:$PATH" go test -count=1 -v "$1" >"$tmp/out" 2>&1
  status=$?
  passed=$(grep -c '^--- PASS' "$tmp/out")
  skipped=$(grep -c '^--- SKIP' "$tmp/out")
  if [ $status = 0 ] && [ "$passed" -gt 0 ] && grep -qx "$program" "$tmp/used"; then
    result="ok ($passed tests"
    [ "$skipped" = 0 ] || result="$result, $skipped skipped"
    result="$result)"
    return
  fi
  red=1
  result="**failed**"
  {
    echo "=== $1 with $label $version: $passed passed, go test ended with $status"
    grep -qx "$program" "$tmp/used" || echo "the tests did not start $path"
    # awk drops the output of tests that passed.
    awk '/^=== / || /^ +--- PASS/ {next} /^--- PASS/ {held = ""; next} {held = held $0 "\n"}
      /^--- FAIL/ {printf "%s", held; held = ""} END {printf "%s", held}' "$tmp/out"
  } >>"$failures"
}

# row PATH runs the tests with the program at PATH, and prints one line of the table.
row() {
  path=$1
  program=$(basename "$path")
  version=$("$path" -v 2>&1)
  label=${version%%[ /]*} # $version is like "Redis server v=7.0.15 sha=…" or "nginx version: nginx/1.30.6"
  version=$(echo "$version" | sed -nE 's/.*(v=|nginx\/)([0-9.]+).*/\2/p')
  [ -n "$version" ] || { echo "$path does not print its version" >>"$failures"; red=1; version='?'; }
  # The tests start redis-server or nginx through a wrapper script, which records the start. Only the wrapper's folder is added to PATH,
  # because the folder of redis-server may also contain another Go.
  rm -rf "${tmp:?}/bin"; mkdir "$tmp/bin"
  printf '#!/bin/sh\necho %s >>%s\nexec %s "$@"\n' "$program" "$tmp/used" "$path" >"$tmp/bin/$program"
  chmod +x "$tmp/bin/$program"
  start=$(date +%s)
  tests ./api/test/contract; contract=$result
  if [ "$program" = redis-server ]; then
    cli=${path%/*}/redis-cli
    [ ! -x "$cli" ] || ln -s "$cli" "$tmp/bin/"
    tests ./api/internal/store
  else
    result=–
  fi
  echo "| $label | $version${REDIS_RULES:+ with the rules of $REDIS_RULES} | $contract | $result | $(($(date +%s) - start)) s |"
}

echo "| Program | Version | Contract suite | Store's tests | Took |"
echo "|---|---|---|---|---|"
if [ $# = 0 ]; then
  PATH="$PATH:/usr/sbin"
  for p in redis-server nginx; do row "$(command -v $p || echo "$p")"; done
fi
for folder; do
  found=
  for p in redis-server nginx; do
    [ ! -x "$folder/$p" ] || { found=1; row "$folder/$p"; }
  done
  # REDIS_RULES=2.8 makes Redis 5 and 6 refuse the Lua scripts that Redis 2.8 would refuse.
  case $("$folder/redis-server" -v 2>/dev/null) in *v=[56].*) REDIS_RULES=2.8 row "$folder/redis-server" ;; esac
  [ -n "$found" ] || { echo "$folder has neither redis-server nor nginx" >>"$failures"; red=1; }
done
cat "$failures" >&2
exit $red
