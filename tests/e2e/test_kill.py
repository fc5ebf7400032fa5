#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_kill.py - however tsuji ends, nothing of it stays on the interfaces, and it starts
again; while one runs, a second one in the namespace is refused."""
import os
import pathlib
import signal

from lib import Lab, Tsuji, main, must, test

PING = "ping -c 1 -W 2 192.168.0.2"


def sockets():
    return {p.name for p in pathlib.Path("/run/tsuji").glob("*.sock")}


def inode(lab):
    return os.stat(f"/run/netns/{lab.router}").st_ino


@test
def kill_9_leaves_nothing_attached_and_it_starts_again():
    with Lab("ab") as lab:
        for _ in range(3):
            tsuji = lab.start_tsuji()
            lab.must("a", PING)
            tsuji.process.send_signal(signal.SIGKILL)
            tsuji.process.wait()
            assert "prog/xdp" not in must(f"ip -n {lab.router} link show")
        tsuji = lab.start_tsuji()
        lab.must("a", PING)
        tsuji.stop()
        assert f"{inode(lab)}.sock" not in sockets()


@test
def after_a_kill_the_kernel_routes_if_it_was_told_to():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        lab.must("a", PING)
        lab.start_kernel()
        tsuji.process.send_signal(signal.SIGKILL)
        tsuji.process.wait()
        lab.must("a", PING)
        lab.start_tsuji().stop() # which clears away the socket of the killed one


@test
def each_ending_signal_ends_it_with_0():
    with Lab("ab") as lab:
        for number in (signal.SIGTERM, signal.SIGINT):
            tsuji = lab.start_tsuji()
            tsuji.process.send_signal(number)
            assert tsuji.process.wait(10) == 0, tsuji.output()
            assert "prog/xdp" not in must(f"ip -n {lab.router} link show")
            assert f"{inode(lab)}.sock" not in sockets()


@test
def a_second_one_is_refused_and_the_first_goes_on():
    with Lab("ab") as lab:
        first = lab.start_tsuji()
        second = Tsuji(lab, lab.router_file())
        assert second.process.wait(10) == 1, second.output()
        assert "tsuji" in second.output() and "ready" not in second.output().splitlines()
        lab.must("a", PING)
        first.show("port")
        first.stop()


@test
def the_control_socket_is_roots_alone():
    with Lab("ab") as lab:
        lab.start_tsuji()
        socket = pathlib.Path("/run/tsuji") / f"{inode(lab)}.sock"
        assert socket.stat().st_mode & 0o777 == 0o600
        assert socket.parent.stat().st_mode & 0o777 == 0o700


if __name__ == "__main__":
    main()
