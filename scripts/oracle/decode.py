"""Frames taken apart, so that a difference can be named.

`decode(frame)` gives every octet to a field: [(name, value)], in the order of the frame. Headers
in headers have prefixes: `outer.ip.ttl` is that of a tunnel, `quoted.ip.ttl` that of a packet in an
ICMP error.
"""

import socket

from lab.frames import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_VLAN, ICMP, TCP, UDP, checksum
from oracle.packets import ETHERTYPE_IPV6, FLAGS, ICMPV6, l4_checksum

IPIP = 4
IPV6_IN_IP = 41
GRE = 47
GUE_PORT = 6080
EXTENSIONS = (0, 43, 44, 60)
ICMP_ERRORS = (3, 4, 5, 11, 12)


class Fields(list):
    """Fields in the order of the frame."""

    def add(self, name, value):
        """One more."""
        self.append((name, value))


class Reader:
    """Octets taken one field after the other; a field beyond the end has what is left."""

    def __init__(self, octets, prefix, fields):
        self._octets = octets
        self._prefix = prefix
        self._fields = fields

    def octets(self, count):
        """Takes octets that are no field of their own."""
        taken, self._octets = self._octets[:count], self._octets[count:]
        return taken

    def number(self, name, count):
        """A number of `count` octets, as a field."""
        taken = self.octets(count)
        value = int.from_bytes(taken, "big")
        self.field(name, value if len(taken) == count else f"cut {taken.hex()}")
        return value

    def address(self, name):
        """An IPv4 address, as a field."""
        taken = self.octets(4)
        self.field(name, _address(taken) if len(taken) == 4 else f"cut {taken.hex()}")
        return taken

    def address_six(self, name):
        """An IPv6 address, as a field."""
        taken = self.octets(16)
        self.field(name, _address(taken) if len(taken) == 16 else f"cut {taken.hex()}")
        return taken

    def hexadecimal(self, name, count=None):
        """Octets as they are; no field where there are none."""
        taken = self.octets(len(self._octets) if count is None else max(0, count))
        if taken:
            self.field(name, taken.hex())
        return taken

    def field(self, name, value):
        """A field that was read elsewhere."""
        self._fields.add(self._prefix + name, value)

    def left(self):
        """What was not yet taken."""
        return self._octets


def decode(frame):
    """Every octet of a frame as fields."""
    fields = Fields()
    reader = Reader(frame, "eth.", fields)
    reader.field("destination", reader.octets(6).hex(":"))
    reader.field("source", reader.octets(6).hex(":"))
    ethertype = reader.number("type", 2)
    if ethertype == ETHERTYPE_VLAN:
        reader.number("tag", 2)
        ethertype = reader.number("tagged_type", 2)
    packet = reader.left()
    if ethertype == ETHERTYPE_ARP:
        _arp(packet[:28], fields)
        trailer = packet[28:]
    elif ethertype == ETHERTYPE_IPV4 and len(packet) >= 20:
        total = int.from_bytes(packet[2:4], "big")
        tunnel = _is_tunnel(packet[9], packet[(packet[0] & 15) * 4 :])
        _ipv4(packet[:total], "outer." if tunnel else "", fields)
        trailer = packet[total:]
    elif ethertype == ETHERTYPE_IPV6 and len(packet) >= 40:
        total = 40 + int.from_bytes(packet[4:6], "big")
        tunnel = packet[6] == 60 or _is_tunnel(packet[6], packet[40:])
        _ipv6(packet[:total], "outer." if tunnel else "", fields)
        trailer = packet[total:]
    else:
        fields.add("eth.payload", packet.hex())
        trailer = b""
    # Whether a short frame is padded before the NIC or in it makes no difference on the wire.
    if trailer and (len(frame) > 60 or any(trailer)):
        fields.add("eth.trailer", trailer.hex())
    return fields


def _is_tunnel(protocol, behind):
    return protocol in (IPIP, IPV6_IN_IP, GRE) or (
        protocol == UDP and behind[2:4] == GUE_PORT.to_bytes(2, "big")
    )


def _carried(protocol, packet, prefix, fields):
    """What is in a tunnel of IPv4 or IPv6."""
    if protocol == IPIP and len(packet) >= 20:
        _ipv4(packet, prefix, fields)
    elif protocol == IPV6_IN_IP and len(packet) >= 40:
        _ipv6(packet, prefix, fields)
    else:
        Reader(packet, prefix, fields).hexadecimal("payload")


def _gre(packet, prefix, fields):
    reader = Reader(packet, prefix + "gre.", fields)
    flags = reader.number("flags", 2)
    ethertype = reader.number("type", 2)
    if flags & 0x8000:
        reader.number("checksum", 2)
        reader.number("reserved", 2)
        reader.field("checksum_error", checksum(packet))
    protocol = {ETHERTYPE_IPV4: IPIP, ETHERTYPE_IPV6: IPV6_IN_IP}.get(ethertype)
    _carried(protocol, reader.left(), prefix.removesuffix("outer."), fields)


def _gue(datagram, prefix, fields, ends):
    reader = Reader(datagram, prefix + "udp.", fields)
    for name in ("source", "destination"):
        reader.number(name, 2)
    length = reader.number("length", 2)
    present = reader.number("checksum", 2) != 0
    error = _l4_error(ends, UDP, datagram[:length]) if present else "none"
    reader.field("checksum_error", error)
    reader = Reader(reader.left(), prefix + "gue.", fields)
    words = reader.number("words", 1) & 0x1F
    protocol = reader.number("protocol", 1)
    reader.number("flags", 2)
    reader.hexadecimal("extensions", words * 4)
    _carried(protocol, reader.left(), prefix.removesuffix("outer."), fields)


def _arp(packet, fields):
    reader = Reader(packet, "arp.", fields)
    for name, count in (("hardware", 2), ("protocol", 2), ("sizes", 2), ("operation", 2)):
        reader.number(name, count)
    for side in ("sender", "target"):
        reader.field(f"{side}_mac", reader.octets(6).hex(":"))
        reader.address(side)


def _ipv4(packet, prefix, fields):
    reader = Reader(packet, prefix + "ip.", fields)
    first = reader.octets(1)
    version, words = (first[0] >> 4, first[0] & 15) if first else (0, 0)
    reader.field("version", version)
    reader.field("header_words", words)
    reader.number("tos", 1)
    reader.number("total", 2)
    reader.number("id", 2)
    fragment = int.from_bytes(reader.octets(2), "big")
    reader.field("flags", f"{fragment >> 15 & 1}{fragment >> 14 & 1}{fragment >> 13 & 1}")
    offset = (fragment & 0x1FFF) * 8
    reader.field("offset", offset)
    reader.number("ttl", 1)
    protocol = reader.number("protocol", 1)
    reader.number("checksum", 2)
    source, destination = reader.address("source"), reader.address("destination")
    reader.hexadecimal("options", (words - 5) * 4)
    reader.field("checksum_error", checksum(packet[: words * 4]))
    inner = Reader(reader.left(), prefix, fields)
    inside = prefix.removesuffix("outer.")
    if offset:
        inner.hexadecimal("fragment")
    elif protocol in (IPIP, IPV6_IN_IP):
        _carried(protocol, reader.left(), inside, fields)
    elif protocol == GRE and prefix.endswith("outer."):
        _gre(reader.left(), prefix, fields)
    elif protocol == UDP and prefix.endswith("outer."):
        _gue(reader.left(), prefix, fields, (source, destination))
    elif protocol == TCP:
        _tcp(reader.left(), prefix, fields, (source, destination))
    elif protocol == UDP:
        _udp(reader.left(), prefix, fields, (source, destination))
    elif protocol == ICMP:
        _icmp(reader.left(), prefix, fields)
    else:
        inner.hexadecimal("payload")


def _ipv6(packet, prefix, fields):
    reader = Reader(packet, prefix + "ip.", fields)
    first = int.from_bytes(reader.octets(4), "big")
    reader.field("version", first >> 28)
    reader.field("tos", first >> 20 & 0xFF)
    reader.field("label", first & 0xFFFFF)
    reader.number("total", 2)
    protocol = reader.number("protocol", 1)
    reader.number("ttl", 1)
    ends = reader.address_six("source"), reader.address_six("destination")
    while protocol in EXTENSIONS and len(reader.left()) >= 8:
        octets = 8 if protocol == 44 else 8 + 8 * reader.left()[1]
        protocol = reader.hexadecimal(f"extension_{protocol}", octets)[0]
    inside = prefix.removesuffix("outer.")
    if protocol in (IPIP, IPV6_IN_IP):
        _carried(protocol, reader.left(), inside, fields)
    elif protocol == GRE and prefix.endswith("outer."):
        _gre(reader.left(), prefix, fields)
    elif protocol == UDP and prefix.endswith("outer."):
        _gue(reader.left(), prefix, fields, ends)
    elif protocol == TCP:
        _tcp(reader.left(), prefix, fields, ends)
    elif protocol == UDP:
        _udp(reader.left(), prefix, fields, ends)
    elif protocol == ICMPV6:
        _icmpv6(reader.left(), prefix, fields, ends)
    else:
        Reader(reader.left(), prefix, fields).hexadecimal("payload")


def _icmpv6(message, prefix, fields, ends):
    reader = Reader(message, prefix + "icmp.", fields)
    kind = reader.number("type", 1)
    reader.number("code", 1)
    reader.number("checksum", 2)
    reader.number("rest", 4)
    if _is_whole(prefix):
        reader.field("checksum_error", _l4_error(ends, ICMPV6, message))
    if kind < 128 and len(reader.left()) >= 40:
        _ipv6(reader.left(), prefix + "quoted.", fields)
    else:
        reader.hexadecimal("payload")


def _address(octets):
    return socket.inet_ntop(socket.AF_INET6 if len(octets) == 16 else socket.AF_INET, octets)


def _l4_error(ends, protocol, segment):
    """0 for a right checksum; else what its sum differs by."""
    if len(ends[1]) not in (4, 16):
        return 0
    return l4_checksum(_address(ends[0]), _address(ends[1]), protocol, segment)


def _is_whole(prefix):
    """False for what an ICMP error quotes: it may be cut, and its checksum is then no more one."""
    return "quoted." not in prefix


def _tcp(segment, prefix, fields, ends):
    reader = Reader(segment, prefix + "tcp.", fields)
    for name, count in (("source", 2), ("destination", 2), ("sequence", 4), ("acknowledgement", 4)):
        reader.number(name, count)
    words = reader.number("header_words", 1) >> 4
    flags = reader.octets(1)
    if flags:
        reader.field("flags", "".join(letter for letter in FLAGS if flags[0] & FLAGS[letter]))
    for name in ("window", "checksum", "urgent"):
        reader.number(name, 2)
    reader.hexadecimal("options", (words - 5) * 4)
    reader.hexadecimal("payload")
    if _is_whole(prefix):
        reader.field("checksum_error", _l4_error(ends, TCP, segment))


def _udp(datagram, prefix, fields, ends):
    reader = Reader(datagram, prefix + "udp.", fields)
    for name in ("source", "destination"):
        reader.number(name, 2)
    length = reader.number("length", 2)
    present = reader.number("checksum", 2) != 0
    reader.hexadecimal("payload")
    if _is_whole(prefix):
        error = _l4_error(ends, UDP, datagram[:length]) if present else "none"
        reader.field("checksum_error", error)


def _icmp(message, prefix, fields):
    reader = Reader(message, prefix + "icmp.", fields)
    kind = reader.number("type", 1)
    reader.number("code", 1)
    reader.number("checksum", 2)
    reader.number("rest", 4)
    reader.field("checksum_error", checksum(message))
    if kind in ICMP_ERRORS and len(reader.left()) >= 20:
        _ipv4(reader.left(), prefix + "quoted.", fields)
    else:
        reader.hexadecimal("payload")
