#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_kernel_services.py - where the router's kernel has the addresses too, hosts reach what
it serves there, and it reaches them; where it has not, its services are refused."""
from lib import Lab, main, must, test, wait_for

# One line to whoever connects, as a server of ssh says who it is.
GREETER = "python3 -c 'import socket; s = socket.create_server((\"0.0.0.0\", 22)); " \
          "[c.sendall(b\"SSH-2.0-greeter\\n\") or c.shutdown(1) or c.recv(9) " \
          "for c, a in iter(s.accept, 0)]'"


def serve(lab):
    lab.spawn("router", GREETER.replace("python3", "/usr/bin/python3", 1))
    wait_for(lambda: ":22 " in lab.must("router", "ss -ltn"), what="the greeter")


@test
def a_host_connects_to_the_routers_kernel():
    with Lab("ab", kernel_addresses=True) as lab:
        lab.start_tsuji()
        serve(lab)
        for host, to in (("a", "192.168.1.1"), ("b", "192.168.0.1"), ("a", "192.168.0.1")):
            out = lab.must(host, f"timeout 10 nc -N -w 5 {to} 22", input="")
            assert out == "SSH-2.0-greeter\n", (host, to, out)


@test
def udp_reaches_the_routers_kernel_and_an_answer_comes_back():
    with Lab("ab", kernel_addresses=True) as lab:
        lab.start_tsuji()
        server = "import socket; s = socket.socket(2, 2); s.bind((\"0.0.0.0\", 53))\n" \
                 "while True: d, a = s.recvfrom(9000); s.sendto(d[::-1], a)"
        lab.spawn("router", f"/usr/bin/python3 -c '{server}'")
        wait_for(lambda: ":53 " in lab.must("router", "ss -lun"), what="the server")
        client = "import socket; s = socket.socket(2, 2); s.settimeout(5); " \
                 "s.connect((\"192.168.1.1\", 53)); " \
                 "s.send(b\"abc\"); print(s.recv(99)); " \
                 "s.send(b\"x\" * 4000); print(len(s.recv(9000)))"
        out = lab.must("a", f"/usr/bin/python3 -c '{client}'")
        assert out == "b'cba'\n4000\n", out


@test
def ping_works_from_and_to_the_routers_namespace():
    with Lab("ab", kernel_addresses=True) as lab:
        lab.start_tsuji()
        for host in "ab":
            lab.must("router", f"ping -c 2 -i 0.2 -W 2 {lab.hosts[host].address}")
            for to in "ab":
                lab.must(host, f"ping -c 1 -W 2 {lab.hosts[to].gateway}")
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")


@test
def an_address_given_later_is_followed():
    with Lab("ab") as lab:
        lab.start_tsuji()
        serve(lab)
        assert lab.run("a", "timeout 10 nc -N -w 2 192.168.1.1 22", input="").stdout == ""
        must(f"ip -n {lab.router} address add 192.168.1.1/24 dev r0")
        wait_for(lambda: lab.run("a", "timeout 10 nc -N -w 2 192.168.1.1 22", input="").stdout,
                 what="the greeting")
        must(f"ip -n {lab.router} address del 192.168.1.1/24 dev r0")
        wait_for(lambda: not lab.run("a", "timeout 10 nc -N -w 1 192.168.1.1 22", input="").stdout,
                 what="silence")


@test
def an_address_only_the_kernel_has_is_the_kernels():
    with Lab("ab", kernel_addresses=True) as lab:
        must(f"ip -n {lab.router} address add 192.168.1.77/24 dev r0")
        lab.start_tsuji()
        lab.must("a", "ping -c 1 -W 2 192.168.1.77")
        assert lab.b.gateway_mac_text not in lab.must("a", "ip neigh show 192.168.1.77")


@test
def without_the_address_the_kernels_services_are_refused():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji()
        serve(lab)
        assert lab.run("a", "timeout 10 nc -N -w 2 192.168.1.1 22", input="").stdout == ""
        lab.must("a", "ping -c 1 -W 2 192.168.1.1")
        assert tsuji.drops().get("local-protocol", 0) > 0, tsuji.drops()


@test
def what_is_not_ipv4_stays_the_kernels():
    with Lab("ab") as lab:
        for where in ("router", "a"):
            lab.set(lab.namespace(where), {"ipv6/conf/all/disable_ipv6": 0})
        lab.set(lab.router, {"ipv6/conf/r0/disable_ipv6": 0})
        lab.set(lab.a.namespace, {"ipv6/conf/eth0/disable_ipv6": 0})
        must(f"ip -n {lab.router} address add fd00::1/64 dev r0 nodad")
        must(f"ip -n {lab.a.namespace} address add fd00::2/64 dev eth0 nodad")
        lab.start_tsuji()
        wait_for(lambda: lab.run("a", "ping -6 -c 1 -W 1 fd00::1").returncode == 0, what="IPv6")


if __name__ == "__main__":
    main()
