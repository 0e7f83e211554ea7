# auth_web: an OpenSIPS module in Rust. `make help` lists the targets.

CARGO ?= cargo
CARGO_FLAGS ?= --locked
# Cargo's output directory.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DESTDIR ?=
# Where OpenSIPS looks for modules; detected by scripts/install if not given.
MODULES_DIR ?=
# Of what is no module: scripts, tables, documents.
PREFIX ?= /usr/local
DROP_IN ?= 0
KEEP ?= 0
V ?= 0
# A build prints one line, and compiler output only on failure; with V=1, all output.
QUIET := $(if $(filter 1,$(V)),,--quiet)
CORE = $(MAKE) --no-print-directory -C tests/core
# Builds and runs a benchmark.
define benchmark
scripts/quiet 'building the benchmark of $(1) ($(call files,benches/$(1) tests/harness) files)' \
	$(CARGO) bench --no-run $(QUIET) $(CARGO_FLAGS) --bench $(1) && \
AUTH_WEB_SO=$(CURDIR)/build/auth_web.so $(CARGO) bench $(CARGO_FLAGS) --bench $(1)
endef
# The number of source files.
files = $(words $(shell find $(1) -name '*.rs' -o -name '*.c' -o -name '*.h'))

.PHONY: all help test demo bench bench-http bench-outages load soak fuzz sanitize fuzz-core docker-test abi-check install uninstall inventory deb dist lint clean standin FORCE

all: build/auth_web.so

help:
	@echo 'make                                build/auth_web.so'
	@echo 'make demo [KEEP=1]                  see it at work'
	@echo 'make test [FUZZ_SECONDS=15]         all tests, and each fuzz target that long'
	@echo 'make bench [PROFILES=1000000]       calls beside the C module auth_jwt, a million profiles, revocations'
	@echo 'make bench-http [DURATION=5]        http_authorize beside rest_client'
	@echo 'make bench-outages                  the registrar while Redis, MariaDB or an endpoint fails'
	@echo 'make load [DEVICES=100000] [DURATION=300]   devices that register and refresh, and are then counted'
	@echo 'make soak [MINUTES=10]               good and bad devices while everything fails in turn, and OpenSIPS too'
	@echo 'make fuzz [SECONDS=60]              the fuzz targets, one after the other'
	@echo 'make sanitize [ONLY=words]          tests with AddressSanitizer and under valgrind'
	@echo 'make fuzz-core [SECONDS=60]         hostile requests to each OpenSIPS found, beside its own parser'
	@echo 'make docker-test [OPENSIPS="3.6"]   tokens, webhooks, the registrar, in containers; several releases in quotes'
	@echo 'make lint                           rustfmt, clippy and cargo-deny'
	@echo 'make abi-check OPENSIPS_SRC=TREE    compare include/opensips/abi.h with a source tree'
	@echo 'make install [MODULES_DIR=] [PREFIX=] [DROP_IN=1] [DESTDIR=]   what make has built'
	@echo 'make uninstall [MODULES_DIR=] [PREFIX=] [DESTDIR=]'
	@echo 'make deb                            Debian packages, in build/packages'
	@echo 'make dist                           a tarball, its checksums and bill of materials, in build/dist'
	@echo 'With V=1, each shows all that compilers print.'

build/auth_web.so: FORCE
	@scripts/packages build
	@scripts/quiet 'building auth_web.so ($(call files,src include build.rs) files)' \
		$(CARGO) build --release $(QUIET) $(CARGO_FLAGS)
	@mkdir -p build
	@# Never in place: an OpenSIPS that has it loaded would crash.
	@cmp -s $(TARGET_DIR)/release/libauth_web.so $@ || \
		{ cp $(TARGET_DIR)/release/libauth_web.so $@.new && mv $@.new $@; }

FORCE:

# The small program that loads the module if there is no OpenSIPS.
standin:
	@scripts/packages demo
	@$(CORE) --question || scripts/quiet \
		'building the stand-in core ($(words $(wildcard tests/core/*.[ch])) files)' $(CORE)

test: all
	@scripts/packages test
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),15) scripts/test

demo: all standin
	@scripts/quiet 'building the demo ($(call files,examples/demo.rs tests/harness) files)' \
		$(CARGO) build --release $(QUIET) $(CARGO_FLAGS) --example demo
	@KEEP=$(KEEP) scripts/demo

bench: all standin
	@scripts/packages test
	@$(call benchmark,tokens)

bench-http: all
	@scripts/packages test
	@scripts/quiet 'building the example endpoint ($(call files,examples/endpoint) files)' \
		$(CARGO) build --release $(QUIET) $(CARGO_FLAGS) --example endpoint
	@$(call benchmark,webhooks)

bench-outages: all
	@scripts/packages test
	@scripts/quiet 'building the outages ($(call files,tests/outages tests/harness) files)' \
		$(CARGO) test --no-run $(QUIET) $(CARGO_FLAGS) --test outages
	@OUTAGES=table $(CARGO) test $(QUIET) $(CARGO_FLAGS) --test outages

load: all
	@scripts/packages test
	@scripts/quiet 'building the example endpoint ($(call files,examples/endpoint) files)' \
		$(CARGO) build --release $(QUIET) $(CARGO_FLAGS) --example endpoint
	@export DEVICES=$(or $(DEVICES),100000) DURATION=$(or $(DURATION),300); $(call benchmark,registrar)

fuzz:
	@scripts/packages build fuzz
	@for target in $$(fuzz/targets.sh); do fuzz/run.sh $$target $(or $(SECONDS),60) || exit 1; done

sanitize: all
	@scripts/packages test sanitize
	@scripts/sanitize $(ONLY)

# The newest OpenSIPS found, or that of OPENSIPS.
soak: all
	@scripts/packages test
	@scripts/quiet 'building the outages ($(call files,tests/outages tests/harness) files)' \
		$(CARGO) test --no-run $(QUIET) $(CARGO_FLAGS) --test outages
	@OUTAGES=soak MINUTES=$(or $(MINUTES),10) $(CARGO) test $(QUIET) $(CARGO_FLAGS) --test outages

# One core after the other, with a new seed each time; a failure prints its seed.
fuzz-core: all
	@scripts/packages test
	@scripts/quiet 'building the comparison of parsers ($(call files,tests/parsers tests/harness) files)' \
		$(CARGO) test --no-run $(QUIET) $(CARGO_FLAGS) --test parsers
	@PARSERS_SEED=$${PARSERS_SEED:-$$(date +%s)} PARSERS_SECONDS=$(or $(SECONDS),60) \
		$(CARGO) test $(CARGO_FLAGS) --test parsers -- --test-threads=1

# One release after the other.
docker-test: all
	@failed=0; for release in $(or $(OPENSIPS),3.6); do \
		OPENSIPS=$$release scripts/docker-test || failed=1; \
	done; exit $$failed

abi-check:
	@scripts/abi-check "$(OPENSIPS_SRC)"

# Builds nothing: root may have no Rust, and should leave no files behind in build folders.
install:
	@MODULES_DIR='$(MODULES_DIR)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' DROP_IN='$(DROP_IN)' scripts/install

uninstall:
	@MODULES_DIR='$(MODULES_DIR)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install --remove

# What the module is made of: build/THIRD-PARTY.txt, build/auth_web.cdx.json, build/copyright.
inventory:
	@scripts/quiet 'listing crates and their licences' \
		$(CARGO) run $(QUIET) $(CARGO_FLAGS) --package inventory -- build

deb: all
	@scripts/packages deb
	@scripts/quiet 'building the Debian packages' scripts/deb

dist: all inventory
	@scripts/dist

lint:
	@scripts/quiet 'checking the format' $(CARGO) fmt --all --check
	@scripts/quiet 'checking for lints' \
		$(CARGO) clippy --workspace --all-targets $(QUIET) $(CARGO_FLAGS) -- -D warnings
	@scripts/deny

clean:
	@$(CARGO) clean $(QUIET)
	@$(CORE) clean
	@rm -rf build
