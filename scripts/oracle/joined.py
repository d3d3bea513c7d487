"""Datagrams that come in fragments: compared as what a host makes of them.

IPVS puts a datagram together before it forwards it, and cuts it again. weir forwards each
fragment by itself. So frames cannot be alike, but what a host receives has to be.
"""

import dataclasses

from oracle.compare import Difference

LINK = 14
IPV4 = b"\x08\x00"
IPV6 = b"\x86\xdd"
# Next header: that of a fragment.
FRAGMENT = 44
# IPv4 and IPv6 in IP.
TUNNELS = (4, 41)
EVENTS = ("fragments", "IPv6 fragments")


@dataclasses.dataclass
class _Datagram:
    # The payload's parts by their offsets.
    parts: dict
    octets: int | None = None

    def is_whole(self):
        at = 0
        for begin, part in sorted(self.parts.items()):
            at += len(part) if begin == at else 0
        return at == self.octets

    def payload(self):
        return b"".join(self.parts[at] for at in sorted(self.parts))


def compare_joined(case, outcome):
    """One difference that says so where hosts see none, none where no frame differs.

    None where they do see one: then frames tell.
    """
    ipvs = [sent for step in case.steps for sent in step.from_ipvs]
    weir = [sent for step in case.steps for sent in outcome.sent.get(step.time_ns, [])]
    if ipvs == weir:
        return []
    if received(ipvs) == received(weir):
        return [Difference(case, "fragments", len(ipvs), len(weir), [])]
    return None


def received(frames):
    """What hosts get in these frames: [(port, link, …, header, payload)], tunnels taken off.

    A header is without what fragmentation changes: total length, flags and offset, checksum; of
    IPv6 also without the identification, which IPVS gives anew.
    """
    is_ip = lambda frame: frame[LINK - 2 : LINK] in (IPV4, IPV6)
    others = [(port, frame) for port, frame in frames if not is_ip(frame)]
    packets = [((port, frame[:LINK]), frame[LINK:]) for port, frame in frames if is_ip(frame)]
    return others, _joined(packets)


@dataclasses.dataclass
class _Packet:
    header: bytes
    # What tells its datagram from others, beyond the header.
    mark: bytes
    ends: bytes
    protocol: int
    offset: int
    more: bool
    payload: bytes


def _four(packet):
    length = int.from_bytes(packet[2:4], "big")
    options = (packet[0] & 15) * 4
    bits = int.from_bytes(packet[6:8], "big")
    header = packet[:2] + packet[4:6] + packet[8:10] + packet[12:options]
    parts = ((bits & 0x1FFF) * 8, bool(bits & 0x2000), packet[options:length])
    return _Packet(header, b"", packet[12:20], packet[9], *parts)


def _six(packet):
    end = 40 + int.from_bytes(packet[4:6], "big")
    header, protocol = packet[:4] + packet[7:40], packet[6]
    if protocol != FRAGMENT:
        return _Packet(header, b"", packet[8:40], protocol, 0, False, packet[40:end])
    bits = int.from_bytes(packet[42:44], "big")
    parts = (bits & 0xFFF8, bool(bits & 1), packet[48:end])
    return _Packet(header, packet[44:48], packet[8:40], packet[40], *parts)


def _joined(packets):
    """The same of packets with what they came in."""
    under_way = {}
    whole, tunnelled = [], []
    for outside, octets in packets:
        packet = _six(octets) if octets[0] >> 4 == 6 else _four(octets)
        key = (*outside, packet.header, packet.protocol, packet.mark)
        datagram = under_way.setdefault(key, _Datagram({}))
        datagram.parts.setdefault(packet.offset, packet.payload)
        if not packet.more:
            datagram.octets = packet.offset + len(packet.payload)
        if not datagram.is_whole():
            continue
        payload = under_way.pop(key).payload()
        if packet.protocol in TUNNELS:
            # The tunnel's own identification and TTL are others' business.
            tunnelled.append(((*outside, packet.ends), payload))
        else:
            whole.append((*key[:-1], payload))
    left = sorted((key[:-1], sorted(datagram.parts)) for key, datagram in under_way.items())
    return whole, left, _joined(tunnelled) if tunnelled else None
