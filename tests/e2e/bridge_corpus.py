# SPDX-License-Identifier: BSD-2-Clause
"""bridge_corpus.py - what the differential test of the bridge sends: named cases in families.

Hosts a to d are on one bridge; its ports towards a and b carry jumbo frames, that towards c
1500 and that towards d 1400 bytes (MTUS). Each case has stations with MACs of its own, so
cases do not meet in the forwarding database and most need no flush.

A case is a name and steps, of these kinds; a step begins when what the last one caused has
arrived everywhere:
    ("send", host, frame, partial)    from that host's raw socket; partial: None, or (start,
                                      offset) of a checksum left to the hardware
    ("flags", {host: words})          the ports' flags from now on: "learning: off"
    ("fdb", words)                    a change of the database, in bridge(8)'s words
    ("flush", host)                   forget what was learnt behind one host; None: everything
"""
import collections
import random
import struct

from frames import (BROADCAST, ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_VLAN, ICMP, TCP, UDP, arp, checksum,
                    echo, eth, icmp, ip4, mac, pseudo, tcp, udp)

Case = collections.namedtuple("Case", "name steps")

HOSTS = "abcd"
MTUS = {"a": 3400, "b": 3400, "c": 1500, "d": 1400} # of the bridge's ports
HOST_MTUS = {"a": 3480, "b": 3480, "c": 1600, "d": 1600} # hosts send too much, too
PORT = {"a": "r0", "b": "r1", "c": "r2", "d": "r3"}
PLAIN = 0x88B5
ICMPV6, ETH_QINQ = 58, 0x88A8


def mac_text(address):
    return address.hex(":")


class Corpus:
    """Collects cases; hands out stations."""

    def __init__(self, hosts):
        self.hosts, self.cases, self.used = hosts, [], 0
        self.random = random.Random(8021)

    def station(self):
        """A MAC that nobody has had yet."""
        self.used += 1
        return b"\x02\xaa" + struct.pack("!I", self.used)

    def bytes(self, count):
        return self.random.randbytes(count)

    def steps(self, name, *steps):
        self.cases.append(Case(name, list(steps)))

    def send(self, name, frame, host="a", partial=None):
        self.steps(name, send(host, frame, partial))

    def to(self, dst, src=None, ethertype=PLAIN, payload=None):
        """A frame of 60 bytes from a station to another."""
        payload = b"tsuji".ljust(46, b".") if payload is None else payload
        return eth(dst, src or self.station(), ethertype, payload)

    def everywhere(self, name, make, sender="a"):
        """The same frame flooded and, its receiver known, to each host: make(src, dst)."""
        self.send(f"{name}-flood", make(self.station(), BROADCAST), sender)
        self.send(f"{name}-unknown", make(self.station(), self.station()), sender)
        for there in HOSTS.replace(sender, ""):
            known = self.station()
            self.steps(f"{name}-to-{there}", send(there, self.to(self.station(), known)),
                       send(sender, make(self.station(), known)))


def send(host, frame, partial=None):
    return ("send", host, frame, partial)


def learning(c):
    for teach in ("unknown", "broadcast", "group"):
        x, y = c.station(), c.station()
        first = {"unknown": c.station(), "broadcast": BROADCAST, "group": mac("01:00:5e:00:00:09")}
        c.steps(f"learn/from-{teach}", send("a", c.to(first[teach], x)), send("b", c.to(x, y)),
                send("a", c.to(y, x)), send("c", c.to(x)), send("d", c.to(y)))
    for here in HOSTS:
        for there in HOSTS:
            x = c.station()
            c.steps(f"learn/{here}-asked-from-{there}", send(here, c.to(BROADCAST, x)),
                    send(there, c.to(x)), send(there, c.to(x, x)), send(here, c.to(c.station())))
    for kind in (0x0026, ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_VLAN, ETH_QINQ, 0x88CC, 0xFFFF):
        x = c.station()
        c.steps(f"learn/from-type-{kind:#06x}", send("b", c.to(BROADCAST, x, kind)),
                send("a", c.to(x)))
    x, short = c.station(), c.station()
    c.steps("learn/from-header-only", send("c", c.to(BROADCAST, x, payload=b"")),
            send("a", c.to(x, short, payload=b"")), send("d", c.to(short)))
    x = c.station()
    too_long = c.to(c.station(), x, payload=bytes(3404))
    c.steps("learn/from-one-that-nobody-takes", send("a", too_long), send("b", c.to(x)))
    x = c.station()
    c.steps("learn/from-own-destination", send("c", c.to(c.hosts["a"].port_mac, x)),
            send("b", c.to(x)))
    for last in (0, 1, 3, 14, 15):
        x = c.station()
        c.steps(f"learn/from-reserved-{last:02x}", send("b", c.to(reserved(last), x)),
                send("a", c.to(x)))


def moving(c):
    for before in HOSTS:
        for after in HOSTS.replace(before, ""):
            x = c.station()
            c.steps(f"move/{before}-{after}", send(before, c.to(BROADCAST, x)), send("a", c.to(x)),
                    send(after, c.to(c.station(), x)), *[send(h, c.to(x)) for h in HOSTS])
    x = c.station()
    c.steps("move/round", *[step for h in "abcda" for step in
                            (send(h, c.to(BROADCAST, x)), send("b", c.to(x)))])
    x = c.station()
    c.steps("move/one-tagged-one-not", send("a", c.to(BROADCAST, x)),
            send("b", eth(BROADCAST, x, ETH_VLAN, b"\0\7" + struct.pack("!H", PLAIN) + bytes(42))),
            send("c", c.to(x)))


def groups():
    """Destinations that are flooded, by name."""
    for last in range(0x10, 0x30):
        yield f"0180c20000{last:02x}", b"\x01\x80\xc2\0\0" + bytes([last])
    for text in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "01:00:5e:00:00:16", "01:00:5e:7f:ff:fa",
                 "33:33:00:00:00:01", "33:33:ff:00:00:02", "01:00:0c:cc:cc:cc", "01:00:0c:cc:cc:cd",
                 "01:1b:19:00:00:00", "01:80:c2:00:01:00", "01:80:c2:01:00:00", "01:80:c3:00:00:00",
                 "01:81:c2:00:00:00", "03:00:00:00:00:01", "09:00:07:ff:ff:ff", "01:00:00:00:00:00",
                 "ff:ff:ff:ff:ff:fe", "fe:ff:ff:ff:ff:ff"):
        yield text.replace(":", ""), mac(text)


def flooding(c):
    for name, dst in groups():
        for host in "ad":
            c.send(f"flood/{name}-from-{host}", c.to(dst), host)
    for host in HOSTS:
        c.send(f"flood/unknown-from-{host}", c.to(c.station()), host)
        c.send(f"flood/zero-from-{host}", c.to(bytes(6)), host)
        x = c.station()
        c.send(f"flood/itself-from-{host}", c.to(x, x), host)
    for number in range(200):
        dst = c.random.choice([c.station(), c.bytes(6), BROADCAST])
        c.send(f"flood/random-{number}", c.to(dst, None, c.random.randrange(65536),
                                              c.bytes(c.random.randrange(1400))),
               c.random.choice(HOSTS))


def reserved(last):
    return b"\x01\x80\xc2\0\0" + bytes([last])


def reserved_addresses(c):
    for last in range(16):
        for host in "ac":
            c.send(f"reserved/{last:02x}-from-{host}", c.to(reserved(last)), host)
        c.send(f"reserved/{last:02x}-llc", eth(reserved(last), c.station(), 38, b"\x42\x42\3"
                                               + bytes(43)))
    c.send("reserved/lldp", c.to(reserved(14), None, 0x88CC))
    c.send("reserved/slow", c.to(reserved(2), None, 0x8809))
    c.send("reserved/eapol", c.to(reserved(3), None, 0x888E))
    c.send("reserved/pause", c.to(reserved(1), None, 0x8808))


def sources(c):
    bad = {"zero": bytes(6), "broadcast": BROADCAST, "group": mac("01:00:5e:00:00:01"),
           "ipv6-group": mac("33:33:00:00:00:01"), "reserved": reserved(0)}
    for host in HOSTS:
        bad[f"port-{host}"] = c.hosts[host].port_mac
    for name, source in bad.items():
        for host in "ab":
            c.send(f"source/{name}-from-{host}-flood", c.to(BROADCAST, source), host)
            c.send(f"source/{name}-from-{host}-unknown", c.to(c.station(), source), host)
            x = c.station()
            c.steps(f"source/{name}-from-{host}-known", send("c", c.to(BROADCAST, x)),
                    send(host, c.to(x, source)), send("d", c.to(source)))


def own_destinations(c):
    for there in HOSTS:
        own = c.hosts[there].port_mac
        for here in HOSTS:
            c.send(f"own/{here}-to-port-{there}", c.to(own), here)
        c.send(f"own/echo-to-port-{there}", eth(own, c.station(), ETH_IPV4, ip4(
            "192.0.2.1", "192.0.2.254", ICMP, echo())))
        c.send(f"own/arp-to-port-{there}", eth(own, c.station(), ETH_ARP, arp(
            1, c.hosts["a"].mac, "192.0.2.1", bytes(6), "192.0.2.254")))


def lengths(c):
    for length in [*range(14, 70), 100, 127, 128, 129, 255, 256, 257, 511, 512, 1000, 1024]:
        filler = c.bytes(length)
        c.everywhere(f"length/{length}", lambda src, dst, filler=filler:
                     eth(dst, src, PLAIN, filler[14:]))
    for mtu in (1400, 1500, 2034, 3400):
        for more in (-1, 0, 1, 3, 4, 5, 6, 20):
            payload = c.bytes(mtu + more)
            for sender in "a" if mtu > 1500 else "abcd":
                if mtu + more <= HOST_MTUS[sender]:
                    c.everywhere(f"length/payload-{mtu}{more:+}-from-{sender}",
                                 lambda src, dst, payload=payload: eth(dst, src, PLAIN, payload),
                                 sender)
    for length in (46, 47, 60, 1480):
        datagram = ip4("192.0.2.1", "192.0.2.2", UDP, udp("192.0.2.1", "192.0.2.2", b"ab"))
        c.everywhere(f"length/ip-in-{length}", lambda src, dst, length=length, datagram=datagram:
                     eth(dst, src, ETH_IPV4, datagram.ljust(length, b"\xa5")))


def ethertypes(c):
    kinds = [0, 1, 38, 46, 0x05DC, 0x05DD, 0x05FF, 0x0600, 0x0601, 0x0800, 0x0801, 0x0805, 0x0806,
             0x0807, 0x0842, 0x22F0, 0x22F3, 0x6003, 0x8035, 0x809B, 0x80F3, 0x8100, 0x8101, 0x8137,
             0x86DD, 0x86DE, 0x8808, 0x8809, 0x8847, 0x8848, 0x8863, 0x8864, 0x8870, 0x888E, 0x8892,
             0x889A, 0x88A4, 0x88A8, 0x88AB, 0x88B5, 0x88B6, 0x88CC, 0x88E5, 0x88E7, 0x88F7, 0x8906,
             0x8914, 0x8915, 0x892F, 0x9000, 0x9100, 0x9200, 0x9300, 0xF1C1, 0xFFFE, 0xFFFF]
    kinds += [c.random.randrange(0x600, 65536) for _ in range(30)]
    for at, kind in enumerate(kinds):
        payload = c.bytes(c.random.choice([46, 47, 100, 1000]))
        c.everywhere(f"ethertype/{at}-{kind:#06x}", lambda src, dst, kind=kind, payload=payload:
                     eth(dst, src, kind, payload))


def tag(tci, inner, kind=ETH_VLAN):
    """A tag as it stands behind the source: its own type, the tag, the type of what follows."""
    return kind, struct.pack("!HH", tci, inner)


def tags(c):
    for kind in (ETH_VLAN, ETH_QINQ, 0x9100):
        for tci in (0, 1, 2, 5, 0x0FFE, 0x0FFF, 0x1005, 0x2000, 0xE000, 0xEFFF, 0xFFFF):
            outer, head = tag(tci, PLAIN, kind)
            payload = head + c.bytes(42)
            c.everywhere(f"tag/{kind:#06x}-{tci:#06x}", lambda src, dst, outer=outer,
                         payload=payload: eth(dst, src, outer, payload))
    for first in (ETH_VLAN, ETH_QINQ):
        for second in (ETH_VLAN, ETH_QINQ):
            payload = struct.pack("!HHHH", 0x0064, second, 0x00C8, ETH_IPV4) + c.bytes(60)
            c.everywhere(f"tag/two-{first:#06x}-{second:#06x}", lambda src, dst, first=first,
                         payload=payload: eth(dst, src, first, payload))
    three = struct.pack("!HHHHHH", 1, ETH_VLAN, 2, ETH_VLAN, 3, PLAIN) + c.bytes(60)
    c.everywhere("tag/three", lambda src, dst: eth(dst, src, ETH_QINQ, three))
    for length in range(0, 12):
        payload = (struct.pack("!HH", 7, PLAIN) + b"12345678")[:length]
        c.send(f"tag/cut-at-{length}", eth(BROADCAST, c.station(), ETH_VLAN, payload))
        c.send(f"tag/two-cut-at-{length}", eth(BROADCAST, c.station(), ETH_QINQ, (struct.pack(
            "!HHHH", 7, ETH_VLAN, 8, PLAIN) + b"1234")[:length]))
    for mtu in (1400, 1500):
        for more in (-4, -1, 0, 1, 4):
            payload = struct.pack("!HH", 7, PLAIN) + c.bytes(mtu + more)
            c.everywhere(f"tag/payload-{mtu}{more:+}", lambda src, dst, payload=payload:
                         eth(dst, src, ETH_VLAN, payload))


def address6(last):
    return mac("20:01:0d:b8:00:00") + bytes(9) + bytes([last])


def ip6(protocol, payload, src=address6(1), dst=address6(2), *, hops=64, length=None):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, length, protocol, hops) + src + dst + payload


def sum6(protocol, payload, src=address6(1), dst=address6(2)):
    """The checksum over the IPv6 pseudo header and the payload, or over the former alone."""
    return checksum(src + dst + struct.pack("!II", len(payload), protocol) + payload)


def icmp6(kind, body, dst=address6(2), **fields):
    """ICMPv6 with a right checksum in IPv6."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    check = struct.pack("!H", sum6(ICMPV6, message, dst=dst))
    return ip6(ICMPV6, message[:2] + check + body, dst=dst, **fields)


def ipv6(c):
    target = address6(2)
    group = mac("ff:02:00:00:00:00") + bytes(5) + b"\1\xff" + target[-3:]
    solicit = icmp6(135, bytes(4) + target + b"\1\1" + c.hosts["a"].mac, group, hops=255)
    for name, dst in (("group", mac("33:33:ff:00:00:02")), ("known", None)):
        x = c.station()
        c.steps(f"ipv6/solicit-{name}", send("b", c.to(BROADCAST, x)),
                send("a", eth(dst or x, c.station(), ETH_IPV6, solicit)))
    for name, kind, body in (("router-solicit", 133, bytes(4)), ("router-advert", 134, bytes(12)),
                             ("advert", 136, bytes(4) + target), ("redirect", 137, bytes(36)),
                             ("query", 130, bytes(20)), ("report", 143, bytes(4)),
                             ("echo", 128, bytes(60)), ("too-big", 2, bytes(44))):
        datagram = icmp6(kind, body, hops=255)
        c.everywhere(f"ipv6/{name}", lambda src, dst, datagram=datagram:
                     eth(dst, src, ETH_IPV6, datagram))
    for name, datagram in (("version-0", b"\0" * 40), ("cut", ip6(UDP, bytes(40))[:30]),
                           ("length-past-frame", ip6(UDP, bytes(8), length=400)),
                           ("hop-limit-0", ip6(59, b"", hops=0)),
                           ("hop-by-hop", ip6(0, b"\x3a\0\5\2\0\0\0\0" + bytes(8)))):
        c.everywhere(f"ipv6/{name}", lambda src, dst, datagram=datagram:
                     eth(dst, src, ETH_IPV6, datagram))


def ipv4(c):
    """The bridge looks at no datagram: right and wrong ones pass as they are."""
    src, dst = "192.0.2.1", "192.0.2.2"
    body = udp(src, dst)
    wrong = {
        "ttl-0": ip4(src, dst, UDP, body, ttl=0), "ttl-1": ip4(src, dst, UDP, body, ttl=1),
        "version-5": ip4(src, dst, UDP, body, version=5), "ihl-0": ip4(src, dst, UDP, body, ihl=0),
        "ihl-15": ip4(src, dst, UDP, body, ihl=15), "sum": ip4(src, dst, UDP, body, check=1),
        "length-0": ip4(src, dst, UDP, body, length=0),
        "length-65535": ip4(src, dst, UDP, body, length=65535),
        "cut": ip4(src, dst, UDP, body)[:11], "same-address": ip4(src, src, UDP, body),
        "loopback": ip4("127.0.0.1", dst, UDP, body), "class-e": ip4(src, "240.0.0.1", UDP, body),
        "limited-broadcast": ip4(src, "255.255.255.255", UDP, body),
        "udp-sum": ip4(src, dst, UDP, udp(src, dst, check=0x1234)),
        "udp-sum-0": ip4(src, dst, UDP, udp(src, dst, check=0)),
        "udp-length": ip4(src, dst, UDP, udp(src, dst, length=9)),
        "tcp-sum": ip4(src, dst, TCP, tcp(src, dst, check=0x1234)),
        "icmp-sum": ip4(src, dst, ICMP, icmp(8, check=0x1234)),
        "fragment": ip4(src, dst, UDP, body, fragment=0x2000),
        "later-fragment": ip4(src, dst, UDP, bytes(64), fragment=0x0009),
        "options": ip4(src, dst, UDP, body, options=b"\x83\x07\x04\x0a\0\0\1\0"),
        "igmp": ip4(src, "224.0.0.22", 2, bytes(16))}
    for name, datagram in wrong.items():
        c.everywhere(f"ipv4/{name}", lambda s, d, datagram=datagram: eth(d, s, ETH_IPV4, datagram))
    for operation in (1, 2, 3, 9):
        question = arp(operation, c.hosts["a"].mac, src, bytes(6), "192.0.2.254")
        c.everywhere(f"ipv4/arp-{operation}", lambda s, d, question=question:
                     eth(d, s, ETH_ARP, question))


def almost_partial(protocol, payload, at, head):
    """payload whose checksum field has the folded pseudo-header sum only, as the kernel
    leaves it to the hardware; head: the pseudo header."""
    seed = ~checksum(head) & 0xFFFF
    return payload[:at] + struct.pack("!H", seed) + payload[at + 2:]


def transports(c, size):
    """(name, datagram's type, header length, datagram, offset of the checksum)"""
    data, src, dst = c.bytes(size), "192.0.2.1", "192.0.2.2"
    head6 = lambda protocol, n: address6(1) + address6(2) + struct.pack("!II", n, protocol)
    u, t = udp(src, dst, data, check=0), tcp(src, dst, data, check=0)
    for name, protocol, segment, at in (("udp", UDP, u, 6), ("tcp", TCP, t, 16)):
        four = almost_partial(protocol, segment, at, pseudo(src, dst, protocol, len(segment)))
        six = almost_partial(protocol, segment, at, head6(protocol, len(segment)))
        yield f"ipv4-{name}", ETH_IPV4, 20, ip4(src, dst, protocol, four), at
        yield f"ipv4-options-{name}", ETH_IPV4, 28, ip4(src, dst, protocol, four,
                                                         options=b"\1" * 8), at
        yield f"ipv6-{name}", ETH_IPV6, 40, ip6(protocol, six), at
        yield f"ipv6-options-{name}", ETH_IPV6, 48, ip6(
            0, bytes([protocol, 0, 1, 4, 0, 0, 0, 0]) + six), at
    yield "ipv4-dccp", ETH_IPV4, 20, ip4(src, dst, 33, bytes(6) + b"\x12\x34" + data + bytes(8)), 6


def partial_checksums(c):
    for size in (0, 1, 2, 46, 333, 1300):
        for name, kind, start, datagram, offset in transports(c, size):
            start += 14
            c.send(f"partial/{name}-{size}", eth(BROADCAST, c.station(), kind, datagram), "a",
                   (start, offset))
            x = c.station()
            for sender in "ad":
                c.steps(f"partial/{name}-{size}-to-c-from-{sender}", send("c", c.to(BROADCAST, x)),
                        send(sender, eth(x, c.station(), kind, datagram), (start, offset)))
            tagged = eth(BROADCAST, c.station(), ETH_VLAN, struct.pack("!HH", 5, kind) + datagram)
            c.send(f"partial/tagged-{name}-{size}", tagged, "b", (start + 4, offset))
            # What looks partial and is not marked so: corrupt, and to stay so.
            c.send(f"partial/unmarked-{name}-{size}",
                   eth(BROADCAST, c.station(), kind, datagram), "b")
    for start, offset in ((34, 0), (34, 2), (40, 10), (58, 0), (34, 24)): # Linux: behind 34 bytes
        c.send(f"partial/any-{start}-{offset}", c.to(BROADCAST, payload=c.bytes(46)), "a",
               (start, offset))
    for name, last in (("zeros", b"\0\0"), ("ones", b"\xff\xff")): # the latter's checksum is zero
        c.send(f"partial/sum-of-{name}", c.to(BROADCAST, payload=bytes(44) + last), "a", (34, 0))


def flags(c):
    """Each flag on each port alone, and some together; the last case switches them off."""
    settings = [{h: words} for h in HOSTS for words in ("learning: off", "flood: off",
                                                        "isolated: on")]
    settings += [{h: "isolated: on" for h in some} for some in ("ab", "cd", "abc", "abcd")]
    settings += [{"a": "learning: off, flood: off, isolated: on", "b": "isolated: on"},
                 {h: "flood: off" for h in HOSTS}, {h: "learning: off" for h in "bcd"}]
    for setting in settings:
        name = "flags/" + "+".join(f"{h}-{w}" for h, w in setting.items())
        name = name.replace(": ", "-").replace(", ", "-")
        before, after = ({h: c.station() for h in HOSTS} for _ in range(2))
        c.steps(f"{name}/known-before", ("flags", {}),
                *[send(h, c.to(BROADCAST, before[h])) for h in HOSTS], ("flags", setting),
                *[send(h, c.to(before[t])) for h in HOSTS for t in HOSTS],
                *[send(h, c.to(before["a"], before["b"])) for h in "cb"],
                send("d", c.to(before["b"])))
        c.steps(f"{name}/new", *[send(h, c.to(BROADCAST, after[h])) for h in HOSTS],
                *[send(h, c.to(after[t])) for h in HOSTS for t in HOSTS],
                *[send(h, c.to(mac("33:33:00:00:00:01"))) for h in HOSTS],
                *[send(h, c.to(c.station())) for h in HOSTS])
    c.steps("flags/none", ("flags", {}), *[send(h, c.to(c.station())) for h in HOSTS])


def statics(c):
    x = c.station()
    entry = f"{mac_text(x)} dev {PORT['c']} master static"
    c.steps("static/added", ("fdb", f"add {entry}"), *[send(h, c.to(x)) for h in HOSTS],
            ("flush", None), send("a", c.to(x)),
            ("fdb", f"del {mac_text(x)} dev {PORT['c']} master"), send("a", c.to(x)))
    for how in ("", " sticky"):
        x = c.station()
        c.steps(f"static/{how.strip() or 'plain'}-seen-elsewhere",
                ("fdb", f"add {mac_text(x)} dev {PORT['c']} master static{how}"),
                send("b", c.to(BROADCAST, x)), *[send(h, c.to(x)) for h in HOSTS])
    x = c.station()
    c.steps("static/over-learnt", send("b", c.to(BROADCAST, x)),
            ("fdb", f"replace {mac_text(x)} dev {PORT['d']} master static"),
            *[send(h, c.to(x)) for h in HOSTS])


def flushes(c):
    for flushed in (None, "a", "b"):
        x, y = c.station(), c.station()
        c.steps(f"flush/{flushed or 'everything'}", send("a", c.to(BROADCAST, x)),
                send("b", c.to(BROADCAST, y)), send("c", c.to(x)), send("c", c.to(y)),
                ("flush", flushed), send("c", c.to(x)), send("c", c.to(y)),
                send("b", c.to(x, y)), send("c", c.to(y)))


def scramble(c):
    """A long story: stations appear, move (at most four times: more is a loop to tsuji), talk."""
    known, moves = [], {}
    for chapter in range(12):
        story = []
        for _ in range(40):
            host = c.random.choice(HOSTS)
            source = c.random.choice(known) if known and c.random.random() < 0.7 else c.station()
            there, n = moves.get(source, (host, 0))
            host = host if n < 4 else there
            moves[source] = (host, n + (there != host))
            known.append(source)
            dst = c.random.choice(known + [BROADCAST, c.station()])
            story.append(send(host, c.to(dst, source, c.random.randrange(0x600, 65536),
                                         c.bytes(c.random.randrange(1400)))))
            if c.random.random() < 0.05:
                story.append(("flush", c.random.choice([None, *HOSTS])))
        c.steps(f"scramble/chapter-{chapter}", *story)


FAMILIES = (learning, moving, flooding, reserved_addresses, sources, own_destinations, lengths,
            ethertypes, tags, ipv6, ipv4, partial_checksums, statics, flushes, scramble, flags)


def build(hosts):
    """All cases, for hosts by name; always the same ones."""
    corpus = Corpus(hosts)
    for family in FAMILIES:
        family(corpus)
    names = [case.name for case in corpus.cases]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    return corpus.cases
