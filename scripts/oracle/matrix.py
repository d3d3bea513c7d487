"""The matrix of what is compared: mode × event × direction."""

import collections

from oracle.services import MODES, NAT_MODES

BOTH_WAYS = [
    *("TCP SYN", "TCP SYN+ACK", "TCP ACK", "TCP data", "TCP FIN", "TCP RST", "TCP mixed flags"),
    *("TCP without flags", "TCP stray", "TCP retransmission"),
    *("TCP wrong checksum", "TCP options", "TCP malformed", "TCP lengths"),
    *("UDP datagram", "UDP zero checksum", "UDP wrong checksum", "UDP lengths"),
    *("UDP checksum zero after rewriting", "UDP length field", "UDP header cut"),
    *("TTL 0", "TTL 1", "TTL 2", "TTL 255", "TOS and ECN", "DF and ID", "reserved flag"),
    *("IP wrong checksum", "IP options", "IP options that record", "IP source route"),
    *("IP options malformed", "IP malformed", "padded", "largest packet"),
]
FORWARD_ALONE = [
    *("TCP port reuse", "too big, DF", "too big, no DF", "weight 0 of all"),
    *("scheduler rr", "scheduler wrr"),
    *("scheduler lc", "scheduler wlc", "scheduler sed", "scheduler nq"),
    *("thresholds", "persistence", "persistence, server changes"),
    *("IPv6 persistence", "IPv6 persistence, server changes"),
    *("scheduler fo", "scheduler ovf", "scheduler lblc", "scheduler lblcr", "scheduler dh"),
]
WHOLE = [
    *("TCP whole connection", "idle time", "idle, not too long", "idle too long"),
    "random conversation",
]
DIRECTOR = [
    *("ARP for DIP", "ARP for other DIP", "ARP for foreign", "ARP without an answer"),
    *("echo to VIP", "echo to DIP", "echo to other DIP", "ICMP other than echo"),
    *("TCP to a closed port of a VIP", "TCP to a closed port of a DIP"),
    *("UDP to a closed port of a VIP", "UDP to a closed port of a DIP", "unknown protocol"),
    *("other traffic routed", "malformed traffic routed", "frame not for this MAC"),
    *("impossible source", "impossible destination", "no route"),
]
SIDES = ["wan", "lan"]
SIX_DIRECTOR = [
    *("IPv6 echo to VIP", "IPv6 echo to DIP", "IPv6 other traffic routed", "IPv6 no route"),
    *("IPv6 TCP to a closed port", "IPv6 UDP to a closed port"),
]


def _implemented():
    for mode in MODES:
        for event in BOTH_WAYS:
            # TCP is not seen to come back from nowhere in DR and TUN.
            yield (mode, event, "forward")
            if mode in NAT_MODES:
                yield (mode, event, "reverse")
        for event in FORWARD_ALONE:
            yield (mode, event, "forward")
        for event in WHOLE:
            yield (mode, event, "both")
        yield (mode, "fragments", "forward")
        yield (mode, "IPv6 fragments", "forward")
        yield (mode, "ICMP error from the client", "forward")
        yield (mode, "IPv6 TCP connection", "both")
        for event in ("TCP stray", "UDP", "header", "too big", "ICMP error from the client"):
            yield (mode, f"IPv6 {event}", "forward")
    for mode in NAT_MODES:
        yield (mode, "fragments", "reverse")
        yield (mode, "IPv6 fragments", "reverse")
        yield (mode, "UDP stray", "reverse")
        for event in ("UDP", "header", "ICMP error from the server"):
            yield (mode, f"IPv6 {event}", "reverse")
        yield (mode, "ICMP error from the server", "reverse")
    yield ("TUN", "ICMP error about the tunnel", "reverse")
    for event in ("tunnel gre", "tunnel gue", "tunnel between families", "tunnel, too big"):
        yield ("TUN", event, "forward")
    for side in SIDES:
        for event in DIRECTOR:
            yield ("director", event, side)
    for event in SIX_DIRECTOR:
        yield ("director", event, "wan")
    yield ("director", "ARP for VIP", "wan")
    yield ("director", "ARP for VIP of the other side", "lan")


# What weir does now, and what IPVS does and weir does not yet.
IMPLEMENTED = frozenset(_implemented())
PENDING = frozenset()


class Matrix:
    """How many cases each cell has, and in how many weir did as IPVS."""

    def __init__(self):
        self._cases = collections.Counter()
        self._alike = collections.Counter()

    def count(self, cell, alike):
        """One more case. `alike` says that nothing differed, or only what may."""
        self._cases[cell] += 1
        self._alike[cell] += alike

    def faults(self):
        """What is wrong with the matrix itself, as lines."""
        for cell in sorted({*self._cases} - IMPLEMENTED - PENDING):
            yield f"{_name(cell)} has cases, but matrix.py does not know it"
        for cell in sorted({*IMPLEMENTED, *PENDING} - {*self._cases}):
            yield f"{_name(cell)} has no case"
        for cell in sorted(PENDING & {*self._cases}):
            if self._alike[cell] == self._cases[cell]:
                yield f"{_name(cell)} is pending, but weir does as IPVS: move it in matrix.py"

    def table(self):
        """The matrix as text: one line for each event and direction, one column for each mode."""
        columns = [*MODES, "director"]
        rows = dict.fromkeys((event, direction) for _, event, direction in self._in_order())
        lines = [_line("event", "direction", columns)]
        for event, direction in rows:
            cells = [self._text((mode, event, direction)) for mode in columns]
            lines.append(_line(event, direction, cells))
        return "\n".join(lines)

    def _in_order(self):
        return [*_implemented(), *sorted(PENDING)]

    def _text(self, cell):
        if cell in PENDING:
            return f"{self._alike[cell]}/{self._cases[cell]} pending"
        return str(self._cases[cell]) if cell in IMPLEMENTED else "-"


def _name(cell):
    return " × ".join(cell)


def _line(event, direction, cells):
    return f"{event:34}{direction:10}" + "".join(f"{cell:>14}" for cell in cells)
