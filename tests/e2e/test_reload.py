#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_reload.py - reload under traffic loses no packet and keeps what was learnt; a broken
file changes nothing."""
import re
import signal

from lib import Lab, main, test, wait_for

ROUTES = "routes:\n" \
         "  - {to: 10.9.0.0/16, via: 192.168.0.9}\n" \
         "  - {to: 10.8.0.0/16, type: blackhole}\n"


def without_hits(rows):
    return [{k: v for k, v in row.items() if k != "hits"} for row in rows]


def reload(lab, text):
    lab.tsuji.file.write_text(text)
    return lab.tsuji.cli("reload")


@test
def reload_under_traffic_loses_no_packet():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        before = tsuji.show("port", "name")["r0"]["rx_packets"]
        ping = lab.spawn("a", "ping -q -i 0.01 -c 300 192.168.0.2")
        files = [lab.router_file(ROUTES), lab.router_file()]
        n_reloads = 0
        while ping.poll() is None and n_reloads < 100:
            done = reload(lab, files[n_reloads % 2])
            assert done.returncode == 0, done.stderr
            n_reloads += 1
        out = ping.communicate()[0]
        assert n_reloads >= 10 and re.search("300 packets transmitted, 300 received", out), out
        assert tsuji.show("port", "name")["r0"]["rx_packets"] >= before + 300
        assert tsuji.show("neigh", "address")["192.168.0.2"]["state"] in ("reachable", "stale",
                                                                          "probe")


@test
def reload_says_what_changed_and_keeps_live_routes():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        tsuji.must("route add 10.7.0.0/16 via 192.168.0.7")
        done = reload(lab, lab.router_file(ROUTES))
        assert done.returncode == 0 and "+2 routes" in done.stdout, done
        routes = tsuji.show("route", "to")
        assert routes["10.9.0.0/16"]["via"] == "192.168.0.9", routes
        assert routes["10.8.0.0/16"]["type"] == "blackhole", routes
        assert routes["10.7.0.0/16"]["source"] == "live", routes
        done = reload(lab, lab.router_file())
        assert done.returncode == 0 and "-2 routes" in done.stdout, done
        assert set(tsuji.show("route", "to")) == {"192.168.0.0/24", "192.168.1.0/24", "10.7.0.0/16"}


@test
def a_broken_file_changes_nothing():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(ROUTES))
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        before = without_hits(tsuji.show("route"))
        for bad in (ROUTES.replace("via", "vai"), ROUTES.replace("192.168.0.9", "192.168.77.9"),
                    "routes: [\n"):
            done = reload(lab, lab.router_file(bad))
            assert done.returncode == 2, done
            assert re.search(rf"{re.escape(str(tsuji.file))}:\d+:\d+: error: ",
                             done.stderr), done.stderr
            assert without_hits(tsuji.show("route")) == before
        tsuji.file.unlink()
        done = tsuji.cli("reload")
        assert done.returncode == 2 and str(tsuji.file) in done.stderr, done
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        tsuji.stop()


@test
def sighup_reloads_too():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        tsuji.file.write_text(lab.router_file(ROUTES))
        tsuji.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "10.9.0.0/16" in tsuji.show("route", "to"), what="the new route")
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")


@test
def a_port_comes_and_goes():
    with Lab("abc") as lab:
        two = lab.router_file(ports={"r0": "{addresses: [192.168.1.1/24]}",
                                     "r1": "{addresses: [192.168.0.1/24]}"})
        tsuji = lab.start_tsuji(two)
        assert lab.run("a", "ping -c 1 -W 1 192.168.2.2").returncode == 1
        assert reload(lab, lab.router_file()).returncode == 0
        lab.must("a", "ping -c 1 -W 2 192.168.2.2")
        assert reload(lab, two).returncode == 0
        assert set(tsuji.show("port", "name")) == {"r0", "r1"}
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        assert "prog/xdp" not in lab.must("router", "ip link show r2")


if __name__ == "__main__":
    main()
