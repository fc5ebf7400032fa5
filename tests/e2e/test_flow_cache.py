#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_cache.py - what is repeated in XDP is what C would decide now.

Under a stream of numbered datagrams that the flow cache repeats, everything that their
decision came from is changed: no datagram sent after a command has returned, or after a
frame from a host has had its effect, follows the decision from before. What every one of them
has to be counted in counts it, at once; a session lives as long as it is used; and what is
not like the packets before it goes the long way.

That the same bytes leave by this lane is shown by test_differential.py and its kin."""
import json
import struct
import subprocess
import time

import frames
from bridge_lab import LOCAL_EXPERIMENT, BridgeLab, WireTap
from frames import DF, ICMP, MF, TCP, TCP_ACK, TCP_RST, TCP_SYN, UDP
from lib import TSUJI, Lab, main, must, test, wait_for
from stream import (PORT, Stream, datagram, gro_on, is_numbered, named_losses, ports, repeated,
                    wait_repeated)

HERE, THERE = "10.1.0.1", "10.2.0.1" # behind hosts a and b, which do not answer for them
TO_B = "routes:\n  - {to: 10.2.0.0/16, via: 192.168.0.2}\n"
AFTERWARDS = 400 # datagrams that are sent after a change
TCP_FIN = 1
ROUTES = "routes:\n" \
         "  - {to: 10.1.0.0/16, via: 192.168.1.2}\n" \
         "  - {to: 10.2.0.0/16, via: 192.168.0.2}\n" \
         "  - {to: 10.3.0.0/16, via: 192.168.2.2}\n"


# -- changes ----------------------------------------------------------------------------

class Watch:
    """A stream, what is known of it, and changes under it."""

    def __init__(self, lab, stream, sender="a"):
        self.lab, self.tsuji, self.stream, self.seen = lab, lab.tsuji, stream, []
        self.ends = sender, [host for host in lab.hosts if host != sender]

    def gather(self):
        arrived = self.stream.arrivals()
        self.seen += [a.number for a in arrived]
        return arrived

    def change(self, act, stale, *, cached=True):
        """act() while the stream is repeated in XDP: nothing sent later is stale. What has
        arrived of the AFTERWARDS that were sent next."""
        if cached:
            wait_repeated(self.tsuji)
        self.gather()
        act()
        after = self.stream.begun()
        self.stream.wait_sent(after + AFTERWARDS)
        later = [a for a in self.gather() if a.number > after]
        wrong = [a for a in later if stale(a)]
        assert not wrong, f"{len(wrong)} of {len(later)} by the decision from before: the first " \
            f"is number {wrong[0].number - after} after, at {wrong[0].host}"
        return [a for a in later if a.number <= after + AFTERWARDS]

    def all_go(self, act, stale, fresh, **options):
        """The same, and then all that has been sent arrives as it should."""
        later = self.change(act, stale, **options)
        wrong = [a for a in later if not fresh(a)]
        assert not wrong, f"number {wrong[0].number} at {wrong[0].host}: {wrong[0].frame.hex()}"
        missing = AFTERWARDS - len({a.number for a in later})
        lost = named_losses(self.lab, *self.ends)
        assert missing <= sum(lost.values()), f"{missing} missing, named: {lost}"

    def none_go(self, act, **options):
        later = self.change(act, lambda a: True, **options)
        assert not later

    def finish(self):
        """Nothing has come twice, and what has not come at all has a name."""
        n = self.stream.stop()
        time.sleep(0.1)
        self.gather()
        lost = named_losses(self.lab, *self.ends)
        doubled, missing = len(self.seen) - len(set(self.seen)), n - len(set(self.seen))
        print(f"    {n} sent, {repeated(self.tsuji)} repeated, {missing} missing, named {lost}")
        assert doubled == 0, f"{doubled} doubled"
        assert missing <= sum(lost.values()), f"{missing} missing, named: {lost}"
        assert self.tsuji.show("stats")[0]["balance"] == 0


def at(*hosts):
    return lambda a: a.host in hosts


class RoutedLab(Lab):
    """Hosts a, b and c, whose addresses are known to the router, and which can take XDP frames."""

    def start(self, extra=""):
        gro_on(self)
        tsuji = self.start_tsuji(self.router_file(ROUTES + extra))
        self.taps()
        for address in ("192.168.0.2", "192.168.2.2"):
            self.must("a", f"ping -c 1 -W 2 {address}")
        return tsuji

    def stream(self, **fields):
        return Stream(self, "a", [datagram(self.a, HERE, THERE, **fields)])

    def reload(self, extra="", ports=None):
        self.tsuji.file.write_text(self.router_file(ROUTES + extra, ports))
        self.tsuji.must("reload")


@test
def a_route_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            def ip(words):
                return lambda: tsuji.must(f"route {words}")
            watch.all_go(ip("add 10.2.0.0/24 via 192.168.2.2"), at("b"), at("c"))
            watch.all_go(ip("del 10.2.0.0/24 via 192.168.2.2"), at("c"), at("b"))
            watch.none_go(ip("add blackhole 10.2.0.0/24"))
            assert tsuji.drops()["ip4-blackhole"] >= AFTERWARDS
            watch.all_go(ip("del 10.2.0.0/24"), lambda a: False, at("b"), cached=False)
            watch.all_go(lambda: lab.reload("  - {to: 10.2.0.1/32, via: 192.168.2.2}\n"),
                         at("b"), at("c"))
            watch.all_go(lab.reload, at("c"), at("b"))
            watch.finish()
        tsuji.stop()


@test
def a_neighbour_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        def to(mac):
            return lambda a: a.frame[:6] == mac
        made_up, moved = frames.mac("02:00:00:00:77:01"), frames.mac("02:00:00:00:77:02")
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            watch.all_go(lambda: tsuji.must(f"neigh add 192.168.0.2 mac {made_up.hex(':')} port r1"),
                         to(lab.b.mac), to(made_up))
            watch.all_go(lambda: tsuji.must("neigh del 192.168.0.2 port r1"), to(made_up),
                         to(lab.b.mac))
            def change_mac():
                must(f"ip -n {lab.b.namespace} link set eth0 address {moved.hex(':')}")
                lab.b.tap.send(frames.eth(frames.BROADCAST, moved, frames.ETH_ARP, frames.arp(
                    2, moved, lab.b.address, frames.BROADCAST, lab.b.address)))
                wait_for(lambda: tsuji.show("neigh", "address")["192.168.0.2"]["mac"]
                         == moved.hex(":"), what="the announcement")
            watch.all_go(change_mac, to(lab.b.mac), to(moved))
            watch.all_go(lambda: tsuji.must("neigh flush"), lambda a: False, to(moved))
            watch.finish()
        tsuji.stop()


@test
def a_port_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        with lab.stream(size=900, fragment=DF) as stream:
            watch = Watch(lab, stream)
            def mtu(value):
                given = {h.port: f"{{addresses: [{h.gateway}/24]}}" for h in lab.hosts.values()}
                given["r1"] = f"{{addresses: [192.168.0.1/24], mtu: {value}}}"
                return lambda: lab.reload(ports=given)
            watch.none_go(mtu(800))
            assert lab.a.tap.wait(lambda f: frames.is_ip4(f) and f[34:36] == b"\3\4"
                                  and f[40:42] == struct.pack("!H", 800)), "no ICMP error"
            watch.all_go(mtu(1500), lambda a: False, at("b"), cached=False)
            link = f"ip -n {lab.router} link set r1"
            def mtu_live(value):
                must(f"{link} mtu {value}")
                wait_for(lambda: ports(tsuji)["r1"]["mtu"] == value, what="the MTU")
            watch.none_go(lambda: mtu_live(700))
            watch.all_go(lambda: mtu_live(1500), lambda a: False, at("b"), cached=False)
            watch.none_go(lambda: must(f"{link} down"))
            must(f"{link} up")
            wait_for(lambda: ports(tsuji)["r1"]["state"] == "up", what="r1 up")
            watch.all_go(lambda: wait_repeated(tsuji), lambda a: False, at("b"))
            def remove():
                tsuji.file.write_text("ports:\n  r0: {addresses: [192.168.1.1/24]}\n")
                tsuji.must("reload")
            watch.none_go(remove)
            watch.all_go(lab.reload, lambda a: False, at("b"), cached=False)
            watch.all_go(lambda: wait_repeated(tsuji), lambda a: False, at("b"))
            watch.finish()
        tsuji.stop()


@test
def the_mac_of_a_port_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        def change_mac(port, mac):
            must(f"ip -n {lab.router} link set {port} address {mac.hex(':')}")
            wait_for(lambda: ports(tsuji)[port]["mac"] == mac.hex(":"), what=f"the MAC of {port}")
        def source(mac):
            return lambda a: a.frame[6:12] == mac
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            new = frames.mac("02:00:00:00:88:01")
            watch.all_go(lambda: change_mac("r1", new), source(lab.b.gateway_mac), source(new))
            watch.none_go(lambda: change_mac("r0", new)) # host a does not know of it
            assert tsuji.drops()["eth-not-ours"] >= AFTERWARDS
            watch.all_go(lambda: change_mac("r0", lab.a.gateway_mac), lambda a: False, at("b"),
                         cached=False)
            watch.finish()
        tsuji.stop()


def stays(tsuji, seconds=0.3):
    """Nothing is repeated any more."""
    before = repeated(tsuji)
    time.sleep(seconds)
    return repeated(tsuji) == before


@test
def the_switch_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            for _ in range(3):
                watch.all_go(lambda: tsuji.must("set lanes.flow-cache off"), lambda a: False,
                             at("b"))
                assert stays(tsuji)
                tsuji.must("set lanes.flow-cache on")
            watch.finish()
        tsuji.stop()


@test
def a_trace_sees_every_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            wait_repeated(tsuji)
            for _ in range(3):
                walks = json.loads(tsuji.must("-j trace -c 30 udp port 9"))
                numbers = [int(walk["first"][-8:], 16) for walk in walks]
                assert numbers == list(range(numbers[0], numbers[0] + 30)), numbers
            wait_repeated(tsuji)
            # One that sees nothing does as much: for as long as it is armed all go the long way.
            tracer = subprocess.Popen([TSUJI, "-n", lab.router, "trace", "udp port 7777"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                wait_for(lambda: stays(tsuji, 0.1), what="the trace is armed")
                assert stays(tsuji)
            finally:
                tracer.terminate()
                tracer.communicate()
            wait_repeated(tsuji)
            watch.finish()
        tsuji.stop()


@test
def a_mirror_sees_every_packet():
    with RoutedLab("abc") as lab:
        given = {"r0": "{addresses: [192.168.1.1/24]}", "r1": "{addresses: [192.168.0.1/24]}",
                 "r2": "{}"}
        gro_on(lab)
        routes = TO_B
        tsuji = lab.start_tsuji(lab.router_file(routes, given))
        lab.taps()
        def reload(port=None):
            words = dict(given)
            if port:
                words[port] = words[port].replace("}", ", mirror: r2}")
            tsuji.file.write_text(lab.router_file(routes, words))
            tsuji.must("reload")
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            for port in ("r0", "r1"):
                later = watch.change(lambda p=port: reload(p), lambda a: False)
                seen = {host: {a.number for a in later if a.host == host} for host in "bc"}
                lost = named_losses(lab, "a", "bc")
                for host in "bc":
                    missing = AFTERWARDS - len(seen[host])
                    assert missing <= sum(lost.values()), (port, host, missing, lost)
                reload()
        tsuji.stop()


@test
def rules_are_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        masquerade = "nat:\n  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n"
        fixed = "nat:\n  - {action: snat, out: r1, from: 10.1.0.0/16, to: 192.168.0.126}\n"
        deny = "filter:\n  - {action: drop, protocol: udp, port: 9}\n"
        def source(address):
            return lambda a: frames.text(a.frame[26:30]) == address
        def rules(extra):
            return lambda: lab.reload(extra)
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            watch.all_go(rules(masquerade), source(HERE), source("192.168.0.1"))
            watch.all_go(rules(fixed), source("192.168.0.1"), source("192.168.0.126"))
            watch.all_go(rules(""), source("192.168.0.126"), source(HERE))
            watch.none_go(rules(deny))
            assert tsuji.drops()["filter-drop"] >= AFTERWARDS
            watch.all_go(rules(masquerade), lambda a: False, source("192.168.0.1"), cached=False)
            watch.none_go(rules(masquerade + deny))
            watch.all_go(rules(masquerade), lambda a: False, source("192.168.0.1"), cached=False)
            wait_repeated(tsuji)
            before = stream.sent()
            tsuji.must("nat flush")
            after = stream.begun()
            stream.wait_sent(after + AFTERWARDS)
            packets = [s["packets"] for s in tsuji.show("nat") if s["protocol"] == "udp"]
            now = stream.begun()
            assert len(packets) == 1 and AFTERWARDS <= packets[0] <= now - before, packets
            watch.finish()
        tsuji.stop()


@test
def a_session_that_is_evicted_is_opened_anew():
    with RoutedLab("abc") as lab:
        tsuji = lab.start("sessions: {max: 16}\n"
                          "nat:\n  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n")
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            for n in range(20): # nobody answers: the oldest one goes
                wait_repeated(tsuji, 50)
                for port in range(20):
                    lab.a.tap.send(frames.eth(lab.a.gateway_mac, lab.a.mac, frames.ETH_IPV4,
                                              frames.ip4("10.1.0.2", THERE, UDP, frames.udp(
                                                  "10.1.0.2", THERE, sport=n << 8 | port, dport=7))))
            wait_repeated(tsuji)
            stats = tsuji.show("stats")[0]
            assert stats["sessions_evicted"] > 200 and stats["sessions"] <= 16, stats
            watch.finish()
        tsuji.stop()


STATION = frames.mac("02:00:00:00:66:01")


class FdbLab(BridgeLab):
    def stream(self):
        frame = datagram(self.a, "192.0.2.1", "192.0.2.9", dst_mac=STATION)
        return Stream(self, "a", [frame])

    def speak(self, host):
        """The station is behind that host, and the router has heard of it."""
        self.hosts[host].tap.send(frames.eth(frames.BROADCAST, STATION, LOCAL_EXPERIMENT, bytes(46)))
        wait_for(lambda: self.tsuji.show("fdb", "mac").get(STATION.hex(":"), {}).get("port")
                 == self.hosts[host].port, what=f"the station at {host}")


@test
def the_forwarding_database_is_obeyed_by_the_next_frame():
    with FdbLab("abc", live=False) as lab:
        gro_on(lab)
        tsuji = lab.start_tsuji()
        lab.taps()
        lab.speak("b")
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            watch.all_go(lambda: lab.speak("c"), at("b"), at("c"))
            watch.all_go(lambda: tsuji.must(f"fdb add {STATION.hex(':')} port r1"), at("c"), at("b"))
            flooded(watch, lambda: tsuji.must(f"fdb del {STATION.hex(':')}"))
            watch.all_go(lambda: lab.speak("b"), at("c"), at("b"), cached=False)
            flooded(watch, lambda: tsuji.must("fdb flush"))
            watch.all_go(lambda: lab.speak("c"), at("b"), at("c"), cached=False)
            watch.none_go(lambda: reload(lab, {"a": "isolated: on", "c": "isolated: on"}))
            watch.all_go(lambda: reload(lab, {}), lambda a: False, at("c"), cached=False)
            wait_repeated(tsuji)
            # The sender is seen elsewhere: what it sent from here is learnt here once more.
            lab.b.tap.send(frames.eth(frames.BROADCAST, lab.a.mac, LOCAL_EXPERIMENT, bytes(46)))
            wait_for(lambda: tsuji.show("fdb", "mac")[lab.a.mac_text]["port"] == "r0",
                     what="host a where it is")
            wait_repeated(tsuji)
            watch.all_go(lambda: reload(lab, {"a": "learning: off"}), lambda a: False, at("c"))
            assert stays(tsuji)
        tsuji.stop()


@test
def a_station_below_a_leg_is_found_where_it_is():
    with FdbLab("abc") as lab:
        gro_on(lab)
        far = "192.168.9.1"
        must(f"ip -n {lab.c.namespace} address add 192.168.9.2/24 dev eth0")
        must(f"ip -n {lab.c.namespace} route replace default via {far}")
        neighbours = f'neighbours:\n  - {{address: 192.0.2.9, mac: "{STATION.hex(":")}", port: br0}}\n'
        tsuji = lab.start_tsuji(lab.bridge_file(
            "ab", bridge="addresses: [192.0.2.254/24]", extra=neighbours,
            ports=f"  r2: {{addresses: [{far}/24]}}\n"))
        lab.taps()
        lab.speak("a")
        down = datagram(lab.c, "192.168.9.2", "192.0.2.9", dst_mac=lab.c.port_mac)
        with Stream(lab, "c", [down]) as stream:
            watch = Watch(lab, stream, "c")
            watch.all_go(lambda: lab.speak("b"), at("a"), at("b"))
            watch.all_go(lambda: lab.speak("a"), at("b"), at("a"))
            watch.finish()
        # And up, from a station that is heard elsewhere as well.
        leg = frames.mac(next(r["mac"] for r in tsuji.show("bridge") if r["name"] == "br0"))
        up = datagram(lab.a, "192.0.2.9", "192.168.9.2", dst_mac=leg)
        up = up[:6] + STATION + up[12:]
        with Stream(lab, "a", [up]) as stream:
            watch = Watch(lab, stream)
            wait_repeated(tsuji)
            was = tsuji.show("stats")[0]["flow_changes"]
            lab.b.tap.send(frames.eth(frames.BROADCAST, STATION, LOCAL_EXPERIMENT, bytes(46)))
            wait_for(lambda: tsuji.show("stats")[0]["flow_changes"] > was, what="the move")
            wait_for(lambda: tsuji.show("fdb", "mac")[STATION.hex(":")]["port"] == "r0",
                     what="the station where it sends")
            wait_repeated(tsuji)
            watch.finish()
        tsuji.stop()


@test
def a_port_that_loop_guard_blocks_is_silent_at_once():
    with FdbLab("abc", live=False) as lab:
        gro_on(lab)
        tsuji = lab.start_tsuji()
        lab.taps()
        # Static ones: what was learnt at the port is forgotten in any case.
        tsuji.must(f"fdb add {lab.a.mac_text} port r0")
        tsuji.must(f"fdb add {STATION.hex(':')} port r2")
        flapping = frames.eth(frames.BROADCAST, frames.mac("02:00:00:00:99:09"),
                              LOCAL_EXPERIMENT, bytes(46))
        def circle(): # a frame that comes by two ports, again and again
            def is_blocked():
                for host in "bc" * 8:
                    lab.hosts[host].tap.send(flapping)
                    time.sleep(0.002)
                return ports(tsuji)["r2"]["state"] == "blocked"
            wait_for(is_blocked, 15, "the port is blocked")
        back = datagram(lab.c, "192.0.2.9", "192.0.2.1", dst_mac=lab.a.mac)
        back = back[:6] + STATION + back[12:]
        with lab.stream() as there, Stream(lab, "c", [back]) as here:
            for port in ("r0", "r2"):
                first = repeated(tsuji, port)
                wait_for(lambda p=port, f=first: repeated(tsuji, p) > f + 50, what=f"both: {port}")
            there.arrivals()
            circle()
            after, back_after = there.begun(), here.begun()
            here.wait_sent(back_after + AFTERWARDS)
            there.wait_sent(after + AFTERWARDS)
            late = [a for a in there.arrivals()
                    if a.number > (after if a.host == "c" else back_after)]
            assert not late, f"{len(late)}, the first at {late[0].host}"
            assert tsuji.drops()["bridge-loop"] >= AFTERWARDS
        tsuji.stop()


def reload(lab, flags):
    lab.tsuji.file.write_text(lab.bridge_file(flags=flags))
    lab.tsuji.must("reload")


def flooded(watch, act):
    """Then each comes to everybody else."""
    later = watch.change(act, lambda a: False)
    seen = {host: {a.number for a in later if a.host == host} for host in "bc"}
    lost = named_losses(watch.lab, *watch.ends)
    assert len(seen["b"] ^ seen["c"]) <= sum(lost.values()), (seen["b"] ^ seen["c"], lost)
    assert len(seen["b"]) + sum(lost.values()) >= AFTERWARDS, (len(seen["b"]), lost)


# -- accounts ---------------------------------------------------------------------------

MANY = 4000


class Exchange:
    """Frames from one host to another, by the flow cache and counted."""

    def __init__(self, lab, sender, receiver, make):
        self.lab, self.sender, self.receiver = lab, sender, receiver
        self.frames = [make(size) for size in (22, 23, 100, 1000)]
        self.n = self.bytes = 0

    def arm(self):
        def some():
            before = repeated(self.lab.tsuji)
            self.send(1)
            return repeated(self.lab.tsuji) == before + len(self.frames)
        wait_for(some, what=f"the flow from {self.sender} to {self.receiver} is armed")

    def send(self, times):
        """Returns when they have arrived."""
        here, there, arrived = (self.lab.hosts[self.sender], self.lab.hosts[self.receiver], 0)
        wanted = times * len(self.frames)
        for n in range(times):
            for frame in self.frames:
                here.tap.send(frame)
            if n % 64 == 0:
                arrived += sum(map(is_numbered, there.tap.receive()))
        end = time.monotonic() + 10
        while arrived < wanted:
            assert time.monotonic() < end, f"{arrived} of {wanted} arrived"
            arrived += sum(map(is_numbered, there.tap.receive()))
        self.n += wanted
        self.bytes += times * sum(map(len, self.frames))


def growth(before, after, names):
    return {name: after[name] - before[name] for name in names}


PORT_COUNTERS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "flow_packets", "rx_dropped",
                 "tx_dropped", "rx_ring_full", "flow_lost", "socket_packets", "burst_packets")


def port_growth(before, after, rx=(0, 0), tx=(0, 0)):
    """What a port's counters have grown by must be these packets and bytes, all repeated."""
    wanted = dict.fromkeys(PORT_COUNTERS, 0)
    wanted.update(zip(("rx_packets", "rx_bytes"), rx), flow_packets=tx[0])
    wanted.update(zip(("tx_packets", "tx_bytes"), tx))
    found = growth(before, after, PORT_COUNTERS)
    assert found == wanted, (after["name"], found, wanted)


@test
def routed_packets_are_counted_where_they_belong():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        flow = Exchange(lab, "a", "b", lambda size: datagram(lab.a, HERE, THERE,
                                                            size=size))
        flow.arm()
        time.sleep(0.5)
        was, routes, stats = ports(tsuji), tsuji.show("route", "to"), tsuji.show("stats")[0]
        n, octets = flow.n, flow.bytes
        flow.send(MANY)
        now = ports(tsuji) # at once: show brings the counters in
        sent = flow.n - n, flow.bytes - octets
        port_growth(was["r0"], now["r0"], rx=sent)
        port_growth(was["r1"], now["r1"], tx=sent)
        port_growth(was["r2"], now["r2"])
        for to, row in tsuji.show("route", "to").items():
            grown = row["hits"] - routes[to]["hits"]
            assert grown == (sent[0] if to == "10.2.0.0/16" else 0), (to, grown, sent)
        after = tsuji.show("stats")[0]
        assert growth(stats, after, ("sent", "balance", "created")) == \
            {"sent": sent[0], "balance": 0, "created": 0}, after
        flow.send(1)
        asked = time.monotonic()
        used_ms = tsuji.show("neigh", "address")["192.168.0.2"]["used_ms"]
        assert used_ms <= (time.monotonic() - asked) * 1000 + 100, used_ms
        tsuji.stop()


RULES = "sessions: {udp: 120}\n" \
        "nat:\n  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n" \
        "filter:\n" \
        "  - {action: drop, protocol: udp, port: 7}\n" \
        "  - {action: accept, in: r0, protocol: udp, port: 9}\n" \
        "  - {action: accept, in: r1, state: established}\n" \
        "  - {action: accept}\n"


def rule_counters(tsuji):
    return [(row["packets"], row["bytes"]) for row in tsuji.show("filter")]


@test
def sessions_and_rules_count_what_is_repeated():
    with RoutedLab("abc") as lab:
        tsuji = lab.start(RULES)
        out = Exchange(lab, "a", "b", lambda size: datagram(lab.a, HERE, THERE,
                                                           size=size, sport=9))
        back = Exchange(lab, "b", "a", lambda size: datagram(lab.b, THERE, "192.168.0.1",
                                                            size=size, sport=9))
        out.arm()
        back.arm()
        out.arm() # as its session has been answered
        was, rules = ports(tsuji), rule_counters(tsuji)
        n, octets, n_back, octets_back = out.n, out.bytes, back.n, back.bytes
        for _ in range(4):
            out.send(MANY // 4)
            back.send(MANY // 8)
        now = ports(tsuji)
        sent, answered = (out.n - n, out.bytes - octets), (back.n - n_back, back.bytes - octets_back)
        port_growth(was["r0"], now["r0"], rx=sent, tx=answered)
        port_growth(was["r1"], now["r1"], rx=answered, tx=sent)
        grown = [(p - q, b - c) for (p, b), (q, c) in zip(rule_counters(tsuji), rules)]
        datagrams = lambda flow: (flow[0], flow[1] - 14 * flow[0])
        assert grown == [(0, 0), datagrams(sent), datagrams(answered), (0, 0)], grown
        session = next(s for s in tsuji.show("nat") if s["protocol"] == "udp")
        found = tuple(session[k] for k in ("packets", "bytes", "reply_packets", "reply_bytes"))
        wanted = datagrams((out.n, out.bytes)) + datagrams((back.n, back.bytes))
        assert found == wanted, (session, wanted)
        assert tsuji.show("stats")[0]["balance"] == 0
        tsuji.stop()


@test
def a_session_lives_as_long_as_it_is_used():
    with RoutedLab("abc") as lab:
        tsuji = lab.start(RULES)
        def session():
            return [s for s in tsuji.show("nat") if s["protocol"] == "udp"]
        with lab.stream() as stream:
            for _ in range(3):
                wait_repeated(tsuji)
                tsuji.must("nat age 100s") # of the 120 that it may be silent
            wait_repeated(tsuji)
            armed = tsuji.show("stats")[0]["flows_armed"]
            for _ in range(10):
                left_ms, = [s["left_ms"] for s in session()]
                assert 115_000 < left_ms <= 120_000, left_ms # not a second older than its last packet
                time.sleep(0.2)
            assert tsuji.show("stats")[0]["flows_armed"] == armed # all of them in XDP
            row, = session()
            assert row["age_ms"] > 300_000, row
            n = stream.stop()
        row, = session()
        assert row["packets"] == n, (row, n)
        tsuji.must("nat age 60s")
        assert session()
        tsuji.must("nat age 61s")
        wait_for(lambda: not session(), what="the session's end")
        opened = tsuji.show("stats")[0]["sessions_opened"]
        lab.a.tap.send(datagram(lab.a, HERE, THERE))
        wait_for(session, what="a new one")
        row, = session()
        assert row["packets"] == 1 and tsuji.show("stats")[0]["sessions_opened"] == opened + 1, row
        wait_for(lambda: tsuji.show("stats")[0]["flows"] == 0, 15, "the cache forgets what is idle")
        tsuji.stop()


@test
def stations_age_as_if_their_frames_had_been_seen():
    with FdbLab("abc", live=False) as lab:
        gro_on(lab)
        tsuji = lab.start_tsuji(lab.bridge_file(bridge="aging: 10"))
        lab.taps()
        flow = Exchange(lab, "a", "b", lambda size: datagram(
            lab.a, "192.0.2.1", "192.0.2.9", size=size, dst_mac=STATION))
        lab.speak("b")
        spoke = time.monotonic()
        flow.arm()
        was, rows, n, octets = ports(tsuji), tsuji.show("fdb", "mac"), flow.n, flow.bytes
        flow.send(MANY // 4)
        now, after = ports(tsuji), tsuji.show("fdb", "mac")
        sent = flow.n - n, flow.bytes - octets
        port_growth(was["r0"], now["r0"], rx=sent)
        port_growth(was["r1"], now["r1"], tx=sent)
        station = STATION.hex(":")
        assert after[station]["hits"] - rows[station]["hits"] == sent[0], after
        assert after[lab.a.mac_text]["age_ms"] < rows[station]["age_ms"] + 2000, after
        # To be spoken to makes nobody younger; to speak does, also in XDP.
        lab.c.tap.receive()
        with lab.stream() as stream:
            def has_ended():
                now = tsuji.show("fdb", "mac")
                assert station not in now or now[lab.a.mac_text]["age_ms"] < 2000, now
                return station not in now
            wait_for(has_ended, 15, "the station's end")
            assert time.monotonic() - spoke > 9.5, time.monotonic() - spoke
            after = stream.begun()
            stream.wait_sent(after + AFTERWARDS)
            later = {a.number for a in stream.arrivals() if a.number > after and a.host == "c"}
            assert len(later) >= AFTERWARDS - 1, len(later) # flooded again
        tsuji.stop()


# -- what goes the long way ---------------------------------------------------------------

def odd_frames(lab):
    """Frames of an armed flow that are not to be repeated: name, frame, and what becomes of
    it: where it arrives, the ICMP error at its sender, or the drop."""
    a, b = lab.a, lab.b
    def ip4(protocol=UDP, body=None, dst=THERE, tail=b"", **fields):
        body = frames.udp(HERE, dst, bytes(22), dport=PORT) if body is None else body
        return frames.eth(a.gateway_mac, a.mac, frames.ETH_IPV4,
                          frames.ip4(HERE, dst, protocol, body, **fields)) + tail
    def segment(flags):
        return ip4(TCP, frames.tcp(HERE, THERE, b"", sport=5, dport=6, flags=flags))
    for name, flags in (("syn", TCP_SYN), ("syn-ack", TCP_SYN | TCP_ACK), ("fin", TCP_FIN | TCP_ACK),
                        ("rst", TCP_RST), ("rst-ack", TCP_RST | TCP_ACK)):
        yield name, segment(flags), "b"
    yield "first-fragment", ip4(body=bytes(24), fragment=MF), "b"
    yield "middle-fragment", ip4(body=bytes(24), fragment=MF | 3), "b"
    yield "last-fragment", ip4(body=bytes(24), fragment=3), "b"
    yield "options", ip4(options=b"\1\1\1\1"), "b"
    yield "ttl-1", ip4(ttl=1), (11, 0)
    yield "ttl-0", ip4(ttl=0), (11, 0)
    yield "padded", ip4(tail=bytes(9)), "b"
    yield "cut", ip4()[:-3], "ip4-length"
    yield "header-checksum", ip4(check=0x1234), "ip4-checksum"
    yield "version", ip4(version=5), "ip4-version"
    yield "other-mac", b.mac + ip4()[6:], "eth-not-ours"
    yield "broadcast-mac", frames.BROADCAST + ip4()[6:], "ip4-link-broadcast"
    yield "oversize-df", ip4(body=bytes(1400), dst="10.3.0.1", fragment=DF), (3, 4)
    yield "vlan", ip4()[:12] + b"\x81\0\0\5" + ip4()[12:], None


@test
def what_is_unlike_its_flow_goes_to_c():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        flows = [Exchange(lab, "a", "b", lambda size: datagram(lab.a, HERE, THERE,
                                                              size=size)),
                 Exchange(lab, "a", "c", lambda size: datagram(lab.a, HERE, "10.3.0.1",
                                                              size=size))]
        for flow in flows:
            flow.arm()
        for name, frame, wanted in odd_frames(lab):
            for tap in lab.taps().values():
                tap.receive()
            was, drops, passed = repeated(tsuji), tsuji.drops(), ports(tsuji)["r0"]["gate_passed"]
            lab.a.tap.send(frame)
            if wanted in ("b", "c"):
                assert lab.hosts[wanted].tap.wait(lambda f: frames.is_ip4(f) and f[22] == 63), name
            elif isinstance(wanted, tuple):
                assert lab.a.tap.wait(lambda f, w=wanted: frames.is_ip4(f) and f[23] == ICMP
                                      and tuple(f[34:36]) == w), name
            elif wanted:
                wait_for(lambda w=wanted, d=drops: tsuji.drops().get(w, 0) == d.get(w, 0) + 1,
                         what=name)
            else: # the kernel's
                wait_for(lambda p=passed: ports(tsuji)["r0"]["gate_passed"] == p + 1, what=name)
            assert repeated(tsuji) == was, name
            for flow in flows: # and it has been armed all the while
                flow.arm()
        # Too long for c, and not said that it must stay whole: two of them.
        was = repeated(tsuji)
        lab.a.tap.send(datagram(lab.a, HERE, "10.3.0.1", size=1450))
        pieces = []
        wait_for(lambda: pieces.extend(f for f in lab.c.tap.receive() if frames.is_ip4(f)) or
                 len(pieces) >= 2, what="two fragments")
        assert repeated(tsuji) == was and len(pieces) == 2
        tsuji.stop()


@test
def partial_checksums_are_completed_first():
    with RoutedLab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(TO_B))
        gro_on(lab)
        wait_for(lambda: ports(tsuji)["r1"]["lane"] == "burst", what="r1 takes XDP frames")
        lab.taps()
        flow = Exchange(lab, "a", "b", lambda size: datagram(lab.a, HERE, THERE, size=size))
        flow.arm()
        wire = WireTap(lab.a.namespace, "eth0", 1500)
        body = b"partial".ljust(22)
        whole = frames.udp(HERE, THERE, body, dport=PORT)
        seed = ~frames.checksum(frames.pseudo(HERE, THERE, UDP, len(whole))) & 0xFFFF
        def frame(check):
            return frames.eth(lab.a.gateway_mac, lab.a.mac, frames.ETH_IPV4, frames.ip4(
                HERE, THERE, UDP, whole[:6] + check + whole[8:]))
        was = repeated(tsuji)
        wire.send(frame(struct.pack("!H", seed)), (34, 6))
        got = lab.b.tap.wait(is_numbered)
        assert got and got[34:] == whole, got
        assert repeated(tsuji) == was and ports(tsuji)["r0"]["rx_partial"] == 1
        wire.send(frame(whole[6:8]))
        got = lab.b.tap.wait(is_numbered)
        assert got and got[34:] == whole and repeated(tsuji) == was + 1
        wire.close()
        tsuji.stop()


@test
def what_rules_do_not_know_by_its_ports_goes_to_c():
    with RoutedLab("abc") as lab:
        tsuji = lab.start("nat:\n  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n")
        flow = Exchange(lab, "a", "b", lambda size: datagram(lab.a, HERE, THERE, size=size))
        flow.arm()
        a = lab.a
        for length in (0, 7, 31, 1000):
            body = frames.udp(HERE, THERE, bytes(22), dport=PORT, length=length)
            frame = frames.eth(a.gateway_mac, a.mac, frames.ETH_IPV4,
                               frames.ip4(HERE, THERE, UDP, body))
            was, rx = repeated(tsuji), ports(tsuji)["r0"]["rx_packets"]
            a.tap.send(frame)
            wait_for(lambda rx=rx: ports(tsuji)["r0"]["rx_packets"] == rx + 1, what="it came in")
            if 8 <= length <= 30:
                continue
            # A length within the datagram is a session's; another is none of UDP.
            assert repeated(tsuji) == was, length
        talk(lab, tsuji)
        tsuji.stop()


def talk(lab, tsuji):
    """A connection whose data is repeated, and whose beginning and end are not."""
    sent = {"seq": 1000}
    def out(flags, data=b""):
        segment = frames.tcp(HERE, THERE, data, sport=5000, dport=80, seq=sent["seq"],
                             ack=5001, flags=flags)
        sent["seq"] += len(data) + (flags & 3 != 0)
        lab.a.tap.send(frames.eth(lab.a.gateway_mac, lab.a.mac, frames.ETH_IPV4,
                                  frames.ip4(HERE, THERE, TCP, segment)))
        assert lab.b.tap.wait(lambda f: frames.is_ip4(f) and f[23] == TCP and f[47] == flags)
    def back(flags):
        segment = frames.tcp(THERE, "192.168.0.1", b"", sport=80, dport=5000, seq=5000,
                             ack=sent["seq"], flags=flags)
        lab.b.tap.send(frames.eth(lab.b.gateway_mac, lab.b.mac, frames.ETH_IPV4,
                                  frames.ip4(THERE, "192.168.0.1", TCP, segment)))
        assert lab.a.tap.wait(lambda f: frames.is_ip4(f) and f[23] == TCP and f[47] == flags)
    def session():
        return next(s for s in tsuji.show("nat") if s["protocol"] == "tcp")
    was = repeated(tsuji)
    out(TCP_SYN)
    out(TCP_SYN)
    back(TCP_SYN | TCP_ACK)
    assert repeated(tsuji) == was # not yet established
    out(TCP_ACK)
    assert session()["state"] == "established", session()
    def goes_on():
        before = repeated(tsuji)
        out(TCP_ACK, b"data")
        return repeated(tsuji) == before + 1
    wait_for(goes_on, what="the connection is armed")
    was, packets = repeated(tsuji), session()["packets"]
    for _ in range(5):
        out(TCP_ACK, b"data")
    assert repeated(tsuji) == was + 5 and session()["packets"] == packets + 5
    out(TCP_ACK | TCP_FIN)
    assert repeated(tsuji) == was + 5 and session()["packets"] == packets + 6
    back(TCP_ACK | TCP_FIN)
    assert session()["state"] == "transitory", session()
    for _ in range(4):
        out(TCP_ACK, b"data")
    assert repeated(tsuji) == was + 5, "repeated after both have closed"
    assert session()["packets"] == packets + 10, session()


if __name__ == "__main__":
    main()
