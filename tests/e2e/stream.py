# SPDX-License-Identifier: BSD-2-Clause
"""stream.py - numbered datagrams that a process of its own sends, many a second, for as long
as a test changes things under them; and what arrived of them.

A number is on its way when begun() is at least as large, and has been handed to the wire when
sent() is. So what a command has to be obeyed for is every number above begun() as it stands
when the command has returned.
"""
import collections
import json
import mmap
import os
import signal
import socket
import struct
import time

import frames
from lib import inside, wait_for

PORT = 9 # where they are sent to
BODY = 22 # bytes of UDP payload, the last four of which are the number

Arrival = collections.namedtuple("Arrival", "number host frame")


def datagram(host, src, dst, *, sport=1024, dport=PORT, size=BODY, fragment=0, ttl=64, dst_mac=None):
    """A frame from a host to its gateway, without UDP checksum as its number changes."""
    udp = frames.udp(src, dst, bytes(size), sport=sport, dport=dport, check=0)
    return frames.eth(dst_mac or host.gateway_mac, host.mac, frames.ETH_IPV4, frames.ip4(
        src, dst, frames.UDP, udp, fragment=fragment, ttl=ttl))


class Stream:
    """Sends these frames in turn, the last four bytes of each its number. Context manager:
    has ended when it ends. rate: per second, at most."""

    def __init__(self, lab, host, templates, rate=5000):
        self.lab, self.host, self.rate = lab, host, rate
        self.templates = [t[:-4] for t in templates]
        self.shared = mmap.mmap(-1, 4096) # begun, sent, to stop
        with inside(lab.hosts[host].namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.bind(("eth0", 0))
        self.pid = None

    def __enter__(self):
        self.start()
        return self

    def start(self):
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                self.send()
            finally:
                os._exit(0) # pylint: disable=protected-access
        wait_for(lambda: self.sent() > 20, what="the stream's beginning")

    def __exit__(self, kind, error, where):
        self.stop()

    def stop(self):
        """Returns how many were sent."""
        if self.pid:
            struct.pack_into("=Q", self.shared, 16, 1)
            os.waitpid(self.pid, 0)
            self.pid = None
            self.socket.close()
        return self.sent()

    def send(self):
        number, start = 0, time.monotonic()
        while not struct.unpack_from("=Q", self.shared, 16)[0]:
            for _ in range(8):
                number += 1
                struct.pack_into("=Q", self.shared, 0, number)
                self.put(self.templates[number % len(self.templates)] + struct.pack("!I", number))
                struct.pack_into("=Q", self.shared, 8, number)
            ahead = start + number / self.rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            else:
                start -= ahead # not faster because it was late

    def put(self, frame):
        while True:
            try:
                self.socket.send(frame)
                return
            except OSError as error:
                if error.errno != 105: # ENOBUFS: the far end is busy, and has not got it
                    raise

    def begun(self):
        return struct.unpack_from("=Q", self.shared, 0)[0]

    def sent(self):
        return struct.unpack_from("=Q", self.shared, 8)[0]

    def wait_sent(self, number):
        """Until that number has been sent and has arrived wherever it goes."""
        wait_for(lambda: self.sent() >= number, 20, f"number {number} to be sent")
        time.sleep(0.05)

    def arrivals(self):
        """What has arrived anywhere since the last call, in its order at each host."""
        return [Arrival(int.from_bytes(frame[-4:], "big"), name, frame)
                for name, tap in self.lab.taps().items()
                for frame in tap.receive() if is_numbered(frame)]


def is_numbered(frame):
    return frames.is_ip4(frame) and frame[23] == frames.UDP and frame[36:38] == b"\0\x09"


def ports(tsuji):
    return tsuji.show("port", "name")


def repeated(tsuji, port=None):
    """How many packets the flow cache has repeated, towards one port or in all."""
    return sum(row["flow_packets"] for row in tsuji.show("port") if port in (None, row["name"]))


def wait_repeated(tsuji, n=100, seconds=10):
    """Until so many more have been repeated."""
    first = repeated(tsuji)
    wait_for(lambda: repeated(tsuji) >= first + n, seconds, f"{n} packets by the flow cache")


def gro_on(lab, hosts=None):
    """NAPI at the far ends, without which nothing is repeated towards them."""
    for host in hosts or lab.hosts:
        lab.must(host, "ethtool -K eth0 gro on")


def kernel_drops(lab, where, interface):
    """What the kernel says it has dropped on its way out of an interface."""
    link = json.loads(lab.must(where, f"ip -s -j link show {interface}"))[0]
    return link["stats64"]["tx"]["dropped"]


def named_losses(lab, sender, receivers):
    """What counters say was lost between hosts, by name; what is zero is left out."""
    rows = ports(lab.tsuji)
    named = {"sender's veth": kernel_drops(lab, sender, "eth0"), **lab.tsuji.drops()}
    into = rows[lab.hosts[sender].port]
    for name in ("rx_ring_full", "rx_fill_empty", "rx_too_long"):
        named[name] = into[name]
    for receiver in receivers:
        out = rows[lab.hosts[receiver].port]
        # What the far end's ring had no room for is in the last of these, too.
        named[f"{out['name']} far end"] = max(out["burst_lost"] + out["flow_lost"],
                                              kernel_drops(lab, "router", out["name"]))
    return {name: n for name, n in named.items() if n}
