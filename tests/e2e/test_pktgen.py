#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_pktgen.py - `tsuji pktgen`: what it would write (--dry-run) fits the route it was asked
about, it refuses what cannot work or is not safe, and where the kernel has pktgen, what it
sends arrives behind the router, byte for byte and counted."""
import os
import struct

import frames
from lib import Lab, Skip, TSUJI, command, inside, main, must, test, wait_for

DRY = "pktgen -i eth0 --to 192.168.0.2 --dry-run"


def pktgen(lab, words, host="a"):
    return command(f"{TSUJI} -n {lab.hosts[host].namespace} {words}")


def script(lab, words):
    """The commands of a dry run, as {(file, first word): the rest}."""
    done = pktgen(lab, words)
    assert done.returncode == 0, done
    commands = {}
    for line in done.stdout.splitlines():
        text, file = line.removeprefix("echo ").split(" >/proc/net/pktgen/")
        word, _, rest = text.strip("'").partition(" ")
        commands[file.split()[0], word] = rest
    return commands


def has_pktgen(namespace):
    with inside(namespace):
        return os.access("/proc/thread-self/net/pktgen/pgctrl", os.W_OK)


@test
def a_dry_run_says_what_leads_through_the_router():
    with Lab("ab") as lab:
        lab.start_tsuji()
        commands = script(lab, DRY)
        assert commands["eth0", "dst_mac"] == lab.a.gateway_mac_text, commands
        assert commands["eth0", "src_min"] == "192.168.1.2", commands
        assert commands["eth0", "dst_min"] == commands["eth0", "dst_max"] == "192.168.0.2", commands
        assert commands["eth0", "flag"] == "!SHARED", commands
        assert commands["eth0", "pkt_size"] == "60" and commands["eth0", "delay"] == "0", commands
        ports = [int(commands["eth0", f"udp_src_{end}"]) for end in ("min", "max")]
        assert ports[1] - ports[0] == 256, commands
        assert commands["pgctrl", "start"] == "", commands
        more = script(lab, DRY + " --size 512 --rate 1000 --count 77 --flows 1")
        assert more["eth0", "pkt_size"] == "512" and more["eth0", "count"] == "77", more
        assert more["eth0", "ratep"] == "1000" and ("eth0", "delay") not in more, more


@test
def a_neighbour_on_the_same_subnet_is_its_own_next_hop():
    with Lab("ab") as lab:
        lab.start_tsuji()
        assert script(lab, "pktgen -i eth0 --to 192.168.1.1 --dry-run")["eth0", "dst_mac"] \
            == lab.a.gateway_mac_text


@test
def what_cannot_work_is_refused_with_the_fix():
    with Lab("ab") as lab:
        must(f"ip -n {lab.b.namespace} route del default")
        lab.start_tsuji()
        for words, host, code, text in (
                ("pktgen -i eth0 --to 192.168.1.2 --dry-run", "b", 1, "ip route add default"),
                ("pktgen -i eth7 --to 192.168.0.2 --dry-run", "a", 2, "no interface eth7"),
                ("pktgen -i lo --to 192.168.0.2 --dry-run", "a", 2, "-i eth0"),
                ("pktgen -i eth0 --to 192.168.1.77 --dry-run", "a", 1, "does not answer ARP"),
                ("pktgen -i eth0 --dry-run", "a", 2, "--to"),
                ("pktgen -i eth0 --to 192.168.0.2 --size 59", "a", 2, "--size"),
                ("pktgen -i eth0 --to 192.168.0.2 --flows none", "a", 2, "--flows"),
                ("pktgen -i eth0 --to 192.168.0.2 --count", "a", 2, "--count")):
            done = pktgen(lab, words, host)
            assert done.returncode == code and text in done.stderr, (words, done)
            assert done.stdout == "", (words, done)


@test
def generic_xdp_is_refused():
    with Lab("ab") as lab:
        ports = {"r0": "{addresses: [192.168.1.1/24], xdp: generic}",
                 "r1": "{addresses: [192.168.0.1/24]}"}
        lab.start_tsuji(lab.router_file(ports=ports))
        done = pktgen(lab, DRY)
        assert done.returncode == 1 and "generic mode" in done.stderr, done
        assert f"{lab.router}:r0" in done.stderr, done


@test
def without_pktgen_the_fix_is_named():
    with Lab("ab") as lab:
        if has_pktgen(lab.a.namespace):
            raise Skip("this kernel has pktgen")
        done = pktgen(lab, "pktgen -i eth0 --to 192.168.0.2")
        assert done.returncode == 4 and "modprobe pktgen" in done.stderr, done


@test
def what_it_sends_arrives_behind_the_router():
    with Lab("ab") as lab:
        if not has_pktgen(lab.a.namespace):
            raise Skip("this kernel has no pktgen, or it is not loaded")
        lab.start_tsuji()
        lab.must("a", "ping -c 1 -W 5 192.168.0.2") # both neighbours are known
        taps = lab.taps()
        done = pktgen(lab, "-j pktgen -i eth0 --to 192.168.0.2 --count 50 --rate 200 --flows 5")
        assert done.returncode == 0, done
        assert '"made": 50' in done.stdout or '"made":50' in done.stdout, done
        arrived = []

        def udp():
            arrived.extend(f for f in taps["b"].receive()
                           if frames.is_ip4(f) and f[23] == frames.UDP)
            return len(arrived) == 50
        wait_for(udp, what="50 frames behind the router")
        assert {f[:12] for f in arrived} == {lab.b.mac + lab.b.gateway_mac}
        assert {len(f) for f in arrived} == {60} and {f[22] for f in arrived} == {31}
        assert {struct.unpack(">H", f[34:36])[0] for f in arrived} == set(range(1024, 1029))


if __name__ == "__main__":
    main()
