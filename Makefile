SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(HOME)/.cargo/bin:$(PATH)
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Crates whose tests need neither root nor a kernel of their own.
FAST := -p model -p store -p server -p agent -p cli

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: root ## two hosts on this machine, peered: packets flow, stop, flow; KEEP=1 leaves them running
	@.ci/deps run
	@$(call step,build)
	cargo build --workspace --bins
	@$(call step,demo)
	@$(TARGET)/debug/demo $(if $(filter-out 0,$(KEEP)),--keep)

.PHONY: test
test: root ## every check and test there is; needs root
	@.ci/deps test
	@$(MAKE) sizes lint deny bpf-check
	@$(call step,build)
	cargo test --workspace --no-run
	cargo build --workspace --bin kannas
	@$(call step,test)
	KANNAS_BIN=$(TARGET)/debug/kannas cargo test --workspace --no-fail-fast
	@$(MAKE) simulate
	@$(call step,schemathesis$(comma) some seconds of it)
	KANNAS_BIN=$(TARGET)/debug/kannas .ci/schemathesis 5
	@$(MAKE) clients
	@$(call step,all is well)

.PHONY: clients
clients: ## the API, by the clients people use: see clients/README.md
	@.ci/deps test
	cargo build --workspace --bin kannas
	@$(call step,clients)
	KANNAS_BIN=$(TARGET)/debug/kannas clients/run

.PHONY: simulate
simulate: ## schedules of faults, each from a seed; KANNAS_SCHEDULES says how many, KANNAS_SEED the first
	@$(call step,schedules of faults)
	@cargo test --workspace --lib -p server -- --ignored --nocapture --exact agents::simulation::whatever_fails_what_was_promised_holds \
	  | grep -E 'explored|KANNAS_SEED|panicked|FAILED' | tee /dev/stderr | grep explored > /dev/null

.PHONY: check-fast
check-fast: lint ## format, lints, and the tests that need no root
	@$(call step,test)
	cargo test $(FAST)
	cargo test $(FAST) -p lab --test arrows --test links # the same crates, as other crates would mean other features and a new build

.PHONY: lint
lint:
	@$(call step,format)
	cargo fmt --all --check
	@$(call step,lints)
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: sizes
sizes: ## no file of ours has more than 400 lines
	@$(call step,sizes)
	@find . \( -path ./target -o -name .git -o -name .cache -o -name artefacts -o -name vendor -o -name node_modules \) -prune \
	  -o -type f \( -name '*.rs' -o -name '*.c' -o -name '*.h' -o -name '*.js' -o -name '*.css' -o -name '*.html' \) \
	  -exec wc -l {} + | awk '$$2 != "total" && $$1 > 400 { print "too long:", $$0; bad = 1 } END { exit bad }'

.PHONY: deny
deny: ## licences and sources of what is built in, and what must not be; ADVISORIES=1 for known flaws, which needs GitHub
	@$(call step,deny)
	ADVISORIES=$(ADVISORIES) .ci/deny

.PHONY: schemathesis
schemathesis: ## the server asked at random what /openapi.json says and does not say, for longer than in make test
	@$(call step,schemathesis)
	.ci/schemathesis

.PHONY: bench
bench: root ## Kannas beside other ways to move a packet (the kernel's, nebula, tinc, wireguard-go) and a bare HTTP handler; ONLY=paths, first or api for a part
	@.ci/deps bench
	@$(call step,build)
	cargo build --release --workspace --bins
	@$(call step,bench)
	@$(TARGET)/release/bench $(if $(ONLY),--only $(ONLY))
	@if [[ -z "$(ONLY)" || "$(ONLY)" == api ]]; then \
	  $(call step,store) && cargo bench --quiet --workspace --bench durable -- --dir /var/lib; fi

.PHONY: bench-scale
bench-scale: root ## what a change costs in worlds of 10 to 100,000 ports, drawn; a million remote ports on a real agent
	@.ci/deps run
	@$(call step,build)
	cargo build --release --workspace --bins
	@$(call step,bench-scale)
	@$(TARGET)/release/bench-scale

.PHONY: bench-watch
bench-watch: root ## ten thousand simulated agents on one server: a change reaches a thousand, all come back at once
	@.ci/deps run
	@$(call step,build)
	cargo build --release --workspace --bins
	@$(call step,bench-watch)
	@$(TARGET)/release/watch-load

.PHONY: bench-truth
bench-truth: root ## how soon a peering says what is wrong with it, and that it is over
	@.ci/deps run
	@$(call step,build)
	cargo build --release --workspace --bins
	@$(call step,bench-truth)
	@$(TARGET)/release/truth

.PHONY: bench-restart
bench-restart: root ## agents restarted, killed, upgraded and put back 100 times under packets and TCP connections
	@.ci/deps test
	@$(call step,build)
	cargo build --release --workspace --bins
	@$(call step,restarts)
	@$(TARGET)/release/bench-restart

.PHONY: golden
golden: ## write the files under review anew; read the diff
	UPDATE=1 cargo test $(FAST)
	git diff --stat

BPF := crates/datapath/bpf
# Free of this checkout's place and of the compiler's exact build, so that who builds it anew gets the same bytes.
BPF_FLAGS := -target bpfel -mcpu=v3 -O2 -g -Wall -Werror -Qn \
  -fdebug-compilation-dir=. -ffile-prefix-map=$(CURDIR)/$(BPF)=. \
  -I/usr/include/$(shell uname -m)-linux-gnu
# DWARF goes; BTF stays.
bpf_into = cd $(BPF) && clang-14 $(BPF_FLAGS) -c kannas.bpf.c -o $(1) && llvm-strip-14 -g $(1)

.PHONY: bpf
bpf: ## build kannas.bpf.o anew, which is committed so that a build needs no clang
	@.ci/deps test
	$(call bpf_into,kannas.bpf.o)

.PHONY: bpf-check
bpf-check: ## kannas.bpf.o is what its source says
	@$(call step,BPF object)
	@mkdir -p $(TARGET)
	@$(call bpf_into,$(TARGET)/kannas.bpf.o)
	@cmp $(TARGET)/kannas.bpf.o $(BPF)/kannas.bpf.o || { echo "run make bpf and commit kannas.bpf.o"; exit 1; }

.PHONY: root
root:
	@[[ $$(id -u) == 0 ]] || { echo "this needs root, for network namespaces and BPF; make check-fast does not"; exit 1; }

comma := ,
step = printf '== %(%T)T %s\n' -1 "$(1)"
