#!/bin/sh
# Looks for known vulnerabilities in the API and its modules. Fails if it finds one, or if it cannot look.
set -u
cd "$(dirname "$0")/../.." || exit 1
GOBIN="$PWD/.build" go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 || exit 1
.build/govulncheck ./api
case $? in
  0) ;;
  3) exit 1 ;; # govulncheck has found some and printed them
  *)
    echo "Nothing was checked. If vuln.go.dev is out of reach, name a copy of it: make vulncheck GOVULNDB=file:///..." >&2
    exit 1
    ;;
esac
