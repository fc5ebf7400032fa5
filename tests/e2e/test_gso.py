#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_gso.py - segments that tsuji puts together: what the hosts' TCP sends arrives as it
was sent. Streams are compared as a whole, and once segment by segment: with TSO off at the
router's port its kernel cuts what tsuji has joined before the far end sees it.

A stopped router (SIGSTOP) finds all that waits in one turn."""
import hashlib
import json
import random
import select
import signal
import socket
import struct
import threading
import time

import frames
from lib import (Lab, PACKET_AUXDATA, SOL_PACKET, TP_STATUS_CSUMNOTREADY, Tap, inside, main, test,
                 wait_for)

MEGABYTE = 1 << 20
PORT = 5000
PACKET_OUTGOING = 4
MSS = 1460
FRAME_MAX = 1514 # bytes of a frame that is one segment


# -- streams ---------------------------------------------------------------------------

def connect(lab, to, family=socket.AF_INET):
    """A TCP connection from host a to host `to`: both its ends."""
    with inside(lab.namespace(to)):
        listener = socket.create_server((lab.hosts[to].address, PORT), family=family)
    with inside(lab.namespace("a")):
        client = socket.socket(family)
    client.settimeout(30)
    client.connect((lab.hosts[to].address, PORT))
    server, peer = listener.accept()
    listener.close()
    server.settimeout(30)
    return client, server, peer


def send_random(sender, size, seed, digests):
    """Random bytes in writes of 1 byte to 128 KiB, most of them large; then the end."""
    source, digest = random.Random(seed), hashlib.sha256()
    while size:
        most = source.choice((10, 1000, 3000, 131072, 131072))
        data = source.randbytes(min(size, source.randint(1, most)))
        digest.update(data)
        sender.sendall(data)
        size -= len(data)
    sender.shutdown(socket.SHUT_WR)
    digests.append(digest.hexdigest())


def receive_all(receiver, digests):
    digest = hashlib.sha256()
    while data := receiver.recv(MEGABYTE):
        digest.update(data)
    digests.append(digest.hexdigest())


def in_parallel(*calls):
    threads = [threading.Thread(target=call[0], args=call[1:], daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "the transfer does not end"


def exchange(lab, to="b", size=8 * MEGABYTE, family=socket.AF_INET):
    """Random data both ways at once, then from a alone; returns what host `to` saw as the peer."""
    client, server, peer = connect(lab, to, family)
    sent_a, sent_b, got_a, got_b = [], [], [], []
    in_parallel((send_random, client, size, 1, sent_a), (send_random, server, size, 2, sent_b),
                (receive_all, client, got_a), (receive_all, server, got_b))
    assert sent_a == got_b and sent_b == got_a, (sent_a, got_b, sent_b, got_a)
    client.close()
    server.close()
    client, server, _ = connect(lab, to, family)
    sent_a, got_b = [], []
    in_parallel((send_random, client, size, 3, sent_a), (receive_all, server, got_b))
    assert sent_a == got_b, (sent_a, got_b)
    client.close()
    server.close()
    return peer[0]


def joined(tsuji, port="r1"):
    """Segments that left by the port in GSO frames; what failed is no secret."""
    row = tsuji.show("port", "name")[port]
    assert row["gso"], row
    assert row["gso_packets"] >= 2 * row["gso_calls"] or row["gso_errors"], row
    return row["gso_packets"]


@test
def random_data_arrives_both_ways():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        exchange(lab)
        assert joined(tsuji) > 1000 and joined(tsuji, "r0") > 100, tsuji.show("port")
        for host in "ab": # the counters are those of its namespace
            assert tcp_counter(lab, host, "TcpInCsumErrors") == 0


@test
def random_data_arrives_where_the_hosts_have_gro():
    with Lab("ab") as lab:
        for host in "ab":
            lab.must(host, "ethtool -K eth0 gro on")
        tsuji = lab.start_tsuji()
        exchange(lab)
        assert joined(tsuji) > 1000, tsuji.show("port")


@test
def random_data_arrives_without_timestamps_and_with_ecn():
    with Lab("ab") as lab:
        for host in "ab":
            lab.set(lab.namespace(host), {"ipv4/tcp_timestamps": 0, "ipv4/tcp_ecn": 1})
        tsuji = lab.start_tsuji()
        tap = Tap(lab.namespace("b"), "eth0")
        client, server, _ = connect(lab, "b")
        client.sendall(bytes(100000))
        wait_for(lambda: len(server.recv(100000, socket.MSG_PEEK)) == 100000, what="the data")
        data = [f for f in tap.receive() if frames.is_ip4(f) and len(f) > 1000]
        tap.close()
        client.close()
        server.close()
        assert data and all(f[15] & 3 == 2 for f in data), "no ECT(0) on the data"
        exchange(lab)
        assert joined(tsuji) > 1000, tsuji.show("port")


@test
def random_data_arrives_through_nat():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(
            "nat:\n  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n"))
        assert exchange(lab) == "192.168.0.1"
        assert joined(tsuji) > 1000 and joined(tsuji, "r0") > 100, tsuji.show("port")


@test
def random_data_arrives_through_a_smaller_mtu():
    with Lab("ac") as lab:
        tsuji = lab.start_tsuji()
        exchange(lab, "c")
        assert joined(tsuji) > 1000, tsuji.show("port")
        row = tsuji.show("port", "name")["r1"]
        assert row["tx_bytes"] / row["tx_packets"] <= 1414, row


@test
def random_data_arrives_across_a_bridge():
    with Lab("ab") as lab:
        for host in "ab":
            lab.must(host, f"ip address add 10.0.0.{'ab'.index(host) + 1}/24 dev eth0")
            lab.hosts[host].address = f"10.0.0.{'ab'.index(host) + 1}"
        tsuji = lab.start_tsuji("ports: {r0: {}, r1: {}}\nbridges:\n  br0: {ports: [r0, r1]}\n")
        exchange(lab)
        assert joined(tsuji) > 1000, tsuji.show("port")


@test
def a_forced_lane_or_the_switch_coalesces_nothing():
    for lanes in ("gso: off", "transmit: socket", "transmit: burst"):
        with Lab("ab") as lab:
            lab.must("b", "ethtool -K eth0 gro on")
            tsuji = lab.start_tsuji(lab.router_file(f"lanes: {{{lanes}}}\n"))
            exchange(lab, size=MEGABYTE)
            row = tsuji.show("port", "name")["r1"]
            assert not row["gso"] and row["gso_calls"] == 0, row
            tsuji.file.write_text(lab.router_file())
            tsuji.must("reload")
            exchange(lab, size=MEGABYTE)
            assert joined(tsuji) > 0


# -- segment by segment ----------------------------------------------------------------

class Capture(Tap):
    """What leaves by an interface, checksums completed."""

    def __init__(self, namespace, interface):
        super().__init__(namespace, interface)
        self.socket.setsockopt(SOL_PACKET, 23, 0) # PACKET_IGNORE_OUTGOING

    def sent(self):
        got = []
        while select.select([self.socket], [], [], 0)[0]:
            frame, ancillary, _, address = self.socket.recvmsg(70000, 64)
            if address[2] != PACKET_OUTGOING:
                continue
            status = [struct.unpack("=I", data[:4])[0] for level, kind, data in ancillary
                      if (level, kind) == (SOL_PACKET, PACKET_AUXDATA)]
            if status and status[0] & TP_STATUS_CSUMNOTREADY:
                frame = frames.complete_checksum(frame)
            got.append(frame)
        return got


def is_data(frame):
    """A TCP segment with a payload."""
    if not frames.is_ip4(frame) or frame[23] != frames.TCP:
        return False
    total = struct.unpack("!H", frame[16:18])[0]
    return total > 20 + (frame[46] >> 4) * 4


def routed(frame, host, gateway_mac):
    """The frame as a router sends it on to a host."""
    head = bytearray(frame[14:34])
    head[8] -= 1
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", frames.checksum(bytes(head)))
    return host.mac + gateway_mac + frame[12:14] + bytes(head) + frame[34:]


@test
def every_segment_arrives_byte_for_byte():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        lab.must("router", "ethtool -K r1 tso off gso off") # its kernel cuts
        leaving, arriving = Capture(lab.namespace("a"), "eth0"), Tap(lab.namespace("b"), "eth0")
        client, server, _ = connect(lab, "b")
        digests = []
        in_parallel((send_random, client, 2 * MEGABYTE, 4, digests), (receive_all, server, digests))
        assert digests[0] == digests[1], digests
        sent = [routed(f, lab.b, lab.b.gateway_mac) for f in leaving.sent() if is_data(f)]
        got = [f for f in arriving.receive() if is_data(f)]
        for each in (leaving, arriving, client, server):
            each.close()
        assert joined(tsuji) > 100, tsuji.show("port")
        assert max(map(len, got)) <= FRAME_MAX and len(got) > 1000, len(got)
        # The router may have lost some where others load the machine: the rest is in order.
        rest = iter(sent)
        for number, frame in enumerate(got):
            assert frame in rest, f"segment {number} of {len(got)}: {frame[:80].hex()}"
        dropped = len(sent) - len(got)
        assert dropped <= tsuji.show("port", "name")["r0"]["rx_fill_empty"], (len(sent), len(got))


# -- what is corrupt -------------------------------------------------------------------

def tcp_counter(lab, host, name):
    out = json.loads(lab.must(host, f"nstat -asz --json {name}"))
    return next(iter(out.values()))[name]


def stopped(tsuji):
    tsuji.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: open(f"/proc/{tsuji.process.pid}/stat", encoding="ascii").read()
             .rsplit(")")[1].split()[0] == "T", what="the router to stop")


@test
def a_corrupt_segment_among_good_ones_stays_corrupt():
    with Lab("ab") as lab:
        lab.set(lab.namespace("a"), {"ipv4/tcp_timestamps": 0}) # they would tell it apart
        tsuji = lab.start_tsuji()
        client, server, _ = connect(lab, "b")
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        leaving, arriving = Capture(lab.namespace("a"), "eth0"), Tap(lab.namespace("b"), "eth0")
        stopped(tsuji)
        client.sendall(b"a" * MSS * 4)
        time.sleep(0.05)
        good = [f for f in leaving.sent() if is_data(f)]
        # The last one again, in all respects the one before those that follow, but its payload
        # broke on the way.
        bad = bytearray(good[-1])
        bad[47] = frames.TCP_ACK
        bad[100] ^= 0x40
        leaving.send(bytes(bad))
        client.sendall(b"b" * MSS * 4)
        time.sleep(0.05)
        tsuji.process.send_signal(signal.SIGCONT)
        received = b""
        while len(received) < MSS * 8:
            received += server.recv(1 << 16)
        assert received == b"a" * MSS * 4 + b"b" * MSS * 4
        assert tcp_counter(lab, "b", "TcpInCsumErrors") == 1
        assert joined(tsuji) >= 8, tsuji.show("port", "name")["r1"]
        got = [f for f in arriving.receive() if is_data(f)]
        want = routed(bytes(bad), lab.b, lab.b.gateway_mac)
        assert want in got, "the corrupt one did not arrive as it was"
        assert any(len(f) > FRAME_MAX for f in got), [len(f) for f in got]
        for each in (leaving, arriving, client, server):
            each.close()


if __name__ == "__main__":
    main()
