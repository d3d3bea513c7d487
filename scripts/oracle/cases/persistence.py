"""Where the next flows of a client go whose service is persistent."""

import itertools

from oracle import plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

TIMEOUT_S = 300
FLOWS = 3


def groups():
    """One for each family."""
    return [
        Group("persistence", list(_cases(six=False))),
        Group("IPv6 persistence", list(_cases(six=True))),
    ]


def _cases(*, six):
    event = "IPv6 persistence" if six else "persistence"
    # Of one address, of two in a row, and of the whole network.
    masks = (128, 127, 64) if six else (32, 31, 24)
    one = {"persistence": (TIMEOUT_S, masks[0]), "six": six}
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        turns = itertools.cycle(["rr", "wrr", "wlc", "sed"])
        for name, bits, weights in zip(
            ("each client", "pairs of clients", "all clients"),
            masks,
            ((1, 1, 1), (3, 2, 1), (1, 1)),
        ):
            more = {"persistence": (TIMEOUT_S, bits), "six": six}
            service = Service(mode, protocol, weights, next(turns), **more)
            yield Case(f"{protocol} {name}", event, "forward", service, _flows)
        for name, script in (
            ("of weight 0", _quiesced),
            ("taken out", _taken_out),
            ("back again", _back_again),
        ):
            service = Service(mode, protocol, (1, 1, 1), **one)
            changes = f"{event}, server changes"
            yield Case(f"{protocol} server {name}", changes, "forward", service, script)
        service = Service(mode, protocol, (1, 1, 1), thresholds=(2, 1), **one)
        yield Case(f"{protocol} full servers", event, "forward", service, _flows)
        if mode != "NAT mapped":
            service = Service(mode, protocol, any_port=True, **one)
            yield Case(f"{protocol} any port", event, "forward", service, _ports)


def _open(play, client, number, service_port=None):
    """A client's flow with this number, of which the server knows."""
    talk = play.talk(client, play.client_port + 1000 * number, service_port)
    talk.first()
    if play.service.protocol == "tcp":
        talk.segments(*(["<SA"] if play.service.mode in NAT_MODES else []), ">A")
    return talk


def _flows(play):
    for number, client in itertools.product(range(FLOWS), plan.CLIENTS):
        _open(play, client, number)


def _ports(play):
    first = play.service.port
    for number, client in itertools.product(range(FLOWS), plan.CLIENTS):
        _open(play, client, number, first + 100 * number)


def _quiesced(play):
    """Clients keep a server that gets no others; sessions go on."""
    talks = [_open(play, client, 0) for client in plan.CLIENTS[:3]]
    play.weigh(talks[0].server, 0)
    _go_on(talks)
    for client in plan.CLIENTS:
        _open(play, client, 1)


def _taken_out(play):
    """Clients of a server that is gone get another one and keep that."""
    talks = [_open(play, client, 0) for client in plan.CLIENTS[:3]]
    play.weigh(talks[0].server, None)
    _go_on(talks)
    for number in (1, 2):
        for client in plan.CLIENTS:
            _open(play, client, number)


def _back_again(play):
    """What it has lost a server does not get back."""
    talks = [_open(play, client, 0) for client in plan.CLIENTS[:3]]
    play.weigh(talks[0].server, None)
    _open(play, plan.CLIENTS[0], 1)
    play.weigh(talks[0].server, 1)
    for client in plan.CLIENTS:
        _open(play, client, 2)


def _go_on(talks):
    for talk in talks:
        if talk.service.protocol == "tcp":
            talk.tcp(">PA", b"more")
        else:
            talk.udp(">")
