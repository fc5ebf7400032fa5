#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bridge_differential.py - the same frames through the kernel's bridge and through tsuji.

Every case of bridge_corpus.py is sent into a lab of four silent hosts, once bridged by the
kernel and once by tsuji; every frame that reaches a host is captured and compared byte for
byte, and nothing in them may differ. Who gets what must differ only as differences.md says
(its entries for "bridge"), and each entry must be needed. The kernel compared with itself
shows nothing; with one that learns nothing it shows much.

By the flow cache: before each frame to a station, three others with the same addresses
have gone the same way, so that the case's own meets what XDP repeats.

Ageing needs time, so both bridges age in one lab, at once.
"""
import collections
import os
import struct
import time

import bridge_corpus
import frames
from bridge_lab import BridgeLab, Wire
from lib import main, must, test
from test_differential import compare, differences, repeated

AGING_S = 10 # the least there is
PLAIN = struct.pack("!H", bridge_corpus.PLAIN) + bytes(46)
REPEATED_LEAST = 500 # frames of cases that the flow cache has repeated


class Side:
    """Who bridges."""

    def begin(self, wire, some):
        """These (host, frame, ...) come next."""

    def end(self):
        """Each case has been played."""


class KernelSide(Side):
    name = "kernel"

    def __init__(self, lab, options="", members=None):
        self.lab = lab
        lab.start_kernel_bridge(members, options)

    def flags(self, setting):
        for host in bridge_corpus.HOSTS:
            words = "learning on flood on isolated off"
            for word in filter(None, setting.get(host, "").split(", ")):
                key, value = word.split(": ")
                words = words.replace(f"{key} {'off' if value == 'on' else 'on'}", f"{key} {value}")
            must(f"ip -n {self.lab.router} link set dev {self.lab.hosts[host].port}"
                 f" type bridge_slave {words}")

    def fdb(self, words):
        must(f"bridge -n {self.lab.router} fdb {words}")

    def flush(self, host):
        what = f"{self.lab.hosts[host].port} type bridge_slave" if host else "br0 type bridge"
        must(f"ip -n {self.lab.router} link set dev {what} fdb_flush")


class TsujiSide(Side):
    name = "bridge"
    lanes = "lanes: {transmit: socket, flow-cache: off}\n"

    def __init__(self, lab):
        self.lab = lab
        lab.start_tsuji(lab.bridge_file(extra=self.lanes))

    def flags(self, setting):
        self.lab.tsuji.file.write_text(self.lab.bridge_file(flags=setting, extra=self.lanes))
        self.lab.tsuji.must("reload")

    def fdb(self, words):
        # An entry that is static here is what Linux calls sticky, and add replaces.
        self.lab.tsuji.must("fdb " + words.replace(" sticky", "").replace("replace ", "add "))

    def flush(self, host):
        self.lab.tsuji.must(f"fdb flush port {self.lab.hosts[host].port}" if host else "fdb flush")


class FlowSide(TsujiSide):
    """tsuji, which repeats in XDP what it has decided before."""
    lanes = "lanes: {transmit: burst, flow-cache: on}\n"

    def __init__(self, lab):
        for host in lab.hosts: # NAPI at the far ends, without which nothing is repeated
            lab.must(host, "ethtool -K eth0 gro on")
        super().__init__(lab)
        self.flows, self.repeated = 0, 0
        self.heard = set() # stations; frames to others are flooded

    def begin(self, wire, some):
        flows = [(host, frame[:12]) for host, frame, *_ in some
                 if len(frame) >= 14 and frame[:6] in self.heard]
        self.heard.update(frame[6:12] for _, frame, *_ in some)
        self.flows += len(flows)
        for n in (2, 1) if flows else (): # the second frame arms, the third goes the long way
            for host, addresses in flows * n:
                wire.taps[host].send(addresses + PLAIN)
            wire.settle()

    def end(self):
        self.repeated = repeated(self.lab.tsuji)


def play(wire, side, case):
    """Plays one case; what arrived, by host."""
    seen = {host: [] for host in wire.taps}
    for at, (kind, *arguments) in enumerate(case.steps):
        if kind == "send":
            side.begin(wire, [arguments])
            wire.taps[arguments[0]].send(*arguments[1:])
        else:
            getattr(side, kind)(*arguments)
        if kind == "flags":
            wire.isolated = {h for h, words in arguments[0].items() if "isolated" in words}
        if at + 1 < len(case.steps):
            wire.settle(seen)
    return wire.settle(seen)


def play_all(make_side, burst=True):
    """Every case through one side: what arrived, by case name and host."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) # one backlog: no frame overtakes
    with BridgeLab(bridge_corpus.HOSTS, live=False, mtus=bridge_corpus.MTUS,
                   host_mtus=bridge_corpus.HOST_MTUS) as lab:
        side, wire, results = make_side(lab), Wire(lab), {}
        cases = bridge_corpus.build(lab.hosts)
        for case in cases:
            try:
                results[case.name] = play(wire, side, case)
            except (AssertionError, OSError) as error:
                raise AssertionError(f"{side.name}, {case.name}: {error}") from error
        side.end()
        if burst:
            play_bursts(wire, side, cases, results)
        return results


def play_bursts(wire, side, cases, results):
    """The one-frame cases once more, 64 at once: together they cause what each alone did."""
    single = [c for c in cases if len(c.steps) == 1]
    for at in range(0, len(single), 64):
        some, seen = single[at:at + 64], {host: [] for host in wire.taps}
        side.begin(wire, [case.steps[0][1:] for case in some])
        for case in some:
            wire.taps[case.steps[0][1]].send(*case.steps[0][2:])
        wire.settle(seen)
        for host, arrived in seen.items():
            wanted = collections.Counter(f for c in some for f in results[c.name][host])
            got = collections.Counter(arrived)
            assert got == wanted, (
                f"{side.name}, burst {some[0].name} to {some[-1].name}, host {host}: "
                f"missing {[frames.describe(f) for f in (wanted - got)][:5]}, "
                f"more {[frames.describe(f) for f in (got - wanted)][:5]}")


KERNEL = {} # the reference, taken once


def kernel_results():
    if not KERNEL:
        KERNEL.update(play_all(KernelSide))
    return KERNEL


@test
def the_kernel_agrees_with_itself():
    found = list(differences(kernel_results(), play_all(KernelSide)))
    assert not found, f"the harness, not the bridge, makes {len(found)} differences: {found[:5]}"


@test
def a_kernel_that_forgets_at_once_is_noticed():
    forgetful = play_all(lambda lab: KernelSide(lab, "ageing_time 0"), burst=False)
    found = {name for name, *_ in differences(kernel_results(), forgetful)}
    assert "learn/from-broadcast" in found and "flood/unknown-from-a" not in found, len(found)


@test
def tsuji_does_what_the_kernel_does():
    compare(kernel_results(), play_all(TsujiSide), "bridge")


@test
def tsuji_by_the_flow_cache_does_what_the_kernel_does():
    sides = []
    # No bursts: they are of cases without a step that makes a station known.
    other = play_all(lambda lab: sides.append(FlowSide(lab)) or sides[0], burst=False)
    print(f"    {sides[0].flows} flows armed, {sides[0].repeated} frames of cases repeated")
    assert sides[0].repeated > REPEATED_LEAST, sides[0].repeated
    compare(kernel_results(), other, "bridge")


@test
def stations_age_as_in_the_kernel():
    with BridgeLab("abcdef", live=False) as lab:
        lab.start_kernel_bridge("def", f"ageing_time {AGING_S * 100}")
        lab.start_tsuji(lab.bridge_file("abc", bridge=f"aging: {AGING_S}"))
        wires = {"tsuji": Wire(lab, "abc"), "kernel": Wire(lab, "def")}
        told = {name: age(wire) for name, wire in wires.items()}
        for phase in ("learn", "use", "ask"):
            seen = {name: next(told[name]) for name in told}
            assert seen["tsuji"] == seen["kernel"], (phase, seen)
            if phase != "ask":
                time.sleep(AGING_S / 2 + 0.5)
        assert seen["tsuji"] == {"silent": [1, 2], "heard": [1], "spoken to": [1, 2]}, seen


def age(wire):
    """Three stations behind the second host; one speaks half way, one is only spoken to."""
    here, there, _ = wire.taps.values()
    stations = {"silent": b"\2\0\0\0\0\1", "heard": b"\2\0\0\0\0\2", "spoken to": b"\2\0\0\0\0\3"}
    asker = b"\2\0\0\0\0\4"
    for station in stations.values():
        there.send(frames.eth(frames.BROADCAST, station, bridge_corpus.PLAIN, bytes(46)))
    yield list(map(len, wire.settle().values()))
    there.send(frames.eth(asker, stations["heard"], bridge_corpus.PLAIN, bytes(46)))
    wire.settle()
    here.send(frames.eth(stations["spoken to"], asker, bridge_corpus.PLAIN, bytes(46)))
    yield list(map(len, wire.settle().values()))
    reached = {}
    for name, station in stations.items():
        here.send(frames.eth(station, asker, bridge_corpus.PLAIN, bytes(46)))
        reached[name] = [n for n, arrived in enumerate(wire.settle().values()) if arrived]
    yield reached


if __name__ == "__main__":
    main()
