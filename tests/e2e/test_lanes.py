#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_lanes.py - the ways out of a port: chosen by what the far end takes, changed live under
a flow, and what tsuji does to a host for that and takes back.

That each lane carries the same bytes is shown by test_differential.py and its kin. Here flows
of numbered datagrams show that nothing is lost, doubled or overtaken while lanes change. The
sender is bound to the receiver by a window, so what is lost was not lost for want of room.
"""
import array
import ctypes
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

import frames
from lib import SO_RCVBUFFORCE, Lab, Skip, command, inside, main, must, test, wait_for

GRO = "generic-receive-offload"
PORT, LAST = 9, 0xFFFFFFFF
BATCH, WINDOW, PATIENCE = 64, 1024, 0.05
VETH_RING = 256 # frames that a veth with NAPI drops, uncounted, when NAPI goes

libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Message(ctypes.Structure): # struct mmsghdr
    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_uint32),
                ("iov", ctypes.POINTER(Iovec)), ("iov_len", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_len", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("len", ctypes.c_uint)]


class Batch:
    """BATCH frames, alike but for the number at their end, that leave in one system call: to a
    host, or to another address."""

    def __init__(self, lab, sender, receiver, address=None):
        here, there = lab.hosts[sender], lab.hosts[receiver]
        head = struct.pack("!HHHH", 1024, PORT, 8 + 18, 0) # no checksum
        frame = frames.eth(here.gateway_mac, here.mac, frames.ETH_IPV4,
                           frames.ip4(here.address, address or there.address, frames.UDP,
                                      head + bytes(18)))
        self.size = len(frame)
        self.bytes = ctypes.create_string_buffer(frame * BATCH)
        self.iov, self.messages = (Iovec * BATCH)(), (Message * BATCH)()
        for i in range(BATCH):
            self.iov[i] = Iovec(ctypes.addressof(self.bytes) + i * self.size, self.size)
            self.messages[i].iov = ctypes.pointer(self.iov[i])
            self.messages[i].iov_len = 1
        with inside(here.namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.bind(("eth0", 0))

    def send(self, first, n):
        for i in range(n):
            struct.pack_into("!I", self.bytes, (i + 1) * self.size - 4, first + i)
        done = 0
        while done < n:
            start = ctypes.addressof(self.messages) + done * ctypes.sizeof(Message)
            sent = libc.sendmmsg(self.socket.fileno(), ctypes.c_void_p(start), n - done, 0)
            done += max(sent, 0) # ENOBUFS: once more


class Flow:
    """n numbered datagrams from one host to another, by two processes of their own. Context
    manager: they have ended when it has; then arrived is the numbers in their order."""

    def __init__(self, lab, sender, receiver, n):
        self.lab, self.ends, self.n = lab, (sender, receiver), n
        self.progress = mmap.mmap(-1, 4096) # datagrams received; shared
        self.result = lab.directory / f"flow.{sender}{receiver}.{time.monotonic_ns()}"
        self.arrived = None

    def __enter__(self):
        with inside(self.lab.hosts[self.ends[1]].namespace):
            inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            inbox.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            inbox.bind(("", PORT))
        self.lab.must(self.ends[0], f"ping -c 1 -W 2 {self.lab.hosts[self.ends[1]].address}")
        self.receiver = self.fork(self.receive, inbox)
        inbox.close()
        self.sender = self.fork(self.send)
        return self

    def __exit__(self, kind, error, where):
        if kind:
            os.kill(self.sender, signal.SIGKILL)
        os.waitpid(self.sender, 0)
        time.sleep(PATIENCE)
        os.kill(self.receiver, signal.SIGTERM)
        os.waitpid(self.receiver, 0)
        self.arrived = array.array("I", self.result.read_bytes())

    @staticmethod
    def fork(work, *arguments):
        pid = os.fork()
        if pid == 0:
            try:
                work(*arguments)
            finally:
                os._exit(0) # pylint: disable=protected-access
        return pid

    def running(self):
        return os.waitid(os.P_PID, self.sender, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def receive(self, inbox):
        numbers, ended = array.array("I"), []
        signal.signal(signal.SIGTERM, lambda *_: (ended.append(1), inbox.settimeout(0)))
        inbox.settimeout(PATIENCE)
        buffer = bytearray(2048)
        while True:
            try:
                size = inbox.recv_into(buffer)
            except (TimeoutError, BlockingIOError):
                if ended:
                    break
                continue
            numbers.append(int.from_bytes(buffer[size - 4:size], "big"))
            struct.pack_into("=Q", self.progress, 0, len(numbers))
        self.result.write_bytes(numbers.tobytes())

    def send(self):
        batch, sent, forgiven = Batch(self.lab, *self.ends), 0, 0
        while sent < self.n:
            if not self.room(sent - forgiven):
                forgiven = sent - self.received() # what has not come until now was lost
            n = min(BATCH, self.n - sent)
            batch.send(sent, n)
            sent += n

    def received(self):
        return struct.unpack_from("=Q", self.progress)[0]

    def room(self, expected):
        """Waits until fewer than a window are under way; false: nothing moves any more."""
        seen, since = self.received(), time.monotonic()
        while expected - self.received() > WINDOW - BATCH:
            if self.received() != seen:
                seen, since = self.received(), time.monotonic()
            if time.monotonic() - since > PATIENCE:
                return False
            time.sleep(0)
        return True

    def faults(self):
        """(missing, doubled, out of order) of what has arrived."""
        numbers = self.arrived
        late = sum(1 for x, y in zip(numbers, numbers[1:]) if y < x)
        return self.n - len(set(numbers)), len(numbers) - len(set(numbers)), late


def ports(lab):
    return lab.tsuji.show("port", "name")


def set_gro(lab, host, value):
    lab.must(host, f"ethtool -K eth0 gro {value}")


def gro(lab, host):
    lines = lab.must(host, "ethtool -k eth0").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(GRO))


def wait_lane(lab, port, lane):
    wait_for(lambda: ports(lab)[port]["lane"] == lane, 5, f"{port} by the {lane} lane")


def kernel_drops(lab, where, interface):
    link = json.loads(lab.must(where, f"ip -s -j link show {interface}"))[0]
    return link["stats64"]["tx"]["dropped"]


def named_losses(lab, sender, receiver):
    """What counters say was lost between two hosts, by name."""
    into, out = ports(lab)[lab.hosts[sender].port], ports(lab)[lab.hosts[receiver].port]
    with inside(lab.hosts[receiver].namespace), open("/proc/net/snmp") as snmp:
        udp = [line.split()[1:] for line in snmp if line.startswith("Udp:")]
    return {
        "sender's veth": kernel_drops(lab, sender, "eth0"),
        "rx_ring_full": into["rx_ring_full"], "rx_fill_empty": into["rx_fill_empty"],
        "drops": sum(lab.tsuji.drops().values()), "tx_dropped": out["tx_dropped"],
        # the first is in the second where the far end's ring was full
        "far end": max(out["burst_lost"], kernel_drops(lab, "router", out["name"])),
        "receiver's socket": int(dict(zip(*udp))["RcvbufErrors"])}


def lanes_used(lab, port):
    row = ports(lab)[port]
    return f"socket {row['socket_packets']}, burst {row['burst_packets']}"


@test
def lanes_switch_under_a_flow_and_nothing_is_lost():
    with Lab("ab") as lab:
        for host in lab.hosts:
            set_gro(lab, host, "on")
        tsuji, switches = lab.start_tsuji(lab.router_file("lanes: {flow-cache: off}\n")), 0
        with Flow(lab, "a", "b", 200_000) as flow:
            while flow.running():
                for lane in ("burst", "socket", "auto", "socket"):
                    tsuji.must(f"set lanes.transmit {lane}")
                    switches += 1
        missing, doubled, late = flow.faults()
        named, row = named_losses(lab, "a", "b"), ports(lab)["r1"]
        print(f"    {switches} switches; {lanes_used(lab, 'r1')}; missing {missing}, named {named}")
        assert switches > 20 and row["burst_packets"] > 5000 and row["socket_packets"] > 5000
        assert doubled == 0 and late == 0, f"{doubled} doubled, {late} out of order"
        assert missing <= sum(named.values()), f"{missing} missing, of which named: {named}"
        tsuji.stop()


@test
def gro_switched_off_and_on_under_a_flow():
    with Lab("ab") as lab:
        for host in lab.hosts:
            set_gro(lab, host, "on")
        tsuji, offs = lab.start_tsuji(lab.router_file("lanes: {transmit: burst, flow-cache: off}\n")), 0
        with Flow(lab, "a", "b", 200_000) as flow:
            while flow.running():
                set_gro(lab, "b", "off")
                offs += 1
                wait_lane(lab, "r1", "socket")
                set_gro(lab, "b", "on")
                wait_lane(lab, "r1", "burst")
        missing, doubled, late = flow.faults()
        named, row = named_losses(lab, "a", "b"), ports(lab)["r1"]
        print(f"    GRO off {offs} times; {lanes_used(lab, 'r1')}; missing {missing}, {late} out of"
              f" order, named {named}")
        assert offs > 5 and row["burst_packets"] > 1000 and row["socket_packets"] > 1000
        assert doubled == 0, f"{doubled} doubled"
        assert missing <= sum(named.values()) + VETH_RING * offs, f"{missing} missing: {named}"
        with Flow(lab, "a", "b", 5000) as flow:
            pass
        assert flow.faults() == (0, 0, 0), flow.faults()
        tsuji.stop()


@test
def hosts_with_and_without_gro_in_one_lab():
    with Lab("abc") as lab:
        set_gro(lab, "b", "on")
        tsuji = lab.start_tsuji(lab.router_file("lanes: {transmit: burst, flow-cache: off}\n"))
        assert {p: row["lane"] for p, row in ports(lab).items()} == \
            {"r0": "socket", "r1": "burst", "r2": "socket"}
        for sender, receiver in ("ab", "ba", "ac", "cb"):
            with Flow(lab, sender, receiver, 5000) as flow:
                pass
            assert flow.faults() == (0, 0, 0), (sender, receiver, flow.faults())
        rows = ports(lab)
        # All but what it announced before the lane was chosen.
        assert rows["r1"]["socket_packets"] < 5 and rows["r1"]["burst_packets"] >= 10_000, rows
        assert rows["r0"]["burst_packets"] == 0 and rows["r2"]["burst_packets"] == 0, rows
        assert rows["r1"]["lane_reason"] is None
        # The reason ends with the command that helps, here and at the start.
        fix = f"ip netns exec {lab.a.namespace} ethtool -K eth0 gro on"
        assert rows["r0"]["lane_reason"].endswith(fix), rows["r0"]["lane_reason"]
        assert rows["r0"]["far_end"] == f"{lab.a.namespace}:eth0"
        assert f"port r0: socket lane only: {rows['r0']['lane_reason']}" in tsuji.output()
        assert rows["r0"]["lane_reason"] in tsuji.must("port show")
        must(fix)
        wait_lane(lab, "r0", "burst")
        assert "burst lane" in tsuji.must("port show -s")
        tsuji.stop()


@test
def a_stuck_receiver_holds_up_nobody_else():
    for lane in ("socket", "burst"):
        with Lab("abc") as lab:
            for host in lab.hosts:
                set_gro(lab, host, "on")
            tsuji = lab.start_tsuji(lab.router_file(f"lanes: {{transmit: {lane}, flow-cache: off}}\n"))
            lab.must("a", "ping -c 1 -W 2 192.168.0.2")
            free = tsuji.show("stats")[0]["frames_free"]
            with inside(lab.b.namespace):
                inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                inbox.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
                inbox.bind(("", PORT))
            batch = Batch(lab, "a", "b")
            for first in range(0, 20_000, BATCH): # nobody reads them
                batch.send(first, BATCH)
            with Flow(lab, "a", "c", 20_000) as flow:
                pass
            assert flow.faults() == (0, 0, 0), (lane, flow.faults())
            inbox.close()
            with Flow(lab, "a", "b", 20_000) as flow:
                pass
            assert flow.faults() == (0, 0, 0), (lane, flow.faults())
            wait_for(lambda: tsuji.show("stats")[0]["frames_free"] >= free - BATCH, 5,
                     "the frames are free again")
            tsuji.stop()


def prepared(lab):
    return {p: row["far_end_prepared"] for p, row in ports(lab).items()}


@test
def prepare_switches_gro_on_and_off_again():
    with Lab("abc") as lab:
        set_gro(lab, "b", "on")
        text = lab.router_file("lanes: {far-end: prepare}\n")
        tsuji = lab.start_tsuji(text)
        assert prepared(lab) == {"r0": True, "r1": False, "r2": True}
        assert {row["lane"] for row in ports(lab).values()} == {"burst"}
        assert [gro(lab, h) for h in "abc"] == ["on", "on", "on"]
        told = f"GRO switched on at its far end {lab.a.namespace}:eth0, off again at exit"
        assert f"port r0: {told}" in tsuji.output().split("ready")[0]
        assert f"far end {lab.a.namespace}:eth0: GRO switched on by tsuji" in tsuji.must("port")
        # A port that the file drops, and the file that wants it no more.
        tsuji.file.write_text(text.replace("  r2: {addresses: [192.168.2.1/24]}\n", ""))
        tsuji.must("reload")
        assert [gro(lab, h) for h in "abc"] == ["on", "on", "off"]
        tsuji.file.write_text(text.replace("prepare", "leave"))
        tsuji.must("reload")
        assert [gro(lab, h) for h in "abc"] == ["off", "on", "off"]
        wait_lane(lab, "r0", "socket")
        # Live, and at exit.
        tsuji.must("set lanes.far-end prepare")
        assert [gro(lab, h) for h in "abc"] == ["on", "on", "on"]
        tsuji.stop()
        assert [gro(lab, h) for h in "abc"] == ["off", "on", "off"]


@test
def whoever_switches_gro_off_is_obeyed():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file("lanes: {far-end: prepare}\n"))
        wait_lane(lab, "r0", "burst")
        set_gro(lab, "a", "off")
        wait_lane(lab, "r0", "socket")
        time.sleep(1.2) # a tick
        assert gro(lab, "a") == "off"
        assert "after tsuji had switched it on" in ports(lab)["r0"]["lane_reason"]
        assert prepared(lab) == {"r0": False, "r1": True}
        tsuji.must("reload") # which asks for it once more
        assert gro(lab, "a") == "on"
        tsuji.stop()
        assert gro(lab, "a") == gro(lab, "b") == "off"


@test
def a_killed_router_leaves_gro_on_and_its_successor_leaves_it():
    with Lab("ab") as lab:
        text = lab.router_file("lanes: {far-end: prepare}\n")
        tsuji = lab.start_tsuji(text)
        tsuji.process.kill()
        tsuji.process.wait()
        assert gro(lab, "a") == "on"
        tsuji = lab.start_tsuji(text)
        assert prepared(lab) == {"r0": False, "r1": False}
        tsuji.stop()
        assert gro(lab, "a") == "on"


@test
def a_far_end_is_found_in_the_namespace_of_a_process():
    with Lab("ab") as lab:
        sleeper = subprocess.Popen(["unshare", "-n", "sleep", "60"])
        try:
            here = os.stat("/proc/self/ns/net").st_ino
            wait_for(lambda: os.stat(f"/proc/{sleeper.pid}/ns/net").st_ino != here, 5, "unshare")
            must(f"ip -n {lab.a.namespace} link set eth0 netns {sleeper.pid} name uplink0")
            inside_it = f"nsenter -t {sleeper.pid} -n "
            must(inside_it + "ip link set uplink0 up")
            tsuji = lab.start_tsuji()
            wait_for(lambda: ports(lab)["r0"]["state"] == "up", 5, "r0 up")
            reason = ports(lab)["r0"]["lane_reason"]
            fix = inside_it + "ethtool -K uplink0 gro on"
            assert reason.endswith(fix), reason
            tsuji.must("set lanes.far-end prepare")
            assert ports(lab)["r0"]["lane"] == "burst"
            tsuji.stop()
            assert f"{GRO}: off" in must(inside_it + "ethtool -k uplink0")
        finally:
            sleeper.kill()
            sleeper.wait()


@test
def settings_are_listed_changed_and_brought_back_by_a_reload():
    with Lab("ab") as lab:
        set_gro(lab, "a", "on")
        tsuji = lab.start_tsuji(lab.router_file("lanes: {transmit: socket, burst-min: 7}\n"))
        def values():
            return {r["name"]: r["value"] for r in json.loads(tsuji.must("-j set"))}
        assert values() == {"lanes.transmit": "socket", "lanes.burst-min": "7", "lanes.gso": "on",
                            "lanes.flow-cache": "on", "lanes.far-end": "leave",
                            "lanes.punt-rate": "100000",
                            "lanes.read-depth": "2048", "lanes.spin": "50", "lanes.busy-poll": "off"}
        assert ports(lab)["r0"]["lane"] == "socket"
        tsuji.must("set lanes.transmit burst")
        assert values()["lanes.transmit"] == "burst" and ports(lab)["r0"]["lane"] == "burst"
        refused = tsuji.cli("set lanes.transmit warp")
        assert refused.returncode == 2 and "auto|socket|burst" in refused.stderr, refused
        assert tsuji.must("reload") == "~1 lane setting\n"
        assert values()["lanes.transmit"] == "socket" and ports(lab)["r0"]["lane"] == "socket"
        tsuji.stop()


def grown(lab, counter, moment):
    """By how much a counter of `tsuji stats` grows while moment() runs."""
    before = lab.tsuji.show("stats")[0][counter]
    moment()
    return lab.tsuji.show("stats")[0][counter] - before


@test
def the_worker_sleeps_as_it_is_told():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file("lanes: {busy-poll: on, flow-cache: off}\n"))
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        sleeps = lambda moment: grown(lab, "sleeps", moment)
        pings = lambda: lab.must("a", "ping -c 20 -i 0.01 -W 2 192.168.0.2")
        assert sleeps(lambda: time.sleep(0.3)) == 0
        assert grown(lab, "turns", lambda: time.sleep(0.3)) > 100
        tsuji.must("set lanes.busy-poll off")
        tsuji.must("set lanes.spin 0")
        assert sleeps(pings) >= 19 # a request and its reply may come in one waking
        tsuji.must("set lanes.spin 1000000")
        lab.must("a", "ping -c 1 -W 2 192.168.0.2") # awake from here on
        assert sleeps(pings) == 0
        tsuji.stop()


@test
def the_break_even_is_measured_at_start_unless_it_is_given():
    with Lab("ab") as lab:
        set_gro(lab, "b", "on")
        tsuji = lab.start_tsuji()
        assert "could not be tried" not in tsuji.output()
        def burst_min():
            return json.loads(tsuji.must("-j set lanes.burst-min"))[0]
        measured = int(burst_min()["now"])
        assert burst_min()["value"] == "auto" and 1 < measured < 2048, burst_min()
        assert f"auto ({measured})" in tsuji.must("set")
        assert {p: r["burst_min"] for p, r in ports(lab).items()} == {"r0": None, "r1": measured}
        assert f", from {measured} on" in tsuji.must("port show -s")
        # Nothing of the trial has come out here.
        assert all(r["tx_packets"] < 5 and r["rx_packets"] < 5 for r in ports(lab).values())
        tsuji.must("set lanes.burst-min 7")
        assert burst_min()["now"] == "7" and ports(lab)["r1"]["burst_min"] == 7
        tsuji.must("set lanes.burst-min auto")
        assert ports(lab)["r1"]["burst_min"] == measured
        tsuji.file.write_text(lab.router_file("lanes: {burst-min: 300}\n"))
        tsuji.must("reload")
        assert ports(lab)["r1"]["burst_min"] == 300
        tsuji.must("set lanes.transmit burst")
        assert ports(lab)["r1"]["burst_min"] == 1
        tsuji.stop()


def burst_link(tsuji):
    """The number of the BPF link that keeps the burst lane's program attached; None: detached."""
    for entry in pathlib.Path(f"/proc/{tsuji.process.pid}/fdinfo").iterdir():
        try:
            info = dict(line.split(":\t", 1) for line in entry.read_text().splitlines() if ":\t" in line)
        except FileNotFoundError:
            continue
        if info.get("link_type") != "xdp" or info["ifindex"] == "0":
            continue
        program = json.loads(must(f"bpftool -j prog show id {info['prog_id']}"))
        if program["name"] == "burst":
            return int(info["link_id"])
    return None


@test
def a_burst_lane_that_lost_its_place_rests_and_gets_it_back():
    if not shutil.which("bpftool"):
        raise Skip("needs bpftool to detach the program")
    with Lab("ab") as lab:
        set_gro(lab, "b", "on")
        tsuji = lab.start_tsuji(lab.router_file("lanes: {transmit: burst, flow-cache: off}\n"))
        link = burst_link(tsuji)
        must(f"bpftool link detach id {link}")
        assert burst_link(tsuji) is None
        with Flow(lab, "a", "b", 50_000) as flow:
            wait_for(lambda: ports(lab)["r1"]["burst_slow"] >= 3, what="slow calls")
            wait_for(lambda: "attaching its program anew" in tsuji.output(), what="the renewal")
        assert flow.faults()[1:] == (0, 0), flow.faults()
        assert burst_link(tsuji) not in (None, link)
        with Flow(lab, "a", "b", 5000) as flow: # which is how the worker learns of it
            pass
        wait_lane(lab, "r1", "burst")
        before = ports(lab)["r1"]
        with Flow(lab, "a", "b", 5000) as flow:
            pass
        assert flow.faults() == (0, 0, 0), flow.faults()
        after = ports(lab)["r1"]
        assert after["burst_packets"] - before["burst_packets"] >= 5000, (before, after)
        assert after["burst_slow"] - before["burst_slow"] < 3, (before, after)
        wait_for(lambda: ports(lab)["r1"]["lane_reason"] is None, 5, "no reason any more")
        tsuji.stop()


@test
def a_turn_reads_as_deep_as_it_is_told():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file("lanes: {read-depth: 1, flow-cache: off}\n"))
        turns = tsuji.show("stats")[0]["turns"]
        with Flow(lab, "a", "b", 5000) as flow:
            pass
        assert flow.faults() == (0, 0, 0), flow.faults()
        turns = tsuji.show("stats")[0]["turns"] - turns
        assert turns >= 5000, turns
        tsuji.stop()


if __name__ == "__main__":
    main()
