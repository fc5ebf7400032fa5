#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_changes.py - what is repeated in XDP is what C would decide now.

Under a stream of numbered datagrams that the flow cache repeats, everything that their
decision came from is changed: no datagram sent after a command has returned, or after a
frame from a host has had its effect, follows the decision from before. None arrives twice,
and what does not arrive has been counted by a name."""
import collections
import json
import struct
import subprocess
import time

import frames
from bridge_lab import LOCAL_EXPERIMENT
from flow_lab import HERE, ROUTES, STATION, THERE, TO_B, FdbLab, RoutedLab
from frames import DF, UDP
from lib import TSUJI, main, must, test, wait_for
from stream import (PORT, Stream, datagram, gro_on, named_losses, ports, repeated,
                    wait_repeated)

AFTERWARDS = 400 # datagrams that are sent after a change


class Watch:
    """A stream, what is known of it, and changes under it."""

    def __init__(self, lab, stream, sender="a"):
        self.lab, self.tsuji, self.stream, self.seen = lab, lab.tsuji, stream, []
        self.n_at = collections.Counter() # what has arrived, by host
        self.ends = sender, [host for host in lab.hosts if host != sender]

    def gather(self):
        arrived = self.stream.arrivals()
        self.seen += [a.number for a in arrived]
        self.n_at.update(a.host for a in arrived)
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
            # None has been counted for another route, and none is forgotten with a table.
            hits = tsuji.show("route", "to")["10.2.0.0/16"]["hits"]
            assert hits == watch.n_at["b"], (hits, watch.n_at)
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
            entry = f"192.168.0.2 mac {made_up.hex(':')} port r1"
            watch.all_go(lambda: tsuji.must(f"neigh add {entry}"), to(lab.b.mac), to(made_up))
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
def a_router_ends_and_begins_under_a_stream():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        with lab.stream():
            for _ in range(3):
                wait_repeated(tsuji)
                tsuji.stop()
                tsuji = lab.start_tsuji(lab.router_file(ROUTES))
            wait_repeated(tsuji)
            tsuji.process.kill()
            tsuji.process.wait()
            tsuji = lab.start_tsuji(lab.router_file(ROUTES))
            wait_repeated(tsuji)
            # And its port goes, and comes again.
            must(f"ip -n {lab.router} link del r1")
            wait_for(lambda: ports(tsuji)["r1"]["state"] == "lost", what="r1 is lost")
            lab.b.tap.close()
            lab.b.tap = None
            lab.connect(lab.b)
            gro_on(lab, "b")
            wait_repeated(tsuji)
            assert tsuji.show("stats")[0]["balance"] == 0
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
def a_mirror_of_a_bridge_sees_every_frame():
    with FdbLab("abcd", live=False) as lab:
        gro_on(lab)
        tsuji = lab.start_tsuji(lab.bridge_file("abc", flags={"d": ""}))
        lab.taps()
        lab.speak("b")
        def mirror():
            tsuji.file.write_text(lab.bridge_file("abc", bridge="mirror: r3", flags={"d": ""}))
            tsuji.must("reload")
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            later = watch.change(mirror, at("c"))
            copies = collections.Counter(a.number for a in later if a.host == "d")
            lost = sum(named_losses(lab, *watch.ends).values())
            # Where it came in, and where it left.
            assert sum(copies.values()) >= 2 * AFTERWARDS - lost, (len(copies), lost)
            assert set(copies.values()) <= {1, 2} and (lost or set(copies.values()) == {2}), copies
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
def an_answer_is_obeyed_by_the_next_packet():
    rules = "filter:\n  - {action: accept, protocol: icmp}\n" \
            "  - {action: accept, in: r0, state: new}\n" \
            "  - {action: accept, in: r1, state: established}\n  - {action: drop}\n"
    with RoutedLab("abc") as lab:
        tsuji = lab.start(rules)
        def packets():
            return [row["packets"] for row in tsuji.show("filter")]
        def answer():
            lab.b.tap.send(datagram(lab.b, THERE, HERE, sport=PORT, dport=1024))
            assert lab.a.tap.wait(lambda f: frames.is_ip4(f) and f[36:38] == b"\4\0"), "no answer"
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            watch.none_go(answer) # it is new no more
            watch.finish()
        _, new, established, dropped = packets()
        assert (new, established) == (watch.n_at["b"], 1), (packets(), watch.n_at)
        assert dropped == tsuji.drops()["filter-drop"] == stream.sent() - new, packets()
        tsuji.stop()


@test
def an_address_of_the_kernel_is_obeyed_by_the_next_packet():
    with RoutedLab("abc") as lab:
        tsuji = lab.start()
        address = f"ip -n {lab.router} address {{}} {THERE}/32 dev lo"
        def punted():
            return tsuji.show("stats")[0]["punted"]
        with lab.stream() as stream:
            watch = Watch(lab, stream)
            def add():
                was = punted()
                must(address.format("add"))
                wait_for(lambda: punted() > was, what="the address is the kernel's")
            watch.none_go(add)
            was = punted()
            watch.none_go(lambda: None, cached=False)
            assert punted() >= was + AFTERWARDS
            def delete():
                must(address.format("del"))
                wait_repeated(tsuji)
            watch.all_go(delete, lambda a: False, at("b"), cached=False)
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
                    query = frames.udp("10.1.0.2", THERE, sport=n << 8 | port, dport=7)
                    lab.a.tap.send(frames.eth(lab.a.gateway_mac, lab.a.mac, frames.ETH_IPV4,
                                              frames.ip4("10.1.0.2", THERE, UDP, query)))
            wait_repeated(tsuji)
            stats = tsuji.show("stats")[0]
            assert stats["sessions_evicted"] > 200 and stats["sessions"] <= 16, stats
            watch.finish()
        tsuji.stop()


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
            entry = f"{STATION.hex(':')} port r1"
            watch.all_go(lambda: tsuji.must(f"fdb add {entry}"), at("c"), at("b"))
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
        neighbours = "neighbours:\n" \
                     f'  - {{address: 192.0.2.9, mac: "{STATION.hex(":")}", port: br0}}\n'
        def file(leg=""):
            return lab.bridge_file("ab", bridge=f"addresses: [192.0.2.254/24]{leg}",
                                   extra=neighbours, ports=f"  r2: {{addresses: [{far}/24]}}\n")
        tsuji = lab.start_tsuji(file())
        lab.taps()
        lab.speak("a")
        down = datagram(lab.c, "192.168.9.2", "192.0.2.9", dst_mac=lab.c.port_mac)
        with Stream(lab, "c", [down]) as stream:
            watch = Watch(lab, stream, "c")
            watch.all_go(lambda: lab.speak("b"), at("a"), at("b"))
            watch.all_go(lambda: lab.speak("a"), at("b"), at("a"))
            mac = frames.mac("02:00:00:00:99:99")
            def change_mac():
                tsuji.file.write_text(file(f', mac: "{mac.hex(":")}"'))
                tsuji.must("reload")
            watch.all_go(change_mac, lambda a: a.frame[6:12] != mac, at("a"))
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


if __name__ == "__main__":
    main()
