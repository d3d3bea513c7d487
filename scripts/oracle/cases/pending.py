"""What IPVS does and weir does not yet: fragments, and errors about packets that were forwarded."""

import itertools
import socket

from oracle import packets, plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

UNREACHABLE, TIME_EXCEEDED = 3, 11
FRAGMENTATION_NEEDED = (UNREACHABLE, 4)
ERRORS = [(UNREACHABLE, code) for code in (0, 1, 3, 4, 13)] + [(TIME_EXCEEDED, 0)]
ORDERS = {
    "in order": (0, 1, 2),
    "reversed": (2, 1, 0),
    "first last": (1, 2, 0),
    "first twice": (0, 0, 1, 2),
}
# Octets of a datagram in one fragment, and of a packet in an error.
PIECE = 608
QUOTED = 28
QUOTED_OUTER = 68


def groups():
    """One group for each."""
    return [Group("fragments", list(_fragments())), Group("icmp errors", list(_errors()))]


def _fragments():
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        service = Service(mode, protocol)
        for direction, sign in service.ways:
            for name, order in ORDERS.items():
                script = _in_pieces(sign, order)
                name = f"{service.protocol} {direction} {name}"
                yield Case(name, "fragments", direction, service, script)


def _pieces(packet):
    """The fragments of a packet without options."""
    source, destination = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    payload = packet[20:]
    return [
        packets.ipv4(
            *(source, destination, packet[9], payload[at : at + PIECE]),
            df=False,
            more=at + PIECE < len(payload),
            offset=at,
            identification=int.from_bytes(packet[4:6], "big"),
        )
        for at in range(0, len(payload), PIECE)
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
        pieces = _pieces(whole)
        for index in order:
            talk.send(sign, pieces[index])

    return script


def _errors():
    for mode, protocol, (kind, code) in itertools.product(MODES, PROTOCOLS, ERRORS):
        service = Service(mode, protocol)
        name = f"{protocol} {kind}/{code}"
        rest = 1300 if (kind, code) == FRAGMENTATION_NEEDED else 0
        error = (kind, code, rest)
        yield Case(name, "ICMP error from the client", "forward", service, _from_client(error))
        if mode in NAT_MODES:
            yield Case(name, "ICMP error from the server", "reverse", service, _from_server(error))
        if mode == "TUN":
            script = _about_tunnel(error)
            yield Case(name, "ICMP error about the tunnel", "reverse", service, script)


def _from_client(error):
    """A client complains about the answer that it got."""

    def script(play):
        talk = play.talk()
        talk.first()
        client, vip = talk.ends(">")
        tcp = talk.service.protocol == "tcp"
        answer = packets.tcp(vip, client, "SA") if tcp else packets.udp(vip, client)
        talk.send(">", packets.icmp(client[0], vip[0], *error, answer[:QUOTED]))

    return script


def _from_server(error):
    """A server complains about the client's packet."""

    def script(play):
        talk = play.talk()
        packet = talk.first()[0][1][14:]
        talk.send("<", packets.icmp(talk.server, talk.client[0], *error, packet[:QUOTED]))

    return script


def _about_tunnel(error):
    """A router on the way to the server complains about the outer packet."""

    def script(play):
        talk = play.talk()
        packet = talk.first()[0][1][14:]
        message = packets.icmp(talk.server, plan.DIP[plan.LAN], *error, packet[:QUOTED_OUTER])
        talk.send("<", message)

    return script
