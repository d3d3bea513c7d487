"""IPv6: every mode, both ways, and what the director says itself."""

import itertools

from oracle import packets, plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

UNREACHABLE, TOO_BIG, TIME_EXCEEDED, PARAMETER_PROBLEM = 1, 2, 3, 4
ECHO, ECHO_REPLY = 128, 129
ERRORS = [(UNREACHABLE, code) for code in (0, 1, 3, 4)]
ERRORS += [(TOO_BIG, 0), (TIME_EXCEEDED, 0), (TIME_EXCEEDED, 1)]
# The least that a packet in an error has of the packet that it is about: headers and ports.
QUOTED = 48
LAN_MTU = 1400
LENGTHS = (0, 1, 2, 3, 7, 8, 63, 64, 511, 1280, 1399)
OCTETS = bytes(range(256)) * 6
CONNECTION = (">S", "<SA", ">A", ">PA", "<A", "<PA", ">A", ">FA", "<A", "<FA", ">A")


def groups():
    """Two groups, of which one has a smaller link to the servers."""
    cases = [*_tcp(), *_udp(), *_headers(), *_director(), *_errors()]
    return [Group("IPv6", cases), Group("IPv6 sizes", list(_sizes()), lan_mtu=LAN_MTU)]


def _services(protocols=PROTOCOLS):
    for mode, protocol in itertools.product(MODES, protocols):
        yield Service(mode, protocol, six=True)


def _tcp():
    for service in _services(["tcp"]):
        ways = "><" if service.mode in NAT_MODES else ">"
        seen = [segment for segment in CONNECTION if segment[0] in ways]
        for count in range(1, len(seen) + 1):
            script = _segments(seen[:count])
            yield Case(f"{count} segments", "IPv6 TCP connection", "both", service, script)
        for flags in ("R", "RA", "SA", "FA", "PA"):
            for direction, way in service.ways:
                name = f"{direction} {flags}"
                script = _segments([*seen[:3], way + flags])
                yield Case(f"{name} within", "IPv6 TCP connection", "both", service, script)
        for flags in ("A", "PA", "FA", "R"):
            script = _segments([">" + flags])
            yield Case(flags, "IPv6 TCP stray", "forward", service, script)


def _segments(segments):
    return lambda play: play.talk().segments(*segments)


def _udp():
    for service in _services(["udp"]):
        for direction, way in service.ways:
            for octets in LENGTHS:
                fields = {"payload": OCTETS[:octets]}
                script = _datagrams(way, fields)
                yield Case(f"{octets} octets", "IPv6 UDP", direction, service, script)
            for error in (1, 0x100, 0xFFFE):
                script = _datagrams(way, {"l4_error": error})
                yield Case(f"off by {error:#x}", "IPv6 UDP", direction, service, script)


def _datagrams(way, fields):
    def script(play):
        talk = play.talk()
        talk.open(way)
        # Twice: the second finds a session.
        for _ in range(2):
            talk.udp(way, **fields)

    return script


def _headers():
    kinds = [(f"hop limit {ttl}", {"ttl": ttl}) for ttl in (0, 1, 2, 255)]
    kinds += [(f"class {tos:#x}", {"tos": tos}) for tos in (1, 2, 3, 0xB8, 0xFF)]
    kinds.append(("a flow label", {"label": 0xABCDE}))
    for service in _services():
        for direction, way in service.ways:
            for name, fields in kinds:
                script = _later(way, fields)
                yield Case(name, "IPv6 header", direction, service, script)


def _later(way, fields):
    def script(play):
        talk = play.talk()
        talk.first()
        if talk.service.protocol == "tcp":
            talk.tcp(way + "A", **fields)
        else:
            talk.udp(way, **fields)

    return script


def _sizes():
    for service in _services(["udp"]):
        room = LAN_MTU - 48 - (40 if service.mode == "TUN" else 0)
        for octets in (room - 1, room, room + 1, plan.MTU - 48):
            script = _datagrams(">", {"payload": OCTETS[:octets]})
            yield Case(f"{octets - room} beyond", "IPv6 too big", "forward", service, script)


def _errors():
    for service, (kind, code) in itertools.product(_services(), ERRORS):
        name = f"{service.protocol} {kind}/{code}"
        error = (kind, code, 1300 if kind == TOO_BIG else 0)
        script = _from_client(error)
        yield Case(name, "IPv6 ICMP error from the client", "forward", service, script)
        if service.mode in NAT_MODES:
            script = _from_server(error)
            yield Case(name, "IPv6 ICMP error from the server", "reverse", service, script)


def _from_client(error):
    """A client complains about the answer that it got."""

    def script(play):
        talk = play.talk()
        talk.first()
        client, vip = talk.ends(">")
        tcp = talk.service.protocol == "tcp"
        answer = packets.tcp(vip, client, "SA") if tcp else packets.udp(vip, client)
        talk.send(">", packets.icmp(client[0], vip[0], *error, answer))

    return script


def _from_server(error):
    """A server complains about the client's packet."""

    def script(play):
        talk = play.talk()
        packet = talk.first()[0][1][14:]
        talk.send("<", packets.icmp(talk.server, talk.client[0], *error, packet[:QUOTED]))

    return script


def _director():
    client, vip = plan.six(plan.CLIENT), plan.six(plan.VIP["NAT"])
    dip = plan.six(plan.DIP[plan.WAN])
    for what, target in (("VIP", vip), ("DIP", dip)):
        for octets in (0, 1, 56, 1400):
            packet = packets.icmp(client, target, ECHO, 0, 7 << 16 | 1, OCTETS[:octets])
            yield Case(f"{octets} octets", f"IPv6 echo to {what}", "wan", None, _from_wan(packet))
        for fields in ({"ttl": 1}, {"tos": 0xB8}, {"l4_error": 1}):
            packet = packets.icmp(client, target, ECHO, 0, 7 << 16 | 1, b"ping", **fields)
            yield Case(str(fields), f"IPv6 echo to {what}", "wan", None, _from_wan(packet))
        packet = packets.icmp(client, target, ECHO_REPLY, 0, 7 << 16 | 1, b"ping")
        yield Case("an answer", f"IPv6 echo to {what}", "wan", None, _from_wan(packet))
        for protocol, make in (("TCP", packets.tcp), ("UDP", packets.udp)):
            packet = make((client, 4000), (target, 9))
            event = f"IPv6 {protocol} to a closed port"
            yield Case(what, event, "wan", None, _from_wan(packet))
    server = plan.six(plan.SERVERS[3])
    for ttl in (0, 1, 2, 64):
        packet = packets.udp((client, 4000), (server, 9), ttl=ttl)
        yield Case(f"hop limit {ttl}", "IPv6 other traffic routed", "wan", None, _from_wan(packet))
    packet = packets.udp((client, 4000), ("fd00:99::1", 9))
    yield Case("elsewhere", "IPv6 no route", "wan", None, _from_wan(packet))


def _from_wan(packet):
    mac = plan.CLIENT_MAC[plan.CLIENT]
    return lambda play: play.send(plan.WAN, packets.framed(plan.WAN, packet, mac))
