#!/bin/sh
# bench-compare.sh runs the Go benchmarks of COMMIT and of the working tree, and compares the results.
#
#   bench-compare.sh COMMIT COUNT   runs each benchmark COUNT times
set -eu
cd "$(dirname "$0")/../.."
mkdir -p .build
rm -rf .build/base
git worktree prune
git worktree add -q --detach .build/base "$1"
trap 'git worktree remove --force .build/base' EXIT
benchmarks() { go test -run=NONE -bench=. -count="$1" ./api/internal/...; }
(cd .build/base && benchmarks "$2") >.build/base.txt
benchmarks "$2" >.build/head.txt
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da base=.build/base.txt head=.build/head.txt
