# Helios: `make help` lists everything.
SHELL := /bin/bash
HELIOS := target/release/helios
# Everything that tests and lints see: one selection of features, or all would be built twice.
ALL := --workspace --features helios/kubernetes,helios-bus/testing,helios-lease/testing
UP := --no-default-features --features up

.DEFAULT_GOAL := help
.PHONY: help up build build-all image test check soak bench generate clean

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

up: build ## Build (once) and run the whole system against a simulated market; Ctrl-C ends it
	@$(HELIOS) up

build: ## The binary `make up` runs: release, without Kubernetes, NATS, Redis
	@tools/toolchain.sh
	cargo build --release --locked -p helios $(UP)

build-all: ## The whole binary: what `make build` has, and the bus between processes (NATS)
	@tools/toolchain.sh
	cargo build --release --locked -p helios --features nats

image: ## The image for Kubernetes as an archive in target/image, without a daemon; ARCH=arm64 for another machine's
	@tools/image.sh $(ARCH)

test: ## Everything that must hold, with a table of the minutes each stage took
	@tools/test.sh

check: ## Format, lint, unit tests, drift: under three minutes warm
	@tools/toolchain.sh
	cargo fmt --all --check
	cargo clippy $(ALL) --all-targets --locked -- -D warnings
	cargo test $(ALL) --lib --bins --test golden --locked -q

soak: ## What needs longer; writes docs/soak*.md with the commit it ran on
	@tools/soak.sh

bench: build ## Measure; writes bench/results.json
	@tools/bench.sh

generate: ## Regenerate golden files
	@tools/toolchain.sh
	HELIOS_REGENERATE=1 cargo test $(ALL) --locked -q golden

clean: ## Remove build results
	cargo clean
