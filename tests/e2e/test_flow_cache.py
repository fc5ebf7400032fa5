#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_cache.py - packets that are repeated in XDP are counted wherever they would have
been, at once; sessions and stations live as long as they are used; and what is not like the
packets before it goes the long way.

That the same bytes leave by this lane is shown by test_differential.py and its kin, that no
decision outlives its reasons by test_flow_changes.py."""
import os
import struct
import time

import frames
from bridge_lab import WireTap
from flow_lab import HERE, STATION, THERE, TO_B, FdbLab, RoutedLab
from frames import DF, ICMP, MF, TCP, TCP_ACK, TCP_RST, TCP_SYN, UDP
from lib import Skip, main, must, test, wait_for
from stream import (PORT, Stream, datagram, gro_on, is_numbered, named_losses, ports, repeated,
                    wait_repeated)

TCP_FIN = 1
AFTERWARDS = 400 # datagrams that are sent after a change


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


class TwoQueues(RoutedLab):
    """A lab whose links have two queues, so that two CPUs work at once."""

    def connect(self, host):
        queues = "numtxqueues 2 numrxqueues 2"
        must(f"ip link add name {host.port} netns {self.router} address {host.gateway_mac_text}"
             f" {queues} mtu {host.mtu} type veth peer name eth0 netns {host.namespace}"
             f" address {host.mac_text} {queues} mtu {host.mtu}")
        self.prepare(host)


@test
def packets_of_one_flow_by_two_queues_are_counted_once_each():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("there is one CPU only")
    with TwoQueues("abc") as lab:
        tsuji = lab.start()
        was, streams = ports(tsuji), []
        for cpu in cpus[:2]: # by their ports they take different queues, without rules one flow
            templates = [datagram(lab.a, HERE, THERE, sport=cpu << 8 | n) for n in range(64)]
            streams.append(Stream(lab, "a", templates, 200_000))
            os.sched_setaffinity(0, {cpu})
            streams[-1].start()
        os.sched_setaffinity(0, cpus)
        time.sleep(1)
        n = sum(stream.stop() for stream in streams)
        def counted():
            return ports(tsuji)["r0"]["rx_packets"] - was["r0"]["rx_packets"]
        lost = named_losses(lab, "a", "b")
        lost.pop("sender's veth", 0) # which the sender has been told
        wait_for(lambda: counted() + sum(lost.values()) >= n, what="all have come in")
        now = ports(tsuji)
        print(f"    {n} sent, {now['r1']['flow_packets']} repeated, named {lost}")
        assert tsuji.show("route", "to")["10.2.0.0/16"]["hits"] == counted() <= n, (counted(), n)
        assert now["r1"]["tx_packets"] - was["r1"]["tx_packets"] == counted()
        assert now["r1"]["flow_packets"] > n * 0.9, now["r1"]
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
        sent = out.n - n, out.bytes - octets
        answered = back.n - n_back, back.bytes - octets_back
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
                assert 115_000 < left_ms <= 120_000, left_ms # as if each had been seen
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
    for name, flags in (("syn", TCP_SYN), ("syn-ack", TCP_SYN | TCP_ACK),
                        ("fin", TCP_FIN | TCP_ACK), ("rst", TCP_RST), ("rst-ack", TCP_RST | TCP_ACK)):
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
