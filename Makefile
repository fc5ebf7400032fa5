# tsuji: everything is built below build/. `make` needs no root; `make help` lists targets.
# V=1 shows the commands; SAN=1 builds with ASan and UBSan into build/san instead;
# RELEASE=1 leaves the conservation asserts out, as benchmarks and packages want it.

CC = clang
CLANG = clang
LLVM_STRIP = llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PKG_CONFIG = pkg-config
B = build$(if $(SAN),/san)
Q = $(if $(V),,@)

LIBS = libxdp libbpf liburcu-qsbr yaml-0.1 jansson libmnl libpcap libcap-ng
CFLAGS ?= -O2 -g
SANFLAGS = $(if $(SAN),-fsanitize=address$(comma)undefined$(comma)fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
comma = ,
override CFLAGS += -std=gnu11 -Wall -Wextra -Wno-address-of-packed-member -Werror=implicit -Werror=incompatible-pointer-types \
	-D_GNU_SOURCE -I$(B) $(if $(RELEASE),-DNDEBUG) $(SANFLAGS) -MMD -MP -pthread
LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS)) -pthread

BPF_SKELS = $(patsubst bpf/%.bpf.c,$(B)/bpf/%.skel.h,$(wildcard bpf/*.bpf.c))
DATAPLANE = $(patsubst %.c,$(B)/%.o,$(wildcard dataplane/*.c))
CONTROL = $(patsubst %.c,$(B)/%.o,$(filter-out control/main.c,$(wildcard control/*.c)))
UNIT = $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
HELPERS = $(patsubst tests/unit/%.c,$(B)/tests/unit/%.o,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))
BENCH = $(patsubst tests/bench/%.c,$(B)/tests/%,$(wildcard tests/bench/bench_*.c))
FUZZ = $(patsubst tests/fuzz/%.c,$(B)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))

PACKAGES = clang llvm libclang-rt-14-dev make pkg-config bpftool libxdp-dev libbpf-dev liburcu-dev \
	libyaml-dev libjansson-dev libmnl-dev libpcap-dev libcap-ng-dev uthash-dev libcmocka-dev \
	iproute2 iputils-ping traceroute ethtool tcpdump nftables iperf3 python3 python3-scapy \
	dnsmasq-base dnsutils udhcpc netcat-openbsd curl

.PHONY: all deps demo test unit e2e sanitize fuzz bench check-layers clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/tsuji

help:
	@sed -n 's/^## //p' Makefile

## deps          install the Debian packages (prints the apt line first)
deps:
	@echo "apt-get install -y --no-install-recommends $(PACKAGES)"
	$(Q)apt-get update -q
	$(Q)DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PACKAGES)

## demo          build, then route a lab of two subnets and show one packet's walk (root)
demo: all
	$(Q)$(B)/tsuji demo

## test          unit tests, layer check, then end-to-end tests (root)
test: check-layers unit e2e

unit: $(UNIT)
	$(Q)tests/unit/run $(UNIT)

e2e: all $(BENCH) $(B)/tests/census
	$(Q)tests/e2e/run

## sanitize      the unit tests under ASan and UBSan
sanitize:
	$(Q)$(MAKE) --no-print-directory SAN=1 unit

## fuzz          each fuzzer for FUZZ_SECONDS (10)
FUZZ_SECONDS ?= 10
fuzz:
	$(Q)$(MAKE) --no-print-directory SAN=1 fuzzers
	$(Q)for f in $(patsubst tests/fuzz/%.c,build/san/tests/%,$(wildcard tests/fuzz/fuzz_*.c)); do \
		mkdir -p build/corpus/$${f##*/} && \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 build/corpus/$${f##*/} || exit 1; done
.PHONY: fuzzers
fuzzers: $(FUZZ)

## bench         the pipeline on memory, and tsuji beside the kernel; FULL=1: at length (root)
bench:
	$(Q)$(MAKE) --no-print-directory all benches
	$(Q)tests/bench/run
.PHONY: benches
benches: $(BENCH)

## check-layers  the include order of section 3 of the design
check-layers:
	$(Q)tests/check-layers

clean:
	$(Q)rm -rf build

define say
	@$(if $(V),:,printf '  %-7s %s\n' $(1) $(2))
endef

ARCH = $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
MULTIARCH = $(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch)
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) | dirs
	$(call say,BPF,$<)
	$(Q)$(CLANG) -g -O2 -mcpu=v3 -Wall -Wextra -target bpf -D__TARGET_ARCH_$(ARCH) -I/usr/include/$(MULTIARCH) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@
$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

$(B)/%.o: %.c | dirs $(BPF_SKELS)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

$(B)/libdataplane.a: $(DATAPLANE)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libcontrol.a: $(CONTROL)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tsuji: $(B)/control/main.o $(B)/libcontrol.a $(B)/libdataplane.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -o $@

$(B)/tests/test_%: tests/unit/test_%.c $(HELPERS) $(B)/libcontrol.a $(B)/libdataplane.a | dirs
	$(call say,TEST,$<)
	$(Q)$(CC) $(CFLAGS) -MF $@.d $< $(filter %.o %.a,$^) $(LDLIBS) -lcmocka -o $@
$(B)/tests/bench_%: tests/bench/bench_%.c $(HELPERS) $(B)/libcontrol.a $(B)/libdataplane.a | dirs $(BPF_SKELS)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(CFLAGS) -MF $@.d $< $(filter %.o %.a,$^) $(LDLIBS) -lcmocka -o $@
$(B)/tests/census: tests/e2e/census.c | dirs
	$(call say,TEST,$<)
	$(Q)$(CC) $(CFLAGS) -MF $@.d $< -o $@
$(B)/tests/fuzz_%: tests/fuzz/fuzz_%.c $(HELPERS) $(B)/libcontrol.a $(B)/libdataplane.a | dirs
	$(call say,FUZZ,$<)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -MF $@.d $< $(filter %.o %.a,$^) $(LDLIBS) -lcmocka -o $@

.PHONY: dirs
dirs:
	@mkdir -p $(B)/bpf $(B)/dataplane $(B)/control $(B)/tests/unit

-include $(wildcard $(B)/*/*.d $(B)/tests/unit/*.d)
