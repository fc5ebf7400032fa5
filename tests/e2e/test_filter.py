#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_filter.py - the filter as people write it, met by their programs: the FORWARD rules of
a machine whose namespaces share its uplink, what a rejected program is told, counters per
rule, and what changes when the rules do.

    inside                     router                outside
    host a 192.168.1.2 ------- r0  r1 ------- 192.168.0.2 host b
                                   r2 ------- 192.168.2.2 host c

Nothing is translated here but where a test says so; every host has a route to the others."""
import json
import re

import frames
from frames import TCP, TCP_ACK, TCP_RST, TCP_SYN
from lib import Lab, main, test, wait_for
from nat_corpus import Tcp, NatCorpus

FORWARD = "filter:\n" \
          "  - {action: accept, from: 192.168.1.0/24}\n" \
          "  - {action: accept, to: 192.168.1.0/24, state: [established, related]}\n" \
          "  - {action: drop}\n"
REJECT = "filter:\n" \
         "  - {action: accept, state: [established, related]}\n" \
         "  - {action: accept, in: r0, protocol: icmp, icmp-type: echo-request}\n" \
         "  - {action: accept, in: r0, out: r1, protocol: tcp, port: 8000-8010}\n" \
         "  - {action: reject, in: r0}\n" \
         "  - {action: drop}\n"


def serve(lab, host, port):
    lab.spawn(host, f"python3 -m http.server {port} --directory {lab.directory}")
    wait_for(lambda: f":{port} " in lab.must(host, "ss -ltn"), what=f"a server on {host}")


def get(lab, where, url):
    return lab.run(where, f"curl -sS -m 2 -o /dev/null {url}")


def matched(tsuji):
    return [row["packets"] for row in json.loads(tsuji.must("-j filter show"))]


@test
def the_inside_speaks_and_the_outside_answers():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(FORWARD))
        for host in "ab":
            serve(lab, host, 8000)
        assert get(lab, "a", "http://192.168.0.2:8000/").returncode == 0
        lab.must("a", "ping -c 2 -i 0.2 -W 2 192.168.0.2")
        out = lab.must("a", "traceroute -n -q 1 -N 1 -w 2 192.168.0.2") # ends by a related error
        assert re.search(r" 2  192\.168\.0\.2 ", out), out
        assert get(lab, "b", "http://192.168.1.2:8000/").returncode == 28 # no answer at all
        assert lab.run("b", "ping -c 1 -W 1 192.168.1.2").returncode == 1
        first, second, third = matched(tsuji)
        assert first > 5 and second > 5 and third >= 2, (first, second, third)
        assert tsuji.drops().get("filter-drop") == third, tsuji.drops()
        lab.must("b", "ping -c 1 -W 2 192.168.0.1") # the router itself is not FORWARD's business
        lab.must("b", "ping -c 1 -W 2 192.168.1.1")


@test
def the_same_behind_masquerade():
    rules = "nat:\n  - {action: masquerade, out: r1, from: 192.168.1.0/24}\n" \
            "  - {action: dnat, in: r1, protocol: tcp, port: 9999, to: \"192.168.1.2:8000\"}\n"
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(rules + FORWARD))
        for host in "ab":
            serve(lab, host, 8000)
        assert get(lab, "a", "http://192.168.0.2:8000/").returncode == 0
        # Forwarded, and then filtered: the rules see where it goes.
        assert get(lab, "b", "http://192.168.0.1:9999/").returncode == 28
        allowed = FORWARD.replace("  - {action: drop}", "  - {action: accept, to: 192.168.1.2,"
                                                        " protocol: tcp, port: 8000}\n"
                                                        "  - {action: drop}")
        tsuji.file.write_text(lab.router_file(rules + allowed))
        assert "filter" in tsuji.must("reload")
        assert get(lab, "b", "http://192.168.0.1:9999/").returncode == 0
        assert get(lab, "b", "http://192.168.1.2:8000/").returncode == 0


@test
def a_rejected_program_is_told():
    with Lab("abc") as lab:
        tsuji = lab.start_tsuji(lab.router_file(REJECT))
        serve(lab, "b", 8010)
        assert get(lab, "a", "http://192.168.0.2:8010/").returncode == 0
        lab.must("a", "ping -c 1 -W 2 192.168.2.2")
        for url in ("192.168.0.2:8011", "192.168.2.2:8010"):
            refused = get(lab, "a", f"http://{url}/")
            assert refused.returncode == 7, refused # not 28, which is silence
        out = lab.must("a", ["python3", "-c", "import socket\n"
                             "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                             "s.connect(('192.168.0.2', 53)); s.settimeout(2); s.send(b'?')\n"
                             "try: s.recv(1)\nexcept ConnectionRefusedError: print('refused')"])
        assert "refused" in out, out
        drops = tsuji.drops()
        assert drops["filter-reset"] == 2 and drops["filter-reject"] == 1, drops
        assert matched(tsuji)[3] == 3


@test
def a_reset_is_one_that_its_receiver_believes():
    with Lab("ab", live=False) as lab:
        tsuji = lab.start_tsuji(raw_file(lab, "filter:\n  - {action: reject, out: r1}\n"))
        corpus, taps = NatCorpus(lab.hosts), lab.taps()
        for flags, data, want in ((TCP_SYN, b"", (TCP_RST | TCP_ACK, 0, 1001)),
                                  (TCP_SYN, b"fast", (TCP_RST | TCP_ACK, 0, 1005)),
                                  (TCP_ACK, b"late", (TCP_RST, 5000, 0))):
            t = Tcp(corpus, "192.168.1.2", "192.168.0.2")
            taps["a"].send(t.segment(flags, data))
            frame = taps["a"].wait(lambda f: frames.is_ip4(f) and f[23] == TCP)
            assert frame, (flags, data)
            seq, ack = (int.from_bytes(frame[at:at + 4], "big") for at in (38, 42))
            assert (frame[47], seq, ack) == want, frames.describe(frame)
            total = frames.pseudo(frame[26:30], frame[30:34], TCP, 20) + frame[34:54]
            assert frames.checksum(total) == 0 and frames.checksum(frame[14:34]) == 0
        taps["a"].send(Tcp(corpus, "192.168.1.2", "192.168.0.2").segment(TCP_RST))
        wait_for(lambda: tsuji.drops().get("filter-reset") == 4, what="the last drop")
        assert not [f for f in taps["a"].receive() if frames.is_ip4(f)] # no RST about a RST
        assert not [f for f in taps["b"].receive() if frames.is_ip4(f)]


def raw_file(lab, rules):
    return lab.router_file("neighbours:\n" + "".join(
        f'  - {{address: {h.address}, mac: "{h.mac_text}", port: {h.port}}}\n'
        for h in lab.hosts.values()) + rules)


@test
def states_are_those_of_the_session():
    states = "filter:\n" + "".join(f"  - {{action: accept, state: {state}}}\n"
                                   for state in ("new", "established", "related", "invalid"))
    with Lab("ab", live=False) as lab:
        tsuji = lab.start_tsuji(raw_file(lab, states))
        corpus, taps = NatCorpus(lab.hosts), lab.taps()
        t = Tcp(corpus, "192.168.1.2", "192.168.0.2")
        counts = [0, 0, 0, 0]

        def expect(host, frame, state):
            """The frame goes on, and the rule of that state has counted it."""
            taps[host].send(frame)
            assert taps["a" if host == "b" else "b"].wait(frames.is_ip4), state
            counts[("new", "established", "related", "invalid").index(state)] += 1
            assert matched(tsuji) == counts, (state, matched(tsuji), counts)
            return frame
        _, _, answer = t.back(TCP_SYN | TCP_ACK)
        syn = expect("a", t.segment(TCP_SYN), "new")
        reply = answer(syn)
        swap = lambda f: lab.b.gateway_mac + lab.b.mac + f[12:] # as it arrived at b
        expect("a", syn, "new") # once more
        expect("b", swap(reply), "established")
        expect("a", t.segment(TCP_ACK), "established")
        quoted = frames.icmp(3, 1, payload=reply[14:42])
        expect("a", corpus.frame(frames.ip4("192.168.1.2", "192.168.0.2", 1, quoted)), "related")
        expect("a", Tcp(corpus, "192.168.1.2", "192.168.0.2").segment(TCP_RST), "invalid")
        expect("a", Tcp(corpus, "192.168.1.2", "192.168.0.2").segment(TCP_ACK), "new")


@test
def a_reload_changes_the_rules_at_once_and_keeps_the_counts():
    with Lab("ab") as lab:
        tsuji = lab.start_tsuji(lab.router_file(FORWARD))
        lab.must("a", "ping -c 1 -W 2 192.168.0.2")
        before = matched(tsuji)
        closed = FORWARD.replace("filter:\n", "filter:\n  - {action: drop, protocol: icmp}\n")
        tsuji.file.write_text(lab.router_file(closed))
        tsuji.must("reload")
        assert lab.run("a", "ping -c 1 -W 1 192.168.0.2").returncode == 1
        assert matched(tsuji) == [1] + before, (matched(tsuji), before)
        tsuji.file.write_text(lab.router_file())
        tsuji.must("reload")
        lab.must("b", "ping -c 1 -W 2 192.168.1.2")
        assert matched(tsuji) == []


if __name__ == "__main__":
    main()
