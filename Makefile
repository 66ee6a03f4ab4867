# make run     the whole pod on this machine, with a real Redis master and slave
# make test    vet, unit tests, the contract suite and the page in a real browser, against real Redis and nginx
# make test-long   many visitors at once
# make bench   requests/s beside what nginx, net/http and Redis cost alone; BENCH="-only get -connections 64"
# make lint    formatting and linters (building one takes longer than the tests)
# make fuzz    each fuzzer for FUZZTIME

PORT        ?= 8000
API_PORT    ?= 8080
MASTER_PORT ?= 6379
SLAVE_PORT  ?= 6380
FUZZTIME    ?= 60s

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# What counts for the coverage: the program, not what tests it.
COVERED := ./api,./api/internal/...

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@grep -E '^# make' $(firstword $(MAKEFILE_LIST)) | sed 's/^# //'

# programs: installs those of $(1), given as program:package, that this machine lacks.
define programs
	@missing=; for p in $(1); do \
		PATH="$$PATH:/usr/sbin" command -v "$${p%%:*}" >/dev/null || missing="$$missing $${p#*:}"; done; \
	[ -z "$$missing" ] || { \
		command -v apt-get >/dev/null || { echo "make $@: install these first:$$missing"; exit 1; }; \
		echo "make $@: installing$$missing with apt-get"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
		for s in nginx redis-server; do case "$$missing" in *$$s*) $$sudo systemctl disable --now $$s >/dev/null 2>&1 || $$sudo service $$s stop >/dev/null 2>&1;; esac; done; true; }
endef
SERVERS := redis-server:redis-server nginx:nginx
AXE := .build/node_modules/axe-core/axe.min.js

.PHONY: run
run:
	$(call programs,$(SERVERS))
	@mkdir -p .build .data
	@go build -ldflags '$(LDFLAGS)' -o .build/api ./api && go build -o .build/run ./api/localpod/run
	@.build/run -api .build/api -dir "$(CURDIR)/.data" -port $(PORT) -api-port $(API_PORT) -master-port $(MASTER_PORT) -slave-port $(SLAVE_PORT)

.PHONY: test
test: $(AXE)
	$(call programs,$(SERVERS) chromium:chromium)
	@mkdir -p .build
	go vet ./...
	go test -race -coverpkg=$(COVERED) -coverprofile=.build/cover.out ./...
	@go tool cover -func=.build/cover.out | tail -1

# axe-core looks for accessibility faults; the browser tests run it inside the page.
$(AXE): Makefile
	$(call programs,npm:npm)
	@mkdir -p .build
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .build axe-core@4.14.1
	@touch $@

.PHONY: test-long
test-long:
	$(call programs,$(SERVERS))
	go test -tags=long -count=1 -timeout=20m -v ./api/test/long

BENCH ?=
.PHONY: bench
bench:
	$(call programs,$(SERVERS) wrk:wrk)
	@mkdir -p .build
	go build -ldflags '$(LDFLAGS)' -o .build/api ./api && go build -o .build/floor ./api/test/bench/floor
	go run ./api/test/bench $(BENCH)

.PHONY: lint
lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w these: $$unformatted"; exit 1; }
	GOBIN="$(CURDIR)/.build" go install $(GOLANGCI_LINT)
	.build/golangci-lint run

.PHONY: fuzz
fuzz:
	go test -run=NONE -fuzz=FuzzParseQuery -fuzztime=$(FUZZTIME) ./api/internal/php
	go test -run=NONE -fuzz=FuzzEncoding -fuzztime=$(FUZZTIME) ./api/internal/guestbook
	go test -run=NONE -fuzz=FuzzJSONString -fuzztime=$(FUZZTIME) ./api/internal/server
