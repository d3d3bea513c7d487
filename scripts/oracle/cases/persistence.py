"""Where the next flows of a client go whose service is persistent."""

import itertools

from oracle import plan
from oracle.play import Case, Group
from oracle.services import MODES, NAT_MODES, PROTOCOLS, Service

TIMEOUT_S = 300
# Of four clients in a row the first is alone with this mask, the two in the middle are one.
PAIRS = 31
FLOWS = 3


def groups():
    """One group."""
    return [Group("persistence", list(_cases()))]


def _cases():
    for mode, protocol in itertools.product(MODES, PROTOCOLS):
        turns = itertools.cycle(["rr", "wrr", "wlc", "sed"])
        for name, bits, weights in (
            ("each client", 32, (1, 1, 1)),
            ("pairs of clients", PAIRS, (3, 2, 1)),
            ("all clients", 24, (1, 1)),
        ):
            service = Service(mode, protocol, weights, next(turns), persistence=(TIMEOUT_S, bits))
            yield Case(f"{protocol} {name}", "persistence", "forward", service, _flows)
        for name, script in (
            ("of weight 0", _quiesced),
            ("taken out", _taken_out),
            ("back again", _back_again),
        ):
            service = Service(mode, protocol, (1, 1, 1), persistence=(TIMEOUT_S, 32))
            event = "persistence, server changes"
            yield Case(f"{protocol} server {name}", event, "forward", service, script)
        full = {"thresholds": (2, 1), "persistence": (TIMEOUT_S, 32)}
        service = Service(mode, protocol, (1, 1, 1), **full)
        yield Case(f"{protocol} full servers", "persistence", "forward", service, _flows)
        if mode != "NAT mapped":
            service = Service(mode, protocol, persistence=(TIMEOUT_S, 32), any_port=True)
            yield Case(f"{protocol} any port", "persistence", "forward", service, _ports)


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
