# SPDX-License-Identifier: BSD-2-Clause
"""lib.py - the plumbing of the end-to-end tests: namespaces, raw sockets, a router.

    host a  eth0 ---- r0 +---------------+ r1 ---- eth0  host b   192.168.0.0/24
    192.168.1.0/24       | router:       |
                         | tsuji, or the | r2 ---- eth0  host c   192.168.2.0/24, MTU 1400
                         | kernel        |
                         +---------------+

A Lab is a context manager: what it makes is gone when it ends. Host x of subnet N has
192.168.N.2 and MAC 02:00:00:00:0N:02, the router's port towards it 192.168.N.1 and
02:00:00:00:0N:01. A *live* host has its address and a default route in its kernel; the
others have no address and stay silent but for what a test sends through their Tap.
Sockets are opened in a namespace by stepping into it for a moment (setns).
"""
import contextlib
import ctypes
import json
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
TSUJI = os.environ.get("TSUJI", str(ROOT / "build/tsuji"))
PREFIX = os.environ.get("TSUJI_E2E_PREFIX", "tsjt")
SKIPPED = 77

SUBNETS = {"a": 1, "b": 0, "c": 2}
MTUS = {"c": 1400}

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
TP_STATUS_CSUMNOTREADY = 8

libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """Raised by a test that cannot run here; its text is the reason."""


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the named network namespace for as long as the block runs."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET):
                os._exit(1)


def command(words, **options):
    """Runs a command to its end and returns it, output as text."""
    if isinstance(words, str):
        words = shlex.split(words)
    options.setdefault("timeout", 60)
    return subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          check=False, **options)


def must(words, **options):
    """The same, but a failure is the test's."""
    done = command(words, **options)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def wait_for(condition, seconds=10, what="condition"):
    """Polls until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.02)


class Tap:
    """A raw socket on an interface: sends frames as they are and receives what arrives,
    never what was sent. Checksums the kernel left partial are completed."""

    def __init__(self, namespace, interface):
        with inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.socket.bind((interface, ETH_P_ALL))
        self.socket.setblocking(False)
        self.early = [] # arrived together with a frame that was waited for

    def send(self, frame):
        while True:
            try:
                self.socket.send(frame)
                return
            except (BlockingIOError, OSError) as error:
                if error.errno not in (11, 105): # EAGAIN, ENOBUFS: the far end is busy
                    raise
                select.select([], [self.socket], [], 0.01)

    def receive(self):
        """The frames that have arrived since the last call."""
        arrived, self.early = self.early, []
        while True:
            try:
                frame, ancillary, _, _ = self.socket.recvmsg(70000, 64)
            except BlockingIOError:
                return arrived
            for level, kind, data in ancillary:
                status = struct.unpack("=I", data[:4])[0] if kind == PACKET_AUXDATA else 0
                if level == SOL_PACKET and status & TP_STATUS_CSUMNOTREADY:
                    frame = frames.complete_checksum(frame)
            arrived.append(frame)

    def wait(self, wanted, seconds=5.0):
        """The first frame for which wanted(frame) holds, or None; drops those before it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            arrived = self.receive()
            for at, frame in enumerate(arrived):
                if wanted(frame):
                    self.early = arrived[at + 1:]
                    return frame
            select.select([self.socket], [], [], max(0, min(0.05, end - time.monotonic())))
        return None

    def close(self):
        self.socket.close()


class Host:
    """One host and the router's port towards it."""

    def __init__(self, name, number, mtu):
        net = SUBNETS[name]
        self.name, self.net, self.mtu = name, net, mtu
        self.namespace, self.port = f"{PREFIX}-{name}", f"r{number}"
        self.subnet = f"192.168.{net}.0/24"
        self.address, self.gateway = f"192.168.{net}.2", f"192.168.{net}.1"
        self.mac_text, self.gateway_mac_text = f"02:00:00:00:0{net}:02", f"02:00:00:00:0{net}:01"
        self.mac, self.gateway_mac = frames.mac(self.mac_text), frames.mac(self.gateway_mac_text)
        self.tap = None


class Lab:
    """Hosts around a router, which is a namespace until start_tsuji() or start_kernel()."""

    def __init__(self, hosts="ab", *, live=True, kernel_addresses=False, host_mtus=None):
        self.names, self.live, self.kernel_addresses = hosts, live, kernel_addresses
        self.host_mtus = host_mtus or {}
        self.hosts = {h: Host(h, n, MTUS.get(h, 1500)) for n, h in enumerate(hosts)}
        self.router = f"{PREFIX}-r"
        self.processes, self.directory, self.tsuji = [], None, None

    def __getattr__(self, name):
        if name in self.__dict__.get("hosts", {}):
            return self.hosts[name]
        raise AttributeError(name)

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}-"))
        remove_namespaces()
        try:
            self.build()
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, kind, error, where):
        if kind and kind is not Skip and self.tsuji:
            print(f"--- tsuji said:\n{self.tsuji.output()}---", file=sys.stderr)
        self.clean()

    def build(self):
        namespaces = [self.router] + [h.namespace for h in self.hosts.values()]
        for namespace in namespaces:
            must(f"ip netns add {namespace}")
            self.set(namespace, {"ipv6/conf/all/disable_ipv6": 1,
                                 "ipv6/conf/default/disable_ipv6": 1})
        for host in self.hosts.values():
            self.connect(host)
        if self.kernel_addresses:
            self.give_kernel_addresses()

    def connect(self, host):
        """Makes the link between a host and its router port, and brings it up."""
        mtu = self.host_mtus.get(host.name, host.mtu)
        must(f"ip link add name {host.port} netns {self.router} address {host.gateway_mac_text}"
             f" mtu {host.mtu} type veth peer name eth0 netns {host.namespace}"
             f" address {host.mac_text} mtu {mtu}")
        self.prepare(host)

    def prepare(self, host):
        """Brings both ends of a link up; a live host gets its address."""
        must(f"ip -n {self.router} link set {host.port} up")
        must(f"ip -n {host.namespace} link set eth0 up")
        must(f"ip -n {host.namespace} link set lo up")
        if self.live:
            must(f"ip -n {host.namespace} address add {host.address}/24 dev eth0")
            must(f"ip -n {host.namespace} route add default via {host.gateway}")

    def give_kernel_addresses(self):
        for host in self.hosts.values():
            must(f"ip -n {self.router} address add {host.gateway}/24 dev {host.port}")

    def set(self, namespace, values):
        """Writes sysctls below net/ in a namespace."""
        with inside(namespace):
            for key, value in values.items():
                pathlib.Path("/proc/sys/net", key).write_text(f"{value}\n")

    def taps(self):
        """Opens every host's tap; returns them by host name."""
        for host in self.hosts.values():
            host.tap = host.tap or Tap(host.namespace, "eth0")
        return {name: host.tap for name, host in self.hosts.items()}

    def greet(self):
        """Has every host's tap answered by the router, so that nothing a test sends is the
        first frame, nor what the router says by itself (gratuitous ARP) still to come."""
        for name, tap in self.taps().items():
            host = self.hosts[name]
            hello = frames.ip4(host.address, host.gateway, frames.ICMP, frames.echo())
            wait_for(lambda t=tap, f=frames.eth(host.gateway_mac, host.mac, frames.ETH_IPV4, hello):
                     t.send(f) or t.wait(frames.is_ip4, 0.2), what=f"an echo reply at {name}")

    def run(self, where, words, **options):
        """Runs a command to its end in a host's namespace, or the router's ("router")."""
        if isinstance(words, str):
            words = shlex.split(words)
        return command(["ip", "netns", "exec", self.namespace(where)] + words, **options)

    def must(self, where, words, **options):
        done = self.run(where, words, **options)
        assert done.returncode == 0, \
            f"{where}: {words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def spawn(self, where, words):
        """Starts a command in the background; it ends with the lab."""
        process = subprocess.Popen(["ip", "netns", "exec",
                                    self.namespace(where)] + shlex.split(words),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.processes.append(process)
        return process

    def namespace(self, where):
        return self.router if where == "router" else self.hosts[where].namespace

    def router_file(self, extra="", ports=None):
        """The text of a router file with this lab's ports and whatever else is wanted."""
        ports = ports or {h.port: f"{{addresses: [{h.gateway}/24]}}" for h in self.hosts.values()}
        return "ports:\n" + "".join(f"  {p}: {v}\n" for p, v in ports.items()) + extra

    def start_tsuji(self, text=None, **options):
        self.tsuji = Tsuji(self, self.router_file() if text is None else text, **options)
        self.tsuji.wait_ready()
        return self.tsuji

    def start_kernel(self):
        """The kernel as the router: no reverse path filter, no limit on ICMP errors."""
        self.set(self.router, KERNEL_ROUTER)
        self.give_kernel_addresses()

    def clean(self):
        if self.tsuji:
            self.tsuji.kill()
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
        for host in self.hosts.values():
            if host.tap:
                host.tap.close()
        remove_namespaces()
        shutil.rmtree(self.directory, ignore_errors=True)


KERNEL_ROUTER = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/icmp_ratemask": 0,
}


def remove_namespaces():
    """Deletes the namespaces with our prefix, those of a run that was killed included."""
    for line in must("ip netns list").splitlines():
        if line.split()[0].startswith(f"{PREFIX}-"):
            must(f"ip netns del {line.split()[0]}")


class Tsuji:
    """A running `tsuji run` in the lab's router namespace."""

    def __init__(self, lab, text, environment=None):
        self.lab, self.file = lab, lab.directory / "router.yaml"
        self.log = lab.directory / f"tsuji.{time.monotonic_ns()}.log"
        self.file.write_text(text)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [TSUJI, "run", "-c", str(self.file), "-n", lab.router], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**os.environ, **(environment or {})})

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_ready(self, seconds=10):
        end = time.monotonic() + seconds
        while "ready" not in self.output().splitlines():
            assert self.process.poll() is None, \
                f"tsuji run: exit {self.process.returncode} before ready\n{self.output()}"
            assert time.monotonic() < end, f"not ready within {seconds} s\n{self.output()}"
            time.sleep(0.01)

    def cli(self, words, **options):
        """`tsuji -n ROUTER words`, to its end."""
        return command([TSUJI, "-n", self.lab.router] + shlex.split(words), **options)

    def must(self, words):
        done = self.cli(words)
        assert done.returncode == 0, f"tsuji {words}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def show(self, table, key=None):
        """`tsuji -j TABLE show` as a list of objects, or by one of their keys."""
        rows = json.loads(self.must(f"-j {table} show"))
        return {row[key]: row for row in rows} if key else rows

    def drops(self):
        """Packets by drop reason, summed over the ports."""
        total = {}
        for row in self.show("drops"):
            total[row["reason"]] = total.get(row["reason"], 0) + row["packets"]
        return total

    def stop(self):
        """Ends it as a user does; it must go quietly."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        assert status == 0, f"SIGTERM: exit {status}\n{self.output()}"

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


TESTS = []


def test(function):
    """Marks a function as a test; main() runs those of its own file, in their order."""
    if function.__module__ == "__main__":
        TESTS.append(function)
    return function


def main():
    """Runs the marked tests, or those named on the command line; the file's exit status."""
    if os.geteuid() != 0:
        print("needs root: namespaces and XDP")
        sys.exit(SKIPPED)
    if not os.access(TSUJI, os.X_OK):
        sys.exit(f"{TSUJI} is not built: run make first")
    failed, skipped = 0, 0
    chosen = [t for t in TESTS if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]
    for function in chosen:
        start = time.monotonic()
        try:
            function()
            print(f"  ok   {function.__name__} ({time.monotonic() - start:.1f} s)")
        except Skip as reason:
            skipped += 1
            print(f"  skip {function.__name__}: {reason}")
        except Exception: # pylint: disable=broad-except
            failed += 1
            traceback.print_exc()
            print(f"  FAIL {function.__name__}", flush=True)
    if failed or not chosen:
        sys.exit(1)
    sys.exit(SKIPPED if skipped == len(chosen) else 0)
