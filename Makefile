# Everything one does with a checkout. Needs Rust 1.95 and Debian 12 or a relative of it; what else is missing is installed.
#
#   make run         build and start the server; settings in haulout.toml or ARGS="--listen 0.0.0.0:9000"
#   make test        every test, with the real clients, on small data
#   make test-full   the same with thousands of files and 2 GiB objects
#   make lint        formatting, clippy, documentation
#   make bench       benchmarks

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Outside the checkout, so that another checkout does not compile everything again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/haulout/target
# RocksDB is compiled once for each version of it, see deploy/build-rocksdb.sh.
ROCKSDB_VERSION := $(shell sed -n '/^name = "librocksdb-sys"/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
export ROCKSDB_LIB_DIR ?= $(HOME)/.cache/haulout/rocksdb-$(ROCKSDB_VERSION)-$(shell uname -m)
export ROCKSDB_STATIC := 1
# One profile for the server, its tests and clippy, so that they share what is compiled.
PROFILE := --release
# `make LOCKED=--locked`: Cargo.lock must be up to date, as in CI.
LOCKED ?=
ARGS ?=

.PHONY: help run build test test-full lint bench build-tools test-tools

help:
	@sed -n 's/^#   //p' Makefile

run: build
	@exec "$$CARGO_TARGET_DIR/release/haulout" serve $(ARGS)

build: build-tools
	@cargo build $(PROFILE) $(LOCKED) --package haulout

test: build-tools test-tools
	cargo test $(PROFILE) $(LOCKED) --workspace --no-fail-fast

test-full: build-tools test-tools
	HAULOUT_TEST_FULL=1 cargo test $(PROFILE) $(LOCKED) --workspace --no-fail-fast

lint: build-tools
	cargo fmt --all --check
	cargo clippy $(PROFILE) $(LOCKED) --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc $(PROFILE) $(LOCKED) --workspace --no-deps

bench: build-tools
	cargo bench $(LOCKED) --workspace --benches
	cargo run $(PROFILE) $(LOCKED) --package haulout-tests --bin rss

build-tools:
	@deploy/install-build-tools.sh
	@deploy/build-rocksdb.sh "$$ROCKSDB_LIB_DIR"

test-tools:
	@tests/setup.sh
