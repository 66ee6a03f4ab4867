PORT        ?= 8000
API_PORT    ?= 8080
MASTER_PORT ?= 6379
SLAVE_PORT  ?= 6380
TAG         ?= v1
LOAD        ?= kind load docker-image
DIST        ?= dist
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
IMAGES  := gb-frontend-api gb-frontend-nginx gb-redis-slave
STOCK   := $(shell sed -n 's/ *image: *//p' k8s/redis-master-deployment.yaml k8s/ha/redis-proxy-deployment.yaml k8s/monitoring/*.yaml)
# The variable "registry" has the value of REGISTRY in lower case, because container registries refuse upper case.
registry = $(shell echo '$(REGISTRY:/=)' | tr A-Z a-z)
# The function "image" adds the registry and the tag to an image's name, as in gb-frontend-api:v1 or
# registry.example.com/me/gb-frontend-api:v1.
image    = $(if $(REGISTRY),$(registry)/)$(1):$(TAG)
START = mkdir -p .build .data .data-ha && go build -ldflags '$(LDFLAGS)' -o .build/ ./api ./api/tools/run && exec .build/run -api .build/api \
	$(if $(VERBOSE),-verbose) -port $(PORT) -api-port $(API_PORT) -master-port $(MASTER_PORT) -slave-port $(SLAVE_PORT)
AXE       := .build/node_modules/axe-core/axe.min.js
KUSTOMIZE := .build/kustomize

export GOBIN := $(CURDIR)/.build
# With GOTOOLCHAIN=auto, Go downloads the version of Go that go.mod requires.
export GOTOOLCHAIN := auto
.NOTPARALLEL:
.PHONY: help run run-ha page quick test images push manifests e2e servers chromium firefox-esr wrk prometheus prometheus-redis-exporter haproxy test-long \
	test-versions faults mutants release release-push release-sign release-attach cluster e2e-short soak conformance fuzz bench bench-compare profile lint lint-manifests all-in-one licences sbom vulncheck .build/api-linked

help: ## prints this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2} /^## / {print "\n" substr($$0, 4)}' Makefile

## For a start:
run: servers page ## runs the guestbook on this machine; VERBOSE=1 shows its logs; PORT, API_PORT, MASTER_PORT and SLAVE_PORT set the ports
	@$(START) -dir .data
run-ha: servers haproxy page ## runs the guestbook with three Redis servers, of which any one may fail: docs/high-availability.md
	@$(START) -dir .data-ha -ha
page: ## writes nginx/html/ and nginx/csp.conf from nginx/page/
	@go run ./api/tools/page nginx
quick: servers ## runs go vet and the fastest tests, in 20 s
	go vet ./api/...
	@# The skipped test waits ten seconds for a heartbeat.
	go test -skip=TestASilentStreamHasAHeartbeat ./api/internal/guestbook ./api/internal/php ./api/internal/settings ./api/internal/server ./api/test/kit/...
test: servers prometheus prometheus-redis-exporter chromium firefox-esr page $(AXE) $(KUSTOMIZE) .build/crane .build/cyclonedx-gomod ## runs go vet, the unit tests, the contract suite and the page's tests in a browser, with real Redis and nginx
	@command -v ssh-keygen >/dev/null || api/tools/install-programs.sh openssh-client
	go vet ./...
	@# .build/coverage gets the coverage of the API's processes, and .build/commands the commands that Redis receives.
	@# With -count=1, Go runs all tests anew, because Go's cache does not notice a change of the page or of a program.
	@rm -rf .build/coverage .build/commands && mkdir .build/coverage .build/commands
	API_COVERAGE=$(CURDIR)/.build/coverage REDIS_COMMANDS=$(CURDIR)/.build/commands go test -count=1 -race -timeout 20m -coverpkg=./api,./api/internal/... -coverprofile=.build/cover.out ./...
	@for name in append eval get getrange info persist ping set setrange strlen; do \
		grep -qhs "^$$name " .build/commands/* || { echo "the tests have recorded no $$name"; exit 1; }; done
	@! grep -hvxEf api/tools/redis-2.8-commands .build/commands/* || { echo "Does Redis 2.8 know these commands? Then add them to api/tools/redis-2.8-commands"; exit 1; }
	@go tool covdata textfmt -i .build/coverage -o .build/programs.out && sed 1d .build/programs.out >>.build/cover.out && go tool cover -func=.build/cover.out | tail -1

## For a cluster:
images: ## builds the three container images
	docker build -f api/Dockerfile --build-arg VERSION=$(VERSION) -t $(call image,gb-frontend-api) .
	docker build -t $(call image,gb-frontend-nginx) nginx
	docker build -t $(call image,gb-redis-slave) redis-slave
push: images ## builds the images and pushes them to a registry: REGISTRY=registry.example.com/me TAG=v2
	$(if $(REGISTRY),,$(error REGISTRY is not set: make push REGISTRY=registry.example.com/me TAG=v2))
	$(foreach i,$(IMAGES),docker push $(call image,$i) &&) true
	$(foreach i,$(STOCK),echo FROM $i | docker build -t $(registry)/$(notdir $i) - && docker push $(registry)/$(notdir $i) &&) true
manifests: $(KUSTOMIZE) ## writes the manifests with the images of a registry to .build/manifests/: REGISTRY=registry.example.com/me TAG=v2
	@api/tools/manifests.sh $(or $(MANIFESTS),.build/manifests) "$(registry)" "$(TAG)" $(addprefix docker.io/library/,$(IMAGES)) $(STOCK)
e2e-short: ## runs the tests of "make e2e" that take a minute or two each
	@$(MAKE) --no-print-directory e2e RUN='TestCreate|TestDisruptions|TestLosing|TestSlave|TestWrong|TestNetwork|TestDropIn|TestMonitoring|TestTheBookMoves|TestAirGap|TestResize'
cluster: ## creates a kind cluster for "make e2e"
	kind create cluster --wait 3m
e2e: images prometheus prometheus-redis-exporter ## tests the guestbook on kubectl's cluster; set LOAD="minikube image load" unless it is a kind cluster
	docker build -f api/test/e2e/Dockerfile --target load -t gb-load:v1 .
	docker build -f api/test/e2e/Dockerfile --target phpstandin -t gb-php-standin:v1 .
	docker build -f api/Dockerfile --build-arg VERSION=v2 -t gb-frontend-api:v2 .
	@$(MAKE) --no-print-directory release VERSION=v1.0.0 REGISTRY= DIST=.build/release
	$(LOAD) $(foreach i,$(IMAGES),$(call image,$i)) gb-load:v1 gb-php-standin:v1 gb-frontend-api:v2
	@docker compose version >/dev/null 2>&1 || api/tools/install-programs.sh docker-compose
	LOAD='$(LOAD)' go test -tags e2e -count 1 -timeout 45m -v $(if $(RUN),-run "$(RUN)") $(if $(SKIP),-skip "$(SKIP)") ./api/test/e2e

## For a release of the last commit and its tag:
release: .build/crane .build/cyclonedx-gomod ## writes all files of a release to dist/: VERSION=v1.0.0 REGISTRY=ghcr.io/OWNER KEY=SSH-KEY; BASES=docker if Docker has the base images
	@BASES='$(BASES)' COMPLETE='$(COMPLETE)' KEY='$(KEY)' BUILDER='$(BUILDER)' api/tools/release.sh '$(DIST)' '$(VERSION)' '$(registry)'
release-push: .build/crane ## pushes dist/'s images to REGISTRY, as REGISTRY_USER with REGISTRY_PASSWORD
	$(if $(REGISTRY),,$(error REGISTRY is not set: make release-push REGISTRY=ghcr.io/OWNER))
	@$(if $(REGISTRY_USER),printenv REGISTRY_PASSWORD | .build/crane auth login --username '$(REGISTRY_USER)' --password-stdin $(firstword $(subst /, ,$(registry))))
	@$(foreach i,$(IMAGES),rm -rf .build/push && mkdir -p .build/push && tar -x -f '$(DIST)/$i.oci.tar' -C .build/push && \
		.build/crane push .build/push $(registry)/$i:$(VERSION) &&) true
release-sign: .build/crane .build/cosign ## signs dist/'s images in REGISTRY and dist/SHA256SUMS, with cosign: COSIGN="--key FILE"
	@$(foreach i,$(IMAGES),.build/cosign sign --yes $(COSIGN) $(registry)/$i@$$(.build/crane digest $(registry)/$i:$(VERSION)) &&) true
	.build/cosign sign-blob --yes $(COSIGN) --bundle '$(DIST)/SHA256SUMS.sigstore.json' '$(DIST)/SHA256SUMS'
release-attach: ## makes a release on GitHub with the files of dist/
	gh release create '$(VERSION)' --verify-tag --title '$(VERSION)' $(if $(findstring -,$(VERSION)),--prerelease )--notes-file CHANGELOG.md '$(DIST)'/*

## More tests:
test-long: servers chromium ## tests many visitors or entries, proxies that hold streams back, and the contract on an emulated ARM64 processor; SKIP=ARM64 leaves ARM64 out
	@command -v qemu-aarch64-static >/dev/null || api/tools/install-programs.sh qemu-user-static
	go test -tags=long -p=1 -count=1 -timeout=20m -v -run='^Test(StreamsThat|ASlowVisitor|AMillion)' ./api/test/browser ./api/internal/admin
	go test -tags=long -p=1 -count=1 -timeout=20m -v $(if $(SKIP),-skip '$(SKIP)') -run='Test(Mutations|HeadersThatDo|BodiesThatDo|ClientsThat|ContractOnARM64)' ./api/test/conformance ./api/test/contract
test-versions: servers ## runs the contract suite and the store's tests with the redis-server or nginx of each folder: PROGRAMS="/a /b"
	@api/tools/versions.sh $(PROGRAMS)
faults: servers prometheus prometheus-redis-exporter haproxy ## injects one fault after the other under load, and prints a table; FAULT_SCALE=0.3 shortens the faults
	go test -tags=faults -count=1 -timeout=30m -v -run=TestFaults $(if $(SKIP),-skip '$(SKIP)') ./api/test/faults; status=$$?; cat .build/faults.md; exit $$status
mutants: servers prometheus prometheus-redis-exporter haproxy ## runs the API with one mistake at a time, and fails unless the checks of "make faults" find the mistake
	FAULT_SCALE=0.6 go test -tags=faults -count=1 -timeout=30m -v -run=TestMutants ./api/test/faults
soak: servers ## runs a steady load, and prints the growth of memory and files; SOAK=10m sets the duration
	SOAK=$(or $(SOAK),10m) go test -tags=faults -count=1 -timeout=0 -v -run=TestSoak ./api/test/faults
conformance: ## tests any guestbook, and prints which rules it keeps and breaks: URL=http://127.0.0.1:8000; ARGS="-known FILE -skip concurrent"
	@CGO_ENABLED=0 go build -trimpath -o .build/ ./api/test/conformance && .build/conformance -url $(or $(URL),http://127.0.0.1:$(PORT)) $(ARGS)
fuzz: ## runs each fuzz test; FUZZTIME=60s sets the duration
	$(foreach f,internal/php/ParseQuery internal/guestbook/Encoding internal/admin/ExportAndImport,\
		go test -run=NONE -fuzz=Fuzz$(notdir $f) -fuzztime=$(or $(FUZZTIME),60s) -parallel=2 ./api/$(dir $f) &&) true

## Measurements:
bench: servers wrk chromium ## compares the guestbook's requests/s with a plain handler's and a constant handler's; BENCH="-only get -base ANOTHER-API"
	go build -ldflags '$(LDFLAGS)' -o .build/ ./api ./api/tools/bench ./api/tools/bench/floor
	taskset -c 0 .build/bench $(BENCH)
	go test -run=NONE -bench=LengthOfBook -benchtime=300x ./api/internal/store
	rm -rf .build/before && mkdir -p .build/before && git archive $(or $(BASE),HEAD~1) nginx/html | tar -x -C .build/before
	PAGE_BEFORE=$(CURDIR)/.build/before/nginx/html go test -count=1 -run='SlowPhone|PageIsLight' -v ./api/test/browser
bench-compare: servers ## compares the Go benchmarks of BASE=HEAD~1 and of the working tree; COUNT=6 runs
	@api/tools/bench-compare.sh $(or $(BASE),HEAD~1) $(or $(COUNT),6)
profile: servers ## writes CPU and allocation profiles of handler and store under load to .build/
	go test -run=NONE -bench=. -cpuprofile=.build/cpu.prof -memprofile=.build/mem.prof -o .build/server.test ./api/internal/server
	go tool pprof -top .build/cpu.prof | head -25
	go tool pprof -top -sample_index=alloc_objects .build/mem.prof | head -25

## Upkeep:
lint: lint-manifests ## checks formatting, Go, the manifests, and that the page is up to date; building the Go linter takes minutes
	@unformatted=$$(gofmt -l api); [ -z "$$unformatted" ] || { echo "gofmt -w these: $$unformatted"; exit 1; }
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	.build/golangci-lint run
	go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	.build/actionlint
	@rm -rf .build/page && go run ./api/tools/page .build/page
	@diff -r .build/page/html nginx/html && diff .build/page/csp.conf nginx/csp.conf || { echo "run make page"; exit 1; }
lint-manifests: $(KUSTOMIZE) ## checks shell scripts, the manifests' schemas and score, and that generated files are up to date
	@api/tools/lint-manifests.sh
all-in-one: $(KUSTOMIZE) ## writes all-in-one/, and the ConfigMap of k8s/ha/scripts/, from k8s/
	@api/tools/all-in-one.sh .
licences: .build/go-licenses ## lists the API's modules and their licences; fails if a licence is unknown or copyleft
	@# Without GOROOT, go-licenses takes the standard library for modules without a licence. The log of go-licenses is long.
	@export GOROOT="$$(go env GOROOT)"; .build/go-licenses report ./api --ignore guestbook 2>.build/licences.log && \
		.build/go-licenses check ./api --ignore guestbook --disallowed_types forbidden,restricted,reciprocal,unknown 2>.build/licences.log || \
		{ grep -v 'non-Go code\|^/' .build/licences.log; exit 1; }
sbom: .build/api-linked .build/cyclonedx-gomod ## writes the API's modules as CycloneDX to .build/sbom.json
	@.build/cyclonedx-gomod bin -json -licenses -assert-licenses -std -version '$(VERSION)' -output .build/sbom.json $< 2>.build/sbom.log || \
		{ cat .build/sbom.log; exit 1; }
	@echo .build/sbom.json
vulncheck: ## looks for known vulnerabilities in the API's modules; needs vuln.go.dev, or GOVULNDB
	@api/tools/vulncheck.sh

servers: ; @mkdir -p .build && api/tools/install-programs.sh redis-server nginx
chromium firefox-esr wrk prometheus prometheus-redis-exporter haproxy: ; @api/tools/install-programs.sh $@
.build/api-linked: # builds the API with the same flags as api/Dockerfile
	@mkdir -p .build && CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./api
.build/cyclonedx-gomod: Makefile
	go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
	@touch $@
.build/crane: Makefile # crane changes and copies container images without a container engine
	go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
	@touch $@
.build/cosign: Makefile
	go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
	@touch $@
.build/go-licenses: Makefile
	@# "go install" would request the list of versions, which some module proxies lack.
	@rm -rf .build/licenses && mkdir -p .build/licenses
	cd .build/licenses && go mod init licenses && go mod edit -require=github.com/google/go-licenses/v2@v2.0.1 && \
		go build -mod=mod -o ../go-licenses github.com/google/go-licenses/v2
	@touch $@
$(AXE): Makefile # axe-core finds accessibility faults in the page
	@api/tools/install-programs.sh npm
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .build axe-core@4.14.1
	@echo '29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c  $@' | sha256sum --check --quiet
	@touch $@
$(KUSTOMIZE): Makefile
	go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
	@touch $@
