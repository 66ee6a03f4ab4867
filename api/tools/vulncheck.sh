#!/bin/sh
# Looks for known vulnerabilities in what the API uses. Fails when there is one, or when it could not look.
set -u
cd "$(dirname "$0")/../.." || exit 1
GOBIN="$PWD/.build" go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 || exit 1
.build/govulncheck ./api
case $? in
  0) ;;
  3) exit 1 ;; # it has found some and says so
  *)
    echo "Nothing was checked. If vuln.go.dev is out of reach, say where a copy of it is: make vulncheck GOVULNDB=file:///..." >&2
    exit 1
    ;;
esac
