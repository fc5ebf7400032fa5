#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_flood.py - more flows than the flow cache holds, and hosts that cannot take what
it repeats: those are carried by C, and nobody else notices."""
import os
import pathlib
import socket
import time

import frames
from bridge_lab import LOCAL_EXPERIMENT, BridgeLab
from census import Census, plain, udp
from flow_lab import TO_B
from lib import SO_RCVBUFFORCE, Lab, main, test, wait_for
from stream import (Stream, datagram, gro_on, is_numbered, kernel_drops, named_losses, ports,
                    repeated, wait_repeated)

STEADY = 50
PORT_BOUND = 65_536 # learnt stations on one port (fdb.h)


def flooded(lab, kinds, n, receivers):
    """Sends n frames, half of them of the steady kinds; what became of either."""
    tsuji = lab.tsuji
    before = {name: kernel_drops(lab, "router", name) for name in ports(tsuji)}
    was, entries = ports(tsuji), []
    sender = Census(lab, kinds, n)
    while sender.running():
        stats = tsuji.show("stats")[0]
        entries.append(stats["flows"])
        assert stats["flows"] <= stats["flows_max"], stats
        time.sleep(0.02)
    found = sender.result()
    now, named = ports(tsuji), dict(tsuji.drops())
    for name, row in now.items():
        for counter in ("rx_ring_full", "rx_fill_empty"):
            named[f"{name} {counter}"] = row[counter] - was[name][counter]
        named[f"{name} far end"] = kernel_drops(lab, "router", name) - before[name]
    named["reader"] = found["socket_drops"]
    named = {k: v for k, v in named.items() if v}
    by_kind = sender.by_kind(found)
    missing = found["expected"] - found["arrived"]
    steady = sum(got for name, (_, got) in by_kind.items() if name.startswith("steady"))
    by_cache = sum(now[r]["flow_packets"] - was[r]["flow_packets"] for r in receivers)
    print(f"    {found['sent']} sent in {found['seconds']:.1f} s, at most {max(entries)} flows;"
          f" steady: {steady} arrived, {by_cache} by the cache; {missing} missing, named {named}")
    assert found["doubled"] == found["astray"] == found["damaged"] == 0, found
    assert missing <= sum(named.values()), (missing, named)
    assert tsuji.show("stats")[0]["balance"] == 0
    return steady, by_cache, max(entries), by_kind


@test
def a_flood_of_flows_leaves_the_others_in_the_cache():
    with Lab("abc", live=False) as lab:
        gro_on(lab)
        a, b = lab.a, lab.b
        neighbours = "neighbours:\n" + "".join(
            f'  - {{address: {h.address}, mac: "{h.mac_text}", port: {h.port}}}\n'
            for h in lab.hosts.values())
        routes = "routes:\n  - {to: 10.2.0.0/16, via: 192.168.0.2}\n" \
                 "  - {to: 10.3.0.0/16, via: 192.168.2.2}\n"
        tsuji = lab.start_tsuji(lab.router_file(routes + neighbours))
        steady = [udp(f"steady {n}", "a", "c", a, a.gateway_mac, f"192.168.1.{100 + n}",
                      f"10.3.0.{n}", size=60 + n) for n in range(STEADY)]
        armed(lab, steady)
        # Each new flow twice in a row: the second packet is what lets it in.
        flood = udp("flood", "b", "a", b, b.gateway_mac, "10.0.0.0", "192.168.1.2",
                    count=(27, 3, 2))
        arrived, by_cache, most, kinds = flooded(lab, [*steady, flood], 1_200_000, ["r2"])
        # 300,000 flows: more than there is room for, though a slow machine forgets the first
        # ones before the last ones come.
        assert kinds["flood"][0] >= 600_000 - 32 and most > 20_000, (kinds["flood"], most)
        assert by_cache == arrived, (arrived, by_cache)
        tsuji.stop()


def armed(lab, kinds):
    """Has these kinds armed."""
    def all_repeated():
        before = repeated(lab.tsuji)
        for kind in kinds:
            lab.hosts[kind.sender].tap.send(kind.frame)
        time.sleep(0.05)
        return repeated(lab.tsuji) - before == len(kinds)
    lab.taps()
    wait_for(all_repeated, what=f"{len(kinds)} flows are armed")


@test
def a_flood_of_stations_leaves_the_others_in_the_cache():
    with BridgeLab("abcd", live=False) as lab:
        gro_on(lab)
        tsuji, taps = lab.start_tsuji(), lab.taps()
        macs = {host: [bytes([2, ord(host), 0, 0, 0, n]) for n in range(STEADY)] for host in "ab"}
        for host, some in macs.items():
            for mac in some:
                taps[host].send(frames.eth(frames.BROADCAST, mac, LOCAL_EXPERIMENT, bytes(46)))
        taps["d"].send(frames.eth(frames.BROADCAST, lab.d.mac, LOCAL_EXPERIMENT, bytes(46)))
        wait_for(lambda: len(tsuji.show("fdb")) > 2 * STEADY, what="the stations are known")
        steady = [plain(f"steady {n}", "a", "b", macs["a"][n], macs["b"][n], size=60 + n)
                  for n in range(STEADY)]
        armed(lab, steady)
        # 100,000 sources at host c, two frames each, for host d.
        flood = plain("flood", "c", "d", b"\2\xcc\0\0\0\0", lab.d.mac, count=(8, 4, 2))
        arrived, by_cache, _, kinds = flooded(lab, [*steady, flood], 400_000, ["r1"])
        assert kinds["flood"][0] >= 200_000 - 32, kinds["flood"]
        assert by_cache == arrived, (arrived, by_cache)
        stats = tsuji.show("stats")[0]
        assert PORT_BOUND * 0.9 < stats["fdb_entries"] <= PORT_BOUND + 2 * STEADY + 8, stats
        assert stats["fdb_refused"] > 10_000, stats
        tsuji.stop()


def slow_down(lab, host):
    """Has the host's softirq done by a thread that gets the CPU only when nobody wants it."""
    def threads():
        return {int(comm.parent.name) for comm in pathlib.Path("/proc").glob("[0-9]*/comm")
                if comm.read_text(errors="replace").startswith("napi/eth0")}
    before = threads()
    lab.must(host, "sh -c 'echo 1 >/sys/class/net/eth0/threaded'")
    cpu = min(os.sched_getaffinity(0))
    for thread in threads() - before:
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(thread, {cpu})
    assert threads() - before, "no thread"
    return lab.spawn("router", f"taskset -c {cpu} sh -c 'while :; do :; done'")


@test
def what_a_slow_host_has_no_room_for_is_counted_once():
    with Lab("ab", live=False) as lab:
        gro_on(lab)
        a, b = lab.a, lab.b
        neighbours = f'neighbours:\n  - {{address: {b.address}, mac: "{b.mac_text}", port: r1}}\n'
        tsuji = lab.start_tsuji(lab.router_file(TO_B + neighbours + "lanes: {transmit: burst}\n"))
        steady = [udp(f"steady {n}", "a", "b", a, a.gateway_mac, f"192.168.1.{100 + n}",
                      f"10.2.0.{n}") for n in range(8)]
        new = [udp(f"new {n}", "a", "b", a, a.gateway_mac, f"192.{n}.0.0", "10.2.1.1",
                   count=(28, 2, 1)) for n in range(8)]
        armed(lab, steady)
        was = ports(tsuji)["r1"]
        b.tap.receive()
        b.tap.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20) # all that may arrive
        hindrance = slow_down(lab, "b")
        found = Census(lab, [*steady, *new], 40_000, 4096).result()
        hindrance.kill()
        time.sleep(0.5) # for what it has room for
        arrived = sum(map(is_numbered, b.tap.receive()))
        now, missing = ports(tsuji), found["sent"] - arrived
        lost = {key: now["r1"][key] - was[key] for key in ("burst_lost", "flow_lost")}
        others = {"ring": now["r0"]["rx_ring_full"], "fill": now["r0"]["rx_fill_empty"],
                  **tsuji.drops()}
        print(f"    {missing} missing, {lost}, {others}")
        assert missing == sum(lost.values()) + sum(others.values()), (missing, lost, others)
        assert min(lost.values()) > 100, lost
        tsuji.stop()


# -- hosts with and without GRO --------------------------------------------------------

def set_gro(lab, host, value):
    lab.must(host, f"ethtool -K eth0 gro {value}")


def lane_of(lab, host):
    return ports(lab.tsuji)[lab.hosts[host].port]["lane"]


def wait_lane(lab, host, lane):
    wait_for(lambda: lane_of(lab, host) == lane, 5, f"{host} by the {lane} lane")


@test
def a_host_without_gro_gets_everything_by_c():
    with Lab("abc") as lab:
        gro_on(lab, "ab")
        routes = "routes:\n  - {to: 10.2.0.0/16, via: 192.168.0.2}\n" \
                 "  - {to: 10.3.0.0/16, via: 192.168.2.2}\n"
        tsuji = lab.start_tsuji(lab.router_file(routes))
        for address in ("192.168.0.2", "192.168.2.2"):
            lab.must("a", f"ping -c 1 -W 2 {address}")
        row = ports(tsuji)["r2"]
        assert row["lane"] == "socket" and row["flow_cache"], row
        fix = f"ip netns exec {lab.c.namespace} ethtool -K eth0 gro on"
        assert row["lane_reason"].endswith(fix), row
        a, b, c = lab.a, lab.b, lab.c
        kinds = [udp("a b", "a", "b", a, a.gateway_mac, a.address, "10.2.0.1"),
                 udp("a c", "a", "c", a, a.gateway_mac, a.address, "10.3.0.1"),
                 udp("c a", "c", "a", c, c.gateway_mac, "10.3.0.1", a.address),
                 udp("b c", "b", "c", b, b.gateway_mac, "10.2.0.1", "10.3.0.1"),
                 udp("c b", "c", "b", c, c.gateway_mac, "10.3.0.1", "10.2.0.1")]
        everything_arrives(lab, kinds)
        assert ports(tsuji)["r2"]["flow_packets"] == 0
        for port in ("r0", "r1"): # from c, too
            assert ports(tsuji)[port]["flow_packets"] > 1000, ports(tsuji)[port]
        set_gro(lab, "c", "on")
        wait_lane(lab, "c", "burst")
        everything_arrives(lab, kinds)
        by_cache = ports(tsuji)["r2"]["flow_packets"]
        assert by_cache > 1000, by_cache
        set_gro(lab, "c", "off")
        wait_lane(lab, "c", "socket")
        by_cache = ports(tsuji)["r2"]["flow_packets"]
        everything_arrives(lab, kinds)
        assert ports(tsuji)["r2"]["flow_packets"] == by_cache
        tsuji.stop()


def everything_arrives(lab, kinds):
    found = Census(lab, kinds, 10_000, 128).result()
    assert found["arrived"] == found["expected"] == 10_000, found
    assert found["doubled"] == found["astray"] == found["damaged"] == 0, found


VETH_RING = 256 # frames that a veth with NAPI drops, uncounted, when NAPI goes


@test
def gro_goes_on_and_off_under_a_stream_in_the_cache():
    with Lab("abc") as lab:
        gro_on(lab, "ab")
        routes = "routes:\n  - {to: 10.3.0.0/16, via: 192.168.2.2}\n"
        tsuji = lab.start_tsuji(lab.router_file(routes))
        lab.must("a", "ping -c 1 -W 2 192.168.2.2")
        lab.taps()
        offs, seen = 0, []
        with Stream(lab, "a", [datagram(lab.a, lab.a.address, "10.3.0.1")]) as stream:
            for _ in range(5):
                set_gro(lab, "c", "on")
                wait_repeated(tsuji, 200)
                set_gro(lab, "c", "off")
                offs += 1
                wait_lane(lab, "c", "socket")
                after = stream.begun()
                stream.wait_sent(after + 200)
                seen += [a.number for a in stream.arrivals()]
                late = set(range(after + 1, after + 201)) - set(seen)
                assert not late, f"{len(late)} of 200 missing without GRO"
            n = stream.stop()
        time.sleep(0.1)
        seen += [a.number for a in stream.arrivals()]
        named, missing = named_losses(lab, "a", "c"), n - len(set(seen))
        print(f"    {n} sent, {repeated(tsuji)} repeated, {missing} missing, named {named}")
        assert len(seen) == len(set(seen)), "doubled"
        assert missing <= sum(named.values()) + VETH_RING * offs, (missing, named)
        tsuji.stop()


if __name__ == "__main__":
    main()
