# What users call: demo, build. What developers call: test, lint, bench, soak.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
TOOLS    = $(GO) tool -modfile=.ci/tools/go.mod

.PHONY: build demo test e2e lint bench soak fuzz docs clean help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bench: ## measure each stage
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak: ## the long runs: crash loops, random rounds, fuzzing
	MAILDRIFT_SOAK=1 $(GO) test -race -timeout=60m ./...

fuzz: ## fuzz every parser for a minute each
	.ci/fuzz 60s

clean: ## remove what was built
	rm -rf bin
