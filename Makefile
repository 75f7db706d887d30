# The doorway. `make demo` and `make test` do all their own set-up on a fresh Debian 12 machine.

SHELL := /bin/bash
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(CARGO_BIN):$(PATH):/usr/sbin:/sbin
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env=PATH,CI,HAOSCAR_CACHE,NO_COLOR)

.PHONY: help build demo test test-fast bench-failover drill-mpi lint ci clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build: ## build target/release/haoscar
	@packaging/setup.sh build
	cargo build --release --locked

demo: build ## the main job on real daemons: two heads, a job, a power cut, a healed edit, a report
	@packaging/setup.sh lab
	@$(ROOT) HAOSCAR=$(CURDIR)/target/release/haoscar examples/failover/walk.sh

test: ## all set-up and all tests, the lab's too
	@packaging/setup.sh build
	@packaging/setup.sh lab
	@.ci/test

test-fast: ## the tests that need no root
	@packaging/setup.sh build
	cargo test --locked --lib --bins
	cargo test --locked --test all -- --skip lab::

bench-failover: build ## failover times beside a pair built by hand, 50 minutes (ROUNDS=10)
	@packaging/setup.sh lab
	@$(ROOT) benches/failover.sh target/release/haoscar $(or $(ROUNDS),10)

drill-mpi: ## an MPI job over two nodes through a head's power cut (a root with MPICH, some 4 minutes)
	@packaging/setup.sh build
	@packaging/setup.sh lab
	@$(ROOT) cargo test --locked --test all -- --ignored lab::mpi --nocapture

lint: ## fmt, clippy, docs, licences
	@packaging/setup.sh build
	@.ci/lint

ci: ## what CI runs
	@.ci/run

clean: ## remove what was built here (the lab's cached root stays: see `haoscar lab down --help`)
	cargo clean
