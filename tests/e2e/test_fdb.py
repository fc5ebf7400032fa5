#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_fdb.py - the forwarding database: a flood of sources cannot spoil it, and the fdb
command shows, changes and watches it as its users expect."""
import json
import random
import re
import signal
import subprocess

import frames
from bridge_lab import LOCAL_EXPERIMENT, BridgeLab, Wire
from lib import TSUJI, main, test, wait_for

FLOOD = 100_000
PORT_BOUND = 65_536 # learnt entries on one port (fdb.h)
MIB = 1 << 20


def frame(dst, src, payload=bytes(46)):
    return frames.eth(dst, src, LOCAL_EXPERIMENT, payload)


def resident(process):
    """VmRSS in bytes."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def flood_sources(lab, wire, seed):
    """FLOOD frames from host c with as many sources, all for host d, while a and b talk;
    what of a's and b's frames came where."""
    sources, seen = random.Random(seed), {host: [] for host in lab.hosts}
    a, b, c, d = (lab.hosts[h] for h in "abcd")
    ours = {a.mac, b.mac}

    def gather():
        for host in lab.hosts:
            seen[host] += [f for f in wire.taps[host].receive() if f[6:12] in ours]
    for at in range(FLOOD):
        if at % 500 == 0:
            a.tap.send(frame(b.mac, a.mac))
            b.tap.send(frame(a.mac, b.mac))
            gather()
        c.tap.send(frame(d.mac, b"\x02" + sources.randbytes(5)))
    wire.settle(seen)
    return {host: [f for f in arrived if f[6:12] in ours] for host, arrived in seen.items()}


@test
def a_flood_of_sources_disturbs_nobody_and_memory_is_bounded():
    with BridgeLab("abcd", live=False) as lab:
        tsuji, wire = lab.start_tsuji(), Wire(lab)
        for host in lab.hosts.values():
            host.tap.send(frame(frames.BROADCAST, host.mac))
        wire.settle()
        before, rows = resident(tsuji.process), tsuji.show("fdb", "mac")
        for seed in (1, 2):
            pair = flood_sources(lab, wire, seed)
            told = {host: len(arrived) for host, arrived in pair.items()}
            assert told == {"a": FLOOD // 500, "b": FLOOD // 500, "c": 0, "d": 0}, told
            if seed == 1:
                after = resident(tsuji.process)
        stats = tsuji.show("stats")[0]
        assert after - before < 16 * MIB, (before, after)
        assert resident(tsuji.process) - after < 1 * MIB, (after, resident(tsuji.process))
        assert PORT_BOUND * 0.9 < stats["fdb_entries"] <= PORT_BOUND + len(rows), stats
        # Of the second flood hardly one fits; on a busy machine not all of it arrives.
        assert stats["fdb_refused"] > FLOOD * 0.5, stats
        assert tsuji.show("bridge")[0]["refused"] == stats["fdb_refused"]
        # Everybody who was there is still known, and a new station elsewhere finds room.
        stranger = frames.mac("02:00:00:00:99:01")
        lab.b.tap.send(frame(lab.a.mac, stranger))
        wire.settle()
        now = tsuji.show("fdb", "mac")
        assert set(rows) <= set(now) and now["02:00:00:00:99:01"]["port"] == "r1"
        flushed = tsuji.must("fdb flush port r2")
        assert re.fullmatch(rf"{PORT_BOUND} entries flushed\n", flushed), flushed
        elsewhere = {mac for mac, row in now.items() if row["port"] != "r2"}
        assert elsewhere | {"02:00:00:00:20:03"} == set(tsuji.show("fdb", "mac"))
        tsuji.stop()


@test
def show_tells_who_is_where():
    with BridgeLab("abc", live=False) as lab:
        tsuji, wire = lab.start_tsuji(), Wire(lab)
        lab.a.tap.send(frame(frames.BROADCAST, lab.a.mac))
        wire.settle()
        for _ in range(3):
            lab.b.tap.send(frame(lab.a.mac, lab.b.mac))
        wire.settle()
        assert re.search(r"^02:00:00:00:10:01 port r0 bridge br0 age \d+ms hits 3$",
                         tsuji.must("fdb"), re.M), tsuji.must("fdb")
        row = tsuji.show("fdb", "mac")["02:00:00:00:10:01"]
        assert 0 <= row.pop("age_ms") < 60_000, row
        assert row == {"mac": "02:00:00:00:10:01", "port": "r0", "bridge": "br0", "kind": "learnt",
                       "hits": 3}, row
        own = {m: r["port"] for m, r in tsuji.show("fdb", "mac").items() if r["kind"] == "local"}
        assert own == {"02:00:00:00:20:01": "br0", "02:00:00:00:20:02": "r1",
                       "02:00:00:00:20:03": "r2"}, own
        for words, wanted in (
                ("fdb show 02:00:00:00:10:02", ["02:00:00:00:10:02"]),
                ("fdb show 02:00:00:00:10:07", []),
                ("fdb show dev r1 br br0", ["02:00:00:00:10:02", "02:00:00:00:20:02"])):
            found = [r["mac"] for r in json.loads(tsuji.must(f"-j {words}"))]
            assert [m for m in found if not m.startswith("02:5e")] == wanted, (words, found)


@test
def entries_are_added_and_deleted():
    with BridgeLab("abc", live=False) as lab:
        tsuji, wire = lab.start_tsuji(), Wire(lab)
        station = "02:00:00:00:77:01"
        tsuji.must(f"fdb add {station} port r2")
        assert tsuji.show("fdb", "mac")[station]["kind"] == "static"
        lab.b.tap.send(frame(frames.BROADCAST, frames.mac(station))) # does not move it
        wire.settle()
        lab.a.tap.send(frame(frames.mac(station), lab.a.mac))
        assert [len(f) for f in wire.settle().values()] == [0, 0, 1]
        tsuji.must("fdb flush")
        tsuji.must("reload")
        assert tsuji.show("fdb", "mac")[station]["port"] == "r2"
        tsuji.must(f"fdb del {station}")
        assert station not in tsuji.show("fdb", "mac")
        done = tsuji.cli(f"fdb del {station}")
        assert done.returncode == 1 and station in done.stderr, done
        many = "".join(f"02:00:00:00:78:{n:02x} port r1\n" for n in range(200))
        done = tsuji.cli("fdb add -", input=many)
        assert done.returncode == 0, done
        assert sum(r["kind"] == "static" for r in tsuji.show("fdb")) == 200


@test
def mistakes_are_told_and_change_nothing():
    with BridgeLab("abc", live=False) as lab:
        tsuji = lab.start_tsuji()
        before = tsuji.show("fdb")
        for words, status, told in (
                ("fdb add 01:00:5e:00:00:01 port r1", 2, "not a station's"),
                ("fdb add 00:00:00:00:00:00 port r1", 2, "not a station's"),
                ("fdb add 02:00:00:00:77 port r1", 2, "not"),
                ("fdb add 02:00:00:00:77:01 port r9", 2, "r9"),
                ("fdb add 02:00:00:00:77:01", 2, "port"),
                ("fdb add 02:00:00:00:20:02 port r2", 2, "02:00:00:00:20:02"),
                ("fdb del 02:00:00:00:20:02", 2, "02:00:00:00:20:02"),
                ("fdb flush port r9", 1, "did you mean"),
                ("fdb flush 02:00:00:00:77:01", 2, "del"),
                ("fdb shwo", 2, "show")):
            done = tsuji.cli(words)
            assert done.returncode == status and told in done.stderr, (words, done)
            assert not done.stdout, (words, done.stdout)
        assert tsuji.show("fdb") == before


class Watch:
    """`tsuji fdb watch`, line by line."""

    def __init__(self, lab, *options):
        self.process = subprocess.Popen([TSUJI, "-n", lab.router, *options, "fdb", "watch"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lab.processes.append(self.process)
        told = self.process.stderr.readline() # once it is told of everything
        assert told == "tsuji: watching; interrupt ends it\n", told

    def line(self):
        return self.process.stdout.readline().rstrip("\n")


@test
def watch_tells_who_appears_moves_and_goes():
    with BridgeLab("abc", live=False) as lab:
        tsuji, taps = lab.start_tsuji(), lab.taps()
        for options in ((), ("-j",)):
            watch = Watch(lab, *options)
            taps["a"].send(frame(frames.BROADCAST, lab.a.mac))
            wait_for(lambda: tsuji.show("fdb", "mac").get("02:00:00:00:10:01"), what="the station")
            taps["b"].send(frame(frames.BROADCAST, lab.a.mac))
            wait_for(lambda: tsuji.show("fdb", "mac")["02:00:00:00:10:01"]["port"] == "r1",
                     what="the move")
            tsuji.must("fdb flush port r1")
            told = []
            while not told or "gone" not in told[-1]:
                told.append(watch.line())
            if options:
                told = [(e["event"], e["mac"], e["port"], e["before"])
                        for e in map(json.loads, told)]
            mac = "02:00:00:00:10:01"
            assert told == ([("appeared", mac, "r0", None), ("moved", mac, "r1", "r0"),
                             ("gone", mac, "r1", None)] if options else
                            [f"appeared {mac} port r0 bridge br0",
                             f"moved {mac} port r1 bridge br0 from r0",
                             f"gone {mac} port r1 bridge br0"]), told
            watch.process.send_signal(signal.SIGINT)
            assert watch.process.wait(5) in (0, 130, -signal.SIGINT)
            watch.process.stderr.close()


if __name__ == "__main__":
    main()
