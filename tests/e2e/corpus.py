# SPDX-License-Identifier: BSD-2-Clause
"""corpus.py - what the differential test sends: named cases in families, made by code.

The router between hosts a, b and c has the addresses of lib.py, a second subnet on r0
(192.168.11.0/24) and the routes in ROUTES; behind host a is 10.1.0.0/16, behind b
10.2.0.0/16, behind c 10.3.0.0/16. Each datagram has a source of its own, so that no
limit of ICMP errors per destination is ever met.

A case is a name and steps, of these kinds:
    ("send", host, frame)             from that host's raw socket
    ("answer", host, address, mac)    who answers if the router asks for that address; else
                                      somebody with a MAC that is made up does
    ("router", words)                 a change: "route add 10.9.0.0/16 via 192.168.0.9"
"""
import collections
import random
import struct

from frames import (BROADCAST, DF, ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_VLAN, ICMP, MF, TCP, TCP_ACK,
                    UDP,
                    addr, arp, checksum, echo, eth, icmp, ip4, mac, pseudo, tcp, udp)

Case = collections.namedtuple("Case", "name steps")

SECOND = "192.168.11.1"
NEIGHBOURS = [ # address, host it is behind, last byte of its MAC
    ("192.168.1.2", "a", "02"), ("192.168.1.9", "a", "09"), ("192.168.11.2", "a", "02"),
    ("192.168.0.2", "b", "02"), ("192.168.0.9", "b", "09"), ("192.168.2.2", "c", "02")]
ROUTES = [ # destination, and what follows it in `ip route add`
    ("10.1.0.0/16", "via 192.168.1.2"), ("10.2.0.0/16", "via 192.168.0.2"),
    ("10.3.0.0/16", "via 192.168.2.2"),
    ("10.8.0.0/16", "blackhole"), ("10.9.0.0/16", "unreachable"), ("10.10.0.0/16", "prohibit"),
    ("10.20.0.0/16", "via 192.168.0.2"), ("10.20.30.0/24", "via 192.168.2.2"),
    ("10.20.30.40/32", "via 192.168.0.9"), ("10.20.30.128/25", "unreachable"),
    ("10.20.31.0/24", "blackhole"), ("10.20.31.7/32", "via 192.168.2.2"),
    ("10.21.0.0/16", "via 192.168.0.2 metric 10"), ("10.21.0.0/16", "via 192.168.2.2 metric 20"),
    ("10.22.0.0/16", "via 192.168.0.2 metric 20"), ("10.22.0.0/16", "via 192.168.2.2 metric 10"),
    ("10.23.0.0/16", "via 192.168.0.2 metric 20"), ("10.23.0.0/16", "unreachable metric 10"),
    ("10.30.0.0/16", "via 192.168.1.9")]
OWN = ["192.168.1.1", SECOND, "192.168.0.1", "192.168.2.1"]


class Corpus:
    """Collects cases; knows the hosts' MACs and hands out source addresses."""

    def __init__(self, hosts):
        self.hosts, self.cases, self.used = hosts, [], 0
        self.random = random.Random(1812)

    def source(self, host="a"):
        self.used += 1
        return f"10.{ {'a': 1, 'b': 2, 'c': 3}[host]}.{self.used >> 8}.{self.used & 255}"

    def frame(self, payload, host="a", ethertype=ETH_IPV4, dst=None, src=None):
        h = self.hosts[host]
        return eth(dst or h.gateway_mac, src or h.mac, ethertype, payload)

    def steps(self, name, *steps):
        self.cases.append(Case(name, list(steps)))

    def send(self, name, payload, host="a", **fields):
        """One frame from a host to the router's MAC."""
        self.steps(name, ("send", host, self.frame(payload, host, **fields)))

    def ip(self, name, dst="192.168.0.2", protocol=UDP, payload=None, host="a", src=None, **fields):
        """One datagram; UDP with a right checksum unless a payload is given."""
        src = src or self.source(host)
        payload = udp(src, dst) if payload is None else payload
        self.send(name, ip4(src, dst, protocol, payload, **fields), host)


def ttl(c):
    for value in range(256):
        c.ip(f"ttl/{value}", ttl=value, ident=value)
    for value in (0, 1, 2, 255):
        c.ip(f"ttl/to-router-{value}", "192.168.1.1", ICMP, echo(), ttl=value)
        c.ip(f"ttl/far-side-{value}", "192.168.0.1", ICMP, echo(), ttl=value)
        c.ip(f"ttl/no-route-{value}", "172.31.0.1", ttl=value)
        c.ip(f"ttl/big-df-{value}", "192.168.2.2", payload=bytes(1472), fragment=DF, ttl=value)
    for dst in ("10.8.0.1", "10.9.0.1", "10.10.0.1", "224.0.0.9", "192.168.0.255", "192.168.1.2"):
        c.ip(f"ttl/one-to-{dst}", dst, ttl=1)


def with_checksum(src, dst, wanted, **fields):
    """A datagram whose identification makes its header checksum the wanted one, or None."""
    without = ip4(src, dst, UDP, udp(src, dst), ident=0, **fields)
    ident = (struct.unpack("!H", without[10:12])[0] - wanted) % 65535
    datagram = ip4(src, dst, UDP, udp(src, dst), ident=ident, **fields)
    return datagram if datagram[10:12] == struct.pack("!H", wanted) else None


def header_checksum(c):
    for wanted in (0x0000, 0x0001, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFDFF, 0xFE00, 0xFEFE, 0xFEFF,
                   0xFF00, 0xFF01, 0xFFFE):
        for value in (2, 64):
            datagram = with_checksum(c.source(), "192.168.0.2", wanted, ttl=value)
            if datagram:
                c.send(f"checksum/{wanted:#06x}-ttl-{value}", datagram)
    for bit in range(16):
        src = c.source()
        right = ip4(src, "192.168.0.2", UDP, udp(src, "192.168.0.2"))
        wrong = struct.unpack("!H", right[10:12])[0] ^ 1 << bit
        c.send(f"checksum/bit-{bit}-wrong", right[:10] + struct.pack("!H", wrong) + right[12:])
    zero = with_checksum(c.source(), "192.168.0.2", 0)
    assert zero
    c.send("checksum/ffff-for-zero", zero[:10] + b"\xff\xff" + zero[12:])
    c.ip("checksum/zero-unset", check=0)
    c.ip("checksum/ffff", check=0xFFFF)
    for number in range(40):
        c.ip(f"checksum/random-{number}", ident=c.random.randrange(65536),
             tos=c.random.randrange(256),
             ttl=c.random.randrange(2, 256))


def version_and_ihl(c):
    for version in range(16):
        c.ip(f"version/{version}", version=version)
    for ihl in range(16):
        c.ip(f"ihl/{ihl}-of-nops", payload=b"\1" * 60, ihl=ihl)
        c.ip(f"ihl/{ihl}-echo", "192.168.1.1", ICMP, b"\1" * 60, ihl=ihl)
        c.ip(f"ihl/{ihl}-past-length", payload=b"", ihl=ihl, length=20)
    for flags in (0x8000, 0x8000 | DF, DF, 0xC000 | MF):
        c.ip(f"flags/{flags:#06x}", fragment=flags)


def lengths(c):
    src = c.source()
    body = udp(src, "192.168.0.2", bytes(range(40)))
    for length in (0, 1, 19, 20, 21, 27, 28, 67, 68, 69, 70, 100, 1500, 65535):
        c.send(f"length/total-{length}-of-68", ip4(src, "192.168.0.2", UDP, body, length=length))
    for extra in (1, 2, 3, 17, 18, 46, 100, 700):
        datagram = ip4(src, "192.168.0.2", UDP, body)
        c.send(f"length/padding-{extra}", datagram + b"\xa5" * extra)
        asked = ip4(c.source(), "192.168.1.1", ICMP, echo(payload=bytes(extra)))
        c.send(f"length/echo-padding-{extra}", asked + b"\xa5" * extra)
        expired = ip4(c.source(), "192.168.0.2", UDP, body, ttl=1)
        c.send(f"length/expired-padding-{extra}", expired + b"\xa5" * extra)
    whole = ip4(src, "192.168.0.2", UDP, body)
    for length in (0, 1, 4, 8, 12, 16, 19, 20, 24, 28, 40, 67):
        c.send(f"length/cut-at-{length}", whole[:length])
    for length in (20, 21, 24, 27):
        c.ip(f"length/datagram-{length}", payload=bytes(length - 20))
        c.ip(f"length/expired-{length}", payload=bytes(length - 20), ttl=1)
    for length in (28, 29, 84, 128, 500, 547, 548, 549, 576, 577, 600, 1400, 1500):
        c.ip(f"length/quote-of-{length}", payload=bytes(length - 20), ttl=1)


def option_bytes():
    """Names and bytes of options, right ones and malformed ones, not yet padded."""
    room, own, other = bytes(4), addr("192.168.0.1"), addr("10.5.5.5")
    yield "nop", b"\1"
    yield "nops", b"\1" * 40
    yield "eol", b"\0"
    yield "eol-then-garbage", b"\0\x83\2\7"
    yield "eol-then-nop", b"\0\1\1\1\0\0\0\7"
    for kind, name in ((7, "rr"), (0x83, "lsrr"), (0x89, "ssrr")):
        for slots in (0, 1, 2, 9):
            yield f"{name}-{slots}-room", bytes([kind, 3 + 4 * slots, 4]) + room * slots
            full = bytes([kind, 3 + 4 * slots, 4 + 4 * slots])
            yield f"{name}-{slots}-full", full + other * slots
        yield f"{name}-to-own", bytes([kind, 7, 4]) + own
        for pointer in (0, 1, 3, 5, 6, 7, 9, 12, 200, 255):
            yield f"{name}-pointer-{pointer}", bytes([kind, 11, pointer]) + room * 2
        for length in (0, 1, 2, 3, 4, 6, 10, 12, 13, 40, 255):
            yield f"{name}-length-{length}", bytes([kind, length, 4]) + room * 2
        yield f"{name}-twice", (bytes([kind, 7, 4]) + room) * 2
        yield f"{name}-type-only", b"\1\1\1" + bytes([kind])
        yield f"{name}-no-pointer", b"\1\1" + bytes([kind, 2])
    yield "lsrr-and-ssrr", bytes([0x83, 7, 8]) + other + bytes([0x89, 7, 8]) + other
    yield from timestamp_bytes()
    for kind in (0x94, 0x82, 0x86, 0x88, 0x44 ^ 0x80, 0x19, 0x5E, 0xFE):
        yield f"type-{kind:#04x}", bytes([kind, 4, 0, 0])
        for length in (0, 1, 2, 3, 5, 8, 255):
            yield f"type-{kind:#04x}-length-{length}", bytes([kind, length, 0, 0])
    yield "alert-value-1", bytes([0x94, 4, 0, 1])


def timestamp_bytes():
    room, own, other = bytes(4), addr("192.168.0.1"), addr("10.5.5.5")
    for slots in (0, 1, 2, 9):
        yield f"ts-{slots}-room", bytes([0x44, 4 + 4 * slots, 5, 0]) + room * slots
        yield f"ts-{slots}-full", bytes([0x44, 4 + 4 * slots, 5 + 4 * slots, 0]) + room * slots
        overflowing = bytes([0x44, 4 + 4 * slots, 5 + 4 * slots, 0xF0])
        yield f"ts-{slots}-overflow", overflowing + room * slots
    for slots in (1, 2, 4):
        yield f"ts-address-{slots}", bytes([0x44, 4 + 8 * slots, 5, 1]) + room * 2 * slots
        yield f"ts-own-{slots}", bytes([0x44, 4 + 8 * slots, 5, 3]) + (own + room) * slots
        yield f"ts-other-{slots}", bytes([0x44, 4 + 8 * slots, 5, 3]) + (other + room) * slots
    yield "ts-address-half", bytes([0x44, 12, 9, 1]) + room * 2
    yield "ts-address-full", bytes([0x44, 12, 13, 1]) + other + room
    for flag in (2, 4, 15):
        yield f"ts-flag-{flag}", bytes([0x44, 12, 5, flag]) + room * 2
    for pointer in (0, 1, 4, 6, 8, 9, 12, 13, 14, 255):
        yield f"ts-pointer-{pointer}", bytes([0x44, 12, pointer, 0]) + room * 2
    for length in (0, 1, 3, 4, 5, 7, 13, 40, 255):
        yield f"ts-length-{length}", bytes([0x44, length, 5, 0]) + room * 2
    yield "ts-twice", bytes([0x44, 8, 5, 0]) + room + bytes([0x44, 8, 5, 0]) + room


def options(c):
    for name, raw in option_bytes():
        padded = raw + b"\0" * (-len(raw) % 4)
        c.ip(f"options/through-{name}", options=padded)
        c.ip(f"options/echo-{name}", "192.168.1.1", ICMP, echo(), options=padded)
        c.ip(f"options/expired-{name}", options=padded, ttl=1)
    for name, raw in (("rr", bytes([7, 11, 4]) + bytes(8)),
                      ("lsrr-full", bytes([0x83, 7, 8]) + addr("10.5.5.5")),
                      ("alert", bytes([0x94, 4, 0, 0])), ("bad", bytes([7, 1, 4, 0]))):
        padded = raw + b"\0" * (-len(raw) % 4)
        c.ip(f"options/no-route-{name}", "172.31.0.1", options=padded)
        c.ip(f"options/big-{name}", "192.168.2.2", payload=bytes(1450), options=padded)
        c.ip(f"options/big-df-{name}", "192.168.2.2", payload=bytes(1450), options=padded,
             fragment=DF)
        c.ip(f"options/icmp-{name}", protocol=ICMP, payload=icmp(3, 1, payload=bytes(28)),
             options=padded)
        c.ip(f"options/fragment-{name}", options=padded, fragment=5)
        c.ip(f"options/tcp-router-{name}", "192.168.1.1", TCP, tcp("10.1.0.1", "192.168.1.1"),
             options=padded)


def martians(c):
    for src in ("0.0.0.0", "0.0.0.5", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.1.1.1",
                "240.0.0.1",
                "255.255.255.255", "192.168.1.255", "192.168.0.255", "192.168.1.0", "192.168.0.0",
                "192.168.2.255", "169.254.1.1", "192.168.0.77", "172.31.0.1", "192.168.0.2", *OWN):
        c.ip(f"martian/source-{src}", src=src)
        c.ip(f"martian/source-{src}-echo", "192.168.1.1", ICMP, echo(), src=src)
        c.ip(f"martian/source-{src}-expired", src=src, ttl=1)
    for dst in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.1.2.3", "240.0.0.1", "250.1.2.3",
                "255.255.255.254",
                "255.255.255.255", "192.168.1.255", "192.168.1.0", "192.168.0.255", "192.168.0.0",
                "192.168.2.255", "192.168.11.255", "10.2.255.255", "10.2.0.0", "169.254.7.7",
                "224.0.0.1", "224.0.0.2", "224.0.0.5", "232.1.1.1", "239.1.1.1"):
        c.ip(f"martian/destination-{dst}", dst)
        c.ip(f"martian/destination-{dst}-echo", dst, ICMP, echo())
        c.ip(f"martian/destination-{dst}-tcp", dst, TCP, tcp("10.1.0.1", dst))
        group = b"\1\0\x5e" + addr(dst)[1:] if dst.startswith("2") and dst < "240" else BROADCAST
        src = c.source()
        c.send(f"martian/destination-{dst}-link-group", ip4(src, dst, UDP, udp(src, dst)),
               dst=group)


def link_addresses(c):
    groups = {"broadcast": BROADCAST, "multicast": mac("01:00:5e:00:00:01"),
              "other": mac("02:00:00:00:77:77"),
              "other-multicast": mac("03:00:00:00:00:01"), "zero": bytes(6),
              "port-of-b": c.hosts["b"].gateway_mac}
    for name, dst in groups.items():
        for what, to, protocol in (("through", "192.168.0.2", UDP), ("no-route", "172.31.0.1", UDP),
                                   ("router-udp", "192.168.1.1", UDP)):
            src = c.source()
            c.send(f"link/{name}-{what}", ip4(src, to, protocol, udp(src, to)), dst=dst)
        c.send(f"link/{name}-expired", ip4(c.source(), "192.168.0.2", UDP, bytes(8), ttl=1),
               dst=dst)
        c.send(f"link/{name}-echo", ip4(c.source(), "192.168.1.1", ICMP, echo()), dst=dst)
        src = c.source()
        c.send(f"link/{name}-tcp", ip4(src, "192.168.1.1", TCP, tcp(src, "192.168.1.1")), dst=dst)
    for name, src in (("broadcast", BROADCAST), ("zero", bytes(6)),
                      ("own", c.hosts["a"].gateway_mac),
                      ("multicast", mac("01:00:5e:00:00:01"))):
        c.send(f"link/from-{name}", ip4(c.source(), "192.168.0.2", UDP, bytes(8)), src=src)
        c.send(f"link/from-{name}-echo", ip4(c.source(), "192.168.1.1", ICMP, echo()), src=src)


def protocols(c):
    for number in (0, 1, 2, 4, 6, 17, 41, 46, 47, 50, 51, 89, 103, 112, 115, 132, 136, 254, 255):
        c.ip(f"protocol/{number}-through", protocol=number, payload=bytes(range(32)))
        c.ip(f"protocol/{number}-to-router", "192.168.1.1", number, bytes(range(32)))
        c.ip(f"protocol/{number}-empty-to-router", "192.168.1.1", number, b"")
    for to in OWN:
        for host in "abc":
            src = c.source(host)
            c.ip(f"protocol/udp-{host}-{to}", to, UDP, udp(src, to), host, src)
            src = c.source(host)
            c.ip(f"protocol/tcp-{host}-{to}", to, TCP, tcp(src, to), host, src)
            c.ip(f"protocol/254-{host}-{to}", to, 254, bytes(8), host)
    src = c.source()
    for name, body in (("zero-checksum", udp(src, OWN[0], check=0)),
                       ("bad-checksum", udp(src, OWN[0], check=7)),
                       ("short", udp(src, OWN[0])[:7]),
                       ("length-past", udp(src, OWN[0], length=99)),
                       ("length-7", udp(src, OWN[0], length=7))):
        c.ip(f"protocol/udp-to-router-{name}", OWN[0], UDP, body)
    for name, body in (("ack", tcp(src, OWN[0], flags=TCP_ACK)), ("rst", tcp(src, OWN[0], flags=4)),
                       ("bad-checksum", tcp(src, OWN[0], check=7)),
                       ("short", tcp(src, OWN[0])[:19])):
        c.ip(f"protocol/tcp-to-router-{name}", OWN[0], TCP, body, src=src)
    for offset, more in ((0, MF), (3, MF), (3, 0)):
        for protocol in (UDP, TCP, 254):
            c.ip(f"protocol/{protocol}-to-router-fragment-{offset}-{more:#x}", OWN[0], protocol,
                 bytes(24),
                 fragment=offset | more)


def echoes(c):
    for to in OWN:
        for host in "abc":
            c.ip(f"echo/{host}-{to}", to, ICMP, echo(), host)
        c.ip(f"echo/connected-{to}", to, ICMP, echo(), src="192.168.1.2")
        c.ip(f"echo/second-subnet-{to}", to, ICMP, echo(), src="192.168.11.2")
    for size in (0, 1, 2, 7, 8, 9, 55, 56, 57, 1000, 1371, 1372, 1373, 1471, 1472):
        c.ip(f"echo/size-{size}", OWN[0], ICMP, echo(payload=bytes(i & 255 for i in range(size))))
        c.ip(f"echo/size-{size}-from-c", OWN[0], ICMP, echo(payload=b"c" * min(size, 1372)), "c")
        c.ip(f"echo/size-{size}-across", "192.168.2.1", ICMP, echo(payload=b"x" * size))
        c.ip(f"echo/through-{size}", "192.168.0.2", ICMP, echo(payload=b"t" * size))
    for check in (0, 1, 0xFFFF):
        c.ip(f"echo/checksum-{check:#x}", OWN[0], ICMP, echo(check=check))
        c.ip(f"echo/checksum-{check:#x}-through", protocol=ICMP, payload=echo(check=check))
    for length in range(8):
        c.ip(f"echo/short-{length}", OWN[0], ICMP, echo()[:length])
        head = bytes([8, 0, 0, 0, 0, 0, 0, 0])[:length]
        right = head[:2] + struct.pack("!H", checksum(head)) + head[4:] if length >= 4 else head
        c.ip(f"echo/short-{length}-right-sum", OWN[0], ICMP, right)
    for code in (1, 9, 255):
        c.ip(f"echo/code-{code}", OWN[0], ICMP, icmp(8, code, payload=b"abc"))
    for tos in (0x02, 0x10, 0x1C, 0xB8, 0xE0, 0xFF):
        c.ip(f"echo/tos-{tos:#x}", OWN[0], ICMP, echo(), tos=tos)
    c.ip("echo/df", OWN[0], ICMP, echo(), fragment=DF)
    c.ip("echo/no-route-back", OWN[0], ICMP, echo(), src="172.31.0.1")
    c.ip("echo/unreachable-back", OWN[0], ICMP, echo(), src="10.9.0.1")
    c.ip("echo/other-port-back", OWN[0], ICMP, echo(), src="10.2.0.1")
    echo_fragments(c)
    for kind in list(range(0, 20)) + [30, 37, 40, 42, 43, 253, 255]:
        c.ip(f"icmp/type-{kind}-to-router", OWN[0], ICMP, icmp(kind, 0, payload=bytes(20)))
        c.ip(f"icmp/type-{kind}-through", protocol=ICMP, payload=icmp(kind, 0, payload=bytes(20)))


def echo_fragments(c):
    """Echo requests in pieces: for the router's own kernel to put together, or to refuse."""
    whole = echo(payload=bytes(i & 255 for i in range(72)))
    pieces = lambda src: [c.frame(ip4(src, OWN[0], ICMP, whole[:40], ident=77, fragment=MF)),
                          c.frame(ip4(src, OWN[0], ICMP, whole[40:], ident=77, fragment=5))]
    first = pieces(c.source())
    c.steps("echo/fragments-in-order", *[("send", "a", f) for f in first])
    second = pieces(c.source())
    c.steps("echo/fragments-reversed", *[("send", "a", f) for f in second[::-1]])
    third = pieces(c.source())
    c.steps("echo/fragments-through", *[("send", "a", f[:30] + addr("192.168.0.2") + f[34:])
                                        for f in third])


def routes(c):
    for dst in ("10.2.3.4", "10.3.3.4", "10.1.3.4", "10.8.0.1", "10.9.0.1", "10.10.0.1",
                "10.20.0.1", "10.20.30.1",
                "10.20.30.40", "10.20.30.39", "10.20.30.41", "10.20.30.127", "10.20.30.128",
                "10.20.30.255",
                "10.20.31.1", "10.20.31.7", "10.20.29.255", "10.20.32.0", "10.21.0.1", "10.22.0.1",
                "10.23.0.1",
                "10.7.255.255", "10.11.0.0", "192.168.0.9", "172.31.0.1", "1.0.0.1",
                "223.255.255.255"):
        for host in "abc":
            c.ip(f"route/{host}-{dst}", dst, host=host)
        c.ip(f"route/icmp-{dst}", dst, ICMP, echo())
        c.ip(f"route/error-{dst}", dst, ICMP, icmp(11, 0, payload=bytes(28)))
        c.ip(f"route/fragment-{dst}", dst, fragment=9)
        c.ip(f"route/first-fragment-{dst}", dst, fragment=MF, payload=bytes(24))
    for dst in ("10.9.0.1", "172.31.0.1"):
        for src in ("10.2.0.7", "10.9.0.7", "172.31.0.7", "192.168.11.2", "192.168.1.2"):
            c.ip(f"route/back-{dst}-to-{src}", dst, src=src)
    for tos in range(0, 256, 17):
        c.ip(f"route/tos-{tos:#x}", "10.9.0.1", tos=tos)
        c.ip(f"route/tos-{tos:#x}-through", tos=tos)


def with_default(c):
    """The last routes: a default appears, changes what had none, and goes again."""
    c.steps("default/add", ("router", "route add default via 192.168.0.9"))
    for dst in ("172.31.0.1", "1.0.0.1", "10.9.0.1", "10.20.30.40", "192.168.2.2", "240.0.0.1",
                "0.0.0.1", "127.0.0.1"):
        c.ip(f"default/{dst}", dst)
    c.ip("default/from-b", "172.31.0.1", host="b")
    c.steps("default/del", ("router", "route del default via 192.168.0.9"))
    c.ip("default/gone", "172.31.0.1")
    c.steps("default/longer", ("router", "route add 10.2.7.0/24 via 192.168.2.2"))
    c.ip("default/longer-used", "10.2.7.1")
    c.ip("default/longer-beside", "10.2.6.1")


def mtus(c):
    for size in (1399, 1400, 1401, 1402, 1408, 1480, 1499, 1500):
        body = bytes(i & 255 for i in range(size - 20))
        for name, flags in (("", 0), ("-df", DF), ("-mf", MF), ("-df-mf", DF | MF),
                            ("-evil", 0x8000)):
            c.ip(f"mtu/{size}{name}", "192.168.2.2", payload=body, fragment=flags, ident=size)
        for name, where in (("middle", MF | 100), ("last", 100), ("last-df", DF | 100),
                            ("far", MF | 8000)):
            c.ip(f"mtu/{size}-{name}", "192.168.2.2", payload=body, fragment=where, ident=size)
        c.ip(f"mtu/{size}-to-b", payload=body)
        c.ip(f"mtu/{size}-icmp", "192.168.2.2", ICMP, icmp(3, 3, payload=body[8:]), fragment=DF)
        c.ip(f"mtu/{size}-routed", "10.3.0.1", payload=body)
        c.ip(f"mtu/{size}-tos", "192.168.2.2", payload=body, tos=0xB9, ttl=2)
    for size in (1500, 1501, 1502, 1503, 1504):
        body = bytes(size - 20)
        c.ip(f"mtu/over-{size}", payload=body)
        c.ip(f"mtu/over-{size}-df", payload=body, fragment=DF)
        c.ip(f"mtu/over-{size}-padding", payload=body[:-20] + bytes(0), fragment=DF)
        c.ip(f"mtu/over-{size}-echo", OWN[0], ICMP, echo(payload=body[8:]))
    for name, raw in (("nop", b"\1\1\1\1"), ("copied", bytes([0x94, 4, 0, 0])),
                      ("not-copied", bytes([0x5E, 4, 1, 2])),
                      ("mixed", bytes([0x5E, 4, 1, 2, 0x94, 4, 0, 0, 1, 0, 0, 0])),
                      ("rr", bytes([7, 7, 4]) + bytes(5)), ("long", b"\1" * 40)):
        for size in (1380, 1400, 1440):
            c.ip(f"mtu/options-{name}-{size}", "192.168.2.2", payload=bytes(size), options=raw)
    c.ip("mtu/df-from-c-side", "192.168.2.2", payload=bytes(1480), fragment=DF, src="192.168.1.2")
    c.ip("mtu/df-answer-elsewhere", "192.168.2.2", payload=bytes(1480), fragment=DF, src="10.2.0.9")


def redirects(c):
    """Sources are used once: the kernel tells each of them at most so often."""
    near = (f"192.168.1.{n}" for n in range(160, 250))
    for dst in ("10.30.0.1", "192.168.1.9", "192.168.11.2", "10.1.9.9"):
        c.ip(f"redirect/{dst}-from-near", dst, src=next(near))
        c.ip(f"redirect/{dst}-from-second", dst, src=f"192.168.11.{next(near)[-3:]}")
        c.ip(f"redirect/{dst}-from-behind", dst)
        c.ip(f"redirect/{dst}-from-elsewhere", dst, src=c.source("b"))
    c.ip("redirect/expired", "10.30.0.1", src=next(near), ttl=1)
    c.ip("redirect/icmp", "10.30.0.1", ICMP, echo(), src=next(near))
    c.ip("redirect/error", "10.30.0.1", ICMP, icmp(3, 1, payload=bytes(28)), src=next(near))
    c.ip("redirect/fragment", "10.30.0.1", src=next(near), fragment=8)
    c.ip("redirect/options", "10.30.0.1", src=next(near), options=b"\1\1\1\1")
    c.ip("redirect/large", "10.30.0.1", src=next(near), payload=bytes(1000))


def errors_about(c):
    """What must not be answered: ICMP errors, fragments; and what must."""
    for kind in list(range(0, 19)) + [30, 40, 41, 255]:
        c.ip(f"about/icmp-{kind}-expired", protocol=ICMP, payload=icmp(kind, 0, payload=bytes(28)),
             ttl=1)
        c.ip(f"about/icmp-{kind}-no-route", "172.31.0.1", ICMP, icmp(kind, 0, payload=bytes(28)))
    for length in (0, 1, 2, 4, 7):
        c.ip(f"about/icmp-cut-at-{length}", protocol=ICMP, payload=icmp(3, 0)[:length], ttl=1)
    for offset in (0, 1, 100, 8191):
        for more in (0, MF):
            c.ip(f"about/fragment-{offset}-{more:#x}-expired", fragment=offset | more,
                 payload=bytes(24), ttl=1)
            c.ip(f"about/fragment-{offset}-{more:#x}-no-route", "172.31.0.1",
                 fragment=offset | more,
                 payload=bytes(24))
    for name, src in (("own", OWN[2]), ("zero", "0.0.0.0"), ("loop", "127.0.0.1"),
                      ("group", "224.0.0.9"),
                      ("limited", "255.255.255.255"), ("directed", "192.168.1.255")):
        c.ip(f"about/source-{name}-no-route", "172.31.0.1", src=src)


def ethertypes(c):
    body = ip4(c.source(), "192.168.0.2", UDP, bytes(8))
    for kind in (0x0000, 0x0001, 0x002E, 0x05DC, 0x05DD, 0x0600, 0x0801, 0x0842, 0x8035, 0x8847,
                 0x8863, 0x88A8, 0x88CC,
                 0x9000, 0xFFFF):
        c.send(f"ethertype/{kind:#06x}", body, ethertype=kind)
    c.send("ethertype/vlan", b"\0\5\x08\0" + body, ethertype=ETH_VLAN)
    c.send("ethertype/vlan-zero", b"\0\0\x08\0" + body, ethertype=0x88A8)
    c.send("ethertype/ipv6", b"\x60" + bytes(5) + b"\x3a\xff" + b"\xfe\x80" + bytes(30),
           ethertype=ETH_IPV6)
    c.send("ethertype/ipv6-in-ipv4", b"\x60" + body[1:])
    for kind in (ETH_IPV4, ETH_ARP, ETH_IPV6, 0x88CC):
        c.send(f"ethertype/{kind:#06x}-empty", b"", ethertype=kind)
        c.send(f"ethertype/{kind:#06x}-one-byte", b"E", ethertype=kind)


def transport(c):
    """Checksums of the hosts' own business: they arrive as they were sent, wrong ones wrong."""
    dst = "192.168.0.2"
    for size in (0, 1, 2, 5, 100, 1000):
        src = c.source()
        data = bytes(i * 7 & 255 for i in range(size))
        folded = ~checksum(pseudo(src, dst, UDP, 8 + size)) & 0xFFFF
        c.ip(f"transport/udp-{size}", dst, UDP, udp(src, dst, data), src=src)
        for name, check in (("zero", 0), ("wrong", 0x1234), ("pseudo-only", folded)):
            c.ip(f"transport/udp-{size}-{name}", dst, UDP, udp(src, dst, data, check=check),
                 src=src)
        folded = ~checksum(pseudo(src, dst, TCP, 20 + size)) & 0xFFFF
        c.ip(f"transport/tcp-{size}", dst, TCP, tcp(src, dst, data), src=src)
        for name, check in (("zero", 0), ("wrong", 0x1234), ("pseudo-only", folded)):
            c.ip(f"transport/tcp-{size}-{name}", dst, TCP, tcp(src, dst, data, check=check),
                 src=src)
    for length in (0, 1, 7, 8, 9, 12, 100, 65535):
        c.ip(f"transport/udp-length-{length}", dst, UDP, udp("10.1.0.1", dst, length=length))
    for size in range(0, 20, 3):
        c.ip(f"transport/tcp-cut-at-{size}", dst, TCP, tcp("10.1.0.1", dst)[:size])


def order(c):
    """A hundred datagrams of one flow, large and small, arrive in the order they were sent."""
    for name, dst in (("b", "192.168.0.2"), ("c", "192.168.2.2")):
        src = c.source()
        sizes = [c.random.choice((1, 20, 500, 1450)) for _ in range(100)]
        datagrams = [ip4(src, dst, UDP, udp(src, dst, bytes(size)), ident=n)
                     for n, size in enumerate(sizes)]
        c.steps(f"order/to-{name}", *[("send", "a", c.frame(d)) for d in datagrams])


class Neighbours:
    """ARP cases: each teaches about an address of its own on r0, and then has b send a
    datagram there: it arrives by itself if the router learnt, else after being asked for."""

    def __init__(self, c):
        self.c, self.a, self.n = c, c.hosts["a"], 20

    def case(self, name, payload, address=None, mac_of=None, **fields):
        self.n += 1
        address = address or f"192.168.1.{self.n}"
        self.c.steps(f"arp/{name}", *self.send(payload(address, self.mac()), **fields),
                     *self.check(address))

    def mac(self):
        return mac(f"02:00:00:00:0a:{self.n:02x}")

    def send(self, payload, dst=BROADCAST, src=None):
        return [("send", "a", eth(dst, src or payload[8:14] or self.mac(), ETH_ARP, payload))]

    def check(self, address):
        probe = self.c.frame(ip4(self.c.source("b"), address, UDP, b"who has it"), "b")
        return [("send", "b", probe), ("answer", "a", address, mac(f"02:00:00:00:0b:{self.n:02x}"))]


def arp_answers(c):
    """Who is answered, and who is noted down on the way."""
    n = Neighbours(c)
    for name, target in (("own", OWN[0]), ("second", SECOND), ("far-side", "192.168.0.1"),
                         ("host", "192.168.1.2"),
                         ("proxy", "192.168.0.2"), ("nobody", "192.168.1.200"),
                         ("no-route", "172.31.0.1"),
                         ("zero", "0.0.0.0"), ("broadcast", "192.168.1.255"),
                         ("limited", "255.255.255.255"),
                         ("group", "224.0.0.1"), ("loop", "127.0.0.1"), ("network", "192.168.1.0")):
        n.case(f"request-{name}", lambda ip, m, t=target: arp(1, m, ip, bytes(6), t))
        n.case(f"request-{name}-unicast", lambda ip, m, t=target: arp(1, m, ip, bytes(6), t),
               dst=n.a.gateway_mac)
        n.case(f"reply-{name}", lambda ip, m, t=target: arp(2, m, ip, n.a.gateway_mac, t),
               dst=n.a.gateway_mac)
        c.send(f"arp/probe-{name}", arp(1, n.mac(), "0.0.0.0", bytes(6), target), ethertype=ETH_ARP,
               dst=BROADCAST,
               src=n.mac())
    n.case("gratuitous-request", lambda ip, m: arp(1, m, ip, bytes(6), ip))
    n.case("gratuitous-reply", lambda ip, m: arp(2, m, ip, BROADCAST, ip))
    n.case("gratuitous-reply-own-mac", lambda ip, m: arp(2, m, ip, m, ip))
    n.case("request-target-filled", lambda ip, m: arp(1, m, ip, n.a.gateway_mac, OWN[0]))
    n.case("request-target-broadcast", lambda ip, m: arp(1, m, ip, BROADCAST, OWN[0]))
    n.case("request-to-other-mac", lambda ip, m: arp(1, m, ip, bytes(6), OWN[0]),
           dst=mac("02:00:00:00:77:77"))
    n.case("request-padded", lambda ip, m: arp(1, m, ip, bytes(6), OWN[0]) + b"\xa5" * 18)
    n.case("request-other-source", lambda ip, m: arp(1, m, ip, bytes(6), OWN[0]),
           src=mac("02:00:00:00:66:66"))


def arp_malformed(c):
    n = Neighbours(c)
    n.n = 90
    for field, values in (("hardware", (0, 2, 6, 7, 65535)), ("protocol", (0, 0x0806, 0x86DD)),
                          ("hardware_len", (0, 5, 7, 8, 255)), ("protocol_len", (0, 3, 5, 16))):
        for value in values:
            n.case(f"{field}-{value}",
                   lambda ip, m, f=field, v=value: arp(1, m, ip, bytes(6), OWN[0], **{f: v}))
    for operation in (0, 3, 4, 8, 9, 65535):
        n.case(f"operation-{operation}", lambda ip, m, o=operation: arp(o, m, ip, bytes(6), OWN[0]))
    for length in (0, 1, 7, 8, 14, 18, 24, 27):
        n.case(f"cut-at-{length}", lambda ip, m, l=length: arp(1, m, ip, bytes(6), OWN[0])[:l],
               src=n.mac())
    for name, bad in (("zero", bytes(6)), ("broadcast", BROADCAST),
                      ("group", mac("01:00:5e:00:00:01")),
                      ("own", n.a.gateway_mac), ("far-own", c.hosts["b"].gateway_mac)):
        for operation in (1, 2):
            n.case(f"sender-mac-{name}-{operation}",
                   lambda ip, m, b=bad, o=operation: arp(o, b, ip, bytes(6), OWN[0]), src=n.mac())
    for address in ("192.168.1.1", SECOND, "192.168.0.1", "192.168.1.255", "192.168.1.0",
                    "224.0.0.1", "127.0.0.1",
                    "255.255.255.255", "10.1.3.3", "172.31.0.9", "192.168.0.99", "240.0.0.9"):
        for operation in (1, 2):
            c.send(f"arp/sender-{address}-{operation}",
                   arp(operation, n.mac(), address, bytes(6), OWN[0]),
                   ethertype=ETH_ARP, dst=BROADCAST, src=n.mac())


FAMILIES = [ttl, header_checksum, version_and_ihl, lengths, options, martians, link_addresses,
            protocols, echoes,
            routes, mtus, redirects, errors_about, ethertypes, transport, order, arp_answers,
            arp_malformed,
            with_default]


def build(hosts):
    """Every case, in the order they are sent."""
    c = Corpus(hosts)
    for family in FAMILIES:
        family(c)
    names = [case.name for case in c.cases]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1][:5]
    return c.cases
