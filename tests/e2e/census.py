# SPDX-License-Identifier: BSD-2-Clause
"""census.py - plans for census.c, which sends them: kinds of frames, from whom to whom."""
import collections
import json
import pathlib
import struct
import subprocess

import frames
from bridge_lab import LOCAL_EXPERIMENT
from frames import TCP, TCP_ACK, UDP
from lib import TSUJI, Skip

PROGRAM = pathlib.Path(TSUJI).resolve().parent / "tests/census"
FRAME_SIZE, NOWHERE = 2048, 0xFFFF
LABEL = 8 # bytes
PORT = 9
PATTERN = bytes(range(256)) * 6

# A kind of frame. count: (offset, bytes, repeat) of what makes it another flow each time.
Kind = collections.namedtuple("Kind", "name sender receiver frame at count", defaults=(None,))


def udp(name, sender, receiver, here, to_mac, src, dst, *, size=60, sport=1024, count=None,
        arrives=True, options=b"", **fields):
    """A kind of UDP datagrams in frames of size bytes, for the MAC to_mac, from host here."""
    head = 14 + 20 + len(options) + 8
    body = struct.pack("!HHHH", sport, PORT, size - head + 8, 0) + PATTERN[:size - head]
    frame = frames.eth(to_mac, here.mac, frames.ETH_IPV4,
                       frames.ip4(src, dst, UDP, body, options=options, **fields))
    return Kind(name, sender, receiver if arrives else None, frame, head, count)


def tcp(name, sender, receiver, here, to_mac, src, dst, *, size=60, sport=1024):
    """The same of TCP, in the midst of a connection."""
    segment = frames.tcp(src, dst, PATTERN[:size - 54], sport=sport, dport=PORT, ack=1,
                         flags=TCP_ACK)
    frame = frames.eth(to_mac, here.mac, frames.ETH_IPV4, frames.ip4(src, dst, TCP, segment))
    return Kind(name, sender, receiver, frame, 54)


def plain(name, sender, receiver, src_mac, dst_mac, *, size=60, count=None):
    """Frames that only a bridge forwards."""
    frame = frames.eth(dst_mac, src_mac, LOCAL_EXPERIMENT, PATTERN[:size - 14])
    return Kind(name, sender, receiver, frame, 14, count)


class Census:
    """Sends n frames of these kinds in turn, by a process of its own; result() once it ends."""

    def __init__(self, lab, kinds, n, window=1024):
        if not PROGRAM.exists():
            raise Skip(f"{PROGRAM} is not built: make e2e does")
        self.kinds, self.n = kinds, n
        names = list(lab.hosts)
        plan = struct.pack("=IIHH", n, window, len(names), len(kinds))
        for host in lab.hosts.values():
            plan += struct.pack("=64s16s", host.namespace.encode(), b"eth0")
        for k in kinds:
            receiver = NOWHERE if k.receiver is None else names.index(k.receiver)
            plan += struct.pack("=7H", names.index(k.sender), receiver, k.at,
                                *(k.count or (0, 0, 1)), len(k.frame))
            plan += k.frame.ljust(FRAME_SIZE, b"\0")
        path = lab.directory / "plan"
        path.write_bytes(plan)
        self.process = subprocess.Popen([PROGRAM, path], stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def result(self):
        out = self.process.communicate()[0]
        assert self.process.returncode == 0, self.process.returncode
        found = json.loads(out)
        assert found["sent"] == self.n, found
        return found

    def by_kind(self, found):
        """(sent, arrived) of each kind, by name."""
        return {k.name: tuple(row) for k, row in zip(self.kinds, found["kinds"])}
