"""Fragments of datagrams, in all orders."""

import itertools
import socket

from oracle import packets
from oracle.play import Case, Group
from oracle.services import MODES, PROTOCOLS, Service

ORDERS = {
    "in order": (0, 1, 2),
    "reversed": (2, 1, 0),
    "first last": (1, 2, 0),
    "first twice": (0, 0, 1, 2),
}
# Octets of a datagram in one fragment.
PIECE = 608


def groups():
    """One group."""
    return [Group("fragments", list(_fragments()))]


def _fragments():
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        service = Service(mode, protocol)
        for direction, sign in service.ways:
            for name, order in ORDERS.items():
                script = _in_pieces(sign, order)
                name = f"{service.protocol} {direction} {name}"
                yield Case(name, "fragments", direction, service, script)


def pieces(packet, octets):
    """The fragments of a packet without options, with so many octets each."""
    source, destination = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    payload = packet[20:]
    return [
        packets.ipv4(
            *(source, destination, packet[9], payload[at : at + octets]),
            df=False,
            more=at + octets < len(payload),
            offset=at,
            identification=int.from_bytes(packet[4:6], "big"),
        )
        for at in range(0, len(payload), octets)
    ]


def _in_pieces(sign, order):
    def script(play):
        talk = play.talk()
        talk.first()
        ends = talk.ends(sign)
        payload = bytes(1400)
        if talk.service.protocol == "tcp":
            whole = packets.tcp(*ends, "PA", payload, identification=play.client_port)
        else:
            whole = packets.udp(*ends, payload, identification=play.client_port)
        cut = pieces(whole, PIECE)
        for index in order:
            talk.send(sign, cut[index])

    return script
