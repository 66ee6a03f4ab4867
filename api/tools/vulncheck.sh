#!/bin/sh
# vulncheck.sh looks for known vulnerabilities in the API and its Go modules. vulncheck.sh fails if govulncheck finds a vulnerability, or if
# govulncheck cannot reach its database.
set -u
cd "$(dirname "$0")/../.." || exit 1
GOBIN="$PWD/.build" go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 || exit 1
.build/govulncheck ./api
case $? in
  0) ;;
  3) exit 1 ;; # govulncheck has found vulnerabilities and printed them
  *)
    echo "Nothing was checked. If vuln.go.dev is out of reach, name a copy of it: make vulncheck GOVULNDB=file:///..." >&2
    exit 1
    ;;
esac
