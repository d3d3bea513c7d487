"""The lab's hosts and the links between them, as plan.py has them."""

import json
import os
import pathlib
import shutil

from lab import plan
from lab.director import Director
from lab.net import Namespace, bridge
from lab.plan import mac_of
from lab.servers import (
    BLOB_OCTETS,
    Guest,
    NginxServer,
    UdpEcho,
    UmlServer,
    make_certificate,
    require_answer,
)

FOLDER = pathlib.Path("/run/weir-lab")

# Names of counters: replies of a mode's servers that the director received and was meant to.
COUNTERS = f"""
table netdev lab {{
    counter nat {{ }}
    counter dr {{ }}
    counter tun {{ }}
    counter fullnat {{ }}
    chain wan {{
        type filter hook ingress device wan0 priority 0; policy drop;
        ether daddr {mac_of(plan.WAN_DIP)} jump replies
    }}
    chain lan {{
        type filter hook ingress device lan0 priority 0; policy drop;
        ether daddr {mac_of(plan.LAN_DIP)} jump replies
    }}
    chain replies {{
        ip saddr {{ {", ".join(plan.RIPS["nat"])} }} counter name nat
        ip saddr {plan.VIP["dr"]} counter name dr
        ip saddr {plan.VIP["tun"]} counter name tun
        ip saddr {{ {", ".join(plan.RIPS["fullnat"])} }} counter name fullnat
        ip6 saddr {{ {", ".join(map(plan.six, plan.RIPS["nat"]))} }} counter name nat
        ip6 saddr {plan.six(plan.VIP["dr"])} counter name dr
        ip6 saddr {plan.six(plan.VIP["tun"])} counter name tun
        ip6 saddr {{ {", ".join(map(plan.six, plan.RIPS["fullnat"]))} }} counter name fullnat
    }}
}}
"""


class Lab:
    """All hosts up and the servers of these modes answering, but no weir yet. Ends with its
    containment."""

    def __init__(self, *, log_folder, modes=tuple(plan.MODES)):
        self.log_folder = pathlib.Path(log_folder)
        shutil.rmtree(self.log_folder, ignore_errors=True)
        self.log_folder.mkdir(parents=True)
        FOLDER.mkdir()
        self._wire()
        self._lay_out_director()
        blob = FOLDER / "blob"
        self.blob = os.urandom(BLOB_OCTETS)
        blob.write_bytes(self.blob)
        make_certificate(FOLDER / "tls.pem")
        self.servers = {mode: self._serve(mode, blob) for mode in modes}
        for mode in modes:
            for rip, name in zip(plan.RIPS[mode], plan.NAMES):
                for address in (rip, plan.six(rip)):
                    url = f"http://{plan.host_of(address)}/"
                    require_answer(self.router, url, 60 if mode == "tun" else 20)

    def _wire(self):
        self.switch = Namespace("switch")
        for name in ("wan", "lan"):
            bridge(self.switch, name)
        self.client = Namespace("client")
        self.client.plug(self.switch, "wan", "eth0", f"{plan.CLIENT}/24", six=True)
        self.client.route(plan.LAN_NETWORK, plan.WAN_DIP)
        self.client.route(plan.LAN_NETWORK_SIX, plan.six(plan.WAN_DIP))
        self.inside = Namespace("inside")
        self.inside.plug(self.switch, "lan", "eth0", f"{plan.INSIDE}/24")
        self.inside.route("default", plan.INSIDE_DIP)
        self.router = Namespace("router")
        self.router.sysctl("net/ipv4/ip_forward", 1)
        self.router.plug(self.switch, "wan", "wan0", f"{plan.WAN_ROUTER}/24", six=True)
        self.router.plug(self.switch, "lan", "lan0", f"{plan.LAN_ROUTER}/24", six=True)
        self.router.sysctl("net/ipv6/conf/all/forwarding", 1)

    def _lay_out_director(self):
        self.director = Namespace("director")
        self.director.plug(self.switch, "wan", "wan0", f"{plan.WAN_DIP}/24", configure=False)
        self.director.plug(self.switch, "lan", "lan0", f"{plan.LAN_DIP}/24", configure=False)
        ruleset = FOLDER / "director.nft"
        ruleset.write_text(COUNTERS)
        self.director.run("nft", "-f", ruleset)

    def _serve(self, mode, blob):
        servers = []
        for number, (rip, name) in enumerate(zip(plan.RIPS[mode], plan.NAMES), start=1):
            namespace = Namespace(f"{mode[:4]}{number}")
            here = mode != "tun"
            namespace.plug(self.switch, "lan", "eth0", f"{rip}/24", configure=here, six=here)
            log = self.log_folder / f"{namespace.name}.log"
            if mode == "tun":
                guest = Guest(rip, plan.VIP["tun"], plan.LAN_ROUTER)
                server = UmlServer(name, namespace, FOLDER, log, blob, guest)
            else:
                namespace.route("default", plan.LAN_ROUTER)
                namespace.route("default", plan.six(plan.LAN_ROUTER))
                server = NginxServer(name, namespace, FOLDER, log, blob)
                self._set_up(mode, server, rip)
            server.start()
            servers.append(server)
        return servers

    def _set_up(self, mode, server, rip):
        if mode == "nat":
            server.realserver("nat", "add", plan.LAN_DIP)
            server.realserver("nat", "add", plan.six(plan.LAN_DIP))
            echo = rip
        elif mode == "fullnat":
            # Its servers need nothing: they answer to a LIP on their own link.
            echo = rip
        else:
            server.realserver("dr", "add", plan.VIP["dr"])
            server.realserver("dr", "add", plan.six(plan.VIP["dr"]))
            echo = plan.VIP["dr"]
        for address in (echo, plan.six(echo)):
            UdpEcho(server.name, server.namespace, address, plan.ECHO_PORT)

    def standby(self, address):
        """Another director's machine on the wan."""
        standby = Namespace("standby")
        standby.plug(self.switch, "wan", "eth0", f"{address}/24")
        return standby

    def outside(self):
        """A server on the wan, and far behind it, that the NAT servers reach by SNAT alone."""
        bridge(self.switch, "far")
        outside, far = Namespace("outside"), Namespace("far")
        outside.plug(self.switch, "wan", "eth0", f"{plan.OUTSIDE}/24")
        outside.plug(self.switch, "far", "far0", f"{plan.FAR_ROUTER}/24")
        far.plug(self.switch, "far", "eth0", f"{plan.FAR}/24")
        outside.sysctl("net/ipv4/ip_forward", 1)
        far.route("default", plan.FAR_ROUTER)
        for name, namespace, address in (
            ("outside", outside, plan.OUTSIDE),
            ("far", far, plan.FAR),
        ):
            log = self.log_folder / f"{name}.log"
            NginxServer(name, namespace, FOLDER, log, FOLDER / "blob").start()
            UdpEcho(name, namespace, address, plan.ECHO_PORT)
            require_answer(namespace, f"http://{address}/", 20)
        return outside, far

    def weir(self, services, **settings):
        """A weir for the director, see Director."""
        return Director(self.director, self.log_folder, services, **settings)

    def replies_at_director(self):
        """Packets of servers that were addressed to the director so far, by mode."""
        listing = json.loads(self.director.run("nft", "-j", "list", "counters"))
        counters = [item["counter"] for item in listing["nftables"] if "counter" in item]
        return {counter["name"]: counter["packets"] for counter in counters}
