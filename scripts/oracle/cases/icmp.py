"""ICMP to the director itself, ARP, and frames for nobody here."""

from oracle import packets, plan
from oracle.play import Case, Group
from oracle.services import Service

ECHO, ECHO_REPLY, TIMESTAMP, MASK, INFO = 8, 0, 13, 17, 15
NOPS = b"\1\1\1\0"


def groups():
    """One group, from both sides."""
    cases = [vip_case()]
    for side, port in (("wan", plan.WAN), ("lan", plan.LAN)):
        cases += _echoes(side, port)
        cases += _others(side, port)
    return [Group("icmp to the director", cases)]


def vip_case():
    """A case whose service makes the director have the VIP."""
    script = lambda play: play.talk().first()
    return Case("the VIP's service", "TCP SYN", "forward", Service("NAT", "tcp"), script)


def _targets(port):
    yield "VIP", plan.VIP["NAT"]
    yield "DIP", plan.DIP[port]
    yield "other DIP", plan.DIP[1 - port]


def from_host(port):
    """Address and MAC of a host on a port's link."""
    if port == plan.WAN:
        return plan.CLIENT, plan.CLIENT_MAC[plan.CLIENT]
    return plan.SERVERS[0], plan.SERVER_MAC[plan.SERVERS[0]]


def _echoes(side, port):
    kinds = [
        ("plain", {}),
        ("empty", {"payload": b""}),
        ("odd", {"payload": b"odd"}),
        ("of 1,472 octets", {"payload": bytes(1472)}),
        ("of zeros", {"payload": bytes(56), "rest": 0}),
        ("TTL 1", {"ttl": 1}),
        ("TOS 0xb8", {"tos": 0xB8}),
        ("CE", {"tos": 3}),
        ("no DF", {"df": False}),
        ("no DF, ID 0", {"df": False, "identification": 0}),
        ("with options", {"options": NOPS}),
        ("wrong ICMP checksum", {"l4_error": 1}),
        ("wrong IP checksum", {"checksum_error": 1}),
        ("code 1", {"code": 1}),
    ]
    for what, target in _targets(port):
        for name, fields in kinds:
            script = _message(port, target, {"kind": ECHO, **fields})
            yield Case(f"echo to {what} {name}", f"echo to {what}", side, None, script)


def _others(side, port):
    for what, target in _targets(port):
        for name, fields in (
            ("an answer", {"kind": ECHO_REPLY}),
            ("a timestamp request", {"kind": TIMESTAMP, "payload": bytes(12)}),
            ("a mask request", {"kind": MASK, "payload": bytes(4)}),
            ("an information request", {"kind": INFO}),
            ("type 42", {"kind": 42}),
        ):
            script = _message(port, target, fields)
            yield Case(f"{name} to {what}", "ICMP other than echo", side, None, script)


def _message(port, target, fields):
    fields = {"code": 0, "rest": 0x00070001, "payload": bytes(range(56)), **fields}
    kind, code = fields.pop("kind"), fields.pop("code")
    address, mac = from_host(port)

    def script(play):
        rest, payload = fields["rest"], fields["payload"]
        kept = {name: value for name, value in fields.items() if name not in ("rest", "payload")}
        packet = packets.icmp(address, target, kind, code, rest, payload, **kept)
        play.send(port, packets.framed(port, packet, mac))

    return script
