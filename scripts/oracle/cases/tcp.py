"""TCP: every event in every state that a connection can reach, and what begins one or does not."""

from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, Service

OPEN = (">S", "<SA", ">A")
OPEN_ONLY = (">S", ">A")
# How each state is reached.
STATES = {
    "SYN_RECV": (">S",),
    "ESTABLISHED": OPEN,
    "FIN_WAIT": (*OPEN, "<FA"),
    "CLOSE_WAIT": (*OPEN, ">FA"),
    "TIME_WAIT": (*OPEN, ">FA", "<FA"),
    "CLOSE": (*OPEN, ">RA"),
    "SYN_SENT": (*OPEN, "<FA", "<S"),
}
# The same where the server's segments are not seen.
STATES_ONLY = {
    "SYN_RECV": (">S",),
    "ESTABLISHED": OPEN_ONLY,
    "FIN_WAIT": (*OPEN_ONLY, ">FA"),
    "TIME_WAIT": (">S", ">FA"),
    "CLOSE": (*OPEN_ONLY, ">R"),
}
# Kinds of segments by their flags. Several of one kind are cases of one cell.
EVENTS = {
    "TCP SYN": ["S", "SEC", "SP"],
    "TCP SYN+ACK": ["SA"],
    "TCP ACK": ["A", "AU"],
    "TCP data": ["PA"],
    "TCP FIN": ["FA", "F", "FPA"],
    "TCP RST": ["R", "RA"],
    "TCP mixed flags": ["SF", "SR", "FR", "SAF"],
    "TCP without flags": ["", "P", "U"],
}
ALL_FLAGS = [flags for kinds in EVENTS.values() for flags in kinds]
CLOSES = {
    "client closes": (">FA", "<A", "<FA", ">A"),
    "server closes": ("<FA", ">A", ">FA", "<A"),
    "both close": (">FA", "<FA", ">A", "<A"),
    "client resets": (">R",),
    "server resets": ("<R",),
}


def groups():
    """One group of states for each mode, one of whole connections and of none."""
    services = [Service(mode, "tcp") for mode in MODES]
    connections = [
        case
        for service in services
        for kind in (_strays, _reuse, _whole, _repeated)
        for case in kind(service)
    ]
    return [
        *(Group(f"tcp states {service.mode}", list(_states(service))) for service in services),
        Group("tcp connections", connections),
    ]


def states_of(service):
    """The states that a connection of the service can reach, and how."""
    return STATES if service.mode in NAT_MODES else STATES_ONLY


def _segments(*segments):
    def script(play):
        talk = play.talk()
        for segment in segments:
            talk.tcp(segment, b"data" if "P" in segment else b"")

    return script


def _states(service):
    for state, path in states_of(service).items():
        for direction, sign in service.ways:
            for event, kinds in EVENTS.items():
                for flags in kinds:
                    name = f"{direction} [{flags}] in {state}"
                    yield Case(name, event, direction, service, _segments(*path, sign + flags))


def _strays(service):
    """Segments of no connection; from the client some of them begin one."""
    for direction, sign in service.ways:
        for flags in ALL_FLAGS:
            begins = sign == ">" and "S" in flags and not set(flags) & set("AR")
            event = "TCP SYN" if begins else "TCP stray"
            script = _segments(sign + flags, *([">A"] if begins else []))
            yield Case(f"{direction} new [{flags}]", event, direction, service, script)


def _reuse(service):
    """A second connection from the same port, in each state that the first may be in."""
    for state, path in states_of(service).items():
        script = _segments(*path, ">S", ">A")
        yield Case(f"port reuse in {state}", "TCP port reuse", "forward", service, script)


def _whole(service):
    """Whole connections, closed by either side, with data both ways."""
    signs = [sign for _, sign in service.ways]
    for name, close in CLOSES.items():
        whole = (*OPEN, ">PA", "<A", "<PA", ">A", *close)
        script = _segments(*(segment for segment in whole if segment[0] in signs))
        yield Case(name, "TCP whole connection", "both", service, script)


def _repeated(service):
    """Segments that come twice."""
    opened = states_of(service)["ESTABLISHED"]
    for direction, sign in service.ways:
        for flags in ("S", "SA", "A", "PA", "FA", "R"):
            path = () if sign + flags == ">S" else opened
            script = _segments(*path, sign + flags, sign + flags)
            name = f"{direction} [{flags}] twice"
            yield Case(name, "TCP retransmission", direction, service, script)
