"""ICMP errors about packets that were forwarded."""

import itertools

from oracle import packets, plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

UNREACHABLE, TIME_EXCEEDED = 3, 11
FRAGMENTATION_NEEDED = (UNREACHABLE, 4)
ERRORS = [(UNREACHABLE, code) for code in (0, 1, 3, 4, 13)] + [(TIME_EXCEEDED, 0)]
# Octets of a packet in an error.
QUOTED = 28
QUOTED_OUTER = 68


def groups():
    """One group."""
    return [Group("icmp errors", list(_errors()))]


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
