# SPDX-License-Identifier: MPL-2.0
#
# A thin front of meson and the project's tools; "make help" lists what it does.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
TESTARGS ?=
JSON ?=
SECONDS ?= 900
MESON_SETUP ?=
ARCH ?= amd64 arm64
SCENARIOS ?=

export DESTDIR

.PHONY: all setup demo demo-pair test check test-board test-board-sanitized bench fuzz install clean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/setup --check --group build || { echo "make: tools/setup installs what is missing"; exit 1; }
	@meson setup $(BUILD) --prefix $(PREFIX) $(MESON_SETUP)

setup:
	@tools/setup --check || tools/setup --yes

demo:
	@tools/setup --check --group build --group guest || tools/setup --yes --group build --group guest
	@$(MAKE) --no-print-directory all
	@guests/build cockpit-cluster cockpit-ivi --out $(BUILD)/guests
	@examples/cockpit/demo --build $(BUILD)

demo-pair:
	@tools/setup --check --group build --group guest || tools/setup --yes --group build --group guest
	@$(MAKE) --no-print-directory all
	@guests/build base pair --out $(BUILD)/guests
	@examples/pair/demo --build $(BUILD)

# Guest images come from the Debian mirror: without it, the guest rung says what it skips. PLATFORM=kvm on the command
# line reaches its tests by itself. The suite "soak" takes ten minutes and hardly any processor: it runs beside all
# others.
test check: all
	@tools/setup --check --group build --group guest || { echo "make: tools/setup installs what is missing"; exit 1; }
	@guests/build base pair test display-test gl-test --out $(BUILD)/guests || echo "make: no guest images, so the guest rung will be skipped"
	@guests/build base test --arch arm64 --out $(BUILD)/guests || echo "make: no arm64 guest images, their tests will be skipped"
	@tools/get-qemu-7.2 >/dev/null || echo "make: no QEMU 7.2, its test will be skipped"
	@tools/run-tests $(if $(TESTARGS),,--beside soak) $(BUILD) $(TESTARGS)

# Programs for the own architecture come from $(BUILD), for the other one from a cross build beside it.
test-board: all
	@tools/setup --check --group build --group guest --group board || { echo "make: tools/setup installs what is missing"; exit 1; }
	@for arch in $(ARCH); do guests/build base pair test display-test board --arch $$arch --out $(BUILD)/guests || exit; done
	@$(if $(SCENARIOS),true,guests/build base-display --out $(BUILD)/guests)
	@case " $(ARCH) " in *" arm64 "*) [ "$$(uname -m)" = aarch64 ] || tests/board/cross $(BUILD)-arm64 $(MESON_SETUP) ;; esac
	@BOARD_SCENARIOS="$(SCENARIOS)" tools/run-tests $(BUILD) --suite board $(foreach arch,$(ARCH),board-$(arch)) $(if $(SCENARIOS),,board-kms)

# With AddressSanitizer and UndefinedBehaviorSanitizer in all that runs on the boards.
test-board-sanitized:
	@$(MAKE) --no-print-directory test-board BUILD=build-sanitize MESON_SETUP=-Db_sanitize=address,undefined \
		SCENARIOS="$(or $(SCENARIOS),up guest-machine pair monitor-bad-guest)"

bench:
	@tools/setup --check || { echo "make: tools/setup installs what is missing"; exit 1; }
	@$(MAKE) --no-print-directory all BUILD=build-bench MESON_SETUP=--buildtype=release
	@guests/build base test board && guests/build base test board --arch arm64
	@[ "$$(uname -m)" = aarch64 ] || tests/board/cross build-bench-arm64 --buildtype=release
	@bench/run --build build-bench $(if $(JSON),--json $(JSON))

fuzz:
	@CC=clang $(MAKE) --no-print-directory all BUILD=build-fuzz \
		MESON_SETUP="-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false"
	@tools/run-fuzz build-fuzz $(SECONDS)

# A folder that was set up with another PREFIX is set up again.
install: all
	@$(if $(filter file,$(origin PREFIX)),:,meson configure $(BUILD) --prefix $(PREFIX) && ninja -C $(BUILD))
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf build build-* out

help:
	@echo "make            build into $(BUILD)"
	@echo "make setup      install the Debian packages that are missing (asks for root)"
	@echo "make demo       a cockpit of two guests on one screen, end to end: installs, builds, runs; see out/index.html"
	@echo "make demo-pair  two guests that share a network, each with a disk"
	@echo "make test       unit, fuzz corpora, driver and guest rungs, ten minutes of sound;"
	@echo "                TESTARGS='--suite unit' for a part"
	@echo "                PLATFORM=kvm: the guest rung under our own monitor, on a host with KVM"
	@echo "make test-board the same guests on emulated boards with KVM; ARCH=arm64 for one, SCENARIOS=... for some"
	@echo "make test-board-sanitized  the same with sanitizers in Busbar, a part of the scenarios"
	@echo "make bench      ratios against peers; JSON=FILE writes them to a file as well"
	@echo "make fuzz       every fuzzer for SECONDS=$(SECONDS) seconds"
	@echo "make install    to PREFIX=$(PREFIX) below DESTDIR=$(DESTDIR)"
	@echo "make clean      remove all build folders"
	@echo "Variables: BUILD=$(BUILD), MESON_SETUP=arguments of the first 'meson setup', CC"
