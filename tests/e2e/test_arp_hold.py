#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_arp_hold.py - packets wait for their next hop's address: none of the first is lost,
they leave in order, and when nobody answers their sender is told."""
from frames import (BROADCAST, ETH_ARP, ETH_IPV4, UDP, arp, eth, ip4, is_arp_request, is_ip4,
                    text, udp)
from lib import Lab, main, test

# Host a is known, so that what the router tells it needs no question.
KNOWN = 'neighbours:\n  - {address: 192.168.1.2, mac: "02:00:00:00:01:02", port: r0}\n'


def silent_lab():
    return Lab("ab", live=False)


def send(lab, number, dst="192.168.0.2"):
    datagram = ip4("192.168.1.2", dst, UDP, udp("192.168.1.2", dst, b"%d" % number), ident=number)
    lab.a.tap.send(eth(lab.a.gateway_mac, lab.a.mac, ETH_IPV4, datagram))


def answer(lab, request):
    reply = arp(2, lab.b.mac, request[38:42], request[6:12], request[28:32])
    lab.b.tap.send(eth(request[6:12], lab.b.mac, ETH_ARP, reply))


@test
def the_first_packet_and_nine_more_wait_and_leave_in_order():
    with silent_lab() as lab:
        lab.start_tsuji(lab.router_file(KNOWN))
        lab.taps()
        for number in range(10):
            send(lab, number)
        request = lab.b.tap.wait(is_arp_request)
        assert request, "no ARP request"
        assert request[:6] == BROADCAST and request[6:12] == lab.b.gateway_mac, request.hex()
        assert text(request[28:32]) == "192.168.0.1" and len(request) == 42, request.hex()
        held = lab.tsuji.show("neigh", "address")["192.168.0.2"]
        assert held["state"] == "incomplete" and held["queued"] == 10, held
        answer(lab, request)
        got = [lab.b.tap.wait(is_ip4) for _ in range(10)]
        assert [int.from_bytes(f[18:20], "big") for f in got] == list(range(10)), got
        assert lab.tsuji.show("neigh", "address")["192.168.0.2"]["state"] == "reachable"


@test
def many_packets_make_few_requests():
    with silent_lab() as lab:
        lab.start_tsuji(lab.router_file(KNOWN))
        lab.taps()
        for number in range(500):
            send(lab, number)
        assert lab.b.tap.wait(is_arp_request), "no ARP request"
        lab.tsuji.must("neigh show")
        assert not any(is_arp_request(f) for f in lab.b.tap.receive())
        drops = lab.tsuji.drops()
        assert drops.get("neigh-queue", 0) > 0, drops


@test
def host_unreachable_is_told_when_nobody_answers():
    with silent_lab() as lab:
        lab.start_tsuji(lab.router_file(KNOWN))
        lab.taps()
        send(lab, 7, "192.168.0.77")
        error = lab.a.tap.wait(is_ip4, seconds=15)
        assert error, "no ICMP error"
        assert error[34:36] == b"\x03\x01" and text(error[26:30]) == "192.168.1.1", error.hex()
        assert text(error[42 + 16:42 + 20]) == "192.168.0.77", error.hex()
        requests = [f for f in lab.b.tap.receive() if is_arp_request(f)]
        assert len(requests) == 3, [f.hex() for f in requests]
        assert lab.tsuji.drops()["neigh-failed"] == 1


@test
def a_neighbour_that_moves_is_found_again():
    with silent_lab() as lab:
        lab.start_tsuji(lab.router_file(KNOWN))
        lab.taps()
        send(lab, 1)
        answer(lab, lab.b.tap.wait(is_arp_request))
        assert lab.b.tap.wait(is_ip4)
        lab.tsuji.must("neigh flush")
        send(lab, 2)
        request = lab.b.tap.wait(is_arp_request)
        moved = b"\x02\0\0\0\x0d\x02"
        lab.b.tap.send(eth(request[6:12], moved, ETH_ARP, arp(2, moved, request[38:42],
                                                              request[6:12], request[28:32])))
        packet = lab.b.tap.wait(is_ip4)
        assert packet and packet[:6] == moved, packet


if __name__ == "__main__":
    main()
