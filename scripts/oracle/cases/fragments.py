"""Fragments of datagrams, in all orders."""

import itertools
import socket
import struct

from oracle import packets
from oracle.joined import FRAGMENT
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
    """A group for each family."""
    return [
        Group("fragments", list(_fragments("fragments", six=False))),
        Group("IPv6 fragments", list(_fragments("IPv6 fragments", six=True))),
    ]


def _fragments(event, *, six):
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        service = Service(mode, protocol, six=six)
        for direction, sign in service.ways:
            for name, order in ORDERS.items():
                script = _in_pieces(sign, order)
                name = f"{service.protocol} {direction} {name}"
                yield Case(name, event, direction, service, script)


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


def pieces_six(packet, octets, identification):
    """The fragments of a packet without extension headers, with so many octets each."""
    source, destination = (
        socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24)
    )
    payload, made = packet[40:], []
    for at in range(0, len(payload), octets):
        more = at + octets < len(payload)
        header = struct.pack("!BBHI", packet[6], 0, at | more, identification)
        part = payload[at : at + octets]
        made.append(packets.ipv6(source, destination, FRAGMENT, part, extensions=header))
    return made


def _in_pieces(sign, order):
    def script(play):
        talk = play.talk()
        talk.first()
        ends = talk.ends(sign)
        payload = bytes(1400)
        mark = {} if talk.service.six else {"identification": play.client_port}
        if talk.service.protocol == "tcp":
            whole = packets.tcp(*ends, "PA", payload, **mark)
        else:
            whole = packets.udp(*ends, payload, **mark)
        if talk.service.six:
            cut = pieces_six(whole, PIECE, play.client_port)
        else:
            cut = pieces(whole, PIECE)
        for index in order:
            talk.send(sign, cut[index])

    return script
