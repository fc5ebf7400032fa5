#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_large.py - what hosts leave for their card to cut, through ports in generic mode.

First a corpus of such packets (GSO), made to measure: what arrives through tsuji is what
arrives through the kernel, the hint beside the bytes included (virtio_net_hdr: how it is to
be cut), and cut where the last port does not take them whole. Then hosts as they are."""
import select
import socket
import struct
import time

import frames
from frames import DF, ETH_IPV4, TCP, UDP
from lib import (ETH_P_ALL, Lab, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE, SOL_PACKET, Skip, TSUJI,
                 command, inside, main, must, test, wait_for)
from test_gso import (MEGABYTE, connect, exchange, in_parallel, receive_all, send_random,
                      tcp_counter)

PACKET_VNET_HDR, PACKET_OUTGOING = 15, 4
NEEDS_CSUM, GSO_NONE, GSO_TCP4, GSO_UDP, GSO_ECN = 1, 0, 1, 5, 0x80
FIN, PSH, ACK, URG, ECE, CWR = 1, 8, 16, 32, 64, 128
UDP_SEGMENT = 103
TIMESTAMPS = bytes.fromhex("0101080a0102030405060708")


def generic(lab, extra="", ports=None):
    """A router file with every port in generic mode."""
    return lab.router_file(extra, ports or {
        h.port: f"{{addresses: [{h.gateway}/24], xdp: generic}}" for h in lab.hosts.values()})


def start(lab, extra="", text=None):
    """tsuji with a generic port for each host, and what else is wanted; or with that file."""
    tsuji = lab.start_tsuji(text or generic(lab, extra))
    if "no packets longer than a frame" in tsuji.output():
        raise Skip("this kernel has no XDP_USE_SG (6.6)")
    return tsuji


# -- packets with their hint -------------------------------------------------------------

class Wire:
    """A raw socket that sends and receives frames with the hint how to cut them."""

    def __init__(self, namespace, interface="eth0", outgoing=False):
        self.outgoing = outgoing
        with inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            if not outgoing:
                self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.socket.bind((interface, ETH_P_ALL))
        self.socket.setblocking(False)

    def send(self, packet):
        hint, frame = packet
        self.socket.send(struct.pack("=BBHHHH", *hint) + frame)

    def receive(self):
        """Pairs of hint and frame; of those that are one segment the checksum is completed."""
        got = []
        while select.select([self.socket], [], [], 0)[0]:
            data, _, _, address = self.socket.recvmsg(80000)
            if self.outgoing and address[2] != PACKET_OUTGOING:
                continue
            flags, kind, _, size, at, offset = struct.unpack("=BBHHHH", data[:10])
            frame = data[10:]
            if kind == GSO_NONE:
                frame = frames.complete_checksum(frame) if flags & NEEDS_CSUM else frame
                size = at = offset = 0
            got.append(((kind, size, at, offset), frame))
        return got

    def close(self):
        self.socket.close()


def fold(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def tcp_packet(host, to, length, size, *, flags=ACK, options=TIMESTAMPS, urgent=0, sport=4000,
               gso=GSO_TCP4, ip_options=b"", **ip):
    """A TCP packet from a host with that much payload, to be cut into segments of size."""
    payload = bytes(i * 7 & 0xFF for i in range(length))
    header = 20 + len(options)
    open_sum = fold(sum(struct.unpack("!6H", frames.pseudo(host.address, to, TCP, header + length))))
    segment = struct.pack("!HHIIBBHHH", sport, 5001, 0xFFFFF000, 77, header // 4 << 4, flags, 501,
                          open_sum, urgent) + options + payload
    frame = frames.eth(host.gateway_mac, host.mac, ETH_IPV4,
                       frames.ip4(host.address, to, TCP, segment, options=ip_options, **ip))
    start_at = 34 + len(ip_options)
    return (NEEDS_CSUM, gso, start_at + header, size, start_at, 16), frame


def syn(host, to):
    segment = frames.tcp(host.address, to, sport=4000, dport=5001, seq=0xFFFFEFFF)
    return (0, GSO_NONE, 0, 0, 0, 0), frames.eth(host.gateway_mac, host.mac, ETH_IPV4,
                                                 frames.ip4(host.address, to, TCP, segment))


def udp_packet(host, to, length, size, **ip):
    payload = bytes(i * 5 & 0xFF for i in range(length))
    open_sum = fold(sum(struct.unpack("!6H", frames.pseudo(host.address, to, UDP, 8 + length))))
    datagram = struct.pack("!HHHH", 4001, 5002, 8 + length, open_sum) + payload
    frame = frames.eth(host.gateway_mac, host.mac, ETH_IPV4,
                       frames.ip4(host.address, to, UDP, datagram, **ip))
    return (NEEDS_CSUM, GSO_UDP, 42, size, 34, 6), frame


def corpus(a, to):
    """Name and packet: each is one the kernel of a host could send."""
    def tcp(*args, **fields):
        return tcp_packet(a, to, *args, **fields)
    return {
        "ten full segments": tcp(13480, 1348, fragment=DF),
        "the last one is short": tcp(5000, 1348, fragment=DF),
        "it ends the stream": tcp(6001, 1348, flags=ACK | PSH | FIN, fragment=DF),
        "a small segment size": tcp(4321, 537, flags=ACK | PSH, fragment=DF),
        "two segments in one frame": tcp(900, 536, fragment=DF),
        "many small ones": tcp(20000, 201, options=b"", fragment=DF),
        "no options": tcp(9000, 1360, options=b"", flags=ACK | PSH, fragment=DF),
        "CWR on the first": tcp(7000, 1000, flags=ACK | CWR | ECE, gso=GSO_TCP4 | GSO_ECN,
                                tos=2, fragment=DF),
        "ECE, class and ECT": tcp(7000, 1000, flags=ACK | ECE | PSH, tos=0xB9, fragment=DF),
        "urgent data": tcp(4000, 1000, flags=ACK | URG, urgent=9, fragment=DF),
        "identifications wrap": tcp(9000, 1000, ident=0xFFFC, fragment=DF),
        "it may be cut": tcp(9000, 1000, ident=7),
        "the last hop but one": tcp(9000, 1000, ttl=2, fragment=DF),
        "IPv4 options": tcp(9000, 1000, ip_options=b"\x01\x01\x01\x00", fragment=DF),
        "as long as can be": tcp(65535 - 66, 1348, flags=ACK | PSH, fragment=DF),
        "datagrams": udp_packet(a, to, 12000, 1300, fragment=DF),
        "small datagrams": udp_packet(a, to, 1000, 100, ident=0xFFF8),
        "two datagrams": udp_packet(a, to, 1301, 1300),
    }


def larger_ones(a, to):
    """What does not fit an MTU of 1400 at the far end."""
    return {
        "too large, DF": tcp_packet(a, to, 14480, 1448, fragment=DF),
        "too large": tcp_packet(a, to, 5000, 1448, flags=ACK | PSH, ident=0xFFFE),
        "too large, with options": tcp_packet(a, to, 5000, 1400, ip_options=b"\x07\x07\x04" + bytes(5)),
        "datagrams too large": udp_packet(a, to, 5000, 1450),
        "datagrams too large, DF": udp_packet(a, to, 5000, 1450, fragment=DF),
        "one fits": tcp_packet(a, to, 9000, 1348, fragment=DF),
        "segments fit, the whole would not": tcp_packet(a, to, 9000, 1000),
    }


def deliver(lab, to, packets):
    """What arrives at a host, by the name of what host a sent; ICMP at a too."""
    source, sink = Wire(lab.namespace("a")), Wire(lab.namespace(to))
    mac, arrived = lab.hosts[to].mac, {}
    for host, number in (("a", 1), (to, lab.hosts[to].net)):
        lab.must(host, f"ping -c 1 -W 2 192.168.{number}.1") # neighbours, both ways
    lab.must("a", f"ping -c 1 -W 2 {lab.hosts[to].address}")
    for name, packet in packets.items():
        source.receive(), sink.receive()
        source.send(packet)
        got, new, end = [], None, time.monotonic() + 0.3
        while new or (time.monotonic() < end and not got): # until it is quiet again
            time.sleep(0.04)
            new = [g for g in sink.receive() if g[1][:6] == mac and frames.is_ip4(g[1])]
            got += new
        back = [g[1] for g in source.receive() if frames.is_ip4(g[1]) and g[1][23] == frames.ICMP
                and g[1][26:30] != frames.addr(lab.hosts[to].address)]
        arrived[name] = got, [(f[34], f[35], f[38:42]) for f in back]
    source.close()
    sink.close()
    return arrived


def through(router, to="b", cut=False, text="", packets_of=corpus, **options):
    """What arrives of the corpus through one router or the other. cut: by the last port's
    kernel, because the interface takes no large packets."""
    with Lab("a" + to, **options) as lab:
        port = lab.hosts[to].port
        if cut:
            lab.must("router", f"ethtool -K {port} tso off gso off tx-udp-segmentation off")
        tsuji = None
        if router == "kernel":
            lab.start_kernel()
        else:
            tsuji = start(lab, text)
        arrived = deliver(lab, to, packets_of(lab.a, lab.hosts[to].address))
        return arrived, tsuji and (tsuji.show("port", "name"), tsuji.drops())


def expect_same(want, got):
    for name, (packets, errors) in want.items():
        have = got[name][0]
        assert [p[0] for p in packets] == [p[0] for p in have], \
            f"{name}: {[p[0] for p in packets]} through the kernel, {[p[0] for p in have]} through tsuji"
        for number, (one, other) in enumerate(zip(packets, have)):
            assert one == other, f"{name}, {number}:\n{one[1][:90].hex()} kernel\n{other[1][:90].hex()} tsuji"
        assert errors == got[name][1], f"{name}: {errors} from the kernel, {got[name][1]} from tsuji"


@test
def large_packets_arrive_as_through_the_kernel():
    got, (ports, drops) = through("tsuji")
    want, _ = through("kernel")
    assert all(packets for packets, _ in want.values()), "the kernel lost some"
    assert any(hint[0] == GSO_TCP4 and len(frame) > 65000
               for packets, _ in want.values() for hint, frame in packets)
    expect_same(want, got)
    assert ports["r1"]["gso_large"] == len(want) and not drops, (ports["r1"], drops)


@test
def large_packets_arrive_cut_as_by_the_kernel_where_the_last_port_takes_none():
    got, _ = through("tsuji", cut=True)
    want, _ = through("kernel", cut=True)
    assert sum(len(packets) for packets, _ in want.values()) > 250
    expect_same(want, got)


@test
def large_packets_are_cut_by_tsuji_as_the_kernel_would():
    got, (ports, drops) = through("tsuji", text="lanes: {gso: off}\n")
    want, _ = through("kernel", cut=True)
    expect_same(want, got)
    assert ports["r1"]["gso_calls"] == 0 and not drops, (ports["r1"], drops)


@test
def large_packets_for_a_smaller_mtu_are_refused_or_cut_as_by_the_kernel():
    for lanes in ("", "lanes: {gso: off}\n"):
        got, (_, drops) = through("tsuji", "c", text=lanes, packets_of=larger_ones)
        want, _ = through("kernel", "c", cut=bool(lanes), packets_of=larger_ones)
        assert len(want["too large"][0]) > 4 and want["too large, DF"] == ([], [(3, 4, b"\0\0\x05\x78")])
        expect_same(want, got)
        assert drops == {"ip4-mtu": 2}, drops


# -- through other rooms -------------------------------------------------------------------

@test
def large_packets_through_nat_arrive_as_through_the_kernel():
    rules = "nat:\n  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n"
    for cut in (False, True):
        arrived = []
        for router in ("tsuji", "kernel"):
            with Lab("ab") as lab:
                if cut:
                    lab.must("router", "ethtool -K r1 tso off gso off tx-udp-segmentation off")
                # b says nothing to what it does not know: a RST would end the session.
                for rule in ("add table t", "add chain t c { type filter hook input priority 0 ; }",
                             "add rule t c ip protocol != icmp drop"):
                    lab.must("b", f"nft {rule}")
                if router == "kernel":
                    lab.start_kernel()
                    for rule in ("add table t", "add chain t c { type nat hook postrouting priority 100 ; }",
                                 "add rule t c oifname r1 masquerade"):
                        lab.must("router", f"nft {rule}")
                else:
                    tsuji = start(lab, rules + ("lanes: {gso: off}\n" if cut else ""))
                packets = corpus(lab.a, lab.b.address)
                if router == "tsuji": # which translates no connection whose beginning it missed
                    packets = {"SYN": syn(lab.a, lab.b.address), **packets}
                arrived.append(deliver(lab, "b", packets))
                if router == "tsuji":
                    assert not tsuji.drops(), tsuji.drops()
        got, want = arrived
        for packets, _ in want.values():
            assert packets and all(f[26:30] == frames.addr("192.168.0.1") for _, f in packets)
        expect_same(want, got)


@test
def large_packets_flooded_by_a_bridge_arrive_everywhere():
    text = ("ports:\n" + "".join(f"  r{n}: {{xdp: generic}}\n" for n in range(3)) +
            "bridges:\n  br0: {ports: [r0, r1, r2]}\n")
    with Lab("abc") as lab:
        tsuji = start(lab, text=text)
        packets = {n: (hint, b"\x02\0\0\0\xee\xee" + f[6:])
                   for n, (hint, f) in corpus(lab.a, "192.168.0.2").items()}
        source = Wire(lab.namespace("a"))
        sinks = [Wire(lab.namespace(h)) for h in "bc"]
        for name, packet in packets.items():
            source.send(packet)
            for sink in sinks:
                # c's MTU is 1400: none of these segments exceeds it.
                got = wait_for(lambda s=sink: [g for g in s.receive() if g[1][:6] == packet[1][:6]],
                               what=name)
                assert [g[1] for g in got] == [packet[1]] and got[0][0][:2] == (
                    packet[0][1], packet[0][3]), name
        assert not tsuji.drops(), tsuji.drops()
        for each in sinks + [source]:
            each.close()


@test
def a_large_packet_reaches_a_mirror_port():
    ports = {"r0": "{addresses: [192.168.1.1/24], xdp: generic, mirror: r2}",
             "r1": "{addresses: [192.168.0.1/24], xdp: generic}", "r2": "{xdp: generic}"}
    for lanes in ("", "lanes: {gso: off}\n"):
        with Lab("abc") as lab:
            start(lab, text=generic(lab, lanes, ports))
            source, sink = Wire(lab.namespace("a")), Wire(lab.namespace("c"))
            packet = tcp_packet(lab.a, lab.b.address, 10000, 1000, fragment=DF)
            source.send(packet)
            got = []
            wait_for(lambda: got.extend(g for g in sink.receive() if len(g[1]) > 1000)
                     or len(got) == (10 if lanes else 1), what="the copies")
            if lanes:
                assert b"".join(f[66:] for _, f in got) == packet[1][66:]
            else:
                assert got[0][1] == packet[1] and got[0][0] == (GSO_TCP4, 1000, 34, 16)
            source.close()
            sink.close()


@test
def a_large_packet_waits_for_arp_and_arrives():
    with Lab("ab") as lab:
        tsuji = start(lab)
        source, sink = Wire(lab.namespace("a")), Wire(lab.namespace("b"))
        for n in range(5):
            source.send(tcp_packet(lab.a, lab.b.address, 60000, 1000, fragment=DF, ident=n * 100))
        got = []
        wait_for(lambda: got.extend(g for g in sink.receive() if len(g[1]) > 60000) or len(got) == 5,
                 what="all five")
        assert [struct.unpack("!H", f[18:20])[0] for _, f in got] == [0, 100, 200, 300, 400]
        assert not tsuji.drops(), tsuji.drops()
        source.close()
        sink.close()


# -- hosts as they are ------------------------------------------------------------------

def large(tsuji, port="r1"):
    """Large packets that left by a port; nothing was lost on the way."""
    row = tsuji.show("port", "name")[port]
    assert row["gso_lost"] == 0, row
    return row["gso_large"]


@test
def random_data_arrives_both_ways():
    with Lab("ab") as lab:
        tsuji = start(lab)
        exchange(lab)
        assert large(tsuji) > 50 and large(tsuji, "r0") > 50, tsuji.show("port")
        for host in "ab":
            assert tcp_counter(lab, host, "TcpInCsumErrors") == 0


@test
def random_data_arrives_in_software_segments():
    with Lab("ab") as lab:
        tsuji = start(lab, "lanes: {gso: off}\n")
        exchange(lab)
        assert large(tsuji) == 0
        for host in "ab":
            assert tcp_counter(lab, host, "TcpInCsumErrors") == 0


@test
def random_data_arrives_between_a_native_and_a_generic_port():
    ports = {"r0": "{addresses: [192.168.1.1/24], xdp: generic}",
             "r1": "{addresses: [192.168.0.1/24], xdp: native}"}
    with Lab("ab") as lab:
        tsuji = start(lab, text=lab.router_file("", ports))
        exchange(lab)
        assert large(tsuji) > 50 and large(tsuji, "r0") == 0, tsuji.show("port")


@test
def random_data_arrives_with_ecn_and_without_timestamps():
    with Lab("ab") as lab:
        for host in "ab":
            lab.set(lab.namespace(host), {"ipv4/tcp_timestamps": 0, "ipv4/tcp_ecn": 1})
        tsuji = start(lab)
        exchange(lab)
        assert large(tsuji) > 50


@test
def random_data_arrives_through_nat_and_a_stateful_filter():
    rules = ("nat:\n  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n"
             "filter:\n  - {action: accept, state: [established, related]}\n"
             "  - {action: accept, in: r0}\n  - {action: drop}\n")
    for lanes in ("", "lanes: {gso: off}\n"):
        with Lab("ab") as lab:
            tsuji = start(lab, rules + lanes)
            assert exchange(lab) == "192.168.0.1"
            assert lanes or (large(tsuji) > 50 and large(tsuji, "r0") > 50), tsuji.show("port")


@test
def random_data_arrives_through_a_smaller_mtu():
    with Lab("ac") as lab:
        tsuji = start(lab)
        exchange(lab, "c")
        assert large(tsuji) > 50 and "ip4-mtu" not in tsuji.drops(), tsuji.drops()


@test
def the_path_mtu_is_found_by_a_sender_of_large_packets():
    with Lab("ac", host_mtus={"c": 1500}) as lab:
        tsuji = start(lab)
        exchange(lab, "c")
        assert tsuji.drops()["ip4-mtu"] > 0 and large(tsuji) > 50


@test
def random_data_arrives_across_a_bridge_by_ipv4_and_ipv6():
    text = "ports:\n  r0: {xdp: generic}\n  r1: {xdp: generic}\nbridges:\n  br0: {ports: [r0, r1]}\n"
    for lanes in ("", "lanes: {gso: off}\n"):
        with Lab("ab") as lab:
            for number, host in enumerate("ab", 1):
                lab.set(lab.namespace(host), {"ipv6/conf/eth0/disable_ipv6": 0,
                                              "ipv6/conf/eth0/accept_dad": 0})
                for address in (f"10.0.0.{number}/24", f"fd00::{number}/64 nodad"):
                    lab.must(host, f"ip address add {address} dev eth0")
            tsuji = start(lab, text=text + lanes)
            for address in ("10.0.0.2", "fd00::2"):
                lab.b.address, before = address, large(tsuji)
                exchange(lab, family=socket.AF_INET6 if ":" in address else socket.AF_INET)
                assert lanes or large(tsuji) > before + 50, tsuji.show("port")


@test
def a_service_of_the_routers_kernel_is_reached():
    with Lab("ab", kernel_addresses=True) as lab:
        tsuji = start(lab)
        with inside(lab.router):
            listener = socket.create_server((lab.a.gateway, 5000))
        with inside(lab.namespace("a")):
            client = socket.socket()
        client.settimeout(30)
        client.connect((lab.a.gateway, 5000))
        server, _ = listener.accept()
        sent, got = [], []
        in_parallel((send_random, client, 4 * MEGABYTE, 5, sent), (receive_all, server, got))
        assert sent == got, (sent, got)
        # The kernel's page pools are the machine's: others may have used them up for a moment.
        assert set(tsuji.drops()) <= {"punt-refused"}, tsuji.drops()
        row = tsuji.show("port", "name")["r0"]
        assert row["rx_bytes"] / row["rx_packets"] > 3000, row # it came in large packets
        for each in (client, server, listener):
            each.close()


@test
def datagrams_left_to_be_cut_arrive_one_by_one():
    for lanes in ("", "lanes: {gso: off}\n"):
        with Lab("ab") as lab:
            start(lab, lanes)
            with inside(lab.namespace("b")):
                server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                server.bind((lab.b.address, 7000))
            with inside(lab.namespace("a")):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.settimeout(5)
            client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1200)
            data = bytes(range(256)) * 100
            client.sendto(data, (lab.b.address, 7000))
            got = [server.recv(65535) for _ in range(0, len(data), 1200)]
            assert got == [data[i:i + 1200] for i in range(0, len(data), 1200)]
            client.close()
            server.close()


@test
def a_port_that_vanishes_takes_its_large_packets_along():
    with Lab("ab") as lab:
        tsuji = start(lab)
        for _ in range(3):
            client, server, _ = connect(lab, "b")
            client.settimeout(0.5)
            end = time.monotonic() + 0.5
            try:
                while time.monotonic() < end:
                    client.send(bytes(MEGABYTE))
                    server.recv(MEGABYTE)
            except socket.timeout:
                pass
            must(f"ip -n {lab.router} link del r1")
            wait_for(lambda: tsuji.show("port", "name")["r1"]["state"] == "lost", what="r1 to be lost")
            lab.connect(lab.b)
            wait_for(lambda: tsuji.show("port", "name")["r1"]["state"] == "up", what="r1 to be back")
            client.close()
            server.close()
        exchange(lab, size=MEGABYTE)
        tsuji.must("reload")
        exchange(lab, size=MEGABYTE)
        tsuji.stop()


# -- MTUs beyond a frame ------------------------------------------------------------------

def wider(lab, mtu):
    for host in lab.hosts.values():
        must(f"ip -n {lab.router} link set {host.port} mtu {mtu}")
        must(f"ip -n {host.namespace} link set eth0 mtu {mtu}")


@test
def an_mtu_beyond_a_frame_is_routed_in_generic_mode():
    with Lab("ab") as lab:
        wider(lab, 9000)
        tsuji = start(lab)
        for size in (1472, 4000, 8972):
            lab.must("a", f"ping -c 2 -i 0.2 -M do -s {size} -W 2 {lab.b.address}")
            lab.must("a", f"ping -c 2 -i 0.2 -M do -s {size} -W 2 {lab.a.gateway}")
        exchange(lab)
        assert large(tsuji) > 50 and not tsuji.drops(), tsuji.drops()
        row = tsuji.show("port", "name")["r1"]
        assert row["mtu"] == 9000, row


@test
def long_datagrams_are_cut_for_a_smaller_mtu():
    with Lab("ab") as lab:
        wider(lab, 9000)
        must(f"ip -n {lab.router} link set r1 mtu 1500")
        must(f"ip -n {lab.b.namespace} link set eth0 mtu 1500")
        tsuji = start(lab)
        lab.must("a", f"ping -c 2 -i 0.2 -M dont -s 8900 -W 2 {lab.b.address}")
        done = lab.run("a", f"ping -c 1 -M do -s 8900 -W 2 {lab.b.address}")
        assert "mtu = 1500" in done.stdout + done.stderr, done.stdout + done.stderr
        exchange(lab)
        assert tsuji.drops() == {"ip4-mtu": tsuji.drops()["ip4-mtu"]}, tsuji.drops()


@test
def an_mtu_beyond_a_frame_is_refused_in_native_mode():
    with Lab("ab") as lab:
        must(f"ip -n {lab.router} link set r1 mtu 9000")
        file = lab.directory / "native.yaml"
        file.write_text(lab.router_file())
        done = command([TSUJI, "run", "-c", file, "-n", lab.router])
        assert done.returncode == 2 and "or xdp: generic" in done.stderr, done


if __name__ == "__main__":
    main()
