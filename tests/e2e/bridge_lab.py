# SPDX-License-Identifier: BSD-2-Clause
"""bridge_lab.py - the lab of the bridge tests: hosts around one bridge, and the raw wire.

    host a  eth0 ---- r0 +----------------+ r2 ---- eth0  host c
                         | br0: tsuji, or |
    host b  eth0 ---- r1 | the kernel     | r3 ---- eth0  host d      192.0.2.0/24
                         +----------------+

Host number N (a is 1) has 192.0.2.N and MAC 02:00:00:00:10:0N; the bridge's port towards it
has 02:00:00:00:20:0N. The bridge's own MAC is that of r0, the lowest, in tsuji as in Linux.
"""
import contextlib
import select
import socket
import struct
import time

import frames
from lib import PACKET_AUXDATA, PREFIX, SOL_PACKET, Lab, Tap, inside, must

LOCAL_EXPERIMENT = 0x88B5 # the ethertype IEEE 802 left for experiments
PACKET_VNET_HDR = 15
VNET_HDR = struct.Struct("=BBHHHH") # flags, GSO type and sizes, checksum start and offset
NEEDS_CSUM = 1
ETH_AND_TAG = 18
AUXDATA = struct.Struct("=IIIHHHH")
TP_STATUS_VLAN_VALID = 0x10

KERNEL_BRIDGE = "stp_state 0 forward_delay 0 mcast_snooping 0 group_fwd_mask 0"
NO_NETFILTER = {f"bridge/bridge-nf-call-{what}": 0 for what in ("iptables", "ip6tables",
                                                                "arptables")}


class BridgeHost:
    """One host and the bridge's port towards it."""

    def __init__(self, name, number, mtu):
        self.name, self.mtu, self.tap = name, mtu, None
        self.namespace, self.port = f"{PREFIX}-{name}", f"r{number}"
        self.address, self.gateway = f"192.0.2.{number + 1}", "192.0.2.254"
        self.mac_text = f"02:00:00:00:10:{number + 1:02x}"
        self.gateway_mac_text = f"02:00:00:00:20:{number + 1:02x}"
        self.mac, self.port_mac = frames.mac(self.mac_text), frames.mac(self.gateway_mac_text)


class WireTap(Tap):
    """A tap that shows every byte of the wire: the VLAN tag that the kernel keeps beside the
    frame is put back, a partial checksum is completed at whatever place it has, and frames
    can be sent with one."""

    def __init__(self, namespace, interface, far_mtu):
        super().__init__(namespace, interface)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.longest = far_mtu + ETH_AND_TAG

    def send(self, frame, partial=None):
        """partial: (start, offset) of a checksum that the hardware would be asked for."""
        flags, start, offset = (NEEDS_CSUM, *partial) if partial else (0, 0, 0)
        data = VNET_HDR.pack(flags, 0, 0, 0, start, offset) + frame
        if len(frame) <= self.longest:
            super().send(data)
        else: # the far end refuses it, and says so with the error of a full queue
            with contextlib.suppress(OSError):
                self.socket.send(data)

    def receive(self):
        arrived, self.early = self.early, []
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(70000, 64)
            except BlockingIOError:
                return arrived
            flags, _, _, _, start, offset = VNET_HDR.unpack_from(data)
            frame = data[VNET_HDR.size:]
            if flags & NEEDS_CSUM:
                frame = complete(frame, start, offset)
            for level, kind, value in ancillary:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    frame = put_tag_back(frame, AUXDATA.unpack(value[:AUXDATA.size]))
            arrived.append(frame)


def complete(frame, start, offset):
    """A partial checksum as the kernel completes it before hardware that cannot: it never
    writes zero."""
    at = start + offset
    check = frames.checksum(frame[start:]) or 0xFFFF
    return frame[:at] + struct.pack("!H", check) + frame[at + 2:]


def put_tag_back(frame, auxdata):
    status, *_, tci, tpid = auxdata
    if not status & TP_STATUS_VLAN_VALID:
        return frame
    return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]


class BridgeLab(Lab):
    """Hosts on one Ethernet, whose middle is a bridge after start_tsuji() or
    start_kernel_bridge(). mtus: of the bridge's ports, by host; host_mtus: of the hosts'."""

    def __init__(self, hosts="abcd", *, mtus=None, ipv6=False, **options):
        super().__init__("", **options)
        self.names, self.ipv6 = hosts, ipv6
        self.hosts = {h: BridgeHost(h, n, (mtus or {}).get(h, 1500)) for n, h in enumerate(hosts)}

    def connect(self, host):
        if self.ipv6:
            self.set(host.namespace, {"ipv6/conf/all/disable_ipv6": 0,
                                      "ipv6/conf/default/disable_ipv6": 0,
                                      "ipv6/conf/default/accept_dad": 0})
        super().connect(host)

    def taps(self):
        for host in self.hosts.values():
            host.tap = host.tap or WireTap(host.namespace, "eth0", host.mtu)
        return {name: host.tap for name, host in self.hosts.items()}

    def bridge_file(self, members=None, *, flags=None, bridge="", ports="", extra=""):
        """A router file: br0 of these hosts' ports, flags by host ("learning: off"), more
        keys of the bridge, more ports, and whatever else is wanted."""
        listed = [f"  {self.hosts[h].port}: {{{words}}}\n" for h, words in (flags or {}).items()]
        names = ", ".join(self.hosts[h].port for h in members or self.hosts)
        head = "ports:\n" + "".join(listed) + ports if listed or ports else ""
        keys = f"ports: [{names}]" + (f", {bridge}" if bridge else "")
        return f"{head}bridges:\n  br0: {{{keys}}}\n{extra}"

    def start_tsuji(self, text=None, **options):
        return super().start_tsuji(self.bridge_file() if text is None else text, **options)

    def start_kernel_bridge(self, members=None, options=""):
        """The kernel's bridge as the reference: it alone decides, no filter sees a frame."""
        self.set(self.router, NO_NETFILTER)
        must(f"ip -n {self.router} link add br0 type bridge {KERNEL_BRIDGE} {options}")
        for host in members or self.hosts:
            must(f"ip -n {self.router} link set {self.hosts[host].port} master br0")
        must(f"ip -n {self.router} link set br0 up")


class Wire:
    """The taps of the hosts on one bridge: sends, and knows when all has arrived.

    Each host broadcasts a sentinel from a MAC of its own, twice: the second round starts when
    the first has arrived everywhere, so a bridge that takes frames by turns has then finished
    the turn of what was sent before. Nothing is timed.
    """

    def __init__(self, lab, hosts=None):
        taps = lab.taps()
        self.taps, self.round, self.isolated = {h: taps[h] for h in hosts or lab.hosts}, 0, set()

    def pairs(self):
        """Who hears whose broadcasts."""
        return {(x, y) for x in self.taps for y in self.taps
                if x != y and not {x, y} <= self.isolated}

    def sentinel_round(self, seen):
        self.round += 1
        for host, tap in self.taps.items():
            source = b"\x02\x5e\0\0\0" + host.encode()
            mark = b"sentinel" + struct.pack("!Q", self.round) + host.encode()
            tap.send(frames.eth(frames.BROADCAST, source, LOCAL_EXPERIMENT, mark))
        missing, end = self.pairs(), time.monotonic() + 3
        while missing:
            left = end - time.monotonic()
            assert left > 0, f"sentinels lost on the way (from, to): {sorted(missing)}"
            select.select([t.socket for t in self.taps.values()], [], [], left)
            self.gather(seen, missing)

    def gather(self, seen, missing):
        mark = b"sentinel" + struct.pack("!Q", self.round)
        for host, tap in self.taps.items():
            for frame in tap.receive():
                if frame[14:30] == mark and len(frame) == 31:
                    missing.discard((chr(frame[30]), host))
                else:
                    seen[host].append(frame)

    def settle(self, seen=None):
        """What has arrived since the last time, by host; everything sent so far is done."""
        seen = {host: [] for host in self.taps} if seen is None else seen
        self.sentinel_round(seen)
        self.sentinel_round(seen)
        return seen


def open_socket(lab, host, family, kind):
    """An ordinary socket in a host's namespace."""
    with inside(lab.hosts[host].namespace):
        return socket.socket(family, kind)
