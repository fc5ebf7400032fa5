#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bench.py - `tsuji bench` measures what it says it measures: its JSON is what its own schema
says, no figure is missing or absurd, and nothing stays behind, not even when it is
interrupted. How fast anything is, is nobody's business here."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from lib import TSUJI, Skip, command, main, must, test, wait_for

PATHS = {"routed", "bridged", "translated"}
REFERENCES = {"kernel", "redirect"}
TSUJIS = {"tsuji-socket", "tsuji-c", "tsuji-flow-cache"}
# Who must have a figure, by measure, path and flows, in a quick run.
QUICK = {(m, path, flows): TSUJIS | REFERENCES for path in PATHS
         for m, flows in (("latency", 1), ("rate", 256), ("rate", 65536), ("lossfree", 256), ("latency-loaded", 256))}
for key in (("rate", path, 256) for path in PATHS):
    QUICK[key] = QUICK[key] | {"tsuji-burst"}
QUICK["rate", "routed", 256] = QUICK["rate", "routed", 256] | {"generator"}
QUICK["latency-apart", "routed", 1] = TSUJIS | REFERENCES
QUICK |= {("tcp", "routed", 1): TSUJIS | {"kernel"}, ("sessions", "translated", None): TSUJIS | {"kernel"}}
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def complaints(value, form, where="report"):
    """What about a value is not as a JSON Schema has it; of that language, what ours uses."""
    known = {"$schema", "description", "type", "const", "enum", "minimum", "anyOf", "items", "properties", "required",
             "additionalProperties"}
    assert set(form) <= known, f"a schema that this test does not understand: {set(form) - known}"
    found = []
    if "type" in form and (not isinstance(value, TYPES[form["type"]])
                           or (isinstance(value, bool) and form["type"] != "boolean")):
        return [f"{where}: {value!r} is no {form['type']}"]
    if "const" in form and value != form["const"]:
        return [f"{where}: {value!r}, not {form['const']!r}"]
    if "enum" in form and value not in form["enum"]:
        return [f"{where}: {value!r} is none of {form['enum']}"]
    if "minimum" in form and value < form["minimum"]:
        found.append(f"{where}: {value!r} is too small")
    if "anyOf" in form:
        tries = [complaints(value, one, where) for one in form["anyOf"]]
        if all(tries):
            found += min(tries, key=len)
    for number, item in enumerate(value if "items" in form else []):
        found += complaints(item, form["items"], f"{where}[{number}]")
    if "properties" in form:
        found += [f"{where}: {key} is missing" for key in form["required"] if key not in value]
        if not form["additionalProperties"]:
            found += [f"{where}: {key} is not documented" for key in value if key not in form["properties"]]
        for key, member in form["properties"].items():
            found += complaints(value[key], member, f"{where}.{key}") if key in value else []
    return found


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


def check_figures(rows, rounds):
    found = {}
    for row in rows:
        about = row["measure"], row["path"], row.get("flows")
        found.setdefault(about, set()).add(row["contender"])
        assert row["rounds"] == rounds and row["min"] <= row["median"] <= row["max"], row
        # On a busy machine there may be no rate without a loss.
        assert row["median"] > 0 or row["measure"] == "lossfree", row
        if row["contender"] == "kernel" and row["median"]:
            assert row["ratio_to_kernel"] == 1, row
        if row["contender"] == "redirect" and row["median"]:
            assert row["ratio_to_redirect"] == 1, row
        if row["measure"] == "rate": # the two are not read at the same moment
            assert row["median"] <= row["made_pps"] * 2, row
        if row["measure"].startswith("latency"):
            assert row["median"] <= row["p90_us"] <= row["p99_us"] <= row["p999_us"], row
        if row["measure"] == "latency-loaded":
            assert row["load_pps"] > 0, row
    assert found == QUICK, found


def a_bad_report(report):
    """Reports that the schema must refuse: each has one mistake."""
    row = report["figures"][0]
    for mistake in ({"unit": "furlongs"}, {"median": "fast"}, {"measure": "beauty"}, {"extra": 1}, {"min": -1}):
        yield {**report, "figures": [{**row, **mistake}]}
    yield {key: value for key, value in report.items() if key != "machine"}
    yield {**report, "schema": 1}


@test
def a_quick_run_is_as_its_schema_says():
    need_tools()
    schema = json.loads(must(f"{TSUJI} bench --schema"))
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "bench.json")
        bench = start("--quick", "--seconds", "0.1", "--generator", "xdp", "-o", file)
        out, err = bench.communicate(timeout=115)
        assert bench.returncode == 0, f"exit {bench.returncode}\n{out}{err}"
        assert err == "", err # progress is for terminals
        report = json.loads(file.read_text())
    assert not complaints(report, schema), complaints(report, schema)
    for bad in a_bad_report(report):
        assert complaints(bad, schema)
    settings, machine = report["settings"], report["machine"]
    assert settings["quick"] and settings["rounds"] == 1 and settings["seconds"] == 0.1, settings
    assert settings["generator"] == "xdp-live-frames", settings
    assert machine["kernel"] == os.uname().release and machine["cpu"], machine
    assert machine["cpus"] == len(os.sched_getaffinity(0)), machine
    check_figures(report["figures"], 1)
    assert len(report["samples"]) == len(report["figures"])
    assert {row["round"] for row in report["samples"]} == {1}
    for words in ("nft masquerade", "kernel bridge", "bare XDP redirect", "x kernel", "C/kernel", "none lost"):
        assert words in out, out
    assert left_behind(bench.pid) == ([], []), left_behind(bench.pid)


@test
def an_interrupt_ends_it_and_leaves_nothing():
    need_tools()
    for number in (signal.SIGINT, signal.SIGTERM):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "bench.json")
            bench = start("--seconds", "5", "-o", file)
            wait_for(lambda: len(left_behind(bench.pid)[0]) == 21, what="the labs of one path")
            bench.send_signal(number)
            out, err = bench.communicate(timeout=30)
            assert bench.returncode == 1 and "interrupted" in err and out == "", (out, err)
            assert not file.exists()
        assert left_behind(bench.pid) == ([], []), left_behind(bench.pid)


@test
def what_cannot_be_understood_is_refused_at_once():
    for words in ("--seconds", "--seconds 0", "--seconds fast", "--quick now", "-o", "-n x",
                  "--generator", "--generator hand", "--schema now",
                  "-o /nonexistent/bench.json"):
        done = command(f"{TSUJI} bench {words}")
        assert done.returncode == 2 and done.stderr.startswith("tsuji: "), (words, done)


@test
def pktgen_is_taken_only_where_it_is():
    if os.path.exists("/proc/net/pktgen/pgctrl"):
        raise Skip("this kernel has pktgen")
    done = command(f"{TSUJI} bench --quick --generator pktgen")
    assert done.returncode == 4 and "modprobe pktgen" in done.stderr, done


if __name__ == "__main__":
    main()
