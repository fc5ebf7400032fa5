#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_flow_torn.py - an entry of the flow cache that is rewritten while XDP reads it: each frame
goes by the one decision or the other, or the long way, and is counted once
(tests/bench/bench_torn.c)."""
import pathlib

from lib import Lab, Skip, TSUJI, main, must, test

PROGRAM = pathlib.Path(TSUJI).resolve().parent / "tests/bench_torn"
SECONDS = 4


@test
def an_entry_that_is_rewritten_is_used_whole_or_not_at_all():
    with Lab("abc", live=False) as lab:
        must(f"ip -n {lab.a.namespace} link add keeper0 type veth peer name keeper1")
        for keeper in "keeper0", "keeper1":
            must(f"ip -n {lab.a.namespace} link set {keeper} up")
        done = lab.run("router", f"{PROGRAM} {SECONDS} {lab.a.namespace} {lab.b.namespace}"
                                 f" {lab.c.namespace}")
        print("    " + done.stdout.strip().replace("\n", "\n    "))
        if done.returncode == 77:
            raise Skip(done.stdout.strip())
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    main()
