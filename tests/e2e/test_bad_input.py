#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_bad_input.py - what bad input gets: one clear message, file:line:column where there is
a file, the right exit code, and nothing changed or left behind."""
import json
import os
import pathlib
import re
import resource

from lib import TSUJI, Lab, command, main, must, test

PORTS = "ports:\n  r0: {addresses: [192.168.1.1/24]}\n  r1: {addresses: [192.168.0.1/24]}\n"

# The text of a file with «» around what is wrong, and a word of the complaint.
BROKEN = [
    (PORTS + "«routs»: []\n", "routes"),
    (PORTS + "routes:\n  - {to: 10.9.0.0/16, «vai»: 192.168.0.9}\n", "via"),
    ("ports:\n  r0: {addresses: [«192.168.1.300/24»]}\n", "not an IPv4 prefix"),
    ("ports:\n  r0: {addresses: [«192.168.1.1/33»]}\n", "not an IPv4 prefix"),
    ("ports:\n  r0: {addresses: [«192.168.1.1»]}\n", "prefix length"),
    ("ports:\n  r0: {addresses: [192.168.1.1/24]}\n  r1: {addresses: [«192.168.1.1/24»]}\n",
     "192.168.1.1"),
    ("ports:\n  r0: {addresses: [192.168.1.1/24, «192.168.1.1/24»]}\n", "192.168.1.1"),
    ("ports:\n  r0: {addresses: [192.168.1.1/24]}\n  r1: {addresses: [«192.168.1.129/25»]}\n",
     "overlap"),
    (PORTS + "routes:\n  - {to: 10.9.0.0/16, via: «192.168.77.9»}\n", "192.168.77.9"),
    (PORTS + "routes:\n  - {to: 10.9.0.0/16, via: «192.168.0.1»}\n", "192.168.0.1"),
    (PORTS + "routes:\n  - {to: «10.9.0.1/16», via: 192.168.0.9}\n", "host bits"),
    (PORTS + "routes:\n  - {to: 10.9.0.0/16, type: «blakhole»}\n", "blackhole"),
    (PORTS + "neighbours:\n  - {address: 192.168.1.2, mac: «zz:00:00:00:00:02», port: r0}\n",
     "MAC"),
    (PORTS + "neighbours:\n  - {address: 192.168.1.2, mac: \"02:00:00:00:00:02\", port: «r7»}\n",
     "r7"),
    (PORTS + "lanes: {transmit: «warp»}\n", "socket"),
    (PORTS + "frames: «many»\n", "number"),
    ("ports:\n  r0: {addresses: [«192.168.1.1/24»]}\nbridges:\n  br0: {ports: [r0]}\n", "bridge br0"),
    (PORTS + "bridges:\n  br0: {ports: [r2, «r2»]}\n", "r2"),
    ("ports:\n  r0: {mirror: «r0»}\nbridges:\n  br0: {ports: [r0, r1]}\n", "own mirror"),
    (PORTS + "nat:\n  - {action: «masq», out: r1}\n", "masquerade"),
    (PORTS + "filter:\n  - {action: drop, «port»: 80}\n", "protocol"),
    (PORTS + "«ports»:\n  r2: {addresses: [192.168.2.1/24]}\n", "ports"),
]


def check(tmp, text):
    file = tmp / "router.yaml"
    file.write_text(text)
    return file, command([TSUJI, "check", str(file)], timeout=30)


@test
def each_mistake_is_shown_at_its_place():
    with Lab("ab") as lab:
        for marked, word in BROKEN:
            before = marked[:marked.index("«")]
            line, column = before.count("\n") + 1, len(before.rsplit("\n", 1)[-1]) + 1
            file, done = check(lab.directory, marked.replace("«", "").replace("»", ""))
            assert done.returncode == 2, (marked, done)
            assert f"{file}:{line}:{column}: error: " in done.stderr, (marked, done.stderr)
            assert word in done.stderr and "^" in done.stderr, (marked, done.stderr)


@test
def syntax_errors_have_a_place_too():
    with Lab("ab") as lab:
        for text in ("ports: [\n", "ports: {r0: }}\n", "\tports:\n", "ports: &a {}\nroutes: *a\n",
                     "ports: !x {}\n",
                     "--- {}\n--- {}\n", "ports: \"open\n", "\0\0\0", "\xff\xfe", "- ports\n",
                     "ports\n", "ports: 7\n"):
            file, done = check(lab.directory, text)
            assert done.returncode == 2, (text, done)
            assert re.search(rf"^{re.escape(str(file))}:(\d+:\d+: )?.*error: ", done.stderr,
                             re.M), (text, done.stderr)
            assert "AddressSanitizer" not in done.stderr


@test
def twenty_errors_are_found_in_one_pass():
    with Lab("ab") as lab:
        routes = "".join(f"  - {{to: 10.{n}.0.0/16, via: 192.168.77.{n + 1}}}\n" for n in range(20))
        file, done = check(lab.directory, PORTS + "routes:\n" + routes)
        assert done.returncode == 2 and done.stderr.count(": error: ") == 20, done.stderr
        for n in range(20):
            assert f"{file}:{5 + n}:" in done.stderr, n
        assert "20 errors" in done.stderr


@test
def a_huge_or_deep_file_is_refused_quickly():
    with Lab("ab") as lab:
        huge = lab.directory / "huge.yaml"
        with open(huge, "wb") as out:
            out.truncate(100 << 20)
        done = command([TSUJI, "check", str(huge)], timeout=10)
        assert done.returncode == 2 and "huge.yaml" in done.stderr and "MiB" in done.stderr, done
        for text in ("ports: " + "[" * 100000, "ports: " + "{a: " * 20000, "- " * 50000):
            done = check(lab.directory, text)[1]
            assert done.returncode == 2 and len(done.stderr) < 10000, done.stderr[:500]


@test
def files_that_cannot_be_read_are_named():
    with Lab("ab") as lab:
        for path in (lab.directory / "missing.yaml", lab.directory):
            done = command([TSUJI, "check", str(path)])
            assert done.returncode == 2 and str(path) in done.stderr, done
            done = command([TSUJI, "run", "-c", str(path), "-n", lab.router], timeout=10)
            assert done.returncode == 2 and str(path) in done.stderr, done
        empty = check(lab.directory, "")[1]
        assert empty.returncode == 2 and "router.yaml" in empty.stderr, empty


@test
def a_good_file_needs_no_root():
    with Lab("ab") as lab:
        os.chmod(lab.directory, 0o755)
        file = lab.directory / "router.yaml"
        file.write_text(PORTS)
        os.chmod(file, 0o644)
        binary = lab.directory / "tsuji"
        binary.write_bytes(pathlib.Path(TSUJI).read_bytes())
        binary.chmod(0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        done = command([str(binary), "check", str(file)], **nobody)
        assert done.returncode == 0, done
        done = command([str(binary), "run", "-c", str(file)], timeout=10, **nobody)
        assert done.returncode == 4 and "root" in done.stderr, done


def run_fails(lab, text, status, *words, namespace=None):
    """tsuji run ends with status and words in its message, and attaches nothing."""
    file = lab.directory / "router.yaml"
    file.write_text(text)
    done = command([TSUJI, "run", "-c", str(file), "-n", namespace or lab.router], timeout=10)
    said = done.stdout + done.stderr
    assert done.returncode == status, (done.returncode, said)
    assert all(word in said for word in words) and "ready" not in said.split(), said
    left = must(f"ip -n {lab.router} link show")
    assert "tsuji" not in left, left
    return said


@test
def an_interface_that_is_missing_is_named_and_nothing_stays_attached():
    with Lab("ab") as lab:
        text = PORTS + "  r7: {addresses: [192.168.7.1/24]}\n"
        said = run_fails(lab, text, 2, "r7", "r0, r1")
        assert re.search(r"router.yaml:4:3: ", said), said
        assert "prog/xdp" not in must(f"ip -n {lab.router} link show")


@test
def an_interface_with_a_program_is_refused_and_keeps_it():
    with Lab("ab") as lab:
        other = lab.directory / "pass.o"
        source = '#include <linux/bpf.h>\n__attribute__((section("xdp"))) ' \
                 'int p(struct xdp_md *c) { return XDP_PASS; }'
        must(["clang", "-O2", "-g", "-target", "bpf",
              f"-I/usr/include/{os.uname().machine}-linux-gnu", "-x", "c", "-",
              "-c", "-o", str(other)], input=source)
        must(f"ip -n {lab.router} link set r1 xdpdrv obj {other} sec xdp")
        before = json.loads(must(f"ip -n {lab.router} -j link show r1"))[0]["xdp"]["prog"]["id"]
        run_fails(lab, PORTS, 1, "r1", "XDP")
        after = json.loads(must(f"ip -n {lab.router} -j link show r1"))[0]["xdp"]["prog"]["id"]
        assert before == after
        assert "prog/xdp" not in must(f"ip -n {lab.router} link show r0")


@test
def a_namespace_that_is_missing_is_named():
    with Lab("ab") as lab:
        run_fails(lab, PORTS, 2, "no-such-namespace", namespace="no-such-namespace")
        done = command([TSUJI, "-n", "no-such-namespace", "port", "show"])
        assert done.returncode == 2 and "no-such-namespace" in done.stderr, done


@test
def without_a_daemon_the_commands_say_so():
    with Lab("ab") as lab:
        for words in ("port show", "route show", "neigh show", "drops show", "reload",
                      "route add 10.0.0.0/8 via 1.2.3.4"):
            for json_flag in ([], ["-j"]):
                done = command([TSUJI, *json_flag, "-n", lab.router, *words.split()])
                assert done.returncode == 3 and done.stdout == "" and done.stderr, (words, done)


@test
def usage_errors_exit_2():
    for words in ("nonsense", "route frobnicate", "run", "check", "lab up", "port show extra words",
                  "route add 10.0.0.0/8 via nowhere", "route add", "-z", "run -c"):
        done = command([TSUJI, *words.split()], timeout=10)
        assert done.returncode == 2 and done.stderr, (words, done)
    done = command([TSUJI, "rout", "shwo"])
    assert done.returncode == 2


@test
def live_changes_that_are_wrong_change_nothing():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        before = tsuji.must("-j route show")
        for words, status in (("route add 10.9.0.0/16 via 192.168.77.9", 2),
                              ("route add 10.9.0.1/16 via 192.168.0.9", 2),
                              ("route add 300.0.0.0/8 via 192.168.0.9", 2),
                              ("route del 10.66.0.0/16", 1),
                              ("neigh add 192.168.1.2 mac zz port r0", 2),
                              ("neigh del 192.168.1.99", 1),
                              ("route add 10.9.0.0/16 via 192.168.0.9 metrik 3", 2)):
            done = tsuji.cli(words)
            assert done.returncode == status and done.stderr, (words, done)
        tsuji.must("route add 10.9.0.0/16 via 192.168.0.9")
        assert tsuji.cli("route add 10.9.0.0/16 via 192.168.0.9").returncode == 1
        tsuji.must("route del 10.9.0.0/16 via 192.168.0.9")
        assert tsuji.must("-j route show") == before


@test
def too_little_locked_memory_is_explained():
    with Lab("ab") as lab:
        file = lab.directory / "router.yaml"
        file.write_text(PORTS)

        def little():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        # Without CAP_IPC_LOCK and CAP_SYS_RESOURCE the limit counts.
        done = command(["capsh", "--drop=cap_ipc_lock,cap_sys_resource", "--", "-c",
                        f"exec {TSUJI} run -c {file} -n {lab.router}"], preexec_fn=little,
                        timeout=10)
        assert done.returncode == 4 and "ulimit -l" in done.stdout + done.stderr, done


@test
def too_many_frames_are_refused_not_attempted():
    with Lab("ab") as lab:
        file, done = check(lab.directory, PORTS + "frames: 99999999999\n")
        assert done.returncode == 2 and f"{file}:4:9: error" in done.stderr, done


if __name__ == "__main__":
    main()
