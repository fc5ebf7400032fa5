#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_tcp_udp.py - the hosts' own TCP, UDP and ping through tsuji, with the offloads a veth
has by default: their segments arrive with partial checksums and must leave complete.

E2E_PINGS=100000 makes the flood longer."""
import json
import os
import re

from lib import Lab, main, test, wait_for


def iperf(lab, to, *options):
    """One run of iperf3 from host a to host `to`; its JSON summary."""
    lab.spawn(to, "iperf3 -s -1")
    wait_for(lambda: ":5201" in lab.must(to, "ss -ltn"), what="iperf3 -s")
    words = ["iperf3", "-c", lab.hosts[to].address, "-t", "2", "-J", *options]
    return json.loads(lab.must("a", words))["end"]


@test
def tcp_flows_and_its_partial_checksums_are_counted():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        for to in "bc":
            end = iperf(lab, to)
            assert end["sum_received"]["bytes"] > 1 << 20, end["sum_received"]
        ports = tsuji.show("port", "name")
        assert ports["r0"]["rx_partial"] > 100 and ports["r1"]["rx_partial"] > 100, ports


@test
def tcp_flows_the_other_way():
    with Lab("ab") as lab:
        lab.start_tsuji()
        end = iperf(lab, "b", "-R")
        assert end["sum_received"]["bytes"] > 1 << 20, end["sum_received"]


@test
def udp_arrives_whole():
    with Lab("ab") as lab:
        lab.start_tsuji()
        for size in ("1400", "64", "8000"): # the last one in fragments
            end = iperf(lab, "b", "-u", "-b", "10M" if size != "64" else "1M", "-l", size)
            assert end["sum"]["packets"] > 100, end["sum"]
            assert end["sum"]["lost_percent"] < 1, end["sum"]


@test
def a_ping_flood_loses_nothing():
    count = os.environ.get("E2E_PINGS", "20000")
    with Lab("ab") as lab:
        lab.start_tsuji()
        out = lab.must("a", f"ping -q -f -c {count} 192.168.0.2", timeout=110)
        assert re.search(rf"{count} packets transmitted, {count} received", out), out


@test
def a_host_learns_the_path_mtu():
    with Lab("ac") as lab:
        lab.start_tsuji()
        told = lab.run("a", "ping -M do -s 1472 -c 1 -W 2 192.168.2.2")
        assert "mtu = 1400" in told.stdout + told.stderr, told.stdout + told.stderr
        lab.must("a", "ping -M do -s 1372 -c 1 -W 2 192.168.2.2")
        lab.must("a", "ping -M dont -s 4000 -c 1 -W 2 192.168.2.2")


@test
def traceroute_shows_the_router():
    with Lab("ab") as lab:
        lab.start_tsuji()
        out = lab.must("a", "traceroute -n -w 2 192.168.0.2")
        assert re.search(r"1  192\.168\.1\.1 .*\n 2  192\.168\.0\.2 ", out) and "*" not in out, out


if __name__ == "__main__":
    main()
