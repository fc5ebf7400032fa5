# SPDX-License-Identifier: BSD-2-Clause
"""frames.py - frames as bytes: builders whose every field can be wrong, and a reader that
says in one line what a captured frame is. Builders compute what is not given; nothing is
checked, because malformed frames are half of what the tests send."""
import socket
import struct

BROADCAST = b"\xff" * 6
ETH_IPV4, ETH_ARP, ETH_VLAN, ETH_IPV6 = 0x0800, 0x0806, 0x8100, 0x86DD
ICMP, IGMP, TCP, UDP = 1, 2, 6, 17
DF, MF = 0x4000, 0x2000
TCP_SYN, TCP_RST, TCP_ACK = 0x02, 0x04, 0x10


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def addr(address):
    """An IPv4 address as four bytes; bytes stay as they are."""
    return address if isinstance(address, bytes) else socket.inet_aton(address)


def text(address):
    return socket.inet_ntoa(address)


def checksum(data):
    """The Internet checksum (RFC 1071): zero over data that contains a correct one."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(dst, src, ethertype, payload=b""):
    return dst + src + struct.pack("!H", ethertype) + payload


def ip4(src, dst, protocol, payload=b"", *, ttl=64, ident=1, fragment=0, tos=0, options=b"",
        version=4, ihl=None, length=None, check=None):
    """An IPv4 datagram (RFC 791); ihl in words, fragment with DF, MF and offset/8."""
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    length = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack("!BBHHHBB", version << 4 | ihl, tos, length, ident, fragment, ttl, protocol)
    tail = addr(src) + addr(dst) + options
    check = checksum(head + b"\0\0" + tail) if check is None else check
    return head + struct.pack("!H", check) + tail + payload


def icmp(kind, code=0, rest=b"\0\0\0\0", payload=b"", *, check=None):
    head = struct.pack("!BB", kind, code)
    check = checksum(head + b"\0\0" + rest + payload) if check is None else check
    return head + struct.pack("!H", check) + rest + payload


def echo(ident=7, sequence=1, payload=b"tsuji", **fields):
    return icmp(8, 0, struct.pack("!HH", ident, sequence), payload, **fields)


def pseudo(src, dst, protocol, length):
    return addr(src) + addr(dst) + struct.pack("!BBH", 0, protocol, length)


def udp(src, dst, payload=b"tsuji", *, sport=1024, dport=9999, check=None, length=None):
    length = 8 + len(payload) if length is None else length
    head = struct.pack("!HHH", sport, dport, length)
    if check is None:
        total = pseudo(src, dst, UDP, 8 + len(payload)) + head + b"\0\0" + payload
        check = checksum(total) or 0xFFFF
    return head + struct.pack("!H", check) + payload


def tcp(src, dst, payload=b"", *, sport=1024, dport=80, seq=1, ack=0, flags=TCP_SYN, check=None):
    head = struct.pack("!HHIIBBH", sport, dport, seq, ack, 5 << 4, flags, 8192)
    if check is None:
        length = 20 + len(payload)
        check = checksum(pseudo(src, dst, TCP, length) + head + b"\0\0\0\0" + payload)
    return head + struct.pack("!HH", check, 0) + payload


def arp(operation, sender_mac, sender, target_mac, target, *, hardware=1, protocol=ETH_IPV4,
        hardware_len=6, protocol_len=4):
    return (struct.pack("!HHBBH", hardware, protocol, hardware_len, protocol_len, operation)
            + sender_mac + addr(sender) + target_mac + addr(target))


def is_ip4(frame):
    return len(frame) >= 34 and frame[12:14] == b"\x08\x00" and frame[14] >> 4 == 4


def header_len(frame):
    """Bytes of the IPv4 header."""
    return (frame[14] & 15) * 4


def is_arp_request(frame):
    """A question; not an announcement, which asks for its own sender (RFC 5227 2.3)."""
    return (len(frame) >= 42 and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and
            frame[28:32] != frame[38:42])


def complete_checksum(frame):
    """What a network card would do to a frame the kernel calls partial (TCP and UDP)."""
    if not is_ip4(frame) or frame[23] not in (TCP, UDP):
        return frame
    start = 14 + header_len(frame)
    at = start + (16 if frame[23] == TCP else 6)
    segment = frame[start:14 + struct.unpack("!H", frame[16:18])[0]]
    check = checksum(segment) or (0xFFFF if frame[23] == UDP else 0)
    return frame[:at] + struct.pack("!H", check) + frame[at + 2:]


def describe(frame):
    """One line: "icmp 11/0 192.168.1.1 > 10.1.0.9 ttl 64 quoting 28, 70 bytes"."""
    if len(frame) < 14:
        return f"runt, {len(frame)} bytes"
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == ETH_ARP and len(frame) >= 42:
        return describe_arp(frame)
    if not is_ip4(frame):
        return f"ethertype {kind:#06x}, {len(frame)} bytes"
    return f"{describe_ip4(frame)}, {len(frame)} bytes"


def describe_arp(frame):
    operation = struct.unpack("!H", frame[20:22])[0]
    word = {1: "request", 2: "reply"}.get(operation, str(operation))
    to = "broadcast" if frame[:6] == BROADCAST else "unicast"
    return f"arp {word} {text(frame[28:32])} > {text(frame[38:42])} {to}, {len(frame)} bytes"


def describe_ip4(frame):
    start = 14 + header_len(frame)
    tos, fragment, ttl, protocol = frame[15], struct.unpack("!H",
                                                            frame[20:22])[0], frame[22], frame[23]
    words = [{ICMP: "icmp", TCP: "tcp", UDP: "udp"}.get(protocol, f"protocol {protocol}")]
    first = not fragment & 0x1FFF
    if protocol == ICMP and first and len(frame) >= start + 2:
        words.append(f"{frame[start]}/{frame[start + 1]}")
    if protocol == TCP and first and len(frame) >= start + 14:
        words.append(f"flags {frame[start + 13]:#04x}")
    words.append(f"{text(frame[26:30])} > {text(frame[30:34])} ttl {ttl}")
    if tos:
        words.append(f"tos {tos:#04x}")
    if start > 34:
        words.append(f"options {start - 34}")
    if fragment:
        words.append(f"{'DF ' if fragment & DF else ''}{'MF ' if fragment & MF else ''}"
                     f"offset {(fragment & 0x1FFF) * 8}")
    if protocol == ICMP and first and len(frame) > start + 8 and frame[start] in (3, 5, 11, 12):
        words.append(f"quoting {len(frame) - start - 8}")
    if checksum(frame[14:start]):
        words.append("BAD HEADER CHECKSUM")
    return " ".join(words)
