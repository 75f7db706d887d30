# The doorway. `make demo` and `make test` do all their own set-up on a fresh Debian 12 machine.

SHELL := /bin/bash
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(CARGO_BIN):$(PATH):/usr/sbin:/sbin
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env=PATH,CI,HAOSCAR_CACHE,NO_COLOR)

.PHONY: help build demo test test-fast simulate bench-failover bench-services bench-nfs bench-false bench-watch bench-heal bench-scale drill-mpi test-vm test-build soak lint ci clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

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

simulate: ## 100,000 seeds of the simulation (SEEDS=100000), half an hour
	@packaging/setup.sh build
	HAOSCAR_SEEDS=$(or $(SEEDS),100000) cargo test --locked --release --test all -- simulation:: --nocapture

bench-failover: build ## failover times, engines side by side, 41 minutes a pair of sides (SIDES=own,hand,two-node,qnetd,heartbeat,stock FAULTS=power,links,killed,public,switchover,corosync ROUNDS=10)
	@packaging/setup.sh lab
	@$(ROOT) benches/failover.sh target/release/haoscar "$(ROUNDS)" "$(FAULTS)" "$(SIDES)"

bench-services: build ## what each service costs on top, 50 minutes (SERVICES=dhcp,home,scheduler,portal FAULTS=power,killed,switchover ROUNDS=10)
	@packaging/setup.sh lab
	@$(ROOT) benches/services.sh target/release/haoscar "$(ROUNDS)" "$(FAULTS)" "$(SERVICES)"

bench-nfs: build ## the kernel's NFS client with an open file, in a QEMU guest (ROUNDS=3 GRACE=10s)
	@packaging/setup.sh lab
	@packaging/setup.sh vm
	@$(ROOT) benches/nfs.sh target/release/haoscar "$(ROUNDS)" "$(GRACE)"

bench-false: build ## false failovers with every core loaded (FOR=30m DETECT=1100ms)
	@packaging/setup.sh lab
	@$(ROOT) benches/false.sh target/release/haoscar "$(FOR)" "$(DETECT)"

bench-watch: build ## the watcher: killed units, a hundred planned stops, its cost at idle (KILLS=7 PLANNED=100)
	@packaging/setup.sh lab
	@$(ROOT) benches/watch.sh target/release/haoscar "$(KILLS)" "$(PLANNED)"

bench-heal: build ## a hand edit until it is put back and verified, and the loop's cost at idle (EDITS=20 IDLE=330)
	@packaging/setup.sh lab
	@$(ROOT) benches/heal.sh target/release/haoscar "$(EDITS)" "$(IDLE)"

bench-scale: ## what 1,000 to 100,000 nodes cost, beside plain Rust and Python with jinja2 (NODES="1000 10000 100000")
	@packaging/setup.sh build
	@packaging/setup.sh scale
	cargo bench --locked --bench scale -- $(NODES)

drill-mpi: ## an MPI job over two nodes through a head's power cut (a root with MPICH, some 4 minutes)
	@packaging/setup.sh build
	@packaging/setup.sh lab
	@$(ROOT) cargo test --locked --test all -- --ignored lab::mpi --nocapture

test-vm: build ## a real kernel's power is cut in the middle of an apply, 5 minutes a cut (CUTS=8)
	@packaging/setup.sh lab
	@packaging/setup.sh vm
	@$(ROOT) tests/vm/cut.sh target/release/haoscar "$(or $(CUTS),8)"

test-build: build ## a blank QEMU guest is built as head-2, joins and takes over; and machines that must not (CASES="good disk"; tests/vm/build.sh lists all)
	@packaging/setup.sh lab
	@packaging/setup.sh vm
	@$(ROOT) tests/vm/build.sh target/release/haoscar $(CASES)

soak: ## half an hour in which everything happens in any order, then the cluster is what git says (MINUTES=30 SEED=…)
	@packaging/setup.sh build
	@packaging/setup.sh lab
	@$(ROOT) HAOSCAR_SOAK_MINUTES=$(or $(MINUTES),30) $(if $(SEED),HAOSCAR_SOAK_SEED=$(SEED)) cargo test --locked --test all -- lab::soak --nocapture

lint: ## fmt, clippy, docs, licences
	@packaging/setup.sh build
	@.ci/lint

ci: ## what CI runs
	@.ci/run

clean: ## remove what was built here (the lab's cached root stays: see `haoscar lab down --help`)
	cargo clean
