#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_nat_differential.py - the same conversations through nft in the kernel's router and
through tsuji.

Every case of nat_corpus.py is played by silent hosts, once with nft's rules in the router's
kernel and once with the same rules in tsuji; what reaches each host is captured and compared
byte for byte, translated ports and checksums included. What differs must match an entry of
differences.md, and each entry must be needed.

Hosts answer what reaches them, so a case can go different ways: where a datagram does not
come through, its answer is not sent.

By the flow cache: before each datagram of UDP, and each segment of TCP in the midst of a
connection, three others like it have gone the same way, so that the case's own meets what XDP
repeats.

Fields that may differ, and only where named here:
    identification    of datagrams that the router makes itself, and the checksum over it
    chosen ports      in cases that make the router choose one (nat_corpus.py: ports): the
                      n-th port that nobody has sent is called Pn, and the checksums over it
                      are called right or wrong
"""
import fnmatch
import os
import re
import struct

import frames
import nat_corpus
from lib import KERNEL_ROUTER, ROOT, Lab, main, must, test
from test_differential import HERE, QUIET, Wire, compare, differences, repeated

BEHIND = {"a": "10.1.0.0/16", "b": "10.2.0.0/16", "c": "10.3.0.0/16"}
OWN_TTL = 64 # of what the router makes itself; the rest has lost one on its way
REPEATED_LEAST = 300 # packets of cases that the flow cache has repeated
CHECKSUM = {frames.ICMP: 2, frames.UDP: 6, frames.TCP: 16} # where in the header


class Player(Wire):
    """A wire whose cases are conversations."""

    def play(self, case, side):
        seen = {name: [] for name in self.taps}
        last = {}
        for at, (kind, *arguments) in enumerate(case.steps):
            before = {name: len(arrived) for name, arrived in seen.items()}
            if kind == "router":
                side.reload()
                continue
            host, some = self.frames_of(kind, arguments, last)
            side.begin(self, host, some, at)
            for frame in some:
                self.taps[host].send(frame)
            self.settle(seen)
            self.confirm_unicast(seen)
            for name, arrived in seen.items():
                last.update({name: f for f in arrived[before[name]:] if frames.is_ip4(f)})
        chosen = {}
        return {name: [normalise(f, case.ports, chosen) for f in arrived]
                for name, arrived in seen.items()}

    @staticmethod
    def frames_of(kind, arguments, last):
        host, what = arguments
        if kind == "answer":
            what = what(last[host]) if host in last else []
        return host, [what] if isinstance(what, bytes) else what


def normalise(frame, known, chosen):
    """A captured frame with the fields masked that may differ; wrong checksums stay wrong."""
    if not frames.is_ip4(frame):
        return frame
    frame = bytearray(frame)
    start = 14 + frames.header_len(frame)
    if frame[22] == OWN_TTL:
        right = frames.checksum(bytes(frame[14:start])) == 0
        frame[18:20] = b"\0\0"
        if right:
            frame[24:26] = b"\0\0"
            frame[24:26] = struct.pack("!H", frames.checksum(bytes(frame[14:start])))
    if known is not None:
        mask_ports(frame, known, chosen)
    return bytes(frame)


def mask_ports(frame, known, chosen):
    """Names the ports that the router has chosen, in the datagram and in one it quotes."""
    start = 14 + frames.header_len(frame)
    if frame[23] not in CHECKSUM:
        return
    name_checksum(frame, start)
    if frame[23] == frames.ICMP and frame[start] in (3, 11, 12):
        quoted = start + 8
        name_ports(frame, frame[quoted + 9], quoted + (frame[quoted] & 15) * 4, known, chosen)
    else:
        name_ports(frame, frame[23], start, known, chosen)


def name_ports(frame, protocol, start, known, chosen):
    for field in [start + 4] if protocol == frames.ICMP else [start, start + 2]:
        port = struct.unpack("!H", frame[field:field + 2])[0]
        if port not in known:
            frame[field:field + 2] = b"P%d" % chosen.setdefault(port, len(chosen))
            if CHECKSUM[protocol] < 8: # which an ICMP error quotes
                at = start + CHECKSUM[protocol]
                frame[at:at + 2] = b"??"


def name_checksum(frame, start):
    """Writes down whether the checksum of a whole TCP, UDP or ICMP datagram is right."""
    at, protocol = start + CHECKSUM[frame[23]], frame[23]
    total = bytes(frame[start:14 + struct.unpack("!H", frame[16:18])[0]])
    if protocol != frames.ICMP:
        ends = bytes(frame[26:30]), bytes(frame[30:34])
        total = frames.pseudo(*ends, protocol, len(total)) + total
    frame[at:at + 2] = b"NO" if frames.checksum(total) else b"OK"


def configure_kernel(lab):
    """The router's addresses, routes and neighbours, for its kernel."""
    lab.give_kernel_addresses()
    for name, subnet in BEHIND.items():
        host = lab.hosts[name]
        must(f"ip -n {lab.router} route add {subnet} via {host.address}")
        must(f"ip -n {lab.router} neigh add {host.address} lladdr {host.mac_text}"
             f" dev {host.port} nud permanent")
    # Linux sends what it does not expect at the address of snat back, and must know where to.
    must(f"ip -n {lab.router} neigh add {nat_corpus.FIXED} lladdr {lab.c.mac_text}"
         f" dev {lab.c.port} nud permanent")
    lab.set(lab.router, {**QUIET, "ipv4/conf/all/send_redirects": 0,
                         f"ipv4/conf/{lab.c.port}/send_redirects": 0})


class Side:
    """Who translates."""

    def begin(self, player, host, some, step):
        """These frames from that host come next."""


class KernelSide(Side):
    name = "kernel"

    def __init__(self, lab):
        self.lab = lab
        configure_kernel(lab)
        lab.set(lab.router, KERNEL_ROUTER)
        self.rules = lab.directory / "rules.nft"
        self.rules.write_text(nat_corpus.NFT_RULES)
        self.reload()

    def reload(self):
        self.lab.must("router", ["nft", "-f", str(self.rules)])


class TsujiSide(Side):
    """tsuji beside a kernel that has the same addresses, so that what is for the router
    itself is answered by the same kernel."""
    name = "tsuji"
    lanes = "lanes: {transmit: socket, flow-cache: off}\n"

    def __init__(self, lab):
        self.lab = lab
        configure_kernel(lab)
        lab.set(lab.router, {**KERNEL_ROUTER, "ipv4/ip_forward": 0})
        lab.start_tsuji(router_file(lab) + self.lanes)

    def reload(self):
        self.lab.tsuji.must("reload")


class FlowSide(TsujiSide):
    """tsuji, which repeats in XDP what it has decided before."""
    lanes = "lanes: {transmit: burst, flow-cache: on}\n"

    def __init__(self, lab):
        for host in lab.hosts: # NAPI at the far ends, without which nothing is repeated
            lab.must(host, "ethtool -K eth0 gro on")
        super().__init__(lab)
        self.flows = 0

    def begin(self, player, host, some, step):
        like = [like_it(frame, step) for frame in some]
        if len(like) != 1 or not like[0]:
            return
        self.flows += 1
        for n in (2, 1): # the second packet arms it, the third is the last to go the long way
            for _ in range(n):
                player.taps[host].send(like[0])
            player.settle({name: [] for name in player.taps})


def like_it(frame, step):
    """A good frame of the same session, which leaves it in its state; None: there is none."""
    if not frames.is_ip4(frame) or frame[14] != 0x45 or frame[20:22] not in (b"\0\0", b"\x40\0") \
            or len(frame) < 54 - 12 * (frame[23] == frames.UDP):
        return None
    src, dst = frame[26:30], frame[30:34]
    ports = dict(zip(("sport", "dport"), struct.unpack("!HH", frame[34:38])))
    if frame[23] == frames.UDP:
        body = frames.udp(src, dst, **ports)
    elif frame[23] == frames.TCP and step > 2 and frame[47] & 0x17 == frames.TCP_ACK:
        seq, ack = struct.unpack("!II", frame[38:46])
        body = frames.tcp(src, dst, seq=seq, ack=ack, flags=frames.TCP_ACK, **ports)
    else:
        return None
    return frame[:14] + frames.ip4(src, dst, frame[23], body)



def router_file(lab):
    """The same as configure_kernel() and the rules, in tsuji's words."""
    hosts = lab.hosts
    routes = [f"  - {{to: {subnet}, via: {hosts[h].address}}}\n" for h, subnet in BEHIND.items()]
    neighbours = [f'  - {{address: {h.address}, mac: "{h.mac_text}", port: {h.port}}}\n'
                  for h in hosts.values()]
    return lab.router_file("routes:\n" + "".join(routes) + "neighbours:\n" + "".join(neighbours)
                           + nat_corpus.TSUJI_RULES)


def play_all(make_side):
    """Every case through one side: what arrived, by case name and host."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) # one backlog: no frame overtakes
    with Lab("abc", live=False) as lab:
        side = make_side(lab)
        player = Player(lab)
        lab.greet()
        player.settle({name: [] for name in player.taps})
        results = {}
        for case in nat_corpus.build(lab.hosts):
            try:
                results[case.name] = player.play(case, side)
            except AssertionError as error:
                raise AssertionError(f"{side.name}, {case.name}: {error}") from error
        if lab.tsuji:
            side.repeated = repeated(lab.tsuji)
        return results


KERNEL = {} # the reference, taken once


def kernel_results():
    if not KERNEL:
        KERNEL.update(play_all(KernelSide))
    return KERNEL


@test
def nft_agrees_with_itself():
    found = list(differences(kernel_results(), play_all(KernelSide)))
    assert not found, f"the harness, not the router, makes {len(found)} differences: {found[:5]}"


@test
def nft_without_a_rule_is_noticed():
    class Forgetful(KernelSide):
        def reload(self):
            text = self.rules.read_text().splitlines(keepends=True)
            self.rules.write_text("".join(line for line in text if "dport 7000" not in line))
            super().reload()
    found = {name for name, *_ in differences(kernel_results(), play_all(Forgetful))}
    assert "forward/other-port" in found and "forward/same-port" not in found, found


@test
def tsuji_does_what_nft_does():
    compare(kernel_results(), play_all(TsujiSide), "nat")


@test
def tsuji_by_the_flow_cache_does_what_nft_does():
    sides = []
    other = play_all(lambda lab: sides.append(FlowSide(lab)) or sides[0])
    print(f"    {sides[0].flows} flows armed, {sides[0].repeated} packets repeated")
    assert sides[0].repeated > REPEATED_LEAST, sides[0].repeated
    compare(kernel_results(), other, "nat")


@test
def the_table_of_requirements_names_tests_that_exist():
    source = "".join(f.read_text() for pattern in ("unit/test_*.c", "e2e/test_*.py")
                     for f in (ROOT / "tests").glob(pattern))
    cases = [case.name for case in nat_corpus.build(Lab("abc", live=False).hosts)]
    rows = [line.split("|") for line in (HERE / "rfc-nat.md").read_text().splitlines()
            if line.startswith("| REQ") or line.startswith("| RFC")]
    for row in rows:
        names = re.findall(r"`([^`]+)`", row[3])
        assert names or "nothing to show" in row[3], row[1]
        for name in names:
            found = fnmatch.filter(cases, name) if "/" in name else \
                re.search(rf"(def|void) {name}\(", source)
            assert found, f"{row[1]}: no test is called {name}"
    assert len(rows) >= 14 + 10 + 11, len(rows)


if __name__ == "__main__":
    main()
