# `make help` lists the targets.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
export RUSTDOCFLAGS := -D warnings
export TMPDIR := $(shell tests/fast-folder.sh)
# Most of what the tests do is to wait for servers: three at once for each processor.
CORES := $(shell getconf _NPROCESSORS_ONLN)
export RUST_TEST_THREADS ?= $(shell echo $$((3 * $(CORES))))
# What the tests run, linted as it is compiled and with the features that `cargo test` gives it: no crate is compiled twice.
LINTING := RUSTC_WORKSPACE_WRAPPER=$(abspath tests/compile-and-lint.sh)
BUILD := $(LINTING) $(CARGO) build --locked --workspace --lib --bins --tests --bench '*'

# No target of a recipe that `make help` lists is a file.
.PHONY: FORCE $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' $(MAKEFILE_LIST))
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

setup: ## what tests need of the system
	@command -v cc >/dev/null || (apt-get update -q && apt-get install -qy build-essential)
	@command -v gpg >/dev/null || (apt-get update -q && apt-get install -qy gnupg)
	@command -v gcore >/dev/null || (apt-get update -q && apt-get install -qy gdb)
	@command -v gnome-keyring-daemon >/dev/null || (apt-get update -q && apt-get install -qy dbus gnome-keyring)
	@command -v valgrind >/dev/null || (apt-get update -q && apt-get install -qy valgrind)
	@command -v pkg-config >/dev/null || (apt-get update -q && apt-get install -qy pkg-config)
	@command -v go >/dev/null || (apt-get update -q && apt-get install -qy golang-go)
	@command -v npm >/dev/null || (apt-get update -q && apt-get install -qy nodejs npm)
	@rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown || [ -d /usr/src/rustc-*/library ] || (apt-get update -q && apt-get install -qy --no-install-recommends rustc-web rust-web-src)
	@command -v mvn >/dev/null || (apt-get update -q && apt-get install -qy default-jdk-headless maven)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || (apt-get update -q && apt-get install -qy postgresql)
	@command -v mariadbd >/dev/null || (apt-get update -q && apt-get install -qy mariadb-server)
	@command -v redis-server >/dev/null || (apt-get update -q && apt-get install -qy redis-server)
	@[ -x /usr/sbin/sshd ] || (apt-get update -q && apt-get install -qy openssh-server)
	@python3 -c 'import venv, ensurepip' || (apt-get update -q && apt-get install -qy python3-venv)

# What takes long to compile and has no part in it is left out; what computes is optimised by itself (Cargo.toml), the rest
# is compiled as quickly as can be.
demo: ## the main job on two embedded environments
	CARGO_PROFILE_DEV_OPT_LEVEL=0 $(CARGO) run --locked -p keyferry-cli --no-default-features -- demo

test: ## everything, and the seconds that each step took
	MAKE=$(MAKE) tests/steps.sh build --beside environments test-wasm -- test-rust --beside test-c .venv-wheel/ready -- lint test-official test-go test-py

build: ## what the tests run, compiled and linted
	$(BUILD)

environments: .cache/bin/cargo-deny .venv/ready .venv-py/ready .venv-wheel/bin/pip ## what the tests take that is not compiled from here

# What of the API is tried on PostgreSQL each time; the rest of it with `STORE=postgres make test-server`.
ON_POSTGRES := browser content creations groups history idempotency operations servers sharing side_by_side wire
test-rust: ## unit tests, and the command line against real servers, databases and faults; a half of the API on PostgreSQL too
	$(BUILD)
	$(LINTING) $(CARGO) test --locked --workspace --no-fail-fast
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
		STORE=postgres $(LINTING) $(CARGO) test --locked --workspace --test api -- $(addsuffix ::,$(ON_POSTGRES)); \
	else echo "skipped: the API on PostgreSQL (make setup installs it)"; fi

# `STORE=postgres` takes a PostgreSQL server of its own, started once, with a database for each test.
test-server: ## every test of the API, on SQLite or with STORE=postgres on PostgreSQL
	$(LINTING) $(CARGO) test --locked --workspace --test api --no-fail-fast

check: ## what to run before a commit: formatting, clippy, unit tests, and the tests of structure and documents
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --locked --quiet --lib --bins
	$(CARGO) test --locked --quiet --test end_to_end -- arrows:: docs::

test-official: .venv/ready ## the official client and made-up requests against `keyferry serve`, and an archive reader made from its page alone
	$(BUILD)
	KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry .venv/bin/pytest -q -n $(CORES) tests/official tests/api tests/archive tests/ci

# Its caches are the project's own.
test-go: ## a client in Go, written from what is known of the API and not from the server, against `keyferry serve`
	$(BUILD)
	@if command -v go >/dev/null; then cd tests/go-client && export GOCACHE=$(abspath .cache/go) GOTOOLCHAIN=local GOFLAGS=-buildvcs=false && \
		test -z "$$(gofmt -l .)" && go vet . && go run . $(abspath $(TARGET))/debug/keyferry ../../docs/compatibility.md ../../README.md; \
	else echo "skipped: the client in Go (make setup installs go)"; fi

# The server's own core, HTTP API and KV engine from the Go module proxy, built once: the first time takes ten minutes or more.
VAULT_SERVER := .cache/vault-server
$(VAULT_SERVER): tests/vault-server/main.go tests/vault-server/go.mod tests/vault-server/go.sum
	cd tests/vault-server && GOCACHE=$(abspath .cache/go) GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o $(abspath $@) .

test-vault: $(VAULT_SERVER) ## live import from a real server of HashiCorp Vault; not part of `make test`, which has its answers recorded
	$(BUILD)
	KEYFERRY_VAULT_SERVER=$(abspath $(VAULT_SERVER)) $(LINTING) $(CARGO) test --locked --workspace --test end_to_end -- kv:: --nocapture

test-deployment: ## docs/deployment.md done by a real PostgreSQL: two servers, a synchronous standby, failover, backup and restore
	$(BUILD)
	tests/deployment.sh $(TARGET)/debug/keyferry

record-official: .venv/ready ## the official command's answers to the drop-in's tests anew: `git diff` shows what changed
	$(BUILD)
	KEYFERRY_RECORD=1 KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry .venv/bin/pytest -q -n $(CORES) tests/official/test_drop_in.py

MATURIN = cd py && CARGO_TARGET_DIR=$(abspath $(TARGET)) ../.venv-py/bin/maturin
# What stands there goes into the wheel beside the module: the command line, without its symbols.
SCRIPTS := py/wheel/scripts
wheel: .venv-py/ready ## the Python package with the command line: a wheel for this machine, and its source
	rm -rf dist $(SCRIPTS)
	$(MATURIN) sdist --out ../dist
	$(CARGO) build --release --locked --bin keyferry
	install -d $(SCRIPTS) && install -s $(TARGET)/release/keyferry $(SCRIPTS)
	$(MATURIN) build --release --locked --out ../dist --interpreter python3

.venv-wheel/bin/pip: py/tests/requirements.txt
	python3 -m venv .venv-wheel
	.venv-wheel/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

# The tests' own, in the profile that everything else is tested in.
.venv-wheel/ready: .venv-py/ready .venv-wheel/bin/pip FORCE
	$(BUILD)
	install -d $(SCRIPTS) && install -s $(TARGET)/debug/keyferry $(SCRIPTS)
	rm -rf .cache/wheel && export $(LINTING) && $(MATURIN) build --profile dev --locked --out ../.cache/wheel --interpreter python3
	.venv-wheel/bin/pip install -q --disable-pip-version-check --no-deps --force-reinstall .cache/wheel/keyferry-*-abi3-*.whl
	touch $@
FORCE:

# What runs in this process, and not in a command line's: only that is accelerated.
SDK := $(addprefix tests/official/test_,methods.py refusals.py round_trip.py zero_knowledge.py)
# What imports an engine is checked where the engines are.
TYPED := $(filter-out $(addprefix py/python/keyferry/,spark.py _spark_source.py ray.py dask.py),$(wildcard py/python/keyferry/*.py py/python/keyferry/*.pyi))
test-py: .venv-wheel/ready ## the wheel in a fresh environment: types, tests, and the official client on native code
	.venv-wheel/bin/mypy --strict $(TYPED)
	.venv-wheel/bin/pyright --pythonpath .venv-wheel/bin/python $(TYPED)
	cd py && KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry ../.venv-wheel/bin/pytest -n $(CORES)
	KEYFERRY_ACCELERATE=1 KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry .venv-wheel/bin/pytest -q -n $(CORES) $(SDK)

# Engines are large: an environment and a step of their own, so that `make test` stays within its minutes. The wheel is the one
# that test-py takes.
.venv-engines/ready: py/tests/engines/requirements.txt
	[ -e .venv-engines/bin/pip ] || python3 -m venv .venv-engines
	.venv-engines/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

ENGINES = .venv-engines/bin/pip install -q --disable-pip-version-check --no-deps --force-reinstall
test-engines: .venv-wheel/ready .venv-engines/ready ## the wheel in real Spark, Ray and Dask: types, tests, and a search for planted secrets in what they leave; needs Java
	$(ENGINES) .cache/wheel/keyferry-*-abi3-*.whl
	.venv-engines/bin/mypy --strict py/python/keyferry
	.venv-engines/bin/pyright --pythonpath .venv-engines/bin/python py/python/keyferry
	cd py && KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry ../.venv-engines/bin/pytest tests/engines

STATIC := target/static/x86_64-unknown-linux-gnu/release/keyferry
static: ## the command line for Linux as one file that needs no library, and no /dev: its randomness is a system call
	RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' $(CARGO) build --release --locked --bin keyferry --target x86_64-unknown-linux-gnu --target-dir target/static

image: static ## an image with that file and nothing else, by buildah
	mkdir -p .cache/image && cp /etc/ssl/certs/ca-certificates.crt .cache/image/
	buildah build --isolation chroot --tag keyferry .

test-image: image ## the image, run against a real server
	tests/image.sh $(STATIC)

PREFIX ?= /usr/local
install: ## the C library: DESTDIR and PREFIX say where
	CARGO=$(CARGO) CARGO_TARGET_DIR=$(abspath $(TARGET)) capi/install.sh "$(DESTDIR)" "$(PREFIX)"

test-readme: ## README typed in an empty home with Rust, Python and a C compiler alone: builds the release binary
	tests/readme.py

install-cli: ## the command line, its manual pages and completions, and the link passwork-cli
	$(CARGO) build --release --locked --bin keyferry
	cli/install.sh $(TARGET)/release/keyferry "$(DESTDIR)" "$(PREFIX)"

test-c: ## programs in six languages against the installed C library, and attacks on it
	$(BUILD)
	capi/install.sh "" $(abspath .cache/c) $(abspath $(TARGET))/debug
	capi/test.sh $(abspath .cache/c) $(abspath $(TARGET))/debug/keyferry

# Debian's compiler comes with the sources that a target's standard library is built from; rustup's own target is taken
# where it is installed. Randomness is the embedding page's affair, so the test is built without any.
# Nothing in it is waited for: what computes is optimised by itself (Cargo.toml), the rest is compiled as quickly as can be.
WASM := CARGO_PROFILE_DEV_OPT_LEVEL=0 $(CARGO) build --locked -p keyferry-wasm-test --target wasm32-unknown-unknown --target-dir target/wasm
WASM_FLAGS := --cfg getrandom_backend="unsupported"
test-wasm: ## the pure crates as WebAssembly, in Node.js
	if rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown; then \
		RUSTFLAGS='$(WASM_FLAGS)' $(WASM); \
	else \
		RUSTFLAGS='$(WASM_FLAGS)' RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 PATH="$$(rustc --print sysroot)/lib/rustlib/$$(rustc -vV | sed -n 's/host: //p')/bin:$$PATH" \
			$(WASM) -Zbuild-std=std,panic_abort; \
	fi
	node tests/wasm/run.mjs target/wasm/wasm32-unknown-unknown/debug/keyferry-wasm-test.wasm

# Not part of `make test`: it needs Chromium.
test-accessibility: ## reports and audits as pages, looked at with axe in both themes and on narrow screens; screenshots in target/pages
	$(BUILD)
	cd tests/accessibility && npm install --silent --no-audit --no-fund --no-package-lock
	tests/accessibility/pages.sh $(abspath $(TARGET))/debug/keyferry $(abspath $(TARGET))/pages
	cd tests/accessibility && node run.mjs --screenshots $(abspath $(TARGET))/pages $(abspath $(TARGET))/pages/*.html

header: ## keyferry.h anew, from the source of the C library
	KEYFERRY_WRITE_HEADER=1 $(CARGO) test --locked -p keyferry-capi --test header the_header

openapi: ## docs/openapi.json anew, from the server's table of endpoints and the wire types
	KEYFERRY_WRITE_OPENAPI=1 $(CARGO) test --locked -p keyferry-server --lib the_document_under_docs

.venv-py/ready: py/tests/requirements.txt
	python3 -m venv .venv-py
	.venv-py/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

.venv/ready: tests/official/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

lint: .cache/bin/cargo-deny ## formatting, and what may be linked; clippy and rustdoc look while the tests are built
	$(CARGO) fmt --all --check
	.cache/bin/cargo-deny check bans licenses sources

.cache/bin/cargo-deny:
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --debug --locked --quiet --root .cache cargo-deny@0.20.2

torture: .venv/ready ## the tests under random faults and kills, with forty seeds instead of few
	$(BUILD)
	TORTURE=40 $(LINTING) $(CARGO) test --locked --workspace --test end_to_end -- kill:: faults:: hostile_table:: two_runs:: workers:: journal_postgres:: server_kill_postgres:: --test-threads 1
	TORTURE=1 $(LINTING) $(CARGO) test --locked --workspace --test formats -- archive::
	TORTURE=1 KEYFERRY_BIN=$(abspath $(TARGET))/debug/keyferry .venv/bin/pytest -q tests/api

FUZZ_SECONDS ?= 600
fuzz: ## any bytes into the C library and into every reader of files, by cargo-fuzz on a nightly compiler
	cd fuzz && $(CARGO) +nightly fuzz run c_buffers -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096
	cd fuzz && $(CARGO) +nightly fuzz run formats -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536

fmt: ## put the formatting right
	$(CARGO) fmt --all

bench: ## what users wait for, by criterion
	$(CARGO) bench --locked -p keyferry-benches -p keyferry-formats

bench-scale: ## a million records against a hundred thousand; a small import beside a million; files of a million; concurrency against a slow server
	$(CARGO) build --release --locked --bin keyferry
	$(CARGO) run --release --locked -p keyferry-benches --bin latency
	python3 benches/scale/scale.py $(TARGET)/release/keyferry
	python3 benches/scale/beside.py $(TARGET)/release/keyferry 1000000
	$(CARGO) build --release --locked -p keyferry-benches --bin slow_server
	python3 benches/scale/workers.py $(TARGET)/release/keyferry $(TARGET)/release/slow_server
	python3 benches/scale/files.py $(TARGET)/release/keyferry

bench-server: ## the embedded environment under load, and its searches among a million records; needs wrk
	$(CARGO) build --release --locked --bin keyferry
	python3 benches/server/server.py $(TARGET)/release/keyferry

bench-limits: ## how far each stage is from its limit: raw SQLite, OpenSSL's primitives, a copy in memory; needs openssl
	$(CARGO) run --release --locked -p keyferry-benches --bin limits

flame: ## target/import.svg: a flame graph of an import; needs Linux's perf
	CARGO_PROFILE_RELEASE_STRIP=none $(CARGO) build --release --locked --bin keyferry
	python3 benches/flame/flame.py $(TARGET)/release/keyferry $(TARGET)/import.svg

bench-peers: .venv/ready ## the same work by the official client and by openssl, as ratios
	$(CARGO) build --release --locked -p keyferry-benches --bin native
	$(CARGO) run --release --locked -p keyferry-benches --bin sealing
	$(CARGO) run --release --locked -p keyferry-benches --bin c_bulk
	.venv/bin/python benches/peers/peers.py $(TARGET)/release/native
	$(CARGO) build --release --locked --bin keyferry
	.venv/bin/python benches/peers/whole_process.py $(TARGET)/release/keyferry .venv/bin/passwork-cli
	$(MAKE) .venv-wheel/ready
	.venv-wheel/bin/python benches/peers/python_module.py $(TARGET)/release/native $(TARGET)/release/keyferry

bench-engines: wheel .venv-engines/ready ## records sealed in Spark, Ray and Dask, beside the module alone and beside the official client in the same Spark job
	$(ENGINES) dist/keyferry-*-abi3-*.whl
	.venv-engines/bin/python benches/engines/engines.py
