"""What the director does as a host and as a router: ARP, ports without service, other traffic."""

from lab import frames
from oracle import packets, plan
from oracle.cases.icmp import from_host, vip_case
from oracle.play import Case, Group

BROADCAST = frames.BROADCAST
NOBODY = "00:00:00:00:00:00"


def groups():
    """One group, from both sides."""
    cases = [vip_case()]
    for side, port in (("wan", plan.WAN), ("lan", plan.LAN)):
        cases += _arp(side, port)
        cases += _closed_ports(side, port)
        cases += _other_traffic(side, port)
        cases += _not_for_us(side, port)
    return [Group("director", cases)]


def _arp(side, port):
    address, mac = from_host(port)
    foreign = "10.1.0.200" if port == plan.WAN else "10.2.0.200"
    own = [("DIP", plan.DIP[port])]
    if port == plan.WAN:
        own.append(("VIP", plan.VIP["NAT"]))
    targets = [*own, ("other DIP", plan.DIP[1 - port]), ("foreign", foreign)]
    if port == plan.LAN:
        targets.append(("VIP of the other side", plan.VIP["NAT"]))
    for what, target in targets:
        event = f"ARP for {what}"
        for name, sender, to in (
            ("request", address, BROADCAST),
            ("unicast request", address, plan.MAC[port]),
            ("probe", "0.0.0.0", BROADCAST),
        ):
            packet = frames.arp(1, mac, sender, NOBODY, target)
            yield _arp_case(f"{name} for {what}", event, side, port, packet, mac, to)
    request = frames.arp(1, mac, address, NOBODY, plan.DIP[port])
    for name, packet, to in (
        ("answer", frames.arp(2, mac, address, plan.MAC[port], plan.DIP[port]), plan.MAC[port]),
        ("gratuitous request", frames.arp(1, mac, address, NOBODY, address), BROADCAST),
        ("gratuitous answer", frames.arp(2, mac, address, mac, address), BROADCAST),
        ("operation 3", frames.arp(3, mac, address, NOBODY, plan.DIP[port]), BROADCAST),
        ("for another MAC", request, plan.STRANGER_MAC),
        ("cut", request[:27], BROADCAST),
    ):
        yield _arp_case(name, "ARP without an answer", side, port, packet, mac, to)
    for name, offset, value in (("hardware", 1, 2), ("protocol", 3, 1), ("sizes", 4, 5)):
        changed = request[:offset] + bytes([value]) + request[offset + 1 :]
        name = f"of another {name}"
        yield _arp_case(name, "ARP without an answer", side, port, changed, mac, BROADCAST)


def _arp_case(name, event, side, port, packet, mac, to):
    frame = packets.framed(
        *(port, packet, mac),
        destination_mac=to,
        ethertype=frames.ETHERTYPE_ARP,
        pad=packets.padding(packet),
    )
    return Case(f"ARP {name}", event, side, None, lambda play: play.send(port, frame))


def _closed_ports(side, port):
    address, mac = from_host(port)
    for what, target in (("VIP", plan.VIP["NAT"]), ("DIP", plan.DIP[port])):
        ends = ((address, 4000), (target, 4444))
        for flags in ("S", "SA", "A", "FA", "R"):
            script = _send(port, packets.tcp(*ends, flags), mac)
            event = f"TCP to a closed port of a {what}"
            yield Case(f"[{flags}]", event, side, None, script)
        script = _send(port, packets.udp(*ends, b"payload"), mac)
        event = f"UDP to a closed port of a {what}"
        yield Case("datagram", event, side, None, script)
        packet = packets.ipv4(address, target, 99, b"payload")
        event = "unknown protocol"
        yield Case(f"protocol 99 to the {what}", event, side, None, _send(port, packet, mac))


def _other_traffic(side, port):
    """Through the director, and no service's."""
    address, mac = from_host(port)
    target = plan.SERVERS[1] if port == plan.WAN else plan.FAR_CLIENT
    ends = ((address, 5000), (target, 6000))
    for name, packet in (
        ("TCP", packets.tcp(*ends, "S")),
        ("UDP", packets.udp(*ends, b"payload")),
        ("UDP without checksum", packets.udp(*ends, b"payload", l4_checksum_value=0)),
        ("echo", packets.icmp(address, target, 8, 0, 1, b"payload")),
        ("protocol 99", packets.ipv4(address, target, 99, b"payload")),
        ("TTL 1", packets.udp(*ends, b"payload", ttl=1)),
        ("TTL 2", packets.udp(*ends, b"payload", ttl=2)),
        ("wrong IP checksum", packets.udp(*ends, b"payload", checksum_error=1)),
    ):
        event = "other traffic routed"
        yield Case(f"{name} routed", event, side, None, _send(port, packet, mac))
    for cut in (0, 7):
        packet = packets.tcp(*ends, "S", cut=cut)
        event = "malformed traffic routed"
        yield Case(f"TCP cut at {cut}", event, side, None, _send(port, packet, mac))
    packet = packets.udp((address, 5000), ("203.0.113.9", 6000), b"payload")
    yield Case("no route", "no route", side, None, _send(port, packet, mac))


def _not_for_us(side, port):
    address, mac = from_host(port)
    to_vip = packets.tcp((address, 4001), (plan.VIP["NAT"], 80), "S")
    for name, to in (("another MAC", plan.STRANGER_MAC), ("broadcast", BROADCAST)):
        frame = packets.framed(port, to_vip, mac, destination_mac=to)
        event = "frame not for this MAC"
        yield Case(
            *(f"frame to {name}", event, side, None),
            lambda play, frame=frame: play.send(port, frame),
        )
    for name, source in (
        ("the VIP", plan.VIP["NAT"]),
        ("the DIP", plan.DIP[port]),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("a group", "224.0.0.9"),
        ("loopback", "127.0.0.1"),
    ):
        packet = packets.tcp((source, 4002), (plan.VIP["NAT"], 80), "S")
        event = "impossible source"
        yield Case(f"from {name}", event, side, None, _send(port, packet, mac))
    for name, target in (
        ("255.255.255.255", "255.255.255.255"),
        ("a group", "224.0.0.9"),
        ("loopback", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
    ):
        packet = packets.udp((address, 4003), (target, 53), b"payload")
        event = "impossible destination"
        yield Case(f"to {name}", event, side, None, _send(port, packet, mac))


def _send(port, packet, mac):
    return lambda play: play.send(port, packets.framed(port, packet, mac))
