# make run     the whole pod on this machine, with a real Redis master and slave
# make test    vet, unit tests, the contract suite and the page in a real browser, against real Redis and nginx
# make test-long   many visitors at once
# make bench   requests/s beside what nginx, net/http and Redis cost alone; BENCH="-only get -connections 64"
# make faults      one fault after the other under load, as a table; FAULT_SCALE=0.3 shortens them
# make soak        steady load for SOAK, and what grows meanwhile
# make lint    formatting and linters (building one takes longer than the tests)
# make fuzz    each fuzzer for FUZZTIME
# make licences   the API's modules and their licences; fails on an unknown or copyleft one
# make sbom       the API's modules as CycloneDX, in .build/sbom.json
# make vulncheck  known vulnerabilities in what the API uses; needs vuln.go.dev, or GOVULNDB

PORT        ?= 8000
API_PORT    ?= 8080
MASTER_PORT ?= 6379
SLAVE_PORT  ?= 6380
FUZZTIME    ?= 60s
SOAK        ?= 10m

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCHSTAT := v0.0.0-20260908200009-22c9c6c9d4da
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
	@go build -ldflags '$(LDFLAGS)' -o .build/api ./api && go build -o .build/run ./api/test/localpod/run
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
	$(call programs,$(SERVERS) wrk:wrk chromium:chromium)
	@mkdir -p .build
	go build -ldflags '$(LDFLAGS)' -o .build/api ./api && go build -o .build/floor ./api/test/bench/floor
	go run ./api/test/bench $(BENCH)
	go test -run=NONE -bench=LengthOfBook -benchtime=300x ./api/internal/store
	go test -count=1 -run='SlowPhone|PageIsLight' -v ./api/test/browser

# make scale SCALE="-writes 20"  what 1,000 to 1,000,000 requests/s take, from what one costs: docs/scale.md
SCALE ?=
.PHONY: scale
scale:
	@go run ./api/test/scale $(SCALE)

BENCHMARKS := ./api/internal/...

# make profile  CPU and allocation profiles of handler and store under load, in .build/
.PHONY: profile
profile:
	$(call programs,$(SERVERS))
	@mkdir -p .build
	go test -run=NONE -bench=. -cpuprofile=.build/cpu.prof -memprofile=.build/mem.prof -o .build/server.test ./api/internal/server
	go tool pprof -top .build/cpu.prof | head -25
	go tool pprof -top -sample_index=alloc_objects .build/mem.prof | head -25

# make bench-compare BASE=v1  benchstat of the Go benchmarks, there and here
BASE  ?= HEAD~1
COUNT ?= 6
.PHONY: bench-compare
bench-compare:
	$(call programs,$(SERVERS))
	@rm -rf .build/base && git worktree prune && git worktree add -q --detach .build/base $(BASE)
	cd .build/base && go test -run=NONE -bench=. -count=$(COUNT) $(BENCHMARKS) >../base.txt
	go test -run=NONE -bench=. -count=$(COUNT) $(BENCHMARKS) >.build/head.txt
	@git worktree remove --force .build/base
	go run golang.org/x/perf/cmd/benchstat@$(BENCHSTAT) base=.build/base.txt head=.build/head.txt

.PHONY: faults
faults:
	$(call programs,$(SERVERS))
	go test -tags=faults -count=1 -timeout=20m -v -run=TestFaults ./api/test/faults; \
		status=$$?; cat .build/faults.md; exit $$status

.PHONY: soak
soak:
	$(call programs,$(SERVERS))
	SOAK=$(SOAK) go test -tags=faults -count=1 -timeout=0 -v -run=TestSoak ./api/test/faults

.PHONY: lint
lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w these: $$unformatted"; exit 1; }
	GOBIN="$(CURDIR)/.build" go install $(GOLANGCI_LINT)
	.build/golangci-lint run
	@$(MAKE) --no-print-directory lint-manifests

.PHONY: fuzz
fuzz:
	go test -run=NONE -fuzz=FuzzParseQuery -fuzztime=$(FUZZTIME) ./api/internal/php
	go test -run=NONE -fuzz=FuzzEncoding -fuzztime=$(FUZZTIME) ./api/internal/guestbook
	go test -run=NONE -fuzz=FuzzJSONString -fuzztime=$(FUZZTIME) ./api/internal/server

# The API as its image has it.
.PHONY: .build/api-linked
.build/api-linked:
	@mkdir -p .build
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./api

.PHONY: licences
licences: .build/api-linked
	@go run ./api/test/modules $<

.PHONY: sbom
sbom: .build/api-linked
	@go run ./api/test/modules -sbom '$(VERSION)' $< >.build/sbom.json
	@echo .build/sbom.json

.PHONY: vulncheck
vulncheck:
	GOBIN="$(CURDIR)/.build" go install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	@.build/govulncheck ./api/...; case $$? in 0) ;; 3) exit 1;; \
		*) echo "make $@: nothing was checked. If vuln.go.dev is out of reach, say where a copy of it is: make $@ GOVULNDB=file:///..."; exit 1;; esac

## Images and manifests

REGISTRY ?=
TAG      ?= v1
IMAGES   := gb-frontend-api gb-frontend-nginx gb-redis-slave
# gb-frontend-api:v1, or with a registry: registry.example.com/me/gb-frontend-api:v1
image     = $(if $(REGISTRY),$(REGISTRY)/)$(1):$(TAG)

# make images  the three container images
.PHONY: images
images:
	docker build -f api/Dockerfile --build-arg VERSION=$(VERSION) -t $(call image,gb-frontend-api) .
	docker build -t $(call image,gb-frontend-nginx) nginx
	docker build -t $(call image,gb-redis-slave) redis-slave

# make push REGISTRY=registry.example.com/me TAG=v2       the same, into a registry
.PHONY: push
push: images
	$(if $(REGISTRY),,$(error Push where to? make push REGISTRY=registry.example.com/me TAG=v2))
	$(foreach i,$(IMAGES),docker push $(call image,$i) &&) true

# make manifests REGISTRY=registry.example.com/me TAG=v2  makes k8s/ and all-in-one/ name these images
.PHONY: manifests
manifests:
	sed -i.bak -E $(foreach i,$(IMAGES),-e 's|image: ([^ ]*/)?$i:[^ ]+|image: $(call image,$i)|') k8s/*.yaml
	rm k8s/*.yaml.bak
	$(MAKE) all-in-one

# make all-in-one  writes all-in-one/ from k8s/
.PHONY: all-in-one
all-in-one:
	@$(call one-file,$(wildcard k8s/*.yaml)) >all-in-one/guestbook-all-in-one.yaml
	@$(call one-file,$(wildcard k8s/redis-slave-*.yaml)) >all-in-one/redis-slave.yaml
	@$(call one-file,$(wildcard k8s/frontend-*.yaml)) >all-in-one/frontend.yaml

one-file = { echo '\# Made by "make all-in-one" from k8s/: edit the files there.'; \
	for f in $(call services-first,$(1)); do echo ---; cat $$f; done; }
# Kubernetes gives a Service's variables only to containers that start later.
services-first = $(sort $(filter %-service.yaml,$(1))) $(sort $(filter-out %-service.yaml,$(1)))

# The manifests: what they allow the pods, the schemas of several Kubernetes versions, their score, and whether
# all-in-one/ is up to date.
.PHONY: lint-manifests
lint-manifests:
	go test ./api/test/manifests
	GOBIN="$(CURDIR)/.build" go install sigs.k8s.io/kubectl-validate@v0.0.4
	GOBIN="$(CURDIR)/.build" go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
	for v in 1.28 1.30; do .build/kubectl-validate --version $$v k8s all-in-one >.build/valid 2>&1 || { cat .build/valid; exit 1; }; done
	.build/kube-score score --exit-one-on-warning $(WAIVERS) k8s/*.yaml >.build/score || { cat .build/score; exit 1; }
	@rm -rf .build/all-in-one && cp -r all-in-one .build && $(MAKE) all-in-one && diff -r .build/all-in-one all-in-one

# The advice of kube-score that is not followed, each with its reason.
# Memory is limited; a CPU limit would slow visitors down while a processor is idle.
WAIVERS := --ignore-container-cpu-limit
# The containers write to volumes and to their logs only.
WAIVERS += --ignore-test container-ephemeral-storage-request-and-limit
# Users of the stock images: 101 and 999.
WAIVERS += --ignore-test container-security-context-user-group-id
# Images built here are loaded into kind or minikube without a registry.
WAIVERS += --ignore-test container-image-pull-policy
# topologySpreadConstraints spread the pods, and still let them all start on a single node.
WAIVERS += --ignore-test deployment-has-host-podantiaffinity
# Without replicas, "kubectl replace" would go down to one pod before the autoscaler acts.
WAIVERS += --ignore-test deployment-targeted-by-hpa-does-not-have-replicas-configured
# Ingress is restricted; egress would have to know how this cluster reaches its DNS.
WAIVERS += --ignore-test pod-networkpolicy
# There is one redis-master, and two would write the same file.
WAIVERS += --ignore-test deployment-strategy --ignore-test deployment-replicas
# The Service frontend is of the type that works on any cluster.
WAIVERS += --ignore-test service-type

## End-to-end tests

# What copies images from Docker into the cluster of kubectl's current context.
LOAD ?= kind load docker-image

# make e2e LOAD="minikube image load"  tests the guestbook on a cluster; LOAD copies the images there
.PHONY: e2e
e2e: images
	docker build -f api/test/e2e/Dockerfile --target load -t gb-load:v1 .
	docker build -f api/test/e2e/Dockerfile --target phpstandin -t gb-php-standin:v1 .
	docker build -f api/Dockerfile --build-arg VERSION=next -t gb-frontend-api:next .
	$(LOAD) $(foreach i,$(IMAGES),$(call image,$i)) gb-load:v1 gb-php-standin:v1 gb-frontend-api:next
	go test -tags e2e -count 1 -timeout 30m -v ./api/test/e2e
