"""Tunnels of every kind and pair of families, to real kernels that unwrap them."""

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, Written
from lab.load import fetch_all

# What web1 and web2 unwrap. Of GRE one takes what has a checksum, the other what has none.
KINDS = [
    ("Ipip", "Ipip"),
    ("Gre()", "Gre(checksum: Full)"),
    ("Gue(port: 6080)", "Gue(port: 6080, checksum: Full)"),
    ("Gue(port: 6080, checksum: Remote)", "Gue(port: 6080, checksum: Remote)"),
]
VIP = plan.VIP["tun"]
SERVICE = """\
        (
            name: "tun-{family}", address: "{vip}:80", protocol: Tcp, forward: Tun,
            scheduler: rr,
            backends: [
{backends}
            ],
        ),"""
BACKEND = """\
                (name: "{name}", address: "{rip}:80", tunnel: {tunnel}),"""


def services(kinds, *, crossed):
    """One of each family, its backends of the same or of the other."""
    texts = []
    for six in (False, True):
        of = lambda address, six: plan.host_of(plan.six(address) if six else address)
        backends = [
            BACKEND.format(name=name, rip=of(rip, six != crossed), tunnel=tunnel)
            for name, rip, tunnel in zip(plan.NAMES, plan.RIPS["tun"], kinds)
        ]
        family = 6 if six else 4
        texts.append(
            SERVICE.format(family=family, vip=of(VIP, six), backends="\n".join(backends))
        )
    return [Written(text) for text in texts]


class Tunnels(LabCase):
    def test_http_in_every_tunnel(self):
        for kinds in KINDS:
            for crossed in (False, True):
                written = services(kinds, crossed=crossed)
                with self.lab.weir(written, arms=TWO_FAMILIES):
                    for vip in (VIP, plan.six(VIP)):
                        with self.subTest(kinds=kinds, crossed=crossed, vip=vip):
                            self.assert_balanced(self.curl(self.lab.client, vip, 4))

    def test_downloads_in_every_tunnel(self):
        """Segments as large as the tunnel takes: what clients announce is held below that."""
        for kinds in KINDS[1:]:
            with self.lab.weir(services(kinds, crossed=True), arms=TWO_FAMILIES, workers=2):
                for vip in (VIP, plan.six(VIP)):
                    with self.subTest(kinds=kinds, vip=vip):
                        self.assert_fetched(fetch_all(self.lab.client, vip, "/blob", 4, 16))
