#!/bin/sh
# Profiles handler and store under load: the profiles are in .build/, what stands out is printed.
set -eu
cd "$(dirname "$0")/../.."
go test -run=NONE -bench=. -cpuprofile=.build/cpu.prof -memprofile=.build/mem.prof -o .build/server.test ./api/internal/server
go tool pprof -top .build/cpu.prof | head -25
go tool pprof -top -sample_index=alloc_objects .build/mem.prof | head -25
