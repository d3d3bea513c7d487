"""Datagrams that come in fragments: compared as what a host makes of them.

IPVS puts a datagram together before it forwards it, and cuts it again. weir forwards each
fragment by itself. So frames cannot be alike, but what a host receives has to be.
"""

import dataclasses

from oracle.compare import Difference

LINK = 14
IPV4 = b"\x08\x00"
IPIP = 4
EVENT = "fragments"


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

    A header is without what fragmentation changes: total length, flags and offset, checksum.
    """
    others = [(port, frame) for port, frame in frames if frame[LINK - 2 : LINK] != IPV4]
    packets = [
        ((port, frame[:LINK]), frame[LINK:])
        for port, frame in frames
        if frame[LINK - 2 : LINK] == IPV4
    ]
    return others, _joined(packets)


def _joined(packets):
    """The same of packets with what they came in."""
    under_way = {}
    whole, tunnelled = [], []
    for outside, packet in packets:
        length = int.from_bytes(packet[2:4], "big")
        options = (packet[0] & 15) * 4
        bits = int.from_bytes(packet[6:8], "big")
        offset, more = (bits & 0x1FFF) * 8, bits & 0x2000
        header = packet[:2] + packet[4:6] + packet[8:10] + packet[12:options]
        key = (*outside, header)
        datagram = under_way.setdefault(key, _Datagram({}))
        datagram.parts.setdefault(offset, packet[options:length])
        if not more:
            datagram.octets = offset + length - options
        if not datagram.is_whole():
            continue
        payload = under_way.pop(key).payload()
        if packet[9] == IPIP:
            # The tunnel's own identification and TTL are others' business.
            tunnelled.append(((*outside, packet[12:20]), payload))
        else:
            whole.append((*key, payload))
    left = sorted((key, sorted(datagram.parts)) for key, datagram in under_way.items())
    return whole, left, _joined(tunnelled) if tunnelled else None
