"""Services, in ipvsadm's words and in weir's."""

import dataclasses

from oracle import plan

# "NAT mapped" is NAT that maps the port as well: the backend's is so much higher.
MAPPED_BY = 10000
NAT_MODES = ["NAT", "NAT mapped"]
MODES = [*NAT_MODES, "DR", "TUN"]
PROTOCOLS = ["tcp", "udp"]
FORWARD_OPTION = {"NAT": "-m", "NAT mapped": "-m", "DR": "-g", "TUN": "-i"}
FORWARD_RON = {"NAT": "Nat", "NAT mapped": "Nat", "DR": "Dr", "TUN": "Tun"}

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
            name: "{name}", device: Vdev("net_null{number}"), addresses: ["{dip}/24"],
            mac: "{mac}", mtu: {mtu},
        ),"""
NEIGHBOUR = """\
        (address: "{address}", mac: "{mac}"),"""
SERVICE = """\
        (
            name: "{name}", address: "{vip}", protocol: {protocol},
            forward: {forward}, scheduler: {scheduler},
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
    port: int = 0

    @property
    def ways(self):
        """The directions that the director sees, with the sign that `Talk` has for them."""
        both = [("forward", ">"), ("reverse", "<")]
        return both if self.mode in NAT_MODES else both[:1]

    @property
    def vip(self):
        """VIP and port."""
        return (plan.VIP[self.mode], self.port)

    def rip(self, server):
        """RIP and port of a backend."""
        return (server, self.port + (MAPPED_BY if self.mode == "NAT mapped" else 0))

    def backends(self):
        """[(RIP and port, weight)] in the order of adding."""
        return [(self.rip(server), weight) for server, weight in zip(plan.SERVERS, self.weights)]

    def rules(self):
        """It and its backends as rules of ipvsadm."""
        service = f"{'-t' if self.protocol == 'tcp' else '-u'} {_text(self.vip)}"
        option = FORWARD_OPTION[self.mode]
        upper, lower = self.thresholds
        thresholds = f" -x {upper} -y {lower}" if upper else ""
        return [
            f"-A {service} -s {self.scheduler}",
            *(
                f"-a {service} -r {_text(rip)} {option} -w {w}{thresholds}"
                for rip, w in self.backends()
            ),
        ]

    def ron(self):
        """The same for weir."""
        upper, lower = self.thresholds
        thresholds = f", max_connections: {upper}, min_connections: {lower}" if upper else ""
        backends = [
            BACKEND.format(
                name=_text(rip), rip=_text(rip), weight=weight, thresholds=thresholds
            )
            for rip, weight in self.backends()
        ]
        return SERVICE.format(
            name=f"{self.protocol}-{_text(self.vip)}",
            vip=_text(self.vip),
            protocol=self.protocol.capitalize(),
            forward=FORWARD_RON[self.mode],
            scheduler=self.scheduler,
            backends="\n".join(backends),
        )


def config(services, *, lan_mtu, timeouts):
    """weir's configuration file for the plan and these services."""
    ports = [
        PORT.format(name=name, number=number, dip=dip, mac=mac, mtu=mtu)
        for number, (name, dip, mac, mtu) in enumerate(
            zip(plan.PORTS, plan.DIP, plan.MAC, (plan.MTU, lan_mtu))
        )
    ]
    neighbours = {**plan.CLIENT_MAC, **plan.SERVER_MAC}.items()
    return CONFIG.format(
        ports="\n".join(ports),
        far_network=plan.FAR_NETWORK,
        router=plan.CLIENT,
        neighbours="\n".join(NEIGHBOUR.format(address=a, mac=m) for a, m in neighbours),
        services="\n".join(service.ron() for service in services),
        timeouts=timeouts,
    )


def _text(endpoint):
    return f"{endpoint[0]}:{endpoint[1]}"
