"""Groups of cases, and playing them to IPVS."""

import dataclasses
import time
from collections.abc import Callable

from oracle import packets, plan
from oracle.guest import GuestError
from oracle.services import Service, config

FIRST_SERVICE_PORT = 1000
FIRST_CLIENT_PORT = 30000
# About what a frame takes in the guest; no whole number of milliseconds, so that no timer fires at
# the time of a frame.
STEP_NS = 1_000_123
SECOND_NS = 1_000_000_000
EXPIRE_S = 20
# After so many cases, or so much time, IPVS is asked what it remembers, before short idle times are
# over. What ends while it is listed hides others.
CHAPTER = 50
CHAPTER_S = 3.0


@dataclasses.dataclass
class Step:
    """One frame that went in, when, and what came out of IPVS, as [(port, frame)]."""

    port: int
    frame: bytes
    time_ns: int
    from_ipvs: list


@dataclasses.dataclass
class Case:
    """Something to compare: `script(play)` sends its frames.

    `service` is what it is about, and its own, so that no other case moves its scheduler; without
    one it is about the director as a host and router. `event` and `direction` are, with the
    mode, its cell in the matrix.
    """

    name: str
    event: str
    direction: str
    service: Service | None
    script: Callable
    number: int = 0
    steps: list = dataclasses.field(default_factory=list)
    # The clients that it spoke for, as (protocol, (address, port)).
    clients: list = dataclasses.field(default_factory=list)
    # What became of its service's backends, as (time, server, weight or None).
    changes: list = dataclasses.field(default_factory=list)
    # When it was through, in the guest's time and in virtual time.
    ended_s: float = 0.0
    ended_ns: int = 0
    # What IPVS remembered afterwards.
    memory: object = None

    @property
    def cell(self):
        """(mode, event, direction)."""
        return (self.service.mode if self.service else "director", self.event, self.direction)


@dataclasses.dataclass
class Memory:
    """What `ipvsadm -Lnc` and `ipvsadm -Ln --persistent-conn` said, and when."""

    connections: str
    counts: str
    read_s: float


@dataclasses.dataclass
class Group:
    """Cases that follow each other with one table of connections."""

    name: str
    cases: list[Case]
    lan_mtu: int = plan.MTU
    # Idle times of established and half-closed TCP and of UDP, where not IPVS's own.
    timeouts_s: tuple = ()

    def __post_init__(self):
        for number, case in enumerate(self.cases):
            case.number = number
            if case.service and not case.service.port:
                case.service = dataclasses.replace(
                    case.service, port=FIRST_SERVICE_PORT + number
                )

    def services(self):
        """All cases' services; several cases may share one that has its port already."""
        return list(dict.fromkeys(case.service for case in self.cases if case.service))

    def config(self, services=None):
        """weir's configuration file, with backends of these weights, {service: {server: weight}},
        where they are not the first ones."""
        services = services or {service: service.first_weights for service in self.services()}
        timeouts = ""
        if self.timeouts_s:
            established, fin_wait, udp = self.timeouts_s
            timeouts = f'established: "{established}s", fin_wait: "{fin_wait}s", udp: "{udp}s"'
        return config(services, lan_mtu=self.lan_mtu, timeouts=timeouts)

    def reloads(self):
        """[(time, configuration file)] of all changes that have been played."""
        services = {service: service.first_weights for service in self.services()}
        found = []
        for case in self.cases:
            for time_ns, server, weight in case.changes:
                # One that comes back is the last, as one that has been added.
                if weight is None:
                    del services[case.service][server]
                else:
                    services[case.service][server] = weight
                found.append((time_ns, self.config(services)))
        return found

    def play(self, guest):
        """Plays all cases to IPVS, beginning with a clean slate."""
        established, fin_wait, udp = self.timeouts_s or (900, 120, 300)
        guest.serve([rule for service in self.services() for rule in service.rules()])
        guest.run(
            f"ipvsadm --set {established} {fin_wait} {udp}",
            f"ip link set vec{plan.LAN} mtu {self.lan_mtu}",
        )
        if any(service.six or service.crossed for service in self.services()):
            guest.have_six()
        clock, chapter, begun_s = Clock(), [], time.monotonic()
        for case in self.cases:
            case.script(Play(guest, case, clock))
            case.ended_s, case.ended_ns = time.monotonic(), clock.now_ns
            chapter.append(case)
            late = case.ended_s - begun_s > CHAPTER_S
            if late or len(chapter) == CHAPTER or case is self.cases[-1]:
                memory = _memory(guest)
                for told in chapter:
                    told.memory = memory
                chapter, begun_s = [], time.monotonic()


def _memory(guest):
    connections = guest.run("ipvsadm -Lnc")
    counts = guest.run("ipvsadm -Ln --persistent-conn")
    return Memory(connections, counts, time.monotonic())


class Clock:
    """Virtual time: each frame of a group has one of its own, by which its answers are known."""

    def __init__(self):
        self.now_ns = 0

    def step(self):
        """The next frame's time."""
        self.now_ns += STEP_NS
        return self.now_ns


class Play:
    """What a case's script sends with."""

    def __init__(self, guest, case, clock):
        self._guest = guest
        self._case = case
        self._clock = clock
        self.service = case.service
        self.client_port = FIRST_CLIENT_PORT + case.number

    def send(self, port, frame):
        """Puts a frame into a port; returns what IPVS makes of it, as [(port, frame)]."""
        step = Step(port, frame, self._clock.step(), self._guest.exchange(port, frame))
        self._case.steps.append(step)
        return step.from_ipvs

    def wait(self, seconds):
        """Lets time pass, really for IPVS and virtually for weir."""
        time.sleep(seconds)
        self._clock.now_ns += seconds * SECOND_NS

    def expire(self, seconds):
        """As `wait`, until IPVS has forgotten all, whose clock may lag."""
        self.wait(seconds)
        begin = time.monotonic()
        while self._guest.run("ipvsadm -Lnc").count("\n") > 1:
            if time.monotonic() - begin > EXPIRE_S:
                raise GuestError(f"IPVS remembers connections that are {EXPIRE_S} s too old")
            time.sleep(0.1)

    def weigh(self, server, weight):
        """Gives a backend of the case's service another weight; None takes it out, until it has
        one again."""
        changes = self._case.changes
        is_there = (server, None) not in [change[1:] for change in changes[-1:]]
        self._guest.run(f"ipvsadm {self.service.weigh_rule(server, weight, is_there=is_there)}")
        changes.append((self._clock.step(), server, weight))

    def talk(self, address=plan.CLIENT, port=None, service_port=None):
        """A conversation of a client with the case's service."""
        client = (self.service.of_family(address), port or self.client_port)
        self._case.clients.append((self.service.protocol, client))
        service = self.service
        if service_port:
            service = dataclasses.replace(service, port=service_port)
        return Talk(self, service, client)


class Talk:
    """A client and the server that IPVS has chosen for it."""

    def __init__(self, play, service, client):
        self._play = play
        self.service = service
        self.client = client
        self.server = service.of_family(plan.SERVERS[0])

    def ends(self, way):
        """Source and destination: ">" from the client to the VIP, "<" from the server."""
        if way == ">":
            return (self.client, self.service.vip)
        return (self.service.rip(self.server), self.client)

    def send(self, way, packet, *, pad=b""):
        """Sends a packet from the client's (">") or the server's ("<") link."""
        if way == "<":
            mac = plan.SERVER_MAC[self.server]
            return self._play.send(plan.LAN, packets.framed(plan.LAN, packet, mac, pad=pad))
        mac = plan.CLIENT_MAC.get(self.client[0], plan.CLIENT_MAC[plan.CLIENT])
        sent = self._play.send(plan.WAN, packets.framed(plan.WAN, packet, mac, pad=pad))
        for port, frame in sent:
            if port == plan.LAN:
                known = plan.SERVER_OF_MAC.get(frame[:6])
                self.server = self.service.of_family(known) if known else self.server
        return sent

    def tcp(self, segment, payload=b"", **fields):
        """Sends a segment: ">S" from the client, "<SA" from the server."""
        way, flags = segment[0], segment[1:]
        return self.send(way, packets.tcp(*self.ends(way), flags, payload, **fields))

    def segments(self, *segments):
        """Sends segments one after the other."""
        for segment in segments:
            self.tcp(segment)

    def udp(self, way, payload=b"payload", **fields):
        """Sends a datagram."""
        return self.send(way, packets.udp(*self.ends(way), payload, **fields))

    def open(self, way):
        """Sends what has to come before a packet of this way: nothing before the client's."""
        if way == "<":
            self.first()

    def first(self):
        """Sends the packet that makes the session."""
        return self.tcp(">S") if self.service.protocol == "tcp" else self.udp(">")
