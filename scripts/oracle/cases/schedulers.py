"""Whom new flows go to, and how long a flow is remembered."""

import itertools

from oracle import plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

FLOWS = 24
COMMON = [(1, 1, 1, 1), (4, 3, 2, 1), (1, 2, 5), (100, 1, 1), (0, 3, 0, 2), (65535, 65534)]
BY_CONNECTIONS = ["lc", "wlc", "sed", "nq", "ovf", "lblc", "lblcr"]
WEIGHTS = {
    "rr": [(1,), (1, 1), (1, 1, 1, 1), (3, 2, 1), (4, 3, 0, 1), (0, 0, 5), (0, 1, 0, 0)],
    "wrr": [
        *((1,), (5,), (1, 1, 1, 1), (4, 3, 2, 1), (1, 2, 5), (10, 6, 4, 0), (0, 0, 3)),
        *((2, 4, 6, 8), (7, 5, 3), (1, 100), (100, 1, 1), (65535, 65534), (3, 3, 3), (0, 9, 6, 3)),
    ],
    **dict.fromkeys([*BY_CONNECTIONS, "fo", "dh"], COMMON),
}
NO_WEIGHTS = [(0,), (0, 0), (0, 0, 0)]
# Of established TCP, half-closed TCP and UDP.
IDLE_S = (3, 4, 3)
FIRST_IDLE_PORT = 9000


def groups():
    """Sequences of choices, services without a backend to choose, and idle times."""
    return [
        Group("schedulers", list(_sequences())),
        Group("weight 0", list(_weight_zero())),
        Group("thresholds", list(_thresholds())),
        Group("idle times", list(_idle()), timeouts_s=IDLE_S),
    ]


def _sequences():
    """Each scheduler with each weights; modes and protocols take turns."""
    turns = itertools.cycle(itertools.product(MODES, PROTOCOLS))
    for scheduler, all_weights in WEIGHTS.items():
        for weights in all_weights:
            for mode, protocol in itertools.islice(turns, 3):
                service = Service(mode, protocol, weights, scheduler)
                name = f"{','.join(map(str, weights))} {protocol}"
                yield Case(name, f"scheduler {scheduler}", "forward", service, _flows)
                if protocol == "tcp" and scheduler in BY_CONNECTIONS:
                    name = f"{name}, some end"
                    yield Case(name, f"scheduler {scheduler}", "forward", service, _ending_flows)


def _flow(play, number):
    # No scheduler here looks at who asks.
    client = plan.CLIENTS[number % len(plan.CLIENTS)]
    talk = play.talk(client, play.client_port + 1000 * number)
    talk.first()
    return talk


def _flows(play):
    for number in range(FLOWS):
        _flow(play, number)


def _ending_flows(play):
    """Connections of which two in three end, not in the order in which they began."""
    open_ones = []
    for number in range(FLOWS):
        open_ones.append(_flow(play, number))
        if number % 3:
            open_ones.pop(number % len(open_ones)).tcp(">FA")


def _thresholds():
    """Backends that have come to their thresholds get no more; where all have, clients are told."""
    turns = itertools.cycle(itertools.product(MODES, PROTOCOLS))
    for scheduler in ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "lblcr", "dh"):
        for thresholds, (mode, protocol) in zip([(5, 2), (9, 0), (2, 2)], turns):
            service = Service(mode, protocol, (4, 2, 1), scheduler, thresholds)
            name = f"{scheduler} {thresholds[0]} to {thresholds[1]} {protocol}"
            yield Case(name, "thresholds", "forward", service, _flows)


def _weight_zero():
    """No backend takes new flows: for TCP and UDP alike the client is told so at once."""
    for mode, weights in itertools.product(MODES, NO_WEIGHTS):
        event = "weight 0 of all"
        name = f"{len(weights)} of weight 0"
        service = Service(mode, "udp", weights)
        yield Case(f"udp {name}", event, "forward", service, lambda play: play.talk().udp(">"))
        for flags in ("S", "A"):
            script = lambda play, flags=flags: play.talk().tcp(">" + flags)
            service = Service(mode, "tcp", weights)
            yield Case(f"tcp {name} [{flags}]", event, "forward", service, script)


def _idle():
    """Sessions end when they have been idle long enough, and not before."""
    services = [
        Service(mode, protocol, port=FIRST_IDLE_PORT + number)
        for number, (mode, protocol) in enumerate(itertools.product(MODES, PROTOCOLS))
    ]
    talks = {}
    for service in services:
        yield Case(f"{service.protocol} begins", "idle time", "both", service, _begin(talks))
    waits = {
        "idle, not too long": lambda play: play.wait(1),
        "idle too long": lambda play: play.expire(max(IDLE_S) + 1),
    }
    for event, wait in waits.items():
        for service in services:
            # One wait for all of them.
            script = _go_on(talks, wait if service is services[0] else None)
            yield Case(service.protocol, event, "both", service, script)


def _begin(talks):
    def script(play):
        talk = play.talk()
        talks[talk.service] = talk.client
        talk.first()
        if talk.service.protocol == "tcp":
            talk.segments(*(["<SA"] if talk.service.mode in NAT_MODES else []), ">A")

    return script


def _go_on(talks, wait):
    def script(play):
        if wait:
            wait(play)
        service = play.service
        talk = play.talk(*talks[service])
        for sign in ("<", ">") if service.mode in NAT_MODES else ">":
            if service.protocol == "tcp":
                talk.tcp(sign + "PA", b"late")
            else:
                talk.udp(sign)

    return script
