# What users call: demo, build. What developers call: test, lint, bench, soak.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
TOOLS    = $(GO) tool -modfile=.ci/tools/go.mod

# The fleets that are swept, in domains: make bench-fleet N=100000, or FLEET="1000 10000 100000".
N       ?= 1000 10000
FLEET   ?= $(N)

.PHONY: build demo test e2e lint bench bench-fleet bench-docs soak fuzz docs clean help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/maildrift, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/maildrift ./cmd/maildrift

demo: build ## watch maildrift do its job on loopback, nothing to install
	bin/maildrift demo

test: ## run every test, with the race detector and against real servers
	.ci/servers
	$(GO) vet ./...
	$(GO) test -race -shuffle=on -timeout=15m ./...

lint: ## check style and common mistakes
	$(TOOLS) golangci-lint run ./...

bench: ## measure each stage, then a fleet as bench-fleet does
	$(GO) test -run '^$$' -bench . -benchmem -benchtime 200ms ./...
	@$(MAKE) --no-print-directory bench-fleet

bench-fleet: ## measure asking and sweeping beside other clients; N=100000 is how many domains, BENCH=-help lists more
	@.ci/bench-servers
	@$(GO) run ./cmd/fleetbench -fleet '$(FLEET)' $(BENCH)

bench-docs: ## the same, and put the tables into docs/performance.md
	@.ci/bench-servers
	@$(GO) run ./cmd/fleetbench -fleet '$(FLEET)' -docs docs/performance.md $(BENCH)

soak: ## the long runs: crash loops, random rounds, fuzzing
	.ci/servers
	.ci/bench-servers
	MAILDRIFT_SOAK=1 $(GO) test -race -timeout=60m ./...

fuzz: ## fuzz every parser for a minute each
	.ci/fuzz 60s

clean: ## remove what was built
	rm -rf bin
