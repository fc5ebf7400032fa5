#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_soak.py - many numbered packets of mixed flows while the lanes change under them:
what was sent has arrived as it was sent, once, or has been counted by a name.

    host a 192.168.1.2 --- r0 +---------+ r1 --- 192.168.0.2 host b, translated
                              | router  | r2 --- 192.168.2.2 host c, MTU 1400, as they are
    host d 192.168.9.2 --- r3 +- br0 ---+ r4 --- 192.168.9.3 host e
                               192.168.9.1

Routed, by the bridge's leg, translated and bridged; TCP and UDP, small and large; some with
options, in fragments, too long for c, or with a TTL of one. By the socket lane, by bursts and
by the flow cache, whose switches, and the rules, change many times a second.

E2E_SOAK_PACKETS=20000000 makes it longer than its million packets."""
import itertools
import os
import struct
import time

import frames
from frames import DF, MF, TCP, TCP_ACK, TCP_SYN
from lib import Lab, main, must, test
from census import Census, plain, tcp, udp
from stream import gro_on, kernel_drops, ports, wait_repeated

N = int(os.environ.get("E2E_SOAK_PACKETS", "1000000"))
MANGLED = ("ip4-ttl", "ip4-mtu") # drops that the kinds of frames provoke themselves

RULES = "nat:\n  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n" \
        "  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n" \
        "filter:\n  - {action: drop, protocol: udp, port: 7}\n" \
        "  - {action: accept, protocol: udp}\n"
MORE_RULES = RULES + "  - {action: drop, protocol: tcp, port: 7}\n"
FILE = """ports:
  r0: {{addresses: [192.168.1.1/24]}}
  r1: {{addresses: [192.168.0.1/24]}}
  r2: {{addresses: [192.168.2.1/24]}}
bridges:
  br0: {{ports: [r3, r4], addresses: [192.168.9.1/24], mac: "02:00:00:00:09:01"}}
routes:
  - {{to: 10.1.0.0/16, via: 192.168.1.2}}
  - {{to: 10.2.0.0/16, via: 192.168.0.2}}
  - {{to: 10.3.0.0/16, via: 192.168.2.2}}
  - {{to: 10.9.0.0/16, via: 192.168.9.3}}
neighbours:
  - {{address: 192.168.1.2, mac: "{a}", port: r0}}
  - {{address: 192.168.0.2, mac: "{b}", port: r1}}
  - {{address: 192.168.2.2, mac: "{c}", port: r2}}
  - {{address: 192.168.9.2, mac: "{d}", port: br0}}
  - {{address: 192.168.9.3, mac: "{e}", port: br0}}
"""
LEG = frames.mac("02:00:00:00:09:01")


class SoakHost:
    def __init__(self, name, number, lab_prefix):
        self.name, self.tap, self.mtu = name, None, 1400 if name == "c" else 1500
        self.namespace, self.port = f"{lab_prefix}-{name}", f"r{number}"
        self.mac_text = f"02:00:00:00:1{number}:02"
        self.gateway_mac_text = f"02:00:00:00:1{number}:01"
        self.mac, self.gateway_mac = map(frames.mac, (self.mac_text, self.gateway_mac_text))


class SoakLab(Lab):
    def __init__(self):
        super().__init__("", live=False)
        prefix = self.router.removesuffix("-r")
        self.hosts = {h: SoakHost(h, n, prefix) for n, h in enumerate("abcde")}

    def file(self, rules):
        return FILE.format(**{h: host.mac_text for h, host in self.hosts.items()}) + rules


def kinds(lab):
    """All sorts of flows, several of each."""
    a, d, e = lab.a, lab.d, lab.e
    for n, size in enumerate((60, 60, 64, 128, 333, 594, 1024, 1400, 1514)):
        sport = 2000 + n
        for there in "bc":
            net = {"b": 2, "c": 3}[there]
            if there == "b" or size <= 1400:
                yield udp(f"udp {there} {n}", "a", there, a, a.gateway_mac, f"10.1.0.{n}",
                          f"10.{net}.0.{n}", size=size, sport=sport)
                yield tcp(f"tcp {there} {n}", "a", there, a, a.gateway_mac, f"10.7.0.{n}",
                          f"10.{net}.0.{n}", size=max(size, 64), sport=sport)
        yield plain(f"bridged {n}", "d", "e", bytes([2, 0xD, 0, 0, 0, n]), e.mac, size=size)
        yield udp(f"leg out {n}", "d", "b", d, LEG, f"192.168.9.{100 + n}", f"10.2.1.{n}",
                  size=size, sport=sport)
        yield udp(f"leg in {n}", "a", "e", a, a.gateway_mac, f"10.1.1.{n}", f"10.9.0.{n}",
                  size=size, sport=sport)
    yield udp("options", "a", "b", a, a.gateway_mac, "10.1.2.1", "10.2.2.1",
              options=b"\1\1\1\1", size=100)
    yield udp("in pieces", "a", "c", a, a.gateway_mac, "10.1.2.2", "10.3.2.2", size=1500)
    yield udp("too long", "a", "c", a, a.gateway_mac, "10.1.2.2", "10.3.2.2", size=1500,
              fragment=DF, arrives=False)
    yield udp("ttl", "a", "b", a, a.gateway_mac, "10.1.2.3", "10.2.2.3", ttl=1, arrives=False)
    yield udp("ttl's flow", "a", "b", a, a.gateway_mac, "10.1.2.3", "10.2.2.3")
    yield udp("first fragment", "d", "e", d, e.mac, "10.8.0.1", "10.8.0.2", fragment=MF, size=200)


def connections(lab):
    """TCP that is translated, which takes a handshake: see shake_hands()."""
    a = lab.a
    for n, size in enumerate((64, 64, 1024, 1400)):
        yield tcp(f"connection {n}", "a", "b", a, a.gateway_mac, f"10.1.3.{n}", f"10.2.3.{n}",
                  size=size, sport=3000 + n)


def shake_hands(lab, kind):
    src, dst = frames.text(kind.frame[26:30]), frames.text(kind.frame[30:34])
    sport = struct.unpack("!H", kind.frame[34:36])[0]
    def segment(flags):
        body = frames.tcp(src, dst, sport=sport, dport=9, ack=1, flags=flags)
        lab.a.tap.send(kind.frame[:14] + frames.ip4(src, dst, TCP, body))
        return lab.b.tap.wait(lambda f: frames.is_ip4(f) and f[23] == TCP and f[47] == flags)
    syn = segment(TCP_SYN)
    outside, port = frames.text(syn[26:30]), struct.unpack("!H", syn[34:36])[0]
    answer = frames.tcp(dst, outside, sport=9, dport=port, ack=2, flags=TCP_SYN | TCP_ACK)
    lab.b.tap.send(syn[6:12] + syn[:6] + syn[12:14] + frames.ip4(dst, outside, TCP, answer))
    assert lab.a.tap.wait(lambda f: frames.is_ip4(f) and f[23] == TCP), "no answer to a SYN"
    assert segment(TCP_ACK)


def settings():
    """Changes, without end; None: the rules."""
    while True:
        for transmit in ("burst", "socket", "auto"):
            yield f"set lanes.transmit {transmit}"
            yield "set lanes.flow-cache off"
            yield f"set lanes.gso {'off' if transmit == 'auto' else 'on'}"
            yield "set lanes.flow-cache on"
            yield None


def lost(lab, before):
    """What counters name, without what the kinds provoke; what is zero is left out."""
    named = {k: n for k, n in lab.tsuji.drops().items() if k not in MANGLED}
    for name, row in ports(lab.tsuji).items():
        for counter in ("rx_ring_full", "rx_fill_empty"):
            named[f"{name} {counter}"] = row[counter]
        far_end = max(row["burst_lost"] + row["flow_lost"], kernel_drops(lab, "router", name))
        named[f"{name} far end"] = far_end - before.get(name, 0)
    return {k: n for k, n in named.items() if n}


def soak(lab, files, some):
    """Sends while the lanes switch, and the router's file goes from one to the next."""
    tsuji, n_changes = lab.tsuji, 0
    before = {name: kernel_drops(lab, "router", name) for name in ports(tsuji)}
    sender, files = Census(lab, some, N // 2), itertools.cycle(files)
    wait_repeated(tsuji, 1000)
    for words in settings():
        if not sender.running():
            break
        if words is None:
            tsuji.file.write_text(lab.file(next(files)))
            words = "reload"
        tsuji.must(words)
        n_changes += 1
        time.sleep(0.03)
    found = sender.result()
    time.sleep(0.2)
    tell(lab, sender, found, before, n_changes)
    tsuji.stop()


@test
def lanes_switch_under_mixed_flows_and_what_is_lost_has_a_name():
    with SoakLab() as lab:
        gro_on(lab)
        lab.start_tsuji(lab.file(RULES))
        learn(lab)
        some = [*kinds(lab), *connections(lab)]
        for kind in connections(lab):
            shake_hands(lab, kind)
        soak(lab, (MORE_RULES, RULES), some) # which keeps the sessions


@test
def so_they_do_with_rules_that_come_and_go():
    with SoakLab() as lab:
        gro_on(lab)
        lab.start_tsuji(lab.file(RULES))
        learn(lab)
        soak(lab, ("", RULES), list(kinds(lab))) # and without, flows are told apart otherwise


def learn(lab):
    """The bridge has heard of everybody on it."""
    lab.taps()
    for host in "de":
        h = lab.hosts[host]
        h.tap.send(frames.eth(frames.BROADCAST, h.mac, 0x88B6, bytes(46)))


def tell(lab, sender, found, before, n_changes):
    rows, named, drops = ports(lab.tsuji), lost(lab, before), lab.tsuji.drops()
    ways = {key: sum(row[f"{key}_packets"] for row in rows.values())
            for key in ("socket", "burst", "flow")}
    missing = found["expected"] - found["arrived"]
    named["reader"] = found["socket_drops"]
    print(f"    {found['sent']} sent in {found['seconds']:.1f} s, {n_changes} changes; by {ways};"
          f" {missing} missing, named {named}; {found['late']} late;"
          f" provoked {[drops.get(k, 0) for k in MANGLED]}")
    assert found["doubled"] == found["astray"] == found["damaged"] == 0, found
    assert missing <= sum(named.values()), \
        {k: v for k, v in sender.by_kind(found).items() if v[0] != v[1]}
    by_kind = sender.by_kind(found)
    for reason, kind in zip(MANGLED, ("ttl", "too long")):
        assert drops.get(reason, 0) <= by_kind[kind][0], (reason, drops, by_kind[kind])
        assert drops.get(reason, 0) + sum(named.values()) >= by_kind[kind][0], (reason, drops)
    assert min(ways.values()) > found["sent"] / 100, ways
    assert n_changes > 20, n_changes
    assert lab.tsuji.show("stats")[0]["balance"] == 0


if __name__ == "__main__":
    main()
