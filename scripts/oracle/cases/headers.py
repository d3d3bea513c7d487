"""IPv4 and TCP headers: right ones with all that is allowed, and wrong ones."""

import itertools

from oracle import packets
from oracle.play import Case, Group
from oracle.services import MODES, PROTOCOLS, Service

NOPS = b"\1\1\1\0"
RECORD_ROUTE = bytes([7, 11, 4]) + bytes(8) + b"\0"
TIMESTAMP = bytes([68, 8, 5, 0]) + bytes(4)
TIMESTAMP_ADDRESSES = bytes([68, 12, 5, 1]) + bytes(8)
ROUTER_ALERT = bytes([148, 4, 0, 0])
STREAM_ID = bytes([136, 4, 0, 7])
UNKNOWN = bytes([30 | 0x80, 4, 1, 2])
LOOSE_ROUTE = bytes([131, 7, 4, 10, 2, 0, 99, 0])
STRICT_ROUTE = bytes([137, 7, 4, 10, 2, 0, 99, 0])
BAD_LENGTH = bytes([7, 40, 4, 0])
FULL_ROUTE = bytes([7, 7, 8, 1, 2, 3, 4, 0])

MSS = bytes([2, 4, 5, 180])
SACK_WSCALE = bytes([4, 2, 1, 3, 3, 7, 1, 1])
TCP_TIMESTAMP = bytes([1, 1, 8, 10]) + bytes(range(8))


def groups():
    """All kinds of headers on every way, over TCP and UDP."""
    cases = []
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        service = Service(mode, protocol)
        kinds = [*_ip_kinds(), *(_tcp_kinds() if protocol == "tcp" else ())]
        for direction, sign in service.ways:
            for event, name, fields in kinds:
                script = _packet(sign, fields)
                label = f"{protocol} {direction} {name}"
                cases.append(Case(label, event, direction, service, script))
    return [Group("headers", cases)]


def _ip_kinds():
    for ttl in (0, 1, 2, 255):
        yield f"TTL {ttl}", f"TTL {ttl}", {"ttl": ttl}
    for tos in (0x01, 0x02, 0x03, 0x10, 0xB8, 0xBB, 0xFF):
        yield "TOS and ECN", f"TOS {tos:#04x}", {"tos": tos}
    for name, fields in (
        ("DF, ID 0", {"identification": 0}),
        ("DF, ID 0xffff", {"identification": 0xFFFF}),
        ("no DF", {"df": False}),
        ("no DF, ID 0", {"df": False, "identification": 0}),
    ):
        yield "DF and ID", name, fields
    yield "reserved flag", "reserved flag", {"reserved": True}
    for error in (1, 0x100, 0xFFFE):
        yield "IP wrong checksum", f"IP checksum off by {error:#x}", {"checksum_error": error}
    for name, options in (
        ("no operation", NOPS),
        ("router alert", ROUTER_ALERT),
        ("stream id", STREAM_ID),
        ("unknown", UNKNOWN),
    ):
        yield "IP options", f"option {name}", {"options": options}
    for name, options in (
        ("record route", RECORD_ROUTE),
        ("timestamp", TIMESTAMP),
        ("timestamp and address", TIMESTAMP_ADDRESSES),
        ("record route, full", FULL_ROUTE),
    ):
        yield "IP options that record", f"option {name}", {"options": options}
    for name, options in (("loose", LOOSE_ROUTE), ("strict", STRICT_ROUTE)):
        yield "IP source route", f"source route {name}", {"options": options}
    yield "IP options malformed", "option beyond the header", {"options": BAD_LENGTH}
    for name, fields in (
        ("version 6", {"version": 6}),
        ("header of 4 words", {"header_words": 4}),
        ("header of 15 words", {"header_words": 15}),
        ("total beyond the frame", {"total": 1400}),
        ("total 19", {"total": 19}),
        ("total 0", {"total": 0}),
    ):
        yield "IP malformed", name, fields
    yield "padded", "padded by zeros", {"pad": 0}
    yield "padded", "padded by ones", {"pad": 0xFF}


def _tcp_kinds():
    for error in (1, 0x100, 0x7FFF, 0xFFFE):
        yield "TCP wrong checksum", f"checksum off by {error:#x}", {"l4_error": error}
    for name, options in (
        ("MSS", MSS),
        ("SACK and window scale", SACK_WSCALE),
        ("timestamp", TCP_TIMESTAMP),
        ("40 octets", NOPS * 10),
    ):
        yield "TCP options", name, {"tcp_options": options}
    for words in (0, 4, 15):
        yield "TCP malformed", f"header of {words} words", {"tcp_words": words}
    for cut in (0, 4, 8, 13, 19):
        yield "TCP malformed", f"cut at {cut}", {"cut": cut}
    for length in (1, 2, 3, 63, 64, 65, 511, 1024):
        yield "TCP lengths", f"{length} octets of data", {"payload": b"\xa5" * length}


def _packet(sign, fields):
    fields = dict(fields)
    pad = fields.pop("pad", None)
    payload = fields.pop("payload", b"")

    def script(play):
        talk = play.talk()
        talk.open(sign)
        if talk.service.protocol == "udp":
            packet = packets.udp(*talk.ends(sign), payload, **fields)
        else:
            flags = "S" if sign == ">" else "SA"
            packet = packets.tcp(*talk.ends(sign), flags, payload, **fields)
        filler = b"" if pad is None else packets.padding(packet, pad)
        talk.send(sign, packet, pad=filler)

    return script
