"""Frames with every field to choose, the wrong ones too."""

import socket
import struct

from lab.frames import ETHERTYPE_IPV4, ICMP, TCP, UDP, checksum, packed_mac
from oracle import plan

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}
LEAST_FRAME = 60
ETHERTYPE_IPV6 = 0x86DD
ICMPV6 = 58


def flag_bits(letters):
    """"SA" as the octet of a TCP header."""
    return sum(FLAGS[letter] for letter in letters)


def damaged(value, error):
    """A checksum that is wrong by `error`."""
    return (value + error) & 0xFFFF


def ipv4(
    source,
    destination,
    protocol,
    payload,
    *,
    ttl=64,
    tos=0,
    identification=0x1234,
    df=True,
    more=False,
    offset=0,
    options=b"",
    checksum_error=0,
    version=4,
    header_words=None,
    total=None,
    reserved=False,
):
    """An IPv4 packet. `offset` is in octets, `options` a multiple of four long."""
    words = 5 + len(options) // 4 if header_words is None else header_words
    fragment = reserved << 15 | df << 14 | more << 13 | offset // 8
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(version << 4 | words, tos),
        20 + len(options) + len(payload) if total is None else total,
        *(identification, fragment, ttl, protocol, 0),
        *(socket.inet_aton(source), socket.inet_aton(destination)),
    )
    head += options
    value = struct.pack("!H", damaged(checksum(head), checksum_error))
    return head[:10] + value + head[12:] + payload


def ipv6(
    source, destination, protocol, payload, *, ttl=64, tos=0, label=0, extensions=b"", octets=None
):
    """An IPv6 packet. `extensions` are headers of which the first octet is yet to be put right."""
    carried = extensions + payload
    first = 6 << 28 | tos << 20 | label
    octets = len(carried) if octets is None else octets
    head = struct.pack("!IHBB", first, octets, protocol, ttl)
    return head + packed(source) + packed(destination) + carried


def ip(source, *rest, **fields):
    """A packet of the source's family."""
    return (ipv6 if ":" in source else ipv4)(source, *rest, **fields)


def packed(address):
    """An address of either family as on the wire."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def l4_checksum(source, destination, protocol, segment):
    """The checksum of a segment in which its field is zero."""
    pseudo = packed(source) + packed(destination)
    return checksum(pseudo + struct.pack("!HH", protocol, len(segment)) + segment)


def tcp(
    source,
    destination,
    flags="S",
    payload=b"",
    *,
    sequence=1000,
    acknowledgement=0,
    tcp_options=b"",
    tcp_words=None,
    l4_error=0,
    cut=None,
    **fields,
):
    """A TCP segment between two (address, port); `cut` octets of it are left in the packet."""
    words = 5 + len(tcp_options) // 4 if tcp_words is None else tcp_words
    segment = struct.pack(
        "!HHIIBBHHH",
        *(source[1], destination[1], sequence, acknowledgement),
        *(words << 4, flag_bits(flags), 8192, 0, 0),
    )
    segment += tcp_options + payload
    value = l4_checksum(source[0], destination[0], TCP, segment)
    value = struct.pack("!H", damaged(value, l4_error))
    segment = (segment[:16] + value + segment[18:])[:cut]
    return ip(source[0], destination[0], TCP, segment, **fields)


def udp(
    source,
    destination,
    payload=b"",
    *,
    l4_checksum_value=None,
    l4_error=0,
    length=None,
    cut=None,
    **fields,
):
    """A UDP datagram between two (address, port); `cut` octets of it are left in the packet."""
    length = 8 + len(payload) if length is None else length
    head = struct.pack("!HHH", source[1], destination[1], length)
    if l4_checksum_value is None:
        value = l4_checksum(source[0], destination[0], UDP, head + b"\0\0" + payload)
        l4_checksum_value = damaged(value or 0xFFFF, l4_error)
    datagram = (head + struct.pack("!H", l4_checksum_value) + payload)[:cut]
    return ip(source[0], destination[0], UDP, datagram, **fields)


def icmp(source, destination, kind, code, rest=0, payload=b"", *, l4_error=0, **fields):
    """An ICMP message; `rest` is the second word of its header."""
    message = struct.pack("!BBHI", kind, code, 0, rest) + payload
    if ":" in source:
        value = damaged(l4_checksum(source, destination, ICMPV6, message), l4_error)
        message = message[:2] + struct.pack("!H", value) + message[4:]
        return ipv6(source, destination, ICMPV6, message, **fields)
    value = struct.pack("!H", damaged(checksum(message), l4_error))
    return ipv4(source, destination, ICMP, message[:2] + value + message[4:], **fields)


def framed(port, packet, source_mac, *, destination_mac=None, ethertype=None, pad=b""):
    """The packet in a frame to the director's port, padded if asked for."""
    if ethertype is None:
        ethertype = ETHERTYPE_IPV6 if packet[:1] >= b"\x60" else ETHERTYPE_IPV4
    head = packed_mac(destination_mac or plan.MAC[port]) + packed_mac(source_mac)
    return head + struct.pack("!H", ethertype) + packet + pad


def padding(packet, octet=0):
    """What brings the frame of a packet to the least length of Ethernet."""
    return bytes([octet]) * (LEAST_FRAME - 14 - len(packet))
