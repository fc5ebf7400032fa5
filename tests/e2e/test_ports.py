#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_ports.py - a port goes away under the running router, in each way there is: the others
go on, it is reported, and it comes back by itself when it can."""
import json
import resource
import signal
import time

from lib import Lab, command, main, must, test, wait_for

PING = "ping -c 1 -W 2 "


def port_state(lab, name, state):
    wait_for(lambda: lab.tsuji.show("port", "name")[name]["state"] == state, 15, f"{name} {state}")


def reaches(lab, host, address, seconds=15):
    wait_for(lambda: lab.run(host, f"ping -c 1 -W 1 {address}").returncode == 0, seconds,
             f"{host} to {address}")


@test
def a_link_goes_down_and_up():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        for where in ("router", "a"):
            link = ["ip", "-n", lab.namespace(where), "link", "set", "r0"
                    if where == "router" else "eth0"]
            must(link + ["down"])
            port_state(lab, "r0", "down")
            assert tsuji.show("port", "name")["r0"]["reason"], tsuji.show("port", "name")["r0"]
            lab.must("b", PING + "192.168.2.2")
            assert lab.run("b", "ping -c 1 -W 1 192.168.1.2").returncode == 1
            must(link + ["up"])
            if where == "a":
                must(f"ip -n {lab.a.namespace} route replace default via 192.168.1.1")
            port_state(lab, "r0", "up")
            reaches(lab, "a", "192.168.0.2")
        tsuji.stop()


@test
def a_peer_namespace_disappears_and_the_interface_is_made_again():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        lab.must("a", PING + "192.168.0.2")
        must(f"ip netns del {lab.a.namespace}")
        port_state(lab, "r0", "lost")
        lab.must("b", PING + "192.168.2.2")
        must(f"ip netns add {lab.a.namespace}")
        lab.connect(lab.a)
        port_state(lab, "r0", "up")
        reaches(lab, "a", "192.168.0.2")
        assert tsuji.show("port", "name")["r0"]["rx_packets"] > 0
        tsuji.stop()


@test
def an_interface_is_deleted_and_made_again_many_times():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        frames = tsuji.show("stats")
        for _ in range(5):
            must(f"ip -n {lab.router} link del r0")
            port_state(lab, "r0", "lost")
            lab.connect(lab.a)
            port_state(lab, "r0", "up")
            reaches(lab, "a", "192.168.0.2")
        assert len(frames) == len(tsuji.show("stats"))
        lab.must("b", PING + "192.168.2.2")
        tsuji.stop()


def detach(lab, port):
    """Detaches the port's XDP link as an administrator would."""
    device = json.loads(lab.must("router", f"ip -j link show {port}"))[0]
    ours = {"type": "xdp", "prog_id": device["xdp"]["prog"]["id"]}
    for link in json.loads(lab.must("router", "bpftool -j link show")):
        elsewhere = link.get("ifindex", device["ifindex"]) != device["ifindex"]
        if ours.items() <= link.items() and not elsewhere:
            must(f"bpftool link detach id {link['id']}")
            return
    raise AssertionError(f"no XDP link on {port}")


@test
def someone_detaches_the_gate():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        losses = len(tsuji.output())
        detach(lab, "r0")
        lab.must("b", PING + "192.168.2.2")
        wait_for(lambda: len(tsuji.output()) > losses, 15, "a message")
        port_state(lab, "r0", "up")
        reaches(lab, "a", "192.168.0.2")
        tsuji.stop()


@test
def more_changes_than_the_kernel_keeps_for_us():
    """What waits to be read when messages are lost is older than what was lost."""
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        must(f"ip -n {lab.router} link add noise0 type veth peer name noise1")
        tsuji.process.send_signal(signal.SIGSTOP)
        must(f"ip -n {lab.router} link set r0 down")
        noise = "link set noise0 up\nlink set noise0 down\n" * 1000
        must(f"ip -n {lab.router} -batch -", input=noise)
        must(f"ip -n {lab.router} link set r0 up")
        time.sleep(2) # its carrier is told late, and must be among what is lost
        tsuji.process.send_signal(signal.SIGCONT)
        port_state(lab, "r0", "up")
        tsuji.stop()


@test
def a_mtu_changes_while_running():
    with Lab("abc") as lab:
        lab.start_tsuji()
        must(f"ip -n {lab.router} link set r1 mtu 1300")
        wait_for(lambda: lab.tsuji.show("port", "name")["r1"]["mtu"] == 1300, 10, "mtu")
        told = lab.run("a", "ping -M do -s 1400 -c 1 -W 2 192.168.0.2")
        assert "mtu = 1300" in told.stdout + told.stderr, told.stdout + told.stderr


@test
def a_soft_limit_of_descriptors_does_not_limit_the_ports():
    """Of seven descriptors a port, a shell's usual 1024 would be enough for 140."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Lab("abc") as lab:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
        try:
            tsuji = lab.start_tsuji()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        lab.must("a", PING + "192.168.2.2")
        tsuji.stop()


@test
def nothing_stays_attached_after_the_end():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji()
        assert "prog/xdp" in must(f"ip -n {lab.router} link show r0")
        tsuji.stop()
        assert "prog/xdp" not in must(f"ip -n {lab.router} link show")
        assert command(f"ip -n {lab.router} link show r2").returncode == 0


if __name__ == "__main__":
    main()
