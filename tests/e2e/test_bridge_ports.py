#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bridge_ports.py - the ports of a bridge: they come and go under traffic, fail, are
cabled in a circle, are mirrored, and share a leg through which the bridge routes."""
import collections
import re

import frames
from bridge_lab import LOCAL_EXPERIMENT, BridgeLab, Wire, complete
from lib import main, must, test, wait_for

PING = "ping -c 1 -W 2 "


def port_state(lab, name, state):
    wait_for(lambda: lab.tsuji.show("port", "name")[name]["state"] == state, 15, f"{name} {state}")


def reload(lab, text):
    lab.tsuji.file.write_text(text)
    return lab.tsuji.must("reload")


def reaches(lab, host, address):
    wait_for(lambda: lab.run(host, f"ping -c 1 -W 1 {address}").returncode == 0, 15,
             f"{host} to {address}")


def frame(dst, src, payload=bytes(46)):
    return frames.eth(dst, src, LOCAL_EXPERIMENT, payload)


def hears(wire, host, data):
    """Who hears that frame, sent by that host."""
    wire.taps[host].send(data)
    return "".join(h for h, arrived in wire.settle().items() if data in arrived)


@test
def ports_come_and_go_under_traffic():
    with BridgeLab("abc") as lab:
        all_three, two = lab.bridge_file(), lab.bridge_file("ab")
        tsuji = lab.start_tsuji(two)
        lab.must("a", PING + "192.0.2.2")
        assert lab.run("a", "ping -c 1 -W 1 192.0.2.3").returncode == 1
        ping, n_reloads = lab.spawn("a", "ping -q -i 0.005 -c 400 192.0.2.2"), 0
        while ping.poll() is None:
            n_reloads += 1
            reload(lab, all_three if n_reloads % 2 else two)
        out = ping.communicate()[0]
        assert n_reloads >= 6 and "400 packets transmitted, 400 received" in out, (n_reloads, out)
        reload(lab, all_three)
        lab.must("c", PING + "192.0.2.1")
        assert tsuji.show("fdb", "mac")[lab.c.mac_text]["port"] == "r2"
        reload(lab, two)
        assert {r["port"] for r in tsuji.show("fdb")} == {"br0", "r0", "r1"}, tsuji.show("fdb")
        tsuji.stop()


@test
def a_port_moves_to_another_bridge_under_traffic():
    with BridgeLab("abcd") as lab:
        pair = lab.bridge_file("ab", extra="  br1: {ports: [r2, r3]}\n")
        three = lab.bridge_file("abc", extra="  br1: {ports: [r3]}\n")
        lab.start_tsuji(pair)
        lab.must("d", PING + "192.0.2.3")
        assert lab.run("a", "ping -c 1 -W 1 192.0.2.3").returncode == 1
        ping = lab.spawn("a", "ping -q -i 0.01 -c 100 192.0.2.2")
        reload(lab, three)
        reaches(lab, "a", "192.0.2.3")
        assert lab.run("d", "ping -c 1 -W 1 192.0.2.3").returncode == 1
        reload(lab, pair)
        reaches(lab, "d", "192.0.2.3")
        assert "100 packets transmitted, 100 received" in ping.communicate()[0]


@test
def a_members_link_goes_down_and_up():
    for where in ("router", "c"):
        with BridgeLab("abcd", live=False) as lab:
            tsuji, wire = lab.start_tsuji(), Wire(lab)
            hears(wire, "c", frame(frames.BROADCAST, lab.c.mac))
            assert hears(wire, "a", frame(lab.c.mac, lab.a.mac)) == "c"
            link = f"ip -n {lab.namespace(where)} link set {'r2' if where == 'router' else 'eth0'}"
            must(f"{link} down")
            port_state(lab, "r2", "down")
            del wire.taps["c"]
            # The station may be reachable another way: as in Linux, it is looked for everywhere.
            assert hears(wire, "a", frame(lab.c.mac, lab.a.mac)) == "bd", tsuji.show("fdb")
            assert hears(wire, "b", frame(lab.a.mac, lab.b.mac)) == "a"
            must(f"{link} up")
            port_state(lab, "r2", "up")
            lab.c.tap.close() # its socket has an error to report first
            lab.c.tap = None
            wire = Wire(lab)
            assert hears(wire, "c", frame(lab.a.mac, lab.c.mac)) == "a"
            assert hears(wire, "a", frame(lab.c.mac, lab.a.mac)) == "c"
            tsuji.stop()


@test
def a_members_namespace_disappears_and_the_interface_is_made_again():
    with BridgeLab("abc") as lab:
        tsuji = lab.start_tsuji()
        lab.must("a", PING + "192.0.2.3")
        tsuji.must("fdb add 02:00:00:00:77:01 port r2")
        ping = lab.spawn("a", "ping -q -i 0.01 -c 100 192.0.2.2")
        must(f"ip netns del {lab.c.namespace}")
        port_state(lab, "r2", "lost")
        must(f"ip netns add {lab.c.namespace}")
        lab.connect(lab.c)
        port_state(lab, "r2", "up")
        reaches(lab, "a", "192.0.2.3")
        assert "100 packets transmitted, 100 received" in ping.communicate()[0]
        assert tsuji.show("fdb", "mac")["02:00:00:00:77:01"]["port"] == "r2" # it is put back
        tsuji.stop()


def circle_of_one_cable(lab):
    """Both ends of one veth are ports of the bridge."""
    must(f"ip -n {lab.router} link add left type veth peer name right")
    for port in ("left", "right"):
        must(f"ip -n {lab.router} link set {port} up")


def circle_through_a_switch(lab):
    """A Linux bridge in the namespace of host c has a cable to each of two ports."""
    lab.set(lab.c.namespace, {"bridge/bridge-nf-call-iptables": 0,
                              "bridge/bridge-nf-call-arptables": 0})
    must(f"ip -n {lab.c.namespace} link add switch type bridge stp_state 0 mcast_snooping 0")
    for port in ("left", "right"):
        must(f"ip link add {port} netns {lab.router} type veth peer name {port}"
             f" netns {lab.c.namespace}")
        must(f"ip -n {lab.router} link set {port} up")
        must(f"ip -n {lab.c.namespace} link set {port} up master switch")
    must(f"ip -n {lab.c.namespace} link set switch up")


def a_circle_is_cut(cable, order):
    """Ports are numbered in the order of the file, and a block hits the higher number of two;
    yet a host's port must not be hit, wherever it stands."""
    with BridgeLab("abc") as lab:
        cable(lab)
        text = lab.bridge_file("ab").replace("r0, r1", order)
        tsuji = lab.start_tsuji(text)
        lab.run("a", PING + "192.0.2.2") # one broadcast is enough to fill the circle
        blocked = wait_for(lambda: tsuji.show("bridge", "name")["br0"]["blocked"], 10, "a block")
        assert re.match(r"(left|right) \(02:00:00:00:10:0[12] flaps with \w+, \d+ s left\)",
                        blocked), blocked
        reaches(lab, "a", "192.0.2.2")
        out = lab.must("a", "ping -q -i 0.01 -c 100 192.0.2.2")
        assert "100 packets transmitted, 100 received" in out, out
        assert re.search(r"port (left|right): blocked by loop guard: 02:00:00:00:10:0[12] flaps "
                         r"with \w+, \d+ s left", tsuji.output()), tsuji.output()
        assert not re.search(r"port r\d: blocked", tsuji.output()), tsuji.output()
        assert tsuji.drops()["bridge-loop"] > 0
        sent = tsuji.show("stats")[0]["sent"]
        lab.must("a", PING + "192.0.2.2")
        assert tsuji.show("stats")[0]["sent"] - sent < 100, "the circle goes on"
        assert tsuji.show("stats")[0]["balance"] == 0
        tsuji.stop()


@test
def a_cable_between_two_ports_is_cut():
    for order in ("r0, r1, left, right", "left, right, r0, r1"):
        a_circle_is_cut(circle_of_one_cable, order)


@test
def a_circle_through_another_switch_is_cut():
    for order in ("r0, r1, left, right", "r0, left, right, r1"):
        a_circle_is_cut(circle_through_a_switch, order)


def mirrored_frames(lab):
    """(sender, frame, partial) between the hosts a and b: all sorts."""
    a, b = lab.a, lab.b
    datagram = frames.ip4(a.address, b.address, frames.UDP,
                          frames.udp(a.address, b.address, b"partial", check=0))
    yield "a", frame(frames.BROADCAST, a.mac), None
    yield "b", frame(a.mac, b.mac, b"back"), None
    yield "a", frame(b.mac, a.mac, b""), None
    yield "a", frames.eth(b.mac, a.mac, frames.ETH_IPV4, datagram), (34, 6)
    yield "b", frames.eth(a.mac, b.mac, frames.ETH_VLAN, b"\x20\x07\x08\x06" + bytes(60)), None
    yield "b", frame(a.mac, b.mac, bytes(range(250)) * 6), None
    yield "a", frame(b"\2\0\0\0\xbb\1", a.mac, b"for nobody known"), None
    yield "a", frame(b"\1\x80\xc2\0\0\x20", a.mac, b"group"), None


def watched(lab, text, also=()):
    """What host d, behind the mirror, sees of mirrored_frames() and `also`; and those."""
    lab.start_tsuji(text)
    wire, sent = Wire(lab, "abc"), collections.Counter()
    lab.d.tap.receive()
    for host, data, partial in [*mirrored_frames(lab), *also]:
        wire.taps[host].send(data, partial)
        sent[complete(data, *partial) if partial else data] += 1
        wire.settle()
    last = frame(frames.BROADCAST, lab.a.mac, b"the last one")
    lab.a.tap.send(last)
    wire.settle()
    seen = []
    wait_for(lambda: seen.extend(lab.d.tap.receive()) or last in seen, 5, "the last copy")
    return collections.Counter(f for f in seen if b"sentinel" not in f and f != last), sent


@test
def a_mirrored_port_is_seen_in_both_directions():
    with BridgeLab("abcd", live=False) as lab:
        text = lab.bridge_file("abc", flags={"a": "mirror: r3", "d": ""})
        others = [("b", frame(frames.BROADCAST, lab.b.mac, b"in c's ear, and a's"), None),
                  ("c", frame(frames.BROADCAST, lab.c.mac), None)]
        seen, sent = watched(lab, text, others)
        assert seen == sent, (seen - sent, sent - seen)
        between = [frame(lab.c.mac, lab.b.mac, b"not for a"), frame(lab.b.mac, lab.c.mac, b"nor")]
        wire = Wire(lab, "abc")
        for host, data in zip("bc", between):
            wire.taps[host].send(data)
        wire.settle()
        assert not [f for f in lab.d.tap.receive() if f in between]
        assert not [f for f in lab.d.tap.receive() if f[6:12] == lab.d.port_mac]
        lab.d.tap.send(frame(frames.BROADCAST, lab.d.mac)) # the mirror is no way in
        assert not any(frame(frames.BROADCAST, lab.d.mac) in f for f in wire.settle().values())


@test
def a_mirrored_bridge_is_seen_whole():
    with BridgeLab("abcd", live=False) as lab:
        text = lab.bridge_file("abc", bridge="mirror: r3", flags={"d": ""})
        seen, sent = watched(lab, text)
        for data, times in sent.items(): # where it came in, and at each port where it left
            flooded = frames.BROADCAST == data[:6] or data[:6] not in (lab.a.mac, lab.b.mac)
            assert seen[data] == times * (3 if flooded else 2), (frames.describe(data), seen[data])
        assert set(seen) == set(sent), set(seen) - set(sent)


LEG = "192.0.2.254"


class Leg:
    """Hosts a, b and c on a bridge with an address, and d behind a routed port."""

    def __init__(self, lab):
        self.lab = lab
        lab.start_tsuji(lab.bridge_file("abc", bridge=f"addresses: [{LEG}/24]",
                                        ports="  r3: {addresses: [198.51.100.1/24]}\n"))
        self.wire, self.mac = Wire(lab, "abc"), lab.a.port_mac

    def asks(self, host):
        h = self.lab.hosts[host]
        return frames.eth(frames.BROADCAST, h.mac, frames.ETH_ARP,
                          frames.arp(1, h.mac, h.address, bytes(6), LEG))

    def routed_to(self, host, ident):
        """A datagram as d sends it, and as it leaves towards that host."""
        d, h = self.lab.d, self.lab.hosts[host]
        parts = ("198.51.100.2", h.address, frames.UDP, frames.udp("198.51.100.2", h.address))
        came, goes = (frames.ip4(*parts, ident=ident, ttl=ttl) for ttl in (64, 63))
        return (frames.eth(d.port_mac, d.mac, frames.ETH_IPV4, came),
                frames.eth(h.mac, self.mac, frames.ETH_IPV4, goes))

    def arrives(self, wanted):
        """The hosts on the bridge that see a frame, once one of them does."""
        seen = {host: [] for host in self.wire.taps}
        wait_for(lambda: any(map(wanted, sum(self.wire.settle(seen).values(), []))), 5, "a frame")
        self.wire.settle(seen)
        return "".join(h for h, arrived in seen.items() if any(map(wanted, arrived)))


@test
def the_leg_answers_arp_only_where_it_was_asked():
    with BridgeLab("abcd", live=False) as lab:
        leg = Leg(lab)
        for host in "abc":
            h, request = lab.hosts[host], leg.asks(host)
            leg.wire.taps[host].send(request)
            seen = leg.wire.settle()
            answer = frames.eth(h.mac, leg.mac, frames.ETH_ARP,
                                frames.arp(2, leg.mac, LEG, h.mac, h.address))
            for other, arrived in seen.items(): # the question everywhere, as in any bridge
                assert [f[:42] for f in arrived] == ([answer] if other == host else [request]), \
                    (host, other, arrived)


@test
def what_the_leg_routes_leaves_by_the_right_member_only():
    with BridgeLab("abcd", live=False) as lab:
        leg, b = Leg(lab), lab.b
        came, goes = leg.routed_to("b", 1)
        lab.taps()["d"].send(came)
        asked = lambda f: frames.is_arp_request(f) and f[38:42] == frames.addr(b.address)
        assert leg.arrives(asked) == "abc"
        b.tap.send(frames.eth(leg.mac, b.mac, frames.ETH_ARP,
                              frames.arp(2, b.mac, b.address, leg.mac, LEG)))
        assert leg.arrives(lambda f: f == goes) == "b"
        came, goes = leg.routed_to("b", 2)
        lab.d.tap.send(came)
        assert leg.arrives(lambda f: f == goes) == "b"
        # The neighbour is known and its place is not: everywhere, as in Linux, until it speaks.
        lab.tsuji.must("fdb flush")
        came, goes = leg.routed_to("b", 3)
        lab.d.tap.send(came)
        assert leg.arrives(lambda f: f == goes) == "abc"
        b.tap.send(frame(lab.c.mac, b.mac))
        came, goes = leg.routed_to("b", 4)
        leg.wire.settle()
        lab.d.tap.send(came)
        assert leg.arrives(lambda f: f == goes) == "b"


@test
def the_leg_routes_between_two_bridges_and_a_port():
    with BridgeLab("abcd", live=True) as lab:
        for host, number in (("c", 1), ("d", 2)): # c on the second bridge, d on a routed port
            namespace = lab.hosts[host].namespace
            must(f"ip -n {namespace} address flush dev eth0")
            must(f"ip -n {namespace} address add 198.51.{number}.2/24 dev eth0")
            must(f"ip -n {namespace} route add default via 198.51.{number}.1")
        lab.start_tsuji(lab.bridge_file(
            "ab", bridge=f"addresses: [{LEG}/24]", ports="  r3: {addresses: [198.51.2.1/24]}\n",
            extra="  br1: {ports: [r2], addresses: [198.51.1.1/24]}\n"))
        lab.must("a", "ping -q -i 0.05 -c 5 192.0.2.2")
        for here, there in (("a", "198.51.1.2"), ("a", "198.51.2.2"), ("b", "198.51.1.2"),
                            ("c", "192.0.2.2"), ("c", "198.51.2.2"), ("d", "192.0.2.1")):
            out = lab.must(here, f"ping -i 0.05 -c 5 {there}")
            assert " 0% packet loss" in out and "ttl=63" in out, out
        for here, there in (("a", LEG), ("c", "198.51.1.1"), ("c", LEG), ("d", "198.51.1.1")):
            lab.must(here, PING + there)


if __name__ == "__main__":
    main()
