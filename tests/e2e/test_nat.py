#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_nat.py - address translation as its users meet it: their programs with the offloads a
veth has by default, thousands of flows, a pool that is used up, the nat commands, a reload,
sessions that come and go; and nothing that leaves with an inside address.

    inside                     router                outside
    host a 192.168.1.2 ------- r0  r1 ------- 192.168.0.2 host b ------- 10.9.0.2 far
                                                                MTU 1400

Everything from 192.168.1.0/24 and 10.1.0.0/16 is masqueraded. Host b has no route back to
the inside. Beyond b, which is a router then, there can be one more host.

E2E_SOAK=600 makes the soak longer than its twenty seconds."""
import collections
import json
import os
import random
import re
import select
import struct
import time

import frames
from frames import ICMP, MF, TCP, TCP_ACK, TCP_RST, TCP_SYN, UDP
from lib import PREFIX, Lab, main, must, test, wait_for
from nat_corpus import TCP_FIN, Tcp, NatCorpus, back, error_about, parts, ports, udp_back

INSIDE = ("192.168.1.", "10.1.")
MASQUERADE = "nat:\n" \
             "  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n" \
             "  - {action: masquerade, out: r1, from: 10.1.0.0/16}\n"
BEHIND = "routes:\n  - {to: 10.1.0.0/16, via: 192.168.1.2}\n" \
         "  - {to: 10.2.0.0/16, via: 192.168.0.2}\n"
FAR = "routes:\n  - {to: 10.9.0.0/24, via: 192.168.0.2}\n"
SOAK_S = float(os.environ.get("E2E_SOAK", "20"))


class NatLab(Lab):
    """A lab whose outside knows no way inside."""

    def build(self):
        super().build()
        if self.live:
            must(f"ip -n {self.b.namespace} route del default")

    def start_masquerade(self, extra="", rules=MASQUERADE):
        return self.start_tsuji(self.text(extra, rules))

    def text(self, extra="", rules=MASQUERADE):
        neighbours = "neighbours:\n" + "".join(
            f'  - {{address: {h.address}, mac: "{h.mac_text}", port: {h.port}}}\n'
            for h in self.hosts.values())
        return self.router_file(extra + rules + ("" if self.live else BEHIND + neighbours))

    def add_far_host(self):
        """One more host beyond b, behind a link with a smaller MTU."""
        far = f"{PREFIX}-far"
        must(f"ip netns add {far}")
        must(f"ip link add name eth1 netns {self.b.namespace} mtu 1400 type veth"
             f" peer name eth0 netns {far} mtu 1400")
        for namespace, interface, address in ((self.b.namespace, "eth1", "10.9.0.1"),
                                              (far, "eth0", "10.9.0.2")):
            must(f"ip -n {namespace} address add {address}/24 dev {interface}")
            must(f"ip -n {namespace} link set {interface} up")
        must(f"ip -n {far} route add default via 10.9.0.1")
        self.set(self.b.namespace, {"ipv4/ip_forward": 1, "ipv4/icmp_ratemask": 0})
        return far


def session_of(tsuji, words):
    rows = json.loads(tsuji.must(f"-j nat show {words}"))
    assert len(rows) == 1, rows
    return rows[0]


# -- programs ---------------------------------------------------------------------------

@test
def web_pages_and_names_come_through():
    with NatLab("ab") as lab:
        tsuji = lab.start_masquerade()
        page = lab.directory / "page"
        page.write_bytes(random.Random(4787).randbytes(1 << 20))
        lab.spawn("b", f"python3 -m http.server --directory {lab.directory} 80")
        lab.spawn("b", "dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts"
                       " --user=root --pid-file= --port=53 --address=/example.test/192.0.2.7")
        wait_for(lambda: all(f":{port} " in lab.must("b", "ss -ltn") for port in (80, 53)),
                 what="the servers")
        got = lab.directory / "got"
        lab.must("a", f"curl -sS -m 10 -o {got} http://192.168.0.2/page")
        assert got.read_bytes() == page.read_bytes()
        for how in ("+notcp", "+tcp"):
            out = lab.must("a", f"dig {how} +short +time=2 @192.168.0.2 example.test")
            assert out.strip() == "192.0.2.7", out
        web = session_of(tsuji, "tcp port 80")
        assert web["reply_destination"].startswith("192.168.0.1:"), web
        assert web["reply_bytes"] > 1 << 20 and web["state"] == "transitory", web


@test
def iperf_runs_both_ways():
    with NatLab("ab") as lab:
        tsuji = lab.start_masquerade()
        for options, key in ((["-t", "1"], "sum_received"), (["-t", "1", "-R"], "sum_received"),
                             (["-t", "1", "-u", "-b", "20M"], "sum")):
            lab.spawn("b", "iperf3 -s -1")
            wait_for(lambda: ":5201" in lab.must("b", "ss -ltn"), what="iperf3 -s")
            end = json.loads(lab.must("a", ["iperf3", "-c", "192.168.0.2", "-J", *options]))["end"]
            assert end[key]["bytes"] > 1 << 20, (options, end[key])
            assert end[key].get("lost_percent", 0) < 1, (options, end[key])
        states = collections.Counter(s["state"] for s in tsuji.show("nat"))
        assert set(states) <= {"transitory", "established"} and sum(states.values()) == 6, states


@test
def traceroute_and_path_mtu_work_from_inside():
    with NatLab("ab") as lab:
        lab.add_far_host()
        lab.start_masquerade(FAR)
        for how in ("", "-I", "-T -p 80"):
            out = lab.must("a", f"traceroute {how} -n -q 1 -N 1 -w 2 10.9.0.2")
            hops = re.findall(r"^ \d+  (\S+)", out, re.M)
            assert hops == ["192.168.1.1", "192.168.0.2", "10.9.0.2"], (how, out)
        told = lab.run("a", "ping -M do -s 1472 -c 1 -W 2 10.9.0.2")
        assert "mtu = 1400" in told.stdout + told.stderr, told
        lab.must("a", "ping -M do -s 1372 -c 1 -W 2 10.9.0.2")
        lab.must("a", "ping -M dont -s 4000 -c 2 -i 0.2 -W 2 10.9.0.2") # in fragments, both ways


@test
def tcp_finds_the_path_mtu_through_translation():
    with NatLab("ab") as lab:
        far = lab.add_far_host()
        lab.start_masquerade(FAR)
        # The far host knows nothing of the narrow link, and so says nothing in its SYN.
        must(f"ip -n {far} link set eth0 mtu 1500")
        lab.spawn("b", f"ip netns exec {far} iperf3 -s -1")
        wait_for(lambda: ":5201" in must(f"ip netns exec {far} ss -ltn"), what="iperf3 -s")
        end = json.loads(lab.must("a", "iperf3 -c 10.9.0.2 -n 4M -J"))["end"]
        assert end["sum_received"]["bytes"] > 1 << 20, end
        assert "mtu 1400" in lab.must("a", "ip route get 10.9.0.2")


# -- many -----------------------------------------------------------------------------------

class Raw:
    """Inside and outside as raw sockets, for what no program does."""

    def __init__(self, lab):
        self.lab, self.taps = lab, lab.taps()
        self.corpus = NatCorpus(lab.hosts)
        lab.greet()

    def out(self, src, dst, sport, dport=9999, data=b"question"):
        body = frames.udp(src, dst, data, sport=sport, dport=dport)
        self.taps["a"].send(self.corpus.frame(frames.ip4(src, dst, UDP, body)))

    def gather(self, host, count, seconds=5):
        """The next IPv4 datagrams that reach a host: count of them."""
        found, end = [], time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} datagrams at {host}"
            select.select([self.taps[host].socket], [], [], 0.1)
            found.extend(f for f in self.taps[host].receive() if frames.is_ip4(f))
        return found


@test
def thousands_of_flows_to_one_destination():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade()
        raw = Raw(lab)
        flows = [(f"10.1.0.{host}", 20000 + port) for port in range(500) for host in range(1, 11)]
        seen = {}
        for at in range(0, len(flows), 100): # ten hosts with the same hundred ports, in turns
            for src, sport in flows[at:at + 100]:
                raw.out(src, "10.2.0.1", sport, data=f"{src} {sport}".encode())
            for frame in raw.gather("b", 100):
                seen[ports(frame)[0]] = parts(frame)[2][8:].decode()
                raw.taps["b"].send(udp_back(frame, parts(frame)[2][8:]))
            for frame in raw.gather("a", 100):
                src, dst, body = parts(frame)
                assert src == "10.2.0.1" and body[8:].decode() == f"{dst} {ports(frame)[1]}", body
        assert len(seen) == len(flows) and set(seen.values()) == {f"{s} {p}" for s, p in flows}
        rows = json.loads(tsuji.must("-j nat show limit 0"))
        assert len(rows) == len(flows) and {r["state"] for r in rows} == {"established"}
        kept = sum(r["source"].split(":")[1] == r["reply_destination"].split(":")[1] for r in rows)
        assert kept > 400, kept # the first of each ten, unless another was given its port


@test
def a_pool_that_is_used_up_is_answered():
    rules = "nat:\n  - {action: snat, out: r1, from: 10.1.0.0/16, to: 192.168.0.77," \
            " ports: 5000-5009}\n"
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade(rules=rules)
        raw = Raw(lab)
        for host in range(12):
            raw.out(f"10.1.0.{host}", "10.2.0.1", 4000)
        arrived = raw.gather("b", 10)
        used = {ports(f)[0] for f in arrived}
        assert used == set(range(5000, 5010)), used
        told = raw.gather("a", 2)
        assert [f[34:36] for f in told] == [b"\3\x0d"] * 2, [frames.describe(f) for f in told]
        assert tsuji.drops().get("nat-pool") == 2, tsuji.drops()
        raw.taps["b"].send(udp_back(arrived[0])) # those that are there go on
        assert ports(raw.gather("a", 1)[0]) == (9999, 4000)
        assert len(tsuji.show("nat")) == 10


@test
def a_host_has_its_share_and_no_more():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade("sessions: {per-host: 5}\n")
        raw = Raw(lab)
        for sport in range(4000, 4008):
            raw.out("10.1.0.1", "10.2.0.1", sport)
        raw.out("10.1.0.2", "10.2.0.1", 4000)
        assert len(raw.gather("b", 6)) == 6
        assert [f[34:36] for f in raw.gather("a", 3)] == [b"\3\x0d"] * 3
        assert tsuji.drops().get("nat-full") == 3, tsuji.drops()


@test
def a_flood_leaves_established_sessions_alone():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade("sessions: {max: 256}\n")
        raw = Raw(lab)
        t = Tcp(raw.corpus, "10.1.0.1", sport=4000)
        play(raw, t.handshake())
        for n in range(2000): # SYNs that nobody answers
            scan = Tcp(raw.corpus, f"10.1.1.{n & 255}", sport=5000 + n, dport=n + 1)
            raw.taps["a"].send(scan.segment(TCP_SYN))
        raw.gather("b", 2000)
        play(raw, t.data())
        assert session_of(tsuji, "10.1.0.1")["state"] == "established"
        assert tsuji.drops().get("nat-full") is None, tsuji.drops()


def play(raw, steps):
    """Steps of nat_corpus.Tcp, each awaited at the other end."""
    last = {}
    for kind, host, what in steps:
        for frame in what if kind == "send" else [what(last[host])]:
            raw.taps[host].send(frame)
        other = "b" if host == "a" else "a"
        last[other] = raw.gather(other, 1)[-1]
    return last


# -- the commands -----------------------------------------------------------------------

@test
def show_flush_and_age():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade()
        raw = Raw(lab)
        raw.out("10.1.0.1", "10.2.0.1", 4000)
        raw.out("10.1.0.2", "10.2.0.2", 4001)
        first, _ = raw.gather("b", 2)
        raw.taps["b"].send(udp_back(first))
        raw.gather("a", 1)
        t = Tcp(raw.corpus, "10.1.0.3", sport=4002)
        play(raw, t.handshake())
        row = session_of(tsuji, "udp port 4000")
        assert {k: row[k] for k in ("protocol", "state", "source", "destination", "reply_source",
                                    "reply_destination", "packets", "bytes", "reply_packets",
                                    "reply_bytes")} == {
            "protocol": "udp", "state": "established", "source": "10.1.0.1:4000",
            "destination": "10.2.0.1:9999", "reply_source": "10.2.0.1:9999",
            "reply_destination": "192.168.0.1:4000", "packets": 1, "bytes": 36,
            "reply_packets": 1, "reply_bytes": 34}, row
        assert 290_000 < row["left_ms"] <= 300_000 and row["age_ms"] < 10_000, row
        assert len(json.loads(tsuji.must("-j nat show udp"))) == 2
        assert len(json.loads(tsuji.must("-j nat show 10.1.0.2"))) == 1
        assert "10.1.0.3:4002" in tsuji.must("nat") and "192.168.0.1" in tsuji.must("nat show tcp")
        tsuji.must("nat age 4m")
        assert session_of(tsuji, "udp port 4000")["left_ms"] <= 60_000
        tsuji.must("nat age 61s")
        assert [r["protocol"] for r in wait_for(
            lambda: (lambda rows: len(rows) == 1 and rows)(tsuji.show("nat")),
            what="the end of the UDP sessions")] == ["tcp"]
        raw.taps["b"].send(udp_back(first)) # the mapping is gone with them: it is the router's
        assert raw.gather("b", 1)[0][34:36] == b"\3\3"
        tsuji.must("nat age 110m")
        play(raw, t.data()) # 2 h 4 min have not passed, and count anew from here
        tsuji.must("nat flush tcp")
        assert tsuji.show("nat") == []
        assert not [f for f in raw.taps["a"].receive() if f[23] == UDP]
        rules = json.loads(tsuji.must("-j nat rules"))
        assert sum(r["hits"] for r in rules) == 3, rules
        for words, status in (("nat show nonsense", 2), ("nat age", 2), ("nat age -5", 2),
                              ("nat flush port x", 2)):
            done = tsuji.cli(words)
            assert done.returncode == status and done.stderr, (words, done)


@test
def reload_keeps_what_the_rules_still_allow():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade()
        raw = Raw(lab)
        t = Tcp(raw.corpus, "10.1.0.1", sport=4000)
        play(raw, t.handshake())
        raw.out("192.168.1.2", "10.2.0.1", 4001)
        raw.gather("b", 1)

        def reload(rules):
            tsuji.file.write_text(lab.text(rules=rules))
            return tsuji.must("reload")
        fewer = MASQUERADE.replace("  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n", "")
        assert "nat" in reload(fewer)
        assert [s["source"] for s in tsuji.show("nat")] == ["10.1.0.1:4000"], tsuji.show("nat")
        play(raw, t.data())
        other = fewer.replace("masquerade, out: r1,", "snat, out: r1, to: 192.168.0.77,")
        reload(other)
        assert tsuji.show("nat") == []
        raw.taps["a"].send(t.segment(TCP_ACK, b"under another address")) # not picked up
        wait_for(lambda: tsuji.drops().get("nat-invalid") == 1, what="the drop")
        assert not [f for f in raw.taps["b"].receive() if frames.is_ip4(f)]
        reload("")
        assert tsuji.show("nat") == []


@test
def a_port_of_the_routers_own_is_not_given_away():
    with NatLab("ab", live=False, kernel_addresses=True) as lab:
        lab.spawn("router", "python3 -c 'import socket, time;"
                            " s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
                            " s.bind((\"\", 4500)); time.sleep(60)'")
        wait_for(lambda: ":4500" in lab.must("router", "ss -lun"), what="the socket")
        lab.start_masquerade()
        raw = Raw(lab)
        raw.out("10.1.0.1", "10.2.0.1", 4500)
        raw.out("10.1.0.1", "10.2.0.1", 4501)
        used = [ports(f)[0] for f in raw.gather("b", 2)]
        assert used[0] != 4500 and used[1] == 4501, used


# -- time and safety --------------------------------------------------------------------

def memory_kib(tsuji):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{tsuji.process.pid}/status").read())[1])


@test
def sessions_come_and_go_and_memory_stays():
    """Connections open and close over many destinations while the lab clock runs fast; a
    hundred stay open, are silent for up to two hours at a time, and are never lost."""
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade("sessions: {max: 4096}\n")
        raw = Raw(lab)
        lasting = [Tcp(raw.corpus, "10.1.9.1", f"10.2.9.{n}", 3000 + n) for n in range(100)]
        for t in lasting:
            play(raw, t.handshake())
        end, n, levels, aged = time.monotonic() + SOAK_S, 0, [], 0
        while time.monotonic() < end or n < 2000:
            batch = [Tcp(raw.corpus, f"10.1.{m % 7}.{m % 250}", f"10.2.{m // 200 % 100}.{m % 200}",
                         10000 + m % 50000) for m in range(n, n + 200)]
            come_and_go(raw, batch)
            n += len(batch)
            tsuji.must("nat age 4m")
            aged += 240
            if aged >= 7200: # not yet 2 h 4 min
                for t in lasting:
                    play(raw, t.data())
                aged = 0
                levels.append(memory_kib(tsuji))
        for t in lasting:
            play(raw, t.data())
        rows = json.loads(tsuji.must("-j nat show 10.1.9.1 limit 0"))
        assert len(rows) == 100 and {r["state"] for r in rows} == {"established"}, len(rows)
        drops = {k: v for k, v in tsuji.drops().items() if k.startswith("nat")}
        assert not drops, drops
        levels.append(memory_kib(tsuji))
        assert levels[-1] <= levels[0] + 2048, levels
        print(f"    {n} connections, {levels[0]} to {levels[-1]} KiB")


def come_and_go(raw, connections):
    """Handshake, data and FIN of many connections, each step of all of them at once."""
    count = len(connections)
    seen = {}
    for step in ("syn", "data", "fin"):
        for t in connections:
            if step == "syn":
                raw.taps["a"].send(t.segment(TCP_SYN))
            else:
                raw.taps["a"].send(t.segment(TCP_ACK | (TCP_FIN if step == "fin" else 0), b"x"))
        for frame in raw.gather("b", count):
            _, dst, _ = parts(frame)
            sport, dport = ports(frame)
            seq, ack = struct.unpack("!II", frame[38:46])
            flags = TCP_ACK | {"syn": TCP_SYN, "data": 0, "fin": TCP_FIN}[step]
            raw.taps["b"].send(back(frame, frames.tcp(
                dst, frames.text(frame[26:30]), sport=dport, dport=sport, seq=ack or 5000,
                ack=seq + 1, flags=flags)))
        for frame in raw.gather("a", count):
            seen[parts(frame)[1], ports(frame)[1]] = step
        if step == "syn":
            for t in connections:
                t.peer += 1
    assert len(seen) == count and set(seen.values()) == {"fin"}, len(seen)


def odd_frames(corpus):
    """What no well-behaved host sends, from inside: names and datagrams."""
    src = "10.1.3.3"
    for flags in range(64):
        yield "tcp flags", frames.ip4(src, "10.2.0.1", TCP, frames.tcp(
            src, "10.2.0.1", sport=corpus.port(), flags=flags))
    for length in range(0, 20):
        for protocol, body in ((TCP, frames.tcp(src, "10.2.0.1", sport=corpus.port())),
                               (UDP, frames.udp(src, "10.2.0.1", bytes(20), sport=corpus.port())),
                               (ICMP, corpus.echo(payload=bytes(20)))):
            yield "cut short", frames.ip4(src, "10.2.0.1", protocol, body[:length])
            for fragment in (MF, 1, 3 | MF, 100, 8191):
                yield "fragments", frames.ip4(src, "10.2.0.1", protocol, body[:length],
                                              fragment=fragment, ident=corpus.port())
    for kind in range(256):
        yield "icmp", frames.ip4(src, "10.2.0.1", ICMP, frames.icmp(kind, 0, payload=bytes(28)))
        inner = frames.ip4("10.2.0.1", src, UDP, frames.udp("10.2.0.1", src))
        yield "icmp quoting", frames.ip4(src, "10.2.0.1", ICMP,
                                         frames.icmp(kind, 0, payload=inner))
    for number in range(256):
        yield "protocols", frames.ip4(src, "10.2.0.1", number, bytes(24))
    for check in (0, 1, 0xFFFF):
        yield "checksums", frames.ip4(src, "10.2.0.1", TCP, frames.tcp(src, "10.2.0.1",
                                                                       check=check))
    for options in (b"\1\1\1\1", bytes([7, 7, 4]) + bytes(5), bytes([0x94, 4, 0, 0])):
        yield "options", frames.ip4(src, "10.2.0.1", UDP, frames.udp(src, "10.2.0.1"),
                                    options=options)
    draw = random.Random(1918)
    for _ in range(1500): # right ones with some bytes changed behind the addresses
        body = bytearray(draw.choice((frames.tcp(src, "10.2.0.1", b"data" * 9),
                                      frames.udp(src, "10.2.0.1", b"data" * 9),
                                      frames.icmp(draw.choice((0, 3, 5, 8, 11, 12)), 0, payload=(
                                          frames.ip4("10.2.0.1", src, UDP, bytes(20)))))))
        for _ in range(draw.randrange(4)):
            body[draw.randrange(min(len(body), 40))] = draw.randrange(256)
        yield "random", frames.ip4(src, "10.2.0.1", draw.choice((1, 6, 17, 47)), bytes(body),
                                   fragment=draw.choice((0, 0, 0, MF, 2, 2 | MF)),
                                   ident=draw.randrange(16))


def inside_addresses(datagram):
    """Inside addresses that a datagram shows: its source, and the one it is about."""
    shown = [frames.text(datagram[12:16])]
    body = datagram[(datagram[0] & 15) * 4:]
    if datagram[9] == ICMP and len(body) >= 28 and body[0] in (3, 4, 5, 11, 12) \
            and body[8] >> 4 == 4 and not datagram[6] & 0x1F and not datagram[7]:
        shown.append(frames.text(body[24:28]))
    return [a for a in shown if a.startswith(INSIDE)]


@test
def nothing_leaves_with_an_inside_source():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade()
        raw = Raw(lab)
        sent, arrived = 0, []
        before = tsuji.show("port", "name")["r0"]["rx_packets"]
        for _, datagram in odd_frames(raw.corpus):
            raw.taps["a"].send(raw.corpus.frame(datagram))
            sent += 1
            if sent % 200 == 0:
                arrived += raw.taps["b"].receive()
        wait_for(lambda: tsuji.show("port", "name")["r0"]["rx_packets"] >= before + sent,
                 what="the last frame")
        time.sleep(2.2) # fragments that wait for their first one have given up
        arrived += raw.taps["b"].receive()
        datagrams = [f[14:] for f in arrived if frames.is_ip4(f)]
        assert len(datagrams) > 400, len(datagrams) # much of it has a way to be translated
        leaks = [frames.describe(b"\0" * 12 + b"\x08\0" + d) for d in datagrams
                 if inside_addresses(d)]
        assert not leaks, leaks[:5]
        drops = tsuji.drops()
        assert {"nat-invalid", "nat-error", "nat-fragment"} <= set(drops), drops


@test
def forged_errors_and_resets_end_no_session():
    with NatLab("ab", live=False) as lab:
        tsuji = lab.start_masquerade()
        raw = Raw(lab)
        t = Tcp(raw.corpus, "10.1.0.1", sport=4000)
        last = play(raw, t.handshake())["b"]
        for code in (0, 1, 2, 3, 13):
            raw.taps["b"].send(error_about(last, 3, code))
        raw.taps["b"].send(back(last, frames.tcp("10.2.0.1", "192.168.0.1", sport=80, dport=4000,
                                                 seq=77, flags=TCP_RST)))
        raw.gather("a", 6)
        assert session_of(tsuji, "tcp")["state"] == "transitory"
        play(raw, t.data())
        row = session_of(tsuji, "tcp")
        assert row["state"] == "established" and row["left_ms"] > 7_000_000, row


@test
def others_may_write_to_a_mapping_where_the_rule_says_so():
    for filtering, host, port in (("address-and-port-dependent", False, False),
                                  ("address-dependent", False, True),
                                  ("endpoint-independent", True, True)):
        rules = "nat:\n  - {action: masquerade, out: r1, from: 10.1.0.0/16," \
                f" filtering: {filtering}}}\n"
        with NatLab("ab", live=False) as lab:
            tsuji = lab.start_masquerade(rules=rules)
            raw = Raw(lab)
            raw.out("10.1.0.1", "10.2.0.1", 4000)
            mapped, = raw.gather("b", 1)
            for peer, sport, allowed in (("10.2.0.2", 9999, host), ("10.2.0.1", 4444, port)):
                body = frames.udp(peer, "192.168.0.1", sport=sport, dport=ports(mapped)[0])
                raw.taps["b"].send(raw.corpus.frame(
                    frames.ip4(peer, "192.168.0.1", UDP, body), "b"))
                if allowed:
                    assert parts(raw.gather("a", 1)[0])[:2] == (peer, "10.1.0.1")
                else:
                    wait_for(lambda: tsuji.drops().pop("nat-unsolicited", 0), what="the drop")
            assert not raw.taps["a"].receive()


if __name__ == "__main__":
    main()
