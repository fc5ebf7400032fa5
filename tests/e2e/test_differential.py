#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_differential.py - the same frames through the kernel's router and through tsuji.

Every case of corpus.py is sent into a lab of three silent hosts, once routed by the kernel
and once by tsuji; every frame that reaches a host is captured and compared byte for byte.
What differs must match an entry of differences.md, and each entry must be needed.

By the flow cache: the cases' flows have been armed by good packets before, so that the cases
meet what XDP repeats. Packets of one flow of which some are repeated and some cannot be go
two ways, and need not arrive in their order: there alone it is not compared.

After each case the hosts send each other sentinels through the router, twice: the second
round starts when the first has arrived, so a router that takes frames by turns has then
finished the case's turn. They carry an option, with which nothing is repeated in XDP, where
it would overtake. Nothing is timed; a case takes about a millisecond.

Fields that may differ, and only where named here:
    identification    of datagrams the router makes itself, and the header checksum over it
    timestamps        the router's time in timestamp options, and the checksums over it
    unicast ARP       requests to known neighbours: a matter of timers; they are answered
"""
import collections
import fnmatch
import os
import pathlib
import select
import struct
import sys
import time

import corpus
import frames
from lib import KERNEL_ROUTER, Lab, main, must, test

HERE = pathlib.Path(__file__).resolve().parent
SENTINEL = 253 # the protocol number RFC 3692 leaves for experiments
NOPS = b"\1" * 4
MAX_SHOWN = 30
SOME = 64 # cases at a time
FLOWS_LEAST = 500 # packets of cases that the flow cache has repeated
BURST = "burst" # many cases as one
CHANGING = ("arp/", "default/") # families that change neighbours or routes for those after
QUIET = { # the kernel's neighbours, which no timer of this test's length shall touch
    "ipv4/neigh/r0/delay_first_probe_time": 600, "ipv4/neigh/r0/base_reachable_time": 600}


class Wire:
    """The hosts' taps: sends a case and gathers what it causes."""

    def __init__(self, lab):
        self.lab, self.taps, self.round = lab, lab.taps(), 0
        self.answered = {} # requests of the case being played, by identity
        names = list(lab.hosts)
        self.ring = list(zip(names, names[1:] + names[:1]))

    def sentinel_round(self, seen):
        """Sends one sentinel around and waits for it; other frames go to seen."""
        self.round += 1
        mark = b"sentinel" + struct.pack("!Q", self.round)
        for here, there in self.ring:
            h = self.lab.hosts[here]
            datagram = frames.ip4(h.address, self.lab.hosts[there].address, SENTINEL, mark,
                                  options=NOPS)
            self.taps[here].send(frames.eth(h.gateway_mac, h.mac, frames.ETH_IPV4, datagram))
        missing, end = set(self.taps), time.monotonic() + 3
        while missing:
            left = end - time.monotonic()
            assert left > 0, f"sentinel lost on the way to host {sorted(missing)}"
            select.select([self.taps[m].socket for m in missing], [], [], left)
            for name in list(self.taps):
                for frame in self.taps[name].receive():
                    if frame.endswith(mark) and frame[23] == SENTINEL:
                        missing.discard(name)
                    else:
                        seen[name].append(frame)

    def settle(self, seen):
        self.sentinel_round(seen)
        self.sentinel_round(seen)

    def answer(self, host, request, mac):
        """The reply of whom the router asked for."""
        reply = frames.arp(2, mac, request[38:42], request[6:12], request[28:32])
        self.taps[host].send(frames.eth(request[6:12], mac, frames.ETH_ARP, reply))

    def answer_requests(self, seen, macs):
        """Answers broadcast requests not answered yet, with the case's MAC or one made up."""
        for host, arrived in seen.items():
            for request in arrived:
                if frames.is_arp_request(request) and request[0] & 1 \
                        and id(request) not in self.answered:
                    self.answered[id(request)] = request
                    address = frames.text(request[38:42])
                    self.answer(host, request, macs.get(address, b"\2\0\0\0\x0c" + request[41:42]))

    def confirm_unicast(self, seen):
        """Answers unicast requests as the neighbours would, and forgets them."""
        for host, arrived in seen.items():
            for request in [f for f in arrived if frames.is_arp_request(f) and not f[0] & 1]:
                self.answer(host, request, request[:6])
                arrived.remove(request)

    def play(self, case, side):
        """Sends one case; returns what arrived, by host."""
        seen = {name: [] for name in self.taps}
        macs = {step[2]: step[3] for step in case.steps if step[0] == "answer"}
        self.answered, sender = {}, None
        for kind, *arguments in case.steps:
            if kind == "send":
                if sender not in (None, arguments[0]): # what comes by two ports has no order
                    self.settle(seen)
                sender = arguments[0]
                self.taps[sender].send(arguments[1])
            elif kind == "router":
                side.change(*arguments)
        for _ in range(2): # the second time for what answers have let go
            self.settle(seen)
            self.answer_requests(seen, macs)
            self.confirm_unicast(seen)
        self.settle(seen)
        timed = case.name == BURST or "-ts-" in case.name or "/type-13" in case.name
        return {name: [normalise(f, timed) for f in arrived] for name, arrived in seen.items()}


def normalise(frame, timed):
    """A captured frame with the fields masked that may differ; wrong checksums stay wrong."""
    if not frames.is_ip4(frame):
        return frame
    start = 14 + frames.header_len(frame)
    frame = bytearray(frame)
    right = [(24, 14, start)] # where a checksum is, and what it is over
    timed_bytes = [(34, start)] # options, those of a quoted header, a timestamp reply
    kind = frame[start] if frame[23] == frames.ICMP and len(frame) >= start + 8 else None
    if kind in (3, 11, 12) and len(frame) >= start + 28:
        quoted, end = start + 8, start + 8 + (frame[start + 8] & 15) * 4
        right.append((quoted + 10, quoted, end))
        timed_bytes.append((quoted + 20, end))
    if kind == 14:
        timed_bytes.append((start + 8, start + 20))
    if kind is not None:
        right.append((start + 2, start, len(frame)))
    right = [r for r in right if frames.checksum(bytes(frame[r[1]:r[2]])) == 0]
    own = frames.text(bytes(frame[26:30])) in corpus.OWN
    if own:
        frame[18:20] = b"\0\0"
    for first, end in timed_bytes if timed else []:
        mask_times(frame, first, end)
    for at, first, end in right if own or timed else []:
        frame[at:at + 2] = b"\0\0"
        frame[at:at + 2] = struct.pack("!H", frames.checksum(bytes(frame[first:end])))
    return bytes(frame)


def mask_times(frame, first, end):
    """Replaces what looks like the present time in milliseconds since midnight UT."""
    now = int(time.time() * 1000) % 86_400_000
    for at in range(first, min(end, len(frame)) - 3):
        value = int.from_bytes(frame[at:at + 4], "big")
        if value and 0 <= (now - value) % 86_400_000 < 5_000:
            frame[at:at + 4] = b"TIME"


class Side:
    """Who routes."""

    def begin(self, wire, cases):
        """Some cases come next."""

    def end(self):
        """They are over."""


class KernelSide(Side):
    name = "kernel"

    def __init__(self, lab):
        self.lab = lab
        configure_kernel(lab)
        lab.set(lab.router, KERNEL_ROUTER)

    def change(self, words):
        must(f"ip -n {self.lab.router} {words}")


class TsujiSide(Side):
    """tsuji; *beside* a kernel that has the same addresses, or *alone*; by a lane of choice."""

    def __init__(self, lab, beside, lane="socket", xdp="native", flow_cache="off"):
        self.lab, self.name = lab, "beside" if beside else "alone"
        self.beside = beside
        if beside:
            configure_kernel(lab)
            lab.set(lab.router, {**KERNEL_ROUTER, "ipv4/ip_forward": 0})
        if lane == "burst": # which needs NAPI at the far ends, and that is what GRO brings
            for host in lab.hosts:
                lab.must(host, "ethtool -K eth0 gro on")
        ports = router_file(lab).replace("]}\n", f"], xdp: {xdp}}}\n")
        lab.start_tsuji(ports + f"lanes: {{transmit: {lane}, flow-cache: {flow_cache}}}\n")
        used = {port["lane"] for port in lab.tsuji.show("port")}
        assert used == {lane}, f"the ports use {used}"

    def change(self, words):
        self.lab.tsuji.must(words)
        if self.beside:
            must(f"ip -n {self.lab.router} {words}")


class FlowSide(TsujiSide):
    """tsuji alone, which repeats in XDP what it has decided before; reached: where the kernel
    sends the destinations that can be reached."""

    def __init__(self, lab, reached):
        super().__init__(lab, False, "burst", flow_cache="on")
        self.reached, self.flows, self.repeated, self.before = reached, 0, 0, 0

    def begin(self, wire, cases):
        """Has the cases' flows armed."""
        flows = {flow for case in cases if not case.name.startswith(CHANGING)
                 for kind, *step in case.steps if kind == "send"
                 for flow in [self.flow_of(*step)] if flow}
        for _ in range(3): # the second packet arms it, the third is the last to go the long way
            for host, src, dst in sorted(flows):
                h = self.lab.hosts[host]
                wire.taps[host].send(frames.eth(h.gateway_mac, h.mac, frames.ETH_IPV4, frames.ip4(
                    src, dst, frames.UDP, frames.udp(src, dst))))
            wire.settle({name: [] for name in wire.taps})
        self.flows += len(flows)
        self.before = repeated(self.lab.tsuji)

    def end(self):
        self.repeated += repeated(self.lab.tsuji) - self.before

    def flow_of(self, host, frame):
        """Whence, source and destination of a frame whose flow reaches another host."""
        if len(frame) < 34 or frame[12:14] != b"\x08\x00" or not frame[26] == 10:
            return None
        there = self.reached.get(frame[30:34], host)
        return None if there == host else (host, frame[26:30], frame[30:34])


def repeated(tsuji):
    """How many packets the flow cache has repeated."""
    return sum(port["flow_packets"] for port in tsuji.show("port"))


def reached_by(results):
    """Destinations of what was forwarded, and at which host it arrived."""
    return {frame[30:34]: host for seen in results.values() for host, arrived in seen.items()
            for frame in arrived if frames.is_ip4(frame) and frame[26] == 10}


def configure_kernel(lab):
    """The router's addresses, routes and neighbours, for its kernel."""
    lab.give_kernel_addresses()
    must(f"ip -n {lab.router} address add {corpus.SECOND}/24 dev r0")
    for to, how in corpus.ROUTES:
        kind = "" if how.startswith("via") else how.split()[0]
        must(f"ip -n {lab.router} route add {kind} {to} {how if not kind else how[len(kind):]}")
    for address, host, last in corpus.NEIGHBOURS:
        mac = lab.hosts[host].mac_text[:-2] + last
        must(f"ip -n {lab.router} neigh add {address} lladdr {mac}"
             f" dev {lab.hosts[host].port} nud permanent")
    lab.set(lab.router, QUIET)


def router_file(lab):
    """The same as configure_kernel(), in tsuji's words."""
    lines = []
    for to, how in corpus.ROUTES:
        words = how.split()
        fields = [f"to: {to}"] + ([f"type: {words[0]}"]
                                  if words[0] != "via" else [f"via: {words[1]}"])
        if "metric" in words:
            fields.append(f"metric: {words[words.index('metric') + 1]}")
        lines.append(f"  - {{{', '.join(fields)}}}\n")
    neighbours = [
        f'  - {{address: {address}, mac: "{lab.hosts[host].mac_text[:-2]}{last}",'
        f' port: {lab.hosts[host].port}}}\n'
        for address, host, last in corpus.NEIGHBOURS]
    text = lab.router_file("routes:\n" + "".join(lines) + "neighbours:\n" + "".join(neighbours))
    return text.replace("192.168.1.1/24]", f"192.168.1.1/24, {corpus.SECOND}/24]")


def play_all(make_side, burst=True):
    """Every case through one side: what arrived, by case name and host."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) # one backlog: no frame overtakes
    with Lab("abc", live=False, host_mtus={"a": 1504}) as lab:
        side = make_side(lab)
        wire = Wire(lab)
        cases = corpus.build(lab.hosts)
        steady = [c for c in cases if not c.name.startswith(CHANGING)]
        results = play_singly(wire, side, steady)
        if burst:
            play_bursts(wire, side, steady, results)
        return {**results, **play_singly(wire, side, [c for c in cases if c not in steady])}


def play_singly(wire, side, cases):
    results = {}
    for at in range(0, len(cases), SOME):
        side.begin(wire, cases[at:at + SOME])
        for case in cases[at:at + SOME]:
            try:
                results[case.name] = wire.play(case, side)
            except AssertionError as error:
                raise AssertionError(f"{side.name}, {case.name}: {error}") from error
        side.end()
    return results


def play_bursts(wire, side, cases, results):
    """The one-frame cases once more, 64 at once: together they cause what each alone did."""
    single = [c for c in cases if len(c.steps) == 1
              and not any(once(f) for arrived in results[c.name].values() for f in arrived)]
    for at in range(0, len(single), SOME):
        some = single[at:at + SOME]
        everything = corpus.Case(BURST, [step for case in some for step in case.steps])
        side.begin(wire, some)
        seen = wire.play(everything, side)
        side.end()
        for host in seen:
            wanted = collections.Counter(
                normalise(f, True) for case in some for f in results[case.name][host])
            got = collections.Counter(seen[host])
            assert got == wanted, (
                f"{side.name}, burst {some[0].name} to {some[-1].name}, host {host}: "
                f"missing {[frames.describe(f) for f in (wanted - got)][:5]}, "
                f"more {[frames.describe(f) for f in (got - wanted)][:5]}")


def once(frame):
    """What a router says only so often: an ARP request, a redirect."""
    return frames.is_arp_request(frame) or (
        frames.is_ip4(frame) and frame[23] == frames.ICMP
        and frame[14 + frames.header_len(frame):][:1] == b"\5")


def summary(seen):
    """What arrived, in words: what the entries of differences.md are matched with."""
    words = [f"{host} {frames.describe(f)}" for host, arrived in seen.items() for f in arrived]
    return "; ".join(words) or "nothing"


def differences(kernel, other):
    """(case name, kernel's summary, the other's) for each case that differs."""
    for name, seen in kernel.items():
        if seen == other[name]:
            continue
        words = [summary(seen), summary(other[name])]
        if words[0] == words[1]:
            where = [f" differing in {differing_bytes(x, y)}"
                     for host in seen for x, y in zip(seen[host], other[name][host]) if x != y]
            words = [words[0] + where[0], words[1] + where[0]]
        yield name, *words


def differing_bytes(x, y):
    return "bytes " + " ".join(str(i) for i in range(min(len(x), len(y))) if x[i] != y[i])


Entry = collections.namedtuple("Entry", "title cases router kernel tsuji why")


def read_entries():
    """The entries of differences.md: "## title", then "- key: value" lines."""
    entries = []
    for section in (HERE / "differences.md").read_text().split("\n## ")[1:]:
        title, *lines = section.splitlines()
        fields = dict(line[2:].split(": ", 1) for line in lines if line.startswith("- "))
        entries.append(Entry(title, fields["cases"].split(), fields["router"].split(),
                             fields["kernel"], fields["tsuji"], fields["why"]))
    return entries


def explains(entry, side, name, kernel, tsuji):
    match = fnmatch.fnmatchcase
    return (side in entry.router and any(match(name, c) for c in entry.cases)
            and match(kernel, entry.kernel) and match(tsuji, entry.tsuji))


def compare(kernel, other, side):
    """Fails on a difference that no entry explains, and on an entry that explains none."""
    entries = [e for e in read_entries() if side in e.router]
    used, unexplained = set(), []
    for name, was, now in differences(kernel, other):
        found = [e.title for e in entries if explains(e, side, name, was, now)]
        used.update(found)
        if not found:
            unexplained.append(f"{name}\n    kernel: {was}\n    {side}: {now}")
    shown = unexplained if os.environ.get("ALL_DIFFERENCES") else unexplained[:MAX_SHOWN]
    for line in shown:
        print(line)
    idle = [e.title for e in entries if e.title not in used]
    assert not unexplained, f"{len(unexplained)} of {len(kernel)} cases differ, {len(shown)} shown"
    assert not idle, f"differences.md: explains nothing any more: {idle}"


KERNEL = {} # the reference, taken once


def kernel_results():
    if not KERNEL:
        KERNEL.update(play_all(KernelSide))
    return KERNEL


@test
def the_kernel_agrees_with_itself():
    first, second = kernel_results(), play_all(KernelSide)
    found = list(differences(first, second))
    assert not found, f"the harness, not the router, makes {len(found)} differences: {found[:5]}"


@test
def a_kernel_that_ignores_echo_is_noticed():
    def deaf(lab):
        side = KernelSide(lab)
        lab.set(lab.router, {"ipv4/icmp_echo_ignore_all": 1})
        return side
    found = {name for name, *_ in differences(kernel_results(), play_all(deaf, burst=False))}
    assert "echo/a-192.168.1.1" in found and "ttl/64" not in found


@test
def tsuji_alone_does_what_the_kernel_does():
    compare(kernel_results(), play_all(lambda lab: TsujiSide(lab, beside=False)), "alone")


@test
def tsuji_beside_the_kernel_does_what_the_kernel_does():
    compare(kernel_results(), play_all(lambda lab: TsujiSide(lab, beside=True)), "beside")


@test
def tsuji_by_the_burst_lane_does_what_the_kernel_does():
    compare(kernel_results(), play_all(lambda lab: TsujiSide(lab, False, "burst")), "alone")


@test
def tsuji_by_the_flow_cache_does_what_the_kernel_does():
    kernel, sides = kernel_results(), []
    other = play_all(lambda lab: sides.append(FlowSide(lab, reached_by(kernel))) or sides[0])
    print(f"    {sides[0].flows} flows armed, {sides[0].repeated} packets of cases repeated")
    assert sides[0].repeated > FLOWS_LEAST, sides[0].repeated
    compare(orderless(kernel), orderless(other), "alone")


def orderless(results):
    """Packets that are too long for c go another way than those of the same flow that are not."""
    name = "order/to-c"
    return {**results, name: {host: sorted(seen) for host, seen in results[name].items()}}


def guessable(results):
    """Without those whose field looks unfinished: where no skb is to be seen, such a corrupt
    packet passes as good, 1 in 65,536, and the README says so."""
    return {name: r for name, r in results.items() if not name.endswith("-pseudo-only")}


@test
def tsuji_in_generic_mode_does_what_the_kernel_does():
    # Beside the kernel, because what is punted passes the generic gate a second time.
    generic = play_all(lambda lab: TsujiSide(lab, True, xdp="generic"))
    compare(guessable(kernel_results()), guessable(generic), "beside")


if __name__ == "__main__":
    main()
