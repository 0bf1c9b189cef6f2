# `make` builds build/sluice; `make test` tests it; `make help` lists the rest.
.DEFAULT_GOAL := build
SHELL := bash

BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
PYTHON := .deps/venv/bin/python
export JOBS FUZZ_SECONDS

.PHONY: help build deps test-deps quickstart test check lint bench soak reference clean install package test-package

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install Debian packages and fetch .deps/ where something is missing
	@tools/deps

build: deps ## build build/sluice
	@tools/build $(BUILD) sluice

quickstart: build ## build, then move data through the example pipeline
	@$(BUILD)/sluice run examples/quickstart.sql
	@printf '%s\n' '' 'Next:' \
	  "  $(BUILD)/sluice run -e \"SELECT city, sum(total) AS revenue FROM file('lake/**/*.parquet') GROUP BY city\"" \
	  '  $(BUILD)/sluice explain examples/quickstart.sql   # how it runs, and what the readers leave out' \
	  '  $(BUILD)/sluice check examples/quickstart.sql     # the guarantee, and why' \
	  '  $(BUILD)/sluice status                            # what has been delivered'

test-deps: deps ## and what tests run against: S3 servers and their clients
	@tools/deps test

test: test-deps ## unit, layering, script, end-to-end, crash and installation tests
	@tools/test

check: test-deps ## what CI runs besides: lint, unit tests under sanitizers, fuzz targets (FUZZ_SECONDS=60)
	@tools/test asan tsan fuzz lint

lint: build ## clang-format and clang-tidy over src, include, tests and bench
	@tools/lint

bench: build ## benchmarks against peers
	@tools/deps bench
	@bench/run

soak: build ## hours of load with random kills
	@if [ -e tests/soak/run ]; then tests/soak/run; else echo "soak: no tests/soak/run yet"; fi

reference: build ## regenerate docs/reference from the program's own declarations
	@$(BUILD)/sluice reference --out docs/reference

install: build ## the program, its libraries, headers and CMake package below PREFIX (/usr/local); DESTDIR before it
	@tools/build $(BUILD) sluice_sdk
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

package: build ## build/sluice_VERSION_ARCHITECTURE.deb, for the Debian release this machine runs
	@tools/package $(BUILD)

test-package: package ## install it on a new Debian in a folder (debootstrap, root), by the Dockerfile's steps
	@python3 tests/install/clean_debian.py $(BUILD)/sluice_$$($(BUILD)/sluice --version | cut -d' ' -f2)_*.deb

clean: ## remove every build folder; .deps stays
	@rm -rf build build-asan build-tsan build-fuzz
