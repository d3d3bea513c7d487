"""Tunnels other than IP in IP of one family: GRE, GUE, and one family inside the other."""

import itertools

from oracle import plan
from oracle.play import Case, Group
from oracle.services import PROTOCOLS, Service

KINDS = [
    *((), ("gre", "off"), ("gre", "full")),
    *(("gue", "off"), ("gue", "full"), ("gue", "remote")),
]
FAMILIES = [(False, False), (True, False), (False, True), (True, True)]
LENGTHS = (0, 1, 7, 64, 511)
OCTETS = bytes(range(256)) * 6
LAN_MTU = 1400
SEGMENTS = (">S", ">A", ">PA", ">FA", ">A")


def groups():
    """Two groups, of which one has a smaller link to the servers."""
    services = list(_services(PROTOCOLS))
    sizes = list(_sizes(_services(["udp"])))
    cases = [case for service in services for case in _cases(service)]
    return [Group("tunnels", cases), Group("tunnel sizes", sizes, lan_mtu=LAN_MTU)]


def _services(protocols):
    for tunnel, (six, crossed), protocol in itertools.product(KINDS, FAMILIES, protocols):
        # IP in IP of one family is everybody's.
        if tunnel or crossed:
            yield Service("TUN", protocol, (1,), six=six, tunnel=tunnel, crossed=crossed)


def name(service):
    """As in `IPv6 in gre full of IPv4`."""
    families = [f"IPv{6 if six else 4}" for six in (service.six, service.six != service.crossed)]
    return f"{families[0]} in {' '.join(service.tunnel) or 'ipip'} of {families[1]}"


def _cases(service):
    event = f"tunnel {service.tunnel[0] if service.tunnel else 'between families'}"
    if service.protocol == "tcp":
        yield Case(f"{name(service)}, TCP", event, "forward", service, _segments)
        return
    for octets in LENGTHS:
        fields = {"payload": OCTETS[:octets]}
        yield Case(f"{name(service)}, {octets}", event, "forward", service, _datagrams(fields))
    for tos in (1, 2, 3, 0xB8):
        script = _datagrams({"tos": tos})
        yield Case(f"{name(service)}, TOS {tos:#x}", event, "forward", service, script)
    for error in (1, 0xFFFE):
        script = _datagrams({"l4_error": error})
        yield Case(f"{name(service)}, off by {error}", event, "forward", service, script)


def _segments(play):
    play.talk().segments(*SEGMENTS)


def _datagrams(fields):
    def script(play):
        talk = play.talk()
        # Twice: the second finds a session.
        for _ in range(2):
            talk.udp(">", **fields)

    return script


def _sizes(services):
    for service in services:
        if service.tunnel[1:] == ("remote",):
            # How much IPVS takes off depends on what the NIC has said of the packet.
            continue
        shim = {(): 0, ("gre", "off"): 4, ("gre", "full"): 8}.get(service.tunnel, 12)
        outer = 40 if service.six != service.crossed else 20
        room = LAN_MTU - outer - shim - (48 if service.six else 28)
        for octets in (room - 1, room, room + 1):
            for dont_fragment in (True,) if service.six else (True, False):
                fields = {"payload": OCTETS[:octets]}
                if not service.six:
                    fields["df"] = dont_fragment
                what = f"{octets - room} beyond{', DF' * dont_fragment}"
                event = "tunnel, too big"
                script = _datagrams(fields)
                yield Case(f"{name(service)}, {what}", event, "forward", service, script)
