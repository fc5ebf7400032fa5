#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bench.py - `tsuji bench` measures what it says it measures: its JSON has the shape that
control/bench.h documents, no figure is missing or zero, and nothing stays behind, not even
when it is interrupted. How fast anything is, is nobody's business here."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from lib import TSUJI, Skip, command, main, must, test, wait_for

PATHS = {"routed", "bridged", "translated"}
TSUJIS = {"tsuji-socket", "tsuji-burst", "tsuji"}
UNITS = {"latency": "us", "tcp": "bit/s", "rate": "packets/s", "sessions": "sessions/s"}
MORE = {"latency": {"p90_us", "p99_us"}, "tcp": set(), "rate": {"made_pps", "cpu_s_per_million"},
        "sessions": set()}
# Who must have a figure, by measure and path, in a quick run.
QUICK = {("latency", path): TSUJIS | {"kernel", "redirect"} for path in PATHS}
QUICK |= {("rate", path): TSUJIS | {"kernel", "redirect"} for path in PATHS}
QUICK[("rate", "routed")] = QUICK[("rate", "routed")] | {"generator"}
QUICK |= {("tcp", "routed"): TSUJIS | {"kernel"}, ("sessions", "translated"): TSUJIS | {"kernel"}}


def need_tools():
    for tool in ("nft", "iperf3", "ethtool"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise Skip(f"{tool} is not installed")


def left_behind(pid):
    """What a bench of that process has left: namespaces and directories."""
    namespaces = [line.split()[0] for line in must("ip netns list").splitlines()]
    return ([n for n in namespaces if n.startswith(f"tsuji-bench-{pid}-")],
            list(pathlib.Path("/tmp").glob("tsuji-bench-*/*.yaml")))


def start(*words):
    return subprocess.Popen([TSUJI, "bench", *map(str, words)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def is_flat(row):
    return all(isinstance(value, (str, int, float)) for value in row.values())


def check_row(row, values):
    measure = row["measure"]
    assert is_flat(row), row
    assert row["unit"] == UNITS[measure] and row["path"] in PATHS, row
    for key in values | MORE[measure]:
        assert row[key] > 0 or key == "cpu_s_per_million", (key, row) # that has a tick's resolution
    assert ("frame_bytes" in row) == (measure != "tcp"), row
    assert ("flows" in row) == (measure != "sessions"), row


def check_figures(rows, rounds):
    found = {}
    for row in rows:
        check_row(row, {"min", "median", "max"})
        assert row["rounds"] == rounds and row["min"] <= row["median"] <= row["max"], row
        found.setdefault((row["measure"], row["path"]), set()).add(row["contender"])
        assert row["ratio_to_kernel"] > 0, row
        if row["contender"] == "kernel":
            assert row["ratio_to_kernel"] == 1, row
        if row["measure"] in ("latency", "rate"):
            assert row["ratio_to_redirect"] > 0, row
    assert found == QUICK, found


@test
def a_quick_run_has_the_documented_shape():
    need_tools()
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "bench.json")
        bench = start("--quick", "--seconds", "0.2", "-o", file)
        out, err = bench.communicate(timeout=110)
        assert bench.returncode == 0, f"exit {bench.returncode}\n{out}{err}"
        assert err == "", err # progress is for terminals
        report = json.loads(file.read_text())
    assert report["schema"] == 1 and report["took_s"] > 0 and report["began"].endswith("Z"), report
    assert report["settings"] == {"quick": True, "rounds": 1, "seconds": 0.2,
                                  "generator": "xdp-live-frames"}, report["settings"]
    machine = report["machine"]
    assert machine["kernel"] == os.uname().release and machine["cpu"], machine
    assert machine["cpus"] == len(os.sched_getaffinity(0)), machine
    check_figures(report["figures"], 1)
    assert len(report["samples"]) == len(report["figures"])
    for row in report["samples"]:
        check_row(row, {"value"})
        assert row["round"] == 1, row
    for words in ("nft masquerade", "kernel bridge", "bare XDP redirect", "x kernel"):
        assert words in out, out
    assert left_behind(bench.pid) == ([], []), left_behind(bench.pid)


@test
def an_interrupt_ends_it_and_leaves_nothing():
    need_tools()
    for number in (signal.SIGINT, signal.SIGTERM):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "bench.json")
            bench = start("--seconds", "5", "-o", file)
            wait_for(lambda: len(left_behind(bench.pid)[0]) == 18, what="the labs of one path")
            bench.send_signal(number)
            out, err = bench.communicate(timeout=30)
            assert bench.returncode == 1 and "interrupted" in err and out == "", (out, err)
            assert not file.exists()
        assert left_behind(bench.pid) == ([], []), left_behind(bench.pid)


@test
def what_cannot_be_understood_is_refused_at_once():
    for words in ("--seconds", "--seconds 0", "--seconds fast", "--quick now", "-o", "-n x",
                  "-o /nonexistent/bench.json"):
        done = command(f"{TSUJI} bench {words}")
        assert done.returncode == 2 and done.stderr.startswith("tsuji: "), (words, done)


if __name__ == "__main__":
    main()
