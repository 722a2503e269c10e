# `make help` lists the targets.
CARGO ?= cargo

.PHONY: help setup demo test lint fmt
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

setup: ## what tests need of the system
	@command -v cc >/dev/null || (apt-get update -q && apt-get install -qy build-essential)

demo: ## the main job on two embedded environments
	$(CARGO) run --release --locked --bin keyferry -- demo

test: lint ## everything
	$(CARGO) build --locked --bin keyferry
	$(CARGO) test --workspace --locked

lint: ## formatting, compiler and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt: ## put the formatting right
	$(CARGO) fmt --all
