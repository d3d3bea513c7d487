"""UDP: checksums of all kinds, lengths of all kinds, answers and no answers."""

from lab.frames import UDP
from oracle import packets
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, Service

LENGTHS = (0, 1, 2, 3, 7, 8, 63, 64, 65, 511, 1024, 1399)
OCTETS = bytes(range(256)) * 6


def groups():
    """One group."""
    cases = []
    for service in (Service(mode, "udp") for mode in MODES):
        for direction, sign in service.ways:
            for event, name, fields in _kinds():
                script = _datagram(sign, fields)
                cases.append(Case(f"{direction} {name}", event, direction, service, script))
            event = "UDP checksum zero after rewriting"
            cases.append(Case(direction, event, direction, service, _zero_sum(sign)))
            if sign == "<":
                script = _datagram(sign, {}, opened=False)
                cases.append(Case("answer to nothing", "UDP stray", direction, service, script))
    return [Group("udp", cases)]


def _kinds():
    yield "UDP datagram", "datagram", {}
    for name, payload in (("plain", b"payload"), ("empty", b""), ("odd", b"odd")):
        yield "UDP zero checksum", name, {"payload": payload, "l4_checksum_value": 0}
    for error in (1, 0x100, 0x7FFF, 0xFFFE):
        yield "UDP wrong checksum", f"off by {error:#x}", {"l4_error": error}
    yield "UDP wrong checksum", "0xffff", {"l4_checksum_value": 0xFFFF}
    for length in LENGTHS:
        yield "UDP lengths", f"{length} octets", {"payload": OCTETS[:length]}
    yield "UDP length field", "short of the packet", {"length": 12, "payload": b"x" * 20}
    yield "UDP length field", "beyond the packet", {"length": 40, "payload": b"x" * 20}
    yield "UDP length field", "below the header", {"length": 7}
    yield "UDP length field", "zero", {"length": 0}
    for cut in (0, 4, 7):
        yield "UDP header cut", f"at {cut}", {"cut": cut}


def _datagram(sign, fields, *, opened=True):
    def script(play):
        talk = play.talk()
        if opened:
            talk.open(sign)
        # Twice: the second finds a session.
        for _ in range(2):
            talk.udp(sign, **fields)

    return script


def _zero_sum(sign):
    """The checksum of what comes out is zero, which UDP sends as 0xffff."""

    def script(play):
        talk = play.talk()
        # Two octets decide the sum, once the server is known.
        talk.first()
        source, destination = talk.ends(sign)
        if talk.service.mode in NAT_MODES:
            if sign == ">":
                destination = talk.service.rip(talk.server)
            else:
                source = talk.service.vip
        datagram = packets.udp(source, destination, b"\0\0", l4_checksum_value=0)[20:]
        missing = packets.l4_checksum(source[0], destination[0], UDP, datagram)
        talk.udp(sign, missing.to_bytes(2, "big"))

    return script
