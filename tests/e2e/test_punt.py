#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_punt.py - what is for the router's own kernel reaches it whole, in order and once, however
much of it comes at a time; and a flood of it stops nothing else.

    a --- r0 \\
    b --- r1  router, whose kernel has the addresses too
    c --- r2 /
"""
import contextlib
import os
import signal
import socket
import time

from lib import SO_RCVBUFFORCE, Lab, inside, main, must, test, wait_for
from test_kernel_services import serve
from test_lanes import BATCH, PORT, Batch, Flow, set_gro

LONG = 3498 # the largest MTU that a port can have; the kernel takes no frame above 3,408 bytes


def router_inbox(lab):
    """A socket of the router's kernel for datagrams to PORT, with room for all of a test's."""
    with inside(lab.router):
        inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inbox.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        inbox.bind(("", PORT))
    inbox.settimeout(1)
    return inbox


def received(inbox):
    """What has arrived, until nothing does for a second."""
    arrived = []
    with contextlib.suppress(TimeoutError):
        while True:
            arrived.append(inbox.recv(65536))
    return arrived


def port_row(lab, host):
    return lab.tsuji.show("port", "name")[lab.hosts[host].port]


def lost_before(lab, host):
    """Frames of a host that were lost before tsuji saw them, as counters have it."""
    row = port_row(lab, host)
    return row["rx_ring_full"] + row["rx_fill_empty"]


def balanced(lab):
    stats = lab.tsuji.show("stats")[0]
    return stats["balance"] == stats["frames_held"]


@contextlib.contextmanager
def flood(lab, host):
    """As many datagrams from host to its gateway's address as one process makes."""
    pid = Flow.fork(flood_for_ever, lab, host)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def flood_for_ever(lab, host):
    batch = Batch(lab, host, host, lab.hosts[host].gateway)
    while True:
        batch.send(0, BATCH)


def expect_in_order_and_once(xdp):
    with Lab("ab", kernel_addresses=True) as lab:
        ports = {h.port: f"{{addresses: [{h.gateway}/24], xdp: {xdp}}}" for h in lab.hosts.values()}
        lab.start_tsuji(lab.router_file("lanes: {punt-rate: unlimited}\n", ports))
        inbox, batch = router_inbox(lab), Batch(lab, "a", "a", lab.a.gateway)
        before = port_row(lab, "a")["rx_packets"]
        for first in range(0, 20_000, BATCH):
            batch.send(first, BATCH)
        sent = first + BATCH
        numbers = [int.from_bytes(d[-4:], "big") for d in received(inbox)]
        row, lost = port_row(lab, "a"), lost_before(lab, "a")
        print(f"    {xdp}: {len(numbers)} of {sent}, lost before {lost}")
        assert numbers == sorted(set(numbers)), "doubled or out of order"
        assert len(numbers) + lost >= sent, f"{sent - len(numbers)} missing, {lost} of them named"
        # Each of them once: in generic mode what is handed to the kernel comes by the gate again.
        assert row["rx_packets"] - before <= len(numbers) + 5, row
        assert lab.tsuji.drops() == {}, lab.tsuji.drops()
        assert balanced(lab)
        inbox.close()
        lab.tsuji.stop()


@test
def many_at_a_time_arrive_in_order_and_once():
    expect_in_order_and_once("native")


@test
def many_at_a_time_by_a_generic_port_arrive_in_order_and_once():
    expect_in_order_and_once("generic")


def expect_sizes(mtu, frame_size, sizes, refused=()):
    """Datagrams of these sizes reach the router's kernel, and those it cannot be given have a name."""
    with Lab("a", kernel_addresses=True) as lab:
        must(f"ip -n {lab.router} link set r0 mtu {mtu}")
        must(f"ip -n {lab.a.namespace} link set eth0 mtu {mtu}")
        lab.start_tsuji(lab.router_file("lanes: {punt-rate: 0}\n"))
        assert lab.tsuji.show("stats")[0]["frame_size"] == frame_size
        lab.must("a", "ping -c 1 -W 2 192.168.1.1")
        inbox = router_inbox(lab)
        with inside(lab.a.namespace):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.connect((lab.a.gateway, PORT))
        datagrams = [os.urandom(size) for size in (sizes + refused) * 20]
        for datagram in datagrams:
            sender.send(datagram)
        assert received(inbox) == [d for d in datagrams if len(d) not in refused]
        assert lab.tsuji.drops().get("punt-refused", 0) == 20 * len(refused)
        assert balanced(lab)
        sender.close()
        inbox.close()
        lab.tsuji.stop()


@test
def every_size_arrives_whole_and_in_order():
    # A frame has 42 bytes more: around the least of a veth, and the burst lane's most.
    small = (0, 1, 17, 18, 19, 22, 23, 1472)
    expect_sizes(1500, 2048, small)
    expect_sizes(LONG, 4096, small + (3365, 3366), (3367, LONG - 28))


@test
def a_flood_to_the_router_starves_neither_forwarding_nor_other_hosts():
    with Lab("abc", kernel_addresses=True) as lab:
        set_gro(lab, "b", "on")
        tsuji = lab.start_tsuji(lab.router_file("lanes: {punt-rate: 1000, flow-cache: off}\n"))
        serve(lab)
        with flood(lab, "c"):
            wait_for(lambda: tsuji.drops().get("punt-rate"), what="drops by that name")
            with Flow(lab, "a", "b", 50_000) as flow:
                pass
            lab.must("a", "ping -c 3 -i 0.2 -W 2 192.168.1.1")
            out = lab.must("a", "timeout 10 nc -N -w 5 192.168.1.1 22", input="")
            assert out == "SSH-2.0-greeter\n", out
        missing, doubled, late = flow.faults()
        dropped = {(r["port"], r["reason"]): r["packets"] for r in tsuji.show("drops")}
        print(f"    missing {missing}; {dropped}")
        assert doubled == 0 and late == 0, f"{doubled} doubled, {late} out of order"
        assert missing <= lost_before(lab, "a"), f"{missing} missing"
        # All that the flood lost has its name, and nobody else lost anything.
        assert set(dropped) == {("r2", "punt-rate")}, dropped
        assert balanced(lab)
        # The host that made it reaches the router's kernel again.
        lab.must("c", "ping -c 1 -W 2 192.168.2.1")
        wait_for(lambda: lab.run("c", "timeout 10 nc -N -w 5 192.168.2.1 22", input="").stdout ==
                 "SSH-2.0-greeter\n", what="the greeting")
        tsuji.stop()


@test
def the_rate_is_changed_live():
    with Lab("a", kernel_addresses=True) as lab:
        tsuji = lab.start_tsuji(lab.router_file("lanes: {punt-rate: 1}\n"))
        inbox, batch = router_inbox(lab), Batch(lab, "a", "a", lab.a.gateway)
        batch.send(0, BATCH)
        wait_for(lambda: tsuji.drops().get("punt-rate", 0) >= BATCH - 2, what="drops by that name")
        time.sleep(0.1)
        dropped = tsuji.drops()["punt-rate"]
        tsuji.must("set lanes.punt-rate unlimited")
        for first in range(BATCH, 20 * BATCH, BATCH):
            batch.send(first, BATCH)
        assert len(received(inbox)) + lost_before(lab, "a") >= 19 * BATCH
        assert tsuji.drops()["punt-rate"] == dropped
        inbox.close()
        tsuji.stop()


if __name__ == "__main__":
    main()
