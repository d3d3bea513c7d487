"""The smallest and the largest packets, and those that are too large."""

import itertools

from oracle import packets, plan
from oracle.play import Case, Group
from oracle.services import MODES, PROTOCOLS, Service

SMALL_MTU = 1400
OUTER = 20


def groups():
    """With equal links, and with a smaller one on the servers' side."""
    return [
        Group("sizes", list(_cases(plan.MTU))),
        Group("sizes, small lan", list(_cases(SMALL_MTU)), lan_mtu=SMALL_MTU),
    ]


def _cases(lan_mtu):
    for mode, protocol, df in itertools.product(MODES, PROTOCOLS, (True, False)):
        service = Service(mode, protocol)
        limit = lan_mtu - (OUTER if mode == "TUN" else 0)
        for direction, sign in service.ways:
            largest = limit if sign == ">" else plan.MTU
            for octets in (largest - 1, largest):
                yield _case(service, direction, sign, octets, df, "largest packet")
        for octets in sorted({limit + 1, plan.MTU}):
            if limit < octets <= plan.MTU:
                event = "too big, DF" if df else "too big, no DF"
                yield _case(service, "forward", ">", octets, df, event)


def _case(service, direction, sign, octets, df, event):
    def script(play):
        talk = play.talk()
        if service.protocol == "tcp":
            talk.segments(">S", *(["<SA"] if sign == "<" else []))
            packet = packets.tcp(*talk.ends(sign), "PA", bytes(octets - 40), df=df)
        else:
            talk.udp(">")
            packet = packets.udp(*talk.ends(sign), bytes(octets - 28), df=df)
        talk.send(sign, packet)

    name = f"{service.protocol} {direction} {octets} octets{'' if df else ', no DF'}"
    return Case(name, event, direction, service, script)
