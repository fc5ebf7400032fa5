# SPDX-License-Identifier: BSD-2-Clause
"""nat_corpus.py - what test_nat_differential.py plays: conversations through a translating,
filtering router, made by code.

    inside: 10.1.0.0/16          192.168.0.0/24           outside: 10.2.0.0/16
        host a ------------ r0 router r1 ------------ host b
                                     r2 ------------ host c     another outside: 10.3.0.0/16,
                                          192.168.2.0/24        MTU 1400

RULES says it in both routers' words: what comes from inside is masqueraded towards b; half of
it has a fixed source towards c, and the other half goes there as it is, under the eyes of a
filter; some ports and an address of the outside lead to servers inside. Each case has inside
addresses, source ports and identifiers of its own, so that no case sees another's sessions
and each port is free; protocols without ports have a remote of their own for the same reason.

A case is a name, steps, and for those where the router has to choose a port the ports that
it has not chosen (else None). A step is one of
    ("send", host, frames)       at once, from that host's raw socket
    ("answer", host, function)   sends function(the last datagram that arrived at host), and
                                 nothing where none has
    ("router", "reload")         the same rules are loaded once more
"""
import collections
import struct

from corpus import Corpus
from frames import (DF, ETH_IPV4, ICMP, MF, TCP, TCP_ACK, TCP_RST, TCP_SYN, UDP, addr, checksum,
                    echo, eth, header_len, icmp, ip4, pseudo, tcp, text, udp)

Case = collections.namedtuple("Case", "name steps ports")

UDP_LITE = 136
TCP_FIN, TCP_PSH, TCP_URG = 0x01, 0x08, 0x20
OUTSIDE, FIXED, WHOLE = "192.168.0.1", "192.168.2.77", "192.168.0.77"
SERVER, WHOLE_SERVER = "10.1.200.3", "10.1.200.4"

TSUJI_RULES = f"""
nat:
  - {{action: masquerade, out: r1, from: 10.1.0.0/16}}
  - {{action: snat, out: r2, from: 10.1.0.0/17, to: {FIXED}}}
  - {{action: dnat, in: r1, protocol: tcp, port: 9999, to: "{SERVER}:9999"}}
  - {{action: dnat, in: r1, protocol: tcp, port: 7000, to: "{SERVER}:80"}}
  - {{action: dnat, in: r1, protocol: udp, port: 5300-5309, to: "{SERVER}:6300-6309"}}
  - {{action: dnat, in: r1, address: {WHOLE}/32, to: {WHOLE_SERVER}}}
filter:
  - {{action: accept, protocol: 253}}
  - {{action: accept, in: r2, out: r0, state: [established, related]}}
  - {{action: accept, in: r2, protocol: tcp, to: {SERVER}, port: 9999}}
  - {{action: accept, in: r2, out: r0, protocol: tcp, port: 22}}
  - {{action: accept, in: r2, out: r0, protocol: icmp, icmp-type: echo-request}}
  - {{action: reject, in: r2, out: r0, protocol: tcp, port: 23-25}}
  - {{action: reject, in: r2, out: r0, protocol: udp, port: 5000-5999}}
  - {{action: reject, in: r2, out: r0, protocol: 47}}
  - {{action: drop, in: r2, out: r0}}
  - {{action: reject, in: r0, to: 10.3.9.0/24}}
  - {{action: drop, in: r0, out: r2, state: invalid}}
  - {{action: drop, in: r0, from: 10.1.128.0/17, protocol: udp, sport: 6666}}
"""

NFT_RULES = f"""
flush ruleset
table ip lab {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    ip daddr {OUTSIDE} tcp dport 9999 dnat to {SERVER}:9999
    ip daddr {OUTSIDE} tcp dport 7000 dnat to {SERVER}:80
    ip daddr {OUTSIDE} udp dport 5300-5309 dnat to {SERVER} : 5300-5309 map {{
      {", ".join(f"{5300 + n} : {6300 + n}" for n in range(10))} }}
    ip daddr {WHOLE} dnat to {WHOLE_SERVER}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname r1 ip saddr 10.1.0.0/16 masquerade
    oifname r2 ip saddr 10.1.0.0/17 snat to {FIXED}
    iifname r0 oifname r0 ct original ip daddr {OUTSIDE} ct status dnat snat to {OUTSIDE}
    iifname r0 oifname r0 ct original ip daddr {WHOLE} ct status dnat snat to {WHOLE}
  }}
  chain forward {{
    type filter hook forward priority filter;
    meta l4proto 253 accept
    iifname r2 oifname r0 ct state established,related accept
    iifname r2 ip daddr {SERVER} tcp dport 9999 accept
    iifname r2 oifname r0 tcp dport 22 accept
    iifname r2 oifname r0 icmp type echo-request accept
    iifname r2 oifname r0 tcp dport 23-25 reject with tcp reset
    iifname r2 oifname r0 udp dport 5000-5999 reject
    iifname r2 oifname r0 meta l4proto 47 reject
    iifname r2 oifname r0 drop
    iifname r0 ip daddr 10.3.9.0/24 meta l4proto tcp reject with tcp reset
    iifname r0 ip daddr 10.3.9.0/24 reject
    iifname r0 oifname r2 ct state invalid drop
    iifname r0 ip saddr 10.1.128.0/17 udp sport 6666 drop
  }}
}}
""".replace(f"dnat to {SERVER} : 5300-5309 map", f"dnat to {SERVER} : udp dport map")


# -- frames that answer others ---------------------------------------------------------

def datagram(frame):
    """The IPv4 datagram in a frame, without padding."""
    return frame[14:14 + struct.unpack("!H", frame[16:18])[0]]


def parts(frame):
    """Source, destination, and what follows the IPv4 header."""
    return text(frame[26:30]), text(frame[30:34]), datagram(frame)[header_len(frame):]


def ports(frame):
    return struct.unpack("!HH", parts(frame)[2][:4])


def back(frame, payload, protocol=None, **fields):
    """A frame to where that one came from, by link and by address."""
    src, dst, _ = parts(frame)
    return eth(frame[6:12], frame[:6], ETH_IPV4,
               ip4(dst, src, frame[23] if protocol is None else protocol, payload, **fields))


def udp_back(frame, data=b"answer", fields=None, **udp_fields):
    src, dst, _ = parts(frame)
    sport, dport = ports(frame)
    return back(frame, udp(dst, src, data, sport=dport, dport=sport, **udp_fields),
                **(fields or {}))


def query_back(frame, kind=None):
    """The reply to an ICMP query: echo's, or the type one above."""
    message = parts(frame)[2]
    kind = (0 if message[0] == 8 else message[0] + 1) if kind is None else kind
    return back(frame, icmp(kind, 0, message[4:8], message[8:]))


def error_about(frame, kind=3, code=3, rest=bytes(4), src=None, size=28, quoted=None, **fields):
    """The ICMP error that whoever received the frame, or src on the way, sends about it."""
    quoted = datagram(frame)[:size] if quoted is None else quoted
    return eth(frame[6:12], frame[:6], ETH_IPV4,
               ip4(src or frame[30:34], frame[26:30], ICMP,
                   icmp(kind, code, rest, quoted, **fields)))


def udp_lite(src, dst, sport, dport=9999, data=b"lite"):
    """RFC 3828: UDP that has a checksum coverage, here the header's, in place of a length."""
    head = struct.pack("!HHH", sport, dport, 8)
    total = pseudo(src, dst, UDP_LITE, 8 + len(data)) + head
    return head + struct.pack("!H", checksum(total)) + data


class Tcp:
    """One connection, inside to outside unless told otherwise: makes steps whose sequence
    numbers are right."""

    def __init__(self, c, src, dst="10.2.0.1", sport=None, dport=80, here="a", there="b"):
        self.c, self.ends, self.ports = c, (src, dst), (sport or c.port(), dport)
        self.here, self.there = here, there
        self.seq, self.peer = 1000, 5000

    def segment(self, flags, data=b"", **fields):
        body = tcp(*self.ends, data, sport=self.ports[0], dport=self.ports[1], seq=self.seq,
                   ack=self.peer if flags & TCP_ACK else 0, flags=flags, **fields)
        self.seq += len(data) + bool(flags & TCP_SYN) + bool(flags & TCP_FIN)
        return self.c.frame(ip4(*self.ends, TCP, body), self.here)

    def out(self, flags, data=b"", **fields):
        return "send", self.here, [self.segment(flags, data, **fields)]

    def back(self, flags, data=b"", **fields):
        seq, ack = self.peer, self.seq if flags & TCP_ACK else 0
        self.peer += len(data) + bool(flags & TCP_SYN) + bool(flags & TCP_FIN)

        def answer(frame):
            src, dst, _ = parts(frame)
            sport, dport = ports(frame)
            return back(frame, tcp(dst, src, data, sport=dport, dport=sport, seq=seq, ack=ack,
                                   flags=flags), TCP, **fields)
        return "answer", self.there, answer

    def handshake(self):
        return [self.out(TCP_SYN), self.back(TCP_SYN | TCP_ACK), self.out(TCP_ACK)]

    def data(self):
        return [self.out(TCP_ACK | TCP_PSH, b"question"), self.back(TCP_ACK | TCP_PSH, b"answer"),
                self.out(TCP_ACK)]

    def close(self):
        return [self.out(TCP_FIN | TCP_ACK), self.back(TCP_FIN | TCP_ACK), self.out(TCP_ACK)]


class NatCorpus(Corpus):
    """Steps are frames in their turn; inside addresses are never used twice."""

    def __init__(self, hosts):
        super().__init__(hosts)
        self.n_plain, self.n_ports = 0, 10000

    def plain(self):
        """An inside address that has no translation towards c."""
        self.n_plain += 1
        return f"10.1.{128 + (self.n_plain >> 8)}.{self.n_plain & 255}"

    def port(self):
        """A port, or identifier, that no other case has."""
        self.n_ports += 1
        return self.n_ports

    def echo(self, **fields):
        return echo(ident=self.port(), **fields)

    def remote(self, network=2):
        number = self.port()
        return f"10.{network}.{number >> 8}.{number & 255}"

    def case(self, name, *steps, known=None):
        self.cases.append(Case(name, list(steps), known))

    def packet(self, src, dst="10.2.0.1", protocol=UDP, payload=b"", host="a", **fields):
        return self.frame(ip4(src, dst, protocol, payload, **fields), host)

    def query(self, src, dst="10.2.0.1", data=b"question", host="a", fields=None, **udp_fields):
        """One UDP datagram, as a step."""
        udp_fields.setdefault("sport", self.port())
        return "send", host, [self.packet(src, dst, UDP, udp(src, dst, data, **udp_fields), host,
                                          **(fields or {}))]

    def exchange(self, name, src, protocol, payload, answer, dst=None, **fields):
        """One datagram out and its answer back."""
        dst = dst or self.remote()
        there = "c" if dst.startswith("10.3.") else "b"
        self.case(name, ("send", "a", [self.packet(src, dst, protocol, payload, **fields)]),
                  ("answer", there, answer))


# -- families --------------------------------------------------------------------------

def connections(c):
    for name, dst, there, source in (("masquerade", "10.2.0.1", "b", c.source),
                                     ("snat", "10.3.0.1", "c", c.source),
                                     ("plain", "10.3.0.1", "c", c.plain)):
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}", *t.handshake(), *t.data(), *t.close())
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-server-closes", *t.handshake(), t.back(TCP_FIN | TCP_ACK),
               t.out(TCP_ACK), t.out(TCP_ACK, b"half closed"), t.out(TCP_FIN | TCP_ACK),
               t.back(TCP_ACK))
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-refused", t.out(TCP_SYN), t.back(TCP_RST | TCP_ACK))
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-reset-inside", *t.handshake(), t.out(TCP_RST | TCP_ACK))
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-reset-outside", *t.handshake(), t.back(TCP_RST | TCP_ACK))
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-goes-on-after-reset", *t.handshake(), t.back(TCP_RST | TCP_ACK),
               *t.data())
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-anew-after-close", *t.handshake(), *t.close(), *again(t).handshake())
        t = Tcp(c, source(), dst, there=there)
        c.case(f"tcp/{name}-far-out-of-window", *t.handshake(), skip(t, 1 << 28).out(TCP_ACK, b"?"))
    t = Tcp(c, c.source())
    c.case("tcp/simultaneous-open", t.out(TCP_SYN), t.back(TCP_SYN), t.out(TCP_SYN | TCP_ACK),
           t.back(TCP_ACK))
    t = Tcp(c, c.source())
    c.case("tcp/syn-again", t.out(TCP_SYN), again(t).out(TCP_SYN), t.back(TCP_SYN | TCP_ACK))
    for flags in (TCP_ACK | TCP_URG, TCP_ACK | TCP_PSH | TCP_URG, TCP_ACK | 0xC0):
        t = Tcp(c, c.source())
        c.case(f"tcp/in-session-flags-{flags:#04x}", *t.handshake(), t.out(flags, b"x"),
               t.back(flags, b"y"))
    for flags in (0, TCP_FIN, TCP_PSH, 0x3F, TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST):
        t = Tcp(c, c.source())
        c.case(f"tcp/in-session-odd-flags-{flags:#04x}", *t.handshake(), t.out(flags))
    t = Tcp(c, c.source(), sport=80, dport=80)
    c.case("tcp/low-port", *t.handshake())


def again(t):
    """The same connection from its beginning."""
    return Tcp(t.c, t.ends[0], t.ends[1], *t.ports, t.here, t.there)


def skip(t, by):
    t.seq += by
    return t


def datagrams(c):
    for to, there, source in (("10.2.0.1", "b", c.source), ("10.3.0.1", "c", c.source),
                              ("10.3.0.1", "c", c.plain)):
        for size in (0, 1, 2, 7, 512, 1372):
            src = source()
            c.case(f"udp/{to}-{src}-size-{size}", c.query(src, to, b"\xa5" * size),
                   ("answer", there, lambda f, n=size: udp_back(f, b"\x5a" * n)))
    for name, check in (("zero", 0), ("wrong", 0x1234), ("ones", 0xFFFF)):
        src = c.source()
        c.case(f"udp/checksum-{name}", c.query(src, check=check),
               ("answer", "b", lambda f, k=check: udp_back(f, check=k)))
    for n in range(4):
        sum_becomes_zero(c, n)
    src = c.source()
    c.case("udp/many-answers", c.query(src, sport=3000), *[("answer", "b", udp_back)] * 3,
           c.query(src, sport=3000), ("answer", "b", udp_back))
    for sport, dport in ((53, 53), (1, 1), (65535, 65535), (500, 4500), (1023, 123), (9, 0)):
        c.case(f"udp/ports-{sport}-{dport}", c.query(c.source(), sport=sport, dport=dport),
               ("answer", "b", udp_back))
    src = c.source()
    c.case("udp/two-remotes", c.query(src, sport=3001), ("answer", "b", udp_back),
           c.query(src, "10.2.0.2", sport=3001), ("answer", "b", udp_back),
           c.query(src, sport=3001, dport=1), ("answer", "b", udp_back))


def sum_becomes_zero(c, n):
    """UDP whose checksum after translation is zero, which is sent as 0xffff."""
    src = c.source()
    for name, at in (("before", src), ("after", OUTSIDE)):
        port = c.port()
        check = udp(at, "10.2.0.1", bytes([n, 0, 0, 0]), sport=port)[6:8]
        c.case(f"udp/sum-zero-{name}-{n}", c.query(src, data=bytes([n, 0]) + check, sport=port),
               ("answer", "b", udp_back))


def queries(c):
    for ident in (0, 1, 7, 512, 65535):
        c.exchange(f"echo/ident-{ident}", c.source(), ICMP, echo(ident=ident), query_back)
    for size in (0, 1, 56, 1372, 1472):
        c.exchange(f"echo/size-{size}", c.source(), ICMP, c.echo(payload=bytes(size)), query_back)
    c.exchange("echo/snat", c.source(), ICMP, c.echo(), query_back, "10.3.0.1")
    c.exchange("echo/plain", c.plain(), ICMP, c.echo(), query_back, "10.3.0.1")
    for kind in (13, 15, 17):
        c.exchange(f"query/{kind}", c.source(), ICMP, icmp(kind, 0, struct.pack("!HH", c.port(), 1),
                                                         bytes(12)), query_back)
    c.exchange("query/wrong-reply", c.source(), ICMP, c.echo(), lambda f: query_back(f, 14))
    c.exchange("query/request-as-reply", c.source(), ICMP, c.echo(), lambda f: query_back(f, 8))
    src = c.source()
    c.case("echo/twice", *[("send", "a", [c.packet(src, protocol=ICMP, payload=echo(8000, n))])
                           for n in (1, 2)], *[("answer", "b", query_back)] * 2)
    for code in (1, 255):
        message = icmp(8, code, b"\x20" + bytes([code, 0, 1]))
        c.exchange(f"echo/code-{code}", c.source(), ICMP, message, query_back)


def choices(c):
    """Two inside hosts with the same source port, and ports that cannot be had. These come
    last: what is chosen may be any port, another case's too."""
    for name, remotes in (("same-remote", ("10.2.0.1", "10.2.0.1")),
                          ("other-remote", ("10.2.0.1", "10.2.0.2"))):
        one, two = c.source(), c.source()
        c.case(f"clash/udp-{name}", c.query(one, remotes[0], sport=4000),
               ("answer", "b", udp_back),
               c.query(two, remotes[1], sport=4000), ("answer", "b", udp_back),
               c.query(one, remotes[0], sport=4000), ("answer", "b", udp_back),
               known={4000, 9999})
        t, u = Tcp(c, c.source(), remotes[0], 4001), Tcp(c, c.source(), remotes[1], 4001)
        c.case(f"clash/tcp-{name}", *t.handshake(), *u.handshake(), t.out(TCP_ACK, b"1"),
               t.back(TCP_ACK, b"2"), u.out(TCP_ACK, b"3"), u.back(TCP_ACK, b"4"), known={4001, 80})
        one, two = c.source(), c.source()
        c.case(f"clash/echo-{name}",
               *[step for src, dst in zip((one, two, one), remotes * 2)
                 for step in (("send", "a", [c.packet(src, dst, ICMP, echo(ident=4002))]),
                              ("answer", "b", query_back))],
               known={4002})
        one, two = c.source(), c.source()
        c.case(f"clash/error-{name}", c.query(one, remotes[0], sport=4003),
               c.query(two, remotes[1], sport=4003), ("answer", "b", error_about),
               known={4003, 9999})
    t = Tcp(c, c.source(), sport=9999)
    c.case("clash/forwarded-port", *t.handshake(), known={80, 9999})
    c.case("clash/port-zero", c.query(c.source(), sport=0, dport=40009), ("answer", "b", udp_back),
           known={0, 40009})


def errors_in(c):
    """From outside, about what inside sent."""
    openers = {"udp": lambda src: c.query(src),
               "tcp": lambda src: Tcp(c, src).out(TCP_SYN),
               "echo": lambda src: ("send", "a", [c.packet(src, protocol=ICMP, payload=c.echo())]),
               "gre": lambda src: ("send", "a", [c.packet(src, c.remote(), 47, bytes(16))])}
    for name, opener in openers.items():
        for kind, code, rest in ((3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 4, 1300), (3, 13, 0),
                                 (11, 0, 0), (11, 1, 0), (12, 0, 0x14000000), (4, 0, 0)):
            c.case(f"error-in/{name}-{kind}-{code}", opener(c.source()), ("answer", "b",
                   lambda f, k=kind, d=code, r=rest: error_about(f, k, d, struct.pack("!I", r))))
        c.case(f"error-in/{name}-on-the-way", opener(c.source()),
               ("answer", "b", lambda f: error_about(f, 11, 0, src="10.2.9.9")))
        c.case(f"error-in/{name}-whole-quote", opener(c.source()),
               ("answer", "b", lambda f: error_about(f, 11, 0, size=548)))
        c.case(f"error-in/{name}-extended", opener(c.source()), ("answer", "b", lambda f:
               error_about(f, 11, 0, b"\0\x20\0\0", quoted=datagram(f)[:128].ljust(128, b"\0")
                           + b"\x20\0\xb6\xcb\0\x08\x01\x01\0\1\2\3")))
        for size in (0, 8, 19, 20, 21, 27):
            c.case(f"error-in/{name}-quote-of-{size}", opener(c.source()),
                   ("answer", "b", lambda f, n=size: error_about(f, size=n)))
        c.case(f"error-in/{name}-wrong-checksum", opener(c.source()),
               ("answer", "b", lambda f: error_about(f, check=0x1234)))
        c.case(f"error-in/{name}-redirect", opener(c.source()), ("answer", "b", lambda f:
               error_about(f, 5, 1, addr("192.168.0.9"), src="192.168.0.2")))
        c.case(f"error-in/{name}-quoted-ttl-and-sum", opener(c.source()), ("answer", "b", lambda f:
               error_about(f, 11, 0, quoted=datagram(f)[:8] + b"\1" + datagram(f)[9:28])))
        c.case(f"error-in/{name}-about-another", opener(c.source()), ("answer", "b", lambda f:
               error_about(f, quoted=datagram(f)[:20] + b"\x11\x22\x33\x44" + datagram(f)[24:28])))
        c.case(f"error-in/{name}-goes-on", opener(c.source()), ("answer", "b", error_about),
               ("answer", "b", error_about))
    src = c.source()
    c.case("error-in/options-quoted", c.query(src, fields={"options": b"\1\1\1\0"}),
           ("answer", "b", lambda f: error_about(f, size=32)))
    c.case("error-in/snat", c.query(c.source(), "10.3.0.1"), ("answer", "c", error_about))
    c.case("error-in/plain", c.query(c.plain(), "10.3.0.1"), ("answer", "c", error_about))
    t = Tcp(c, c.source())
    c.case("error-in/off-path-tcp", *t.handshake(), ("answer", "b", error_about), *t.data())


def errors_out(c):
    """From inside, about what came in; and the router's own, about either."""
    for name, src in (("server", None), ("on-the-way", "10.1.77.77")):
        for kind, code in ((3, 3), (3, 4), (11, 0)):
            t = Tcp(c, c.source("b"), OUTSIDE, dport=9999, here="b", there="a")
            c.case(f"error-out/forwarded-{name}-{kind}-{code}", t.out(TCP_SYN),
                   ("answer", "a", lambda f, k=kind, d=code, s=src: error_about(f, k, d, src=s)))
            c.case(f"error-out/answer-{name}-{kind}-{code}", c.query(c.source()),
                   ("answer", "b", udp_back),
                   ("answer", "a", lambda f, k=kind, d=code, s=src: error_about(f, k, d, src=s)))
    c.case("error-out/ttl-inside", c.query(c.source(), fields={"ttl": 1}))
    c.case("error-out/ttl-outside", c.query(c.source()),
           ("answer", "b", lambda f: udp_back(f, fields={"ttl": 1})))
    c.case("error-out/no-route", c.query(c.source(), "172.31.0.1"))
    for name, source in (("snat", c.source), ("plain", c.plain)):
        c.case(f"error-out/mtu-{name}",
               c.query(source(), "10.3.0.1", bytes(1450), fields={"fragment": DF}))
        c.case(f"error-out/cut-{name}", c.query(source(), "10.3.0.1", bytes(1450)))
    src = c.source()
    for kind in (3, 11):
        about = ip4("10.2.0.1", src, UDP, udp("10.2.0.1", src))
        c.case(f"error-out/stray-{kind}",
               ("send", "a", [c.packet(src, protocol=ICMP, payload=icmp(kind, payload=about))]))


def cut(datagram_bytes, *sizes):
    """A datagram of 20 bytes of header in fragments of these payload sizes and the rest."""
    head, body, at, out = datagram_bytes[:20], datagram_bytes[20:], 0, []
    for size in list(sizes) + [len(body) - sum(sizes)]:
        more = MF if at + size < len(body) else 0
        out.append(ip4(head[12:16], head[16:20], head[9], body[at:at + size], ttl=head[8],
                       ident=struct.unpack("!H", head[4:6])[0], fragment=more | at // 8))
        at += size
    return out


def pieces_back(frame, order, ident):
    """The answer to a UDP datagram, in fragments sent in that order: a list of frames."""
    whole = udp_back(frame, bytes(i & 255 for i in range(200)), {"ident": ident})
    return [whole[:14] + piece for piece in reorder(cut(whole[14:], 64, 64), order)]


def reorder(items, order):
    return [items[i] for i in order]


def fragments(c):
    data = bytes(i & 255 for i in range(400))
    orders = {"in-order": (0, 1, 2), "reversed": (2, 1, 0), "first-last": (1, 2, 0),
              "middle-last": (0, 2, 1), "no-first": (1, 2), "no-last": (0, 1), "first-alone": (0,),
              "first-twice": (0, 0, 1, 2)}
    bodies = {"udp": (UDP, lambda s, d: udp(s, d, data, sport=c.port())),
              "echo": (ICMP, lambda s, d: c.echo(payload=data)),
              "tcp": (TCP, lambda s, d: tcp(s, d, data, sport=c.port())),
              "gre": (47, lambda s, d: bytes(4) + data)}
    for name, (protocol, body) in bodies.items():
        for order_name, order in orders.items():
            for where, network in (("masquerade", 2), ("snat", 3)):
                for how in ("at-once", "one-by-one"):
                    src, to = c.source(), c.remote(network)
                    whole = ip4(src, to, protocol, body(src, to), ident=77)
                    some = [c.frame(f) for f in reorder(cut(whole, 104, 104), order)]
                    steps = [some] if how == "at-once" else [[f] for f in some]
                    c.case(f"fragments/{name}-{order_name}-{how}-{where}",
                           *[("send", "a", frames) for frames in steps])
    for order_name, order in orders.items():
        c.case(f"fragments/answer-{order_name}", c.query(c.source()),
               ("answer", "b", lambda f, o=order, i=c.port(): pieces_back(f, o, i)))
        src = c.source("b")
        whole = ip4(src, OUTSIDE, UDP, udp(src, OUTSIDE, data, sport=c.port(),
                                                         dport=5304), ident=78)
        c.case(f"fragments/forwarded-{order_name}", ("send", "b", [
            c.frame(f, "b") for f in reorder(cut(whole, 104, 104), order)]))
        plain = c.plain()
        whole = ip4(plain, "10.3.0.1", UDP, udp(plain, "10.3.0.1", data, sport=c.port()), ident=77)
        c.case(f"fragments/plain-{order_name}", ("send", "a", [
            c.frame(f) for f in reorder(cut(whole, 104, 104), order)]))
    one, two = c.source(), c.source()
    wholes = [cut(ip4(s, "10.2.0.1", UDP, udp(s, "10.2.0.1", data, sport=c.port()), ident=77),
                  104, 104) for s in (one, two)]
    c.case("fragments/two-hosts-mixed",
           ("send", "a", [c.frame(f) for pair in zip(*wholes) for f in pair]))


def headers(c):
    for name, raw in (("nop", b"\1\1\1\0"), ("alert", bytes([0x94, 4, 0, 0])),
                      ("rr", bytes([7, 11, 4]) + bytes(9)), ("unknown", bytes([0x5E, 4, 1, 2])),
                      ("long", b"\1" * 40)):
        c.case(f"options/{name}", c.query(c.source(), fields={"options": raw}),
               ("answer", "b", lambda f, r=raw: udp_back(f, fields={"options": r})))
        t = Tcp(c, c.source("b"), OUTSIDE, dport=7000, here="b", there="a")
        c.case(f"options/forwarded-{name}", t.out(TCP_SYN), t.back(TCP_SYN | TCP_ACK, options=raw))
    for value in (0, 1, 2, 3, 64, 255):
        c.case(f"ttl/{value}", c.query(c.source(), fields={"ttl": value}),
               ("answer", "b", lambda f, t=value: udp_back(f, fields={"ttl": t})))
    for tos in (0x10, 0x03, 0xB8):
        c.case(f"tos/{tos:#x}",
               c.query(c.source(), fields={"tos": tos, "ident": 4660, "fragment": DF}),
               ("answer", "b", lambda f, t=tos: udp_back(f, fields={"tos": t})))
    for extra in (1, 18, 100):
        step = c.query(c.source())
        c.case(f"padding/{extra}", ("send", "a", [step[2][0] + b"\xa5" * extra]),
               ("answer", "b", lambda f, n=extra: udp_back(f) + b"\x5a" * n))


def protocols(c):
    for number in (2, 4, 33, 41, 47, 50, 51, 89, 115, 132, 254, 255):
        for name, to, source in (("masquerade", 2, c.source), ("snat", 3, c.source),
                                 ("plain", 3, c.plain)):
            body = bytes(4) + bytes(range(28))
            c.exchange(f"protocol/{number}-{name}", source(), number, body,
                       lambda f: back(f, bytes(4) + bytes(range(32, 64))), c.remote(to))
    for name, to, source in (("masquerade", "10.2.0.1", c.source), ("plain", "10.3.0.1", c.plain)):
        src, port = source(), c.port()
        c.exchange(f"protocol/136-{name}", src, UDP_LITE, udp_lite(src, to, port), lambda f: back(
            f, udp_lite(*parts(f)[1::-1], *ports(f)[::-1])), to)
    for number in (47, 50, 132):
        one, two, to = c.source(), c.source(), c.remote()
        c.case(f"protocol/{number}-two-hosts", *[
            step for src in (one, two)
            for step in (("send", "a", [c.packet(src, to, number, bytes(16))]),
                         ("answer", "b", lambda f: back(f, bytes(16))))])
        one = c.source()
        c.case(f"protocol/{number}-two-remotes", *[
            step for to in (c.remote(), c.remote())
            for step in (("send", "a", [c.packet(one, to, number, bytes(16))]),
                         ("answer", "b", lambda f: back(f, bytes(16))))])


def forwarded(c):
    for port, name in ((9999, "same-port"), (7000, "other-port")):
        t = Tcp(c, c.source("b"), OUTSIDE, dport=port, here="b", there="a")
        c.case(f"forward/{name}", *t.handshake(), *t.data(), *t.close())
        t = Tcp(c, c.source(), OUTSIDE, dport=port, there="a")
        c.case(f"hairpin/{name}", *t.handshake(), *t.data(), *t.close())
        t = Tcp(c, c.source("b"), OUTSIDE, dport=port, here="b", there="a")
        c.case(f"forward/{name}-refused", t.out(TCP_SYN), t.back(TCP_RST | TCP_ACK))
    t = Tcp(c, c.source("c"), OUTSIDE, dport=9999, here="c", there="a")
    c.case("forward/from-third", *t.handshake(), *t.data(), *t.close())
    t = Tcp(c, c.source("c"), OUTSIDE, dport=7000, here="c", there="a")
    c.case("forward/from-third-filtered", t.out(TCP_SYN))
    for port in (5299, 5300, 5304, 5309, 5310):
        src = c.source("b")
        c.case(f"forward/udp-{port}", c.query(src, OUTSIDE, host="b", dport=port),
               ("answer", "a", udp_back))
        src = c.source()
        c.case(f"hairpin/udp-{port}", c.query(src, OUTSIDE, dport=port), ("answer", "a", udp_back))
    src = c.source("b")
    c.case("forward/whole-udp", c.query(src, WHOLE, host="b"), ("answer", "a", udp_back))
    c.case("forward/whole-echo", ("send", "b", [c.packet(src, WHOLE, ICMP, c.echo(), "b")]),
           ("answer", "a", query_back))
    c.case("forward/whole-gre", ("send", "b", [c.packet(src, WHOLE, 47, bytes(16), "b")]),
           ("answer", "a", lambda f: back(f, bytes(16))))
    t = Tcp(c, c.source("b"), WHOLE, here="b", there="a")
    c.case("forward/whole-tcp", *t.handshake(), *t.data())
    c.case("hairpin/whole-udp", c.query(c.source(), WHOLE), ("answer", "a", udp_back))
    c.case("hairpin/whole-echo", ("send", "a", [c.packet(c.source(), WHOLE, ICMP, c.echo())]),
           ("answer", "a", query_back))
    for flags in (TCP_ACK, TCP_RST, TCP_FIN | TCP_ACK, 0):
        t = Tcp(c, c.source("b"), OUTSIDE, dport=9999, here="b", there="a")
        c.case(f"forward/first-flags-{flags:#04x}", t.out(flags))
    c.case("forward/server-out", c.query(SERVER, sport=5555), ("answer", "b", udp_back))
    c.case("hairpin/error", c.query(c.source(), OUTSIDE, dport=5301), ("answer", "a", error_about))


def unsolicited(c):
    for name, to in (("router", OUTSIDE), ("fixed", FIXED), ("inside", "10.1.60.60")):
        host = "c" if to == FIXED else "b"
        src = c.source(host)
        c.case(f"unsolicited/udp-{name}", c.query(src, to, host=host, dport=33333),
               ("answer", "a", udp_back))
        for flags in (TCP_SYN, TCP_ACK, TCP_RST):
            t = Tcp(c, c.source(host), to, dport=33333, here=host, there="a")
            c.case(f"unsolicited/tcp-{flags:#04x}-{name}", t.out(flags), t.back(TCP_RST | TCP_ACK))
        for kind in (0, 8, 17, 3):
            message = icmp(kind, 0, b"\x77\x77\0\1", bytes(28))
            c.case(f"unsolicited/icmp-{kind}-{name}",
                   ("send", host, [c.packet(c.source(host), to, ICMP, message, host)]))
        c.case(f"unsolicited/gre-{name}",
               ("send", host, [c.packet(c.source(host), to, 47, bytes(16), host)]))
    for name, src in (("other-host", "10.2.55.55"), ("other-port", None)):
        def stranger(frame, src=src):
            whole, dst, _ = parts(frame)
            sport, _ = ports(frame)
            peer = src or dst
            body = {UDP: udp, TCP: tcp}[frame[23]](peer, whole, sport=4444, dport=sport)
            return eth(frame[6:12], frame[:6], ETH_IPV4, ip4(peer, whole, frame[23], body))
        c.case(f"unsolicited/mapping-{name}-udp", c.query(c.source(), sport=20001 + (src is None)),
               ("answer", "b", stranger))
        t = Tcp(c, c.source(), sport=20021 + (src is None))
        c.case(f"unsolicited/mapping-{name}-tcp", t.out(TCP_SYN), ("answer", "b", stranger))


def malformed(c):
    """As the first packet from inside: what Linux calls invalid, and lets go."""
    for flags in range(64):
        c.case(f"stray/flags-{flags:#04x}", Tcp(c, c.source()).out(flags))
    for flags in (TCP_SYN, TCP_ACK, TCP_RST, 0):
        for name, source in (("snat", c.source), ("plain", c.plain)):
            c.case(f"stray/{name}-flags-{flags:#04x}", Tcp(c, source(), "10.3.0.1").out(flags))
    for length in (0, 1, 4, 7, 8, 12, 19):
        src = c.source()
        body = tcp(src, "10.2.0.1", sport=c.port())[:length]
        c.case(f"broken/tcp-cut-{length}",
               ("send", "a", [c.packet(src, protocol=TCP, payload=body)]))
    for length in (0, 1, 4, 7):
        src = c.source()
        body = udp(src, "10.2.0.1", sport=c.port())[:length]
        c.case(f"broken/udp-cut-{length}", ("send", "a", [c.packet(src, payload=body)]))
        c.case(f"broken/icmp-cut-{length}",
               ("send", "a", [c.packet(src, protocol=ICMP, payload=c.echo()[:length])]))
    for length in (0, 7, 9, 12, 14, 65535):
        c.case(f"broken/udp-length-{length}", c.query(c.source(), length=length))
    for words in (0, 4, 6, 15):
        src = c.source()
        body = tcp(src, "10.2.0.1", sport=c.port())
        body = body[:12] + bytes([words << 4]) + body[13:]
        c.case(f"broken/tcp-offset-{words}",
               ("send", "a", [c.packet(src, protocol=TCP, payload=body)]))
    c.case("broken/tcp-checksum", Tcp(c, c.source()).out(TCP_SYN, check=0x1234))
    c.case("broken/echo-checksum",
           ("send", "a", [c.packet(c.source(), protocol=ICMP, payload=c.echo(check=0x1234))]))
    t = Tcp(c, c.source())
    c.case("broken/tcp-checksum-in-session", *t.handshake(), t.out(TCP_ACK, b"x", check=0x1234))
    for kind in list(range(0, 20)) + [30, 40, 42, 43, 255]:
        message = icmp(kind, 0, struct.pack("!HH", c.port(), 1), bytes(28))
        c.case(f"stray/icmp-{kind}",
               ("send", "a", [c.packet(c.source(), protocol=ICMP, payload=message)]))


def filtered(c):
    """Between c and the half of the inside that is not translated towards it."""
    for port in (21, 22, 23, 25, 26):
        for flags in (TCP_SYN, TCP_ACK, TCP_RST, TCP_FIN | TCP_ACK, TCP_SYN | TCP_ACK):
            t = Tcp(c, c.source("c"), c.plain(), dport=port, here="c", there="a")
            c.case(f"filter/in-{port}-{flags:#04x}",
                   t.out(flags, b"data" if flags & TCP_ACK else b""))
    t = Tcp(c, c.source("c"), c.plain(), dport=22, here="c", there="a")
    c.case("filter/in-22-talk", *t.handshake(), *t.data(), *t.close())
    t = Tcp(c, c.source("c"), c.plain(), dport=23, here="c", there="a")
    c.case("filter/reset-options", t.out(TCP_SYN, b"with data"))
    c.case("filter/reset-wrong-checksum", t.out(TCP_SYN, check=0x1234))
    for port in (4999, 5000, 5999, 6000):
        c.case(f"filter/udp-in-{port}", c.query(c.source("c"), c.plain(), host="c", dport=port))
    for kind in (0, 8, 13):
        message = icmp(kind, 0, struct.pack("!HH", c.port(), 1), bytes(8))
        c.case(f"filter/icmp-in-{kind}",
               ("send", "c", [c.packet(c.source("c"), c.plain(), ICMP, message, "c")]),
               ("answer", "a", query_back))
    c.case("filter/gre-in",
           ("send", "c", [c.packet(c.source("c"), c.plain(), 47, bytes(16), "c")]))
    c.case("filter/out-and-back", c.query(c.plain(), "10.3.0.1"), ("answer", "c", udp_back))
    c.case("filter/out-and-error", c.query(c.plain(), "10.3.0.1"),
           ("answer", "c", lambda f: error_about(f, 11, 0, src="10.3.9.9")))
    about = ip4("10.1.140.1", "10.3.0.1", UDP, udp("10.1.140.1", "10.3.0.1"))
    message = icmp(3, 3, payload=about)
    c.case("filter/error-about-nothing",
           ("send", "c", [c.packet(c.source("c"), c.plain(), ICMP, message, "c")]))
    src = c.plain()
    c.case("filter/out-sport", c.query(src, "10.3.0.1", sport=6666),
           c.query(src, "10.3.0.1", sport=6667))
    for name, source in (("snat", c.source), ("plain", c.plain)):
        c.case(f"filter/rejected-udp-{name}", c.query(source(), "10.3.9.1"))
        c.case(f"filter/rejected-tcp-{name}", Tcp(c, source(), "10.3.9.1").out(TCP_SYN))
        for what, protocol, body, fields in (
                ("echo", ICMP, c.echo(), {}), ("error", ICMP, icmp(11, payload=bytes(28)), {}),
                ("fragment", 47, bytes(16), {"fragment": 4})):
            c.case(f"filter/rejected-{what}-{name}",
                   ("send", "a", [c.packet(source(), "10.3.9.1", protocol, body, **fields)]))
    for flags in (TCP_RST, 0, TCP_FIN):
        c.case(f"filter/invalid-out-{flags:#04x}", Tcp(c, c.plain(), "10.3.0.1").out(flags))


def reloads(c):
    reload = ("router", "reload")
    for name, dst, there, source in (("masquerade", "10.2.0.1", "b", c.source),
                                     ("snat", "10.3.0.1", "c", c.source),
                                     ("plain", "10.3.0.1", "c", c.plain)):
        t = Tcp(c, source(), dst, there=there)
        c.case(f"reload/tcp-{name}", *t.handshake(), reload, *t.data(), t.back(TCP_ACK, b"more"))
        src, port = source(), c.port()
        c.case(f"reload/udp-{name}", c.query(src, dst, sport=port), reload,
               ("answer", there, udp_back), c.query(src, dst, sport=port))
    t = Tcp(c, c.source("b"), OUTSIDE, dport=9999, here="b", there="a")
    c.case("reload/forwarded", *t.handshake(), reload, *t.data())


FAMILIES = [connections, datagrams, queries, errors_in, errors_out, fragments, headers,
            protocols, forwarded, unsolicited, malformed, filtered, reloads, choices]


def build(hosts):
    """Every case, in the order they are played."""
    c = NatCorpus(hosts)
    for family in FAMILIES:
        family(c)
    names = [case.name for case in c.cases]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1][:5]
    return c.cases
