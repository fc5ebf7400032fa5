#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bridge_traffic.py - the hosts' own IPv4 and IPv6 across the bridge, with the offloads
that a veth has by default: their TCP and UDP leave with partial checksums and arrive whole."""
import hashlib
import re
import socket
import threading

from bridge_lab import BridgeLab, open_socket
from lib import main, test, wait_for

MANY = 4 << 20 # bytes of one TCP conversation
SIZES = (0, 1, 2, 3, 100, 999, 1400, 1440, 1452)


def link_local(lab, host):
    """The address that a host has made of its MAC, with the interface's number there."""
    last = lab.hosts[host].mac[-1]
    return f"fe80::ff:fe00:10{last:02x}", int(
        lab.must(host, "cat /sys/class/net/eth0/ifindex"))


def places(lab, family, client, server, port):
    """What the server binds to, and what the client connects to."""
    if family == socket.AF_INET:
        there = (lab.hosts[server].address, port)
        return there, there
    there = link_local(lab, server)
    return ((there[0], port, 0, there[1]), (there[0], port, 0, link_local(lab, client)[1]))


def digest_of(connection, into):
    seen = hashlib.sha256()
    while data := connection.recv(1 << 16):
        seen.update(data)
    into.append(seen.hexdigest())
    connection.sendall(into[-1].encode())


def tcp_carries(lab, family, client, server):
    """One conversation of MANY bytes one way, and a few back."""
    bind, connect = places(lab, family, client, server, 7000)
    listener, arrived = open_socket(lab, server, family, socket.SOCK_STREAM), []
    with listener, open_socket(lab, client, family, socket.SOCK_STREAM) as sender:
        listener.bind(bind)
        listener.listen()
        sender.settimeout(20)
        sender.connect(connect)
        receiver, _ = listener.accept()
        thread = threading.Thread(target=digest_of, args=(receiver, arrived))
        thread.start()
        data = hashlib.shake_128(b"tsuji").digest(MANY)
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)
        answer = sender.recv(100).decode()
        thread.join()
        receiver.close()
    assert arrived == [hashlib.sha256(data).hexdigest()] == [answer], (arrived, answer)


def udp_carries(lab, family, client, server):
    """Datagrams of all sizes, each answered with itself."""
    bind, connect = places(lab, family, client, server, 7001)
    with open_socket(lab, server, family, socket.SOCK_DGRAM) as receiver, \
            open_socket(lab, client, family, socket.SOCK_DGRAM) as sender:
        receiver.bind(bind)
        for side in (receiver, sender):
            side.settimeout(5)
        sender.connect(connect)
        for size in SIZES * 10 + (9000, 30000): # the last two in fragments
            data = hashlib.shake_128(bytes([size & 255])).digest(size)
            sender.send(data)
            got, peer = receiver.recvfrom(1 << 16)
            receiver.sendto(got, peer)
            assert got == data == sender.recv(1 << 16), (size, len(got))


def talk(lab):
    """Everything between hosts; which must find each other first."""
    lab.must("a", "ping -c 1 -W 2 192.0.2.2")
    address = link_local(lab, "b")[0]
    wait_for(lambda: lab.run("a", f"ping -6 -c 1 -W 1 {address}%eth0").returncode == 0,
             what="IPv6 neighbour discovery")
    for size in (0, 56, 1452, 4000):
        lab.must("a", f"ping -6 -c 1 -W 2 -s {size} {address}%eth0")
    everybody = lab.must("a", "ping -6 -c 2 -i 0.2 -W 2 ff02::1%eth0")
    for host in "bc": # a multicast reaches all, and each answer finds its way
        assert link_local(lab, host)[0] in everybody, everybody
    for family in (socket.AF_INET, socket.AF_INET6):
        tcp_carries(lab, family, "a", "b")
        tcp_carries(lab, family, "c", "a")
        udp_carries(lab, family, "b", "c")


@test
def the_kernel_carries_what_hosts_say():
    with BridgeLab("abc", ipv6=True) as lab:
        lab.start_kernel_bridge()
        talk(lab)


@test
def tsuji_carries_what_hosts_say():
    with BridgeLab("abc", ipv6=True) as lab:
        tsuji = lab.start_tsuji()
        talk(lab)
        ports = tsuji.show("port", "name")
        assert all(ports[p]["rx_partial"] > 10 for p in ("r0", "r1", "r2")), ports
        drops = tsuji.drops()
        assert set(drops) <= {"tx-full"}, drops


@test
def a_ping_flood_loses_nothing():
    with BridgeLab("ab") as lab:
        lab.start_tsuji()
        out = lab.must("a", "ping -q -f -c 20000 192.0.2.2", timeout=110)
        assert re.search("20000 packets transmitted, 20000 received", out), out


if __name__ == "__main__":
    main()
