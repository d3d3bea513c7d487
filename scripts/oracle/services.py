"""Services, in ipvsadm's words and in weir's."""

import dataclasses
import ipaddress

from oracle import plan

# "NAT mapped" is NAT that maps the port as well: the backend's is so much higher.
MAPPED_BY = 10000
NAT_MODES = ["NAT", "NAT mapped"]
MODES = [*NAT_MODES, "DR", "TUN"]
PROTOCOLS = ["tcp", "udp"]
# There is no IPv6 on a link that takes less.
LEAST_MTU_SIX = 1280
FORWARD_OPTION = {"NAT": "-m", "NAT mapped": "-m", "DR": "-g", "TUN": "-i"}
FORWARD_RON = {"NAT": "Nat", "NAT mapped": "Nat", "DR": "Dr", "TUN": "Tun"}

GUE_PORT = 6080
CHECKSUM_OPTION = {"off": "--tun-nocsum", "full": "--tun-csum", "remote": "--tun-remcsum"}

CONFIG = """\
(
    dpdk: (workers: [1]),
    ports: [
{ports}
    ],
    routes: [(to: "{far_network}", via: "{router}")],
    neighbours: [
{neighbours}
    ],
    services: [
{services}
    ],
    timeouts: ({timeouts}),
    limits: (icmp_per_second: 1000000),
)
"""
PORT = """\
        (
            name: "{name}", device: Vdev("net_null{number}"), addresses: {addresses},
            mac: "{mac}", mtu: {mtu},
        ),"""
NEIGHBOUR = """\
        (address: "{address}", mac: "{mac}"),"""
SERVICE = """\
        (
            name: "{name}", address: "{vip}", protocol: {protocol},
            forward: {forward}, scheduler: {scheduler},{more}
            backends: [
{backends}
            ],
        ),"""
BACKEND = """\
                (name: "{name}", address: "{rip}", weight: {weight}{thresholds}),"""


@dataclasses.dataclass(frozen=True)
class Service:
    """A service whose backends are the plan's first servers, one for each weight.

    The group that it is played in gives it its port.
    """

    mode: str
    protocol: str
    weights: tuple = (1, 1, 1)
    scheduler: str = "rr"
    # Upper and lower, of each backend; 0 is none.
    thresholds: tuple = (0, 0)
    # Seconds, and bits of the mask; none without.
    persistence: tuple = ()
    # Whether clients may address any port; `port` is then the one that they do.
    any_port: bool = False
    # Whether all of it is of IPv6.
    six: bool = False
    # Kind and checksum of a tunnel other than IP in IP: ("gre", "full"), ("gue", "off").
    tunnel: tuple = ()
    # Whether its backends are of the other family.
    crossed: bool = False
    port: int = 0

    @property
    def ways(self):
        """The directions that the director sees, with the sign that `Talk` has for them."""
        both = [("forward", ">"), ("reverse", "<")]
        return both if self.mode in NAT_MODES else both[:1]

    @property
    def vip(self):
        """VIP and port."""
        return (self.of_family(plan.VIP[self.mode]), self.port)

    def of_family(self, address):
        """The address of the service's family that whoever has this one of IPv4 has."""
        return plan.six(address) if self.six else address

    @property
    def key(self):
        """(protocol, VIP and port), as both print them; port 0 is any."""
        return (self.protocol.upper(), _text((self.vip[0], self._listed(self.port))))

    @property
    def first_weights(self):
        """{server: weight} of the backends in the order of adding."""
        servers = map(plan.six, plan.SERVERS) if self.six != self.crossed else plan.SERVERS
        return dict(zip(servers, self.weights))

    def rip(self, server):
        """RIP and port of a backend."""
        return (server, self.port + (MAPPED_BY if self.mode == "NAT mapped" else 0))

    def rules(self):
        """It and its backends as rules of ipvsadm."""
        persistent = ""
        if self.persistence:
            timeout_s, bits = self.persistence
            mask = bits if self.six else ipaddress.ip_network(f"0.0.0.0/{bits}").netmask
            persistent = f" -p {timeout_s} -M {mask}"
        return [
            f"-A {self._target()} -s {self.scheduler}{persistent}",
            *(
                f"-a {self._backend(server)} -w {weight}"
                for server, weight in self.first_weights.items()
            ),
        ]

    def weigh_rule(self, server, weight, *, is_there):
        """The rule that gives a backend another weight, or takes it in; None takes it out."""
        if weight is None:
            return f"-d {self._target()} -r {_text(self._listed_rip(server))}"
        return f"{'-e' if is_there else '-a'} {self._backend(server)} -w {weight}"

    def ron(self, weights):
        """The same for weir, with the backends that have these weights, {server: weight}."""
        upper, lower = self.thresholds
        thresholds = f", max_connections: {upper}, min_connections: {lower}" if upper else ""
        name = lambda server: _text(self._listed_rip(server))
        backends = [
            BACKEND.format(
                name=_name(name(server)),
                rip=server if self.any_port else name(server),
                weight=weight,
                thresholds=thresholds + self._tunnel_ron(),
            )
            for server, weight in weights.items()
        ]
        more = ""
        if self.persistence:
            timeout_s, bits = self.persistence
            # As IPVS has it without its sysctls.
            more = f' persistence: (timeout: "{timeout_s}s", mask: {bits}), backend_gone: Drop,'
        vip = _text((self.vip[0], "*" if self.any_port else self.port))
        return SERVICE.format(
            name=f"{self.protocol}-{_name(self.key[1])}",
            vip=vip,
            protocol=self.protocol.capitalize(),
            forward=FORWARD_RON[self.mode],
            scheduler=self.scheduler,
            more=more,
            backends="\n".join(backends),
        )

    def _target(self):
        return f"{'-t' if self.protocol == 'tcp' else '-u'} {self.key[1]}"

    def _backend(self, server):
        upper, lower = self.thresholds
        thresholds = f" -x {upper} -y {lower}" if upper else ""
        rip = _text(self._listed_rip(server))
        option = FORWARD_OPTION[self.mode]
        return f"{self._target()} -r {rip} {option}{thresholds}{self._tunnel_option()}"

    def _tunnel_option(self):
        if not self.tunnel:
            return ""
        kind, checksum = self.tunnel
        port = f" --tun-port {GUE_PORT}" if kind == "gue" else ""
        return f" --tun-type {kind}{port} {CHECKSUM_OPTION[checksum]}"

    def _tunnel_ron(self):
        if not self.tunnel:
            return ""
        kind, checksum = self.tunnel
        port = f"port: {GUE_PORT}, " if kind == "gue" else ""
        return f", tunnel: {kind.capitalize()}({port}checksum: {checksum.capitalize()})"

    def _listed_rip(self, server):
        rip, port = self.rip(server)
        return (rip, self._listed(port))

    def _listed(self, port):
        return 0 if self.any_port else port


def config(services, *, lan_mtu, timeouts):
    """weir's configuration file for the plan and these services, {service: {server: weight}}."""
    ports = [
        PORT.format(name=name, number=number, addresses=_addresses(dip, mtu), mac=mac, mtu=mtu)
        for number, (name, dip, mac, mtu) in enumerate(
            zip(plan.PORTS, plan.DIP, plan.MAC, (plan.MTU, lan_mtu))
        )
    ]
    neighbours = {**plan.CLIENT_MAC, **plan.SERVER_MAC}.items()
    if lan_mtu < LEAST_MTU_SIX:
        neighbours = [(address, mac) for address, mac in neighbours if ":" not in address]
    return CONFIG.format(
        ports="\n".join(ports),
        far_network=plan.FAR_NETWORK,
        router=plan.CLIENT,
        neighbours="\n".join(NEIGHBOUR.format(address=a, mac=m) for a, m in neighbours),
        services="\n".join(service.ron(weights) for service, weights in services.items()),
        timeouts=timeouts,
    )


def _text(endpoint):
    address, port = endpoint
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _name(text):
    """Names have no brackets."""
    return text.replace("]:", ".").replace("[", "")


def _addresses(dip, mtu):
    six = f', "{plan.six(dip)}/64"' if mtu >= LEAST_MTU_SIX else ""
    return f'["{dip}/24"{six}]'
