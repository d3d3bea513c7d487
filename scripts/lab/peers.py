"""Other directors than weir, for the same VIP and servers: what people use today."""

import subprocess

from lab import plan
from lab.net import LabError, Namespace
from lab.servers import kill, require_answer

VIP = plan.VIP["nat"]
SERVERS = [f"{rip}:{plan.HTTP_PORT['nat']}" for rip in plan.RIPS["nat"]]
ANSWER_S = 10

HAPROXY = """\
global
    nbthread 1
    maxconn 8000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen web
    bind {vip}:80
    balance roundrobin
{servers}
"""

NGINX = """\
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 40000;
pid {scratch}/stream.pid;
error_log stderr;
load_module modules/ngx_stream_module.so;
events {{ worker_connections 16000; }}
stream {{
    upstream web {{
{servers}
    }}
    server {{ listen {vip}:80 backlog=4096; proxy_pass web; }}
}}
"""

NFTABLES = """\
table ip director {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr {vip} tcp dport 80 dnat ip to numgen inc mod {count} map {{ {servers} }}
    }}
}}
"""


class Peer:
    """A host in the director's place, up while it is used; weir must not run meanwhile."""

    def __init__(self, switch, log_folder, folder, core):
        self.namespace = Namespace("peer")
        self._log = log_folder / "peer.log"
        self._folder = folder
        self._switch = switch
        self._core = core
        self._process = None
        self.namespace.plug(switch, "wan", "wan0", f"{plan.WAN_DIP}/24")
        self.namespace.plug(switch, "lan", "lan0", f"{plan.LAN_DIP}/24")
        self.namespace.run("ip", "address", "add", f"{VIP}/32", "dev", "wan0")
        self.namespace.sysctl("net/ipv4/ip_forward", 1)
        self._set_links("down")

    def _set_links(self, state):
        for link in ("wan0", "lan0"):
            self.namespace.run("ip", "link", "set", link, state)
        for bridge in ("wan", "lan"):
            # It has weir's MACs, at another place.
            self._switch.run("ip", "link", "set", bridge, "type", "bridge", "fdb_flush")

    def start(self, name, client):
        """Starts the director of this name, and waits until it answers the client."""
        self._set_links("up")
        getattr(self, f"_start_{name}")()
        try:
            require_answer(client, f"http://{VIP}/", ANSWER_S)
        except LabError as error:
            raise LabError(f"{name}: {error}; see {self._log}") from error

    def stop(self):
        """Ends it."""
        if self._process:
            kill(self._process)
            self._process = None
        self.namespace.run("nft", "flush", "ruleset")
        self._set_links("down")

    def _start_haproxy(self):
        rows = [f"    server web{n} {server}" for n, server in enumerate(SERVERS, start=1)]
        path = self._folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(vip=VIP, servers="\n".join(rows)))
        self._run("haproxy", "-db", "-f", path)

    def _start_nginx(self):
        rows = [f"        server {server};" for server in SERVERS]
        path = self._folder / "stream.conf"
        values = {"vip": VIP, "scratch": self._folder, "servers": "\n".join(rows)}
        path.write_text(NGINX.format(**values))
        self._run("nginx", "-e", "stderr", "-c", path)

    def _start_nftables(self):
        servers = [server.split(":") for server in SERVERS]
        rows = [f"{n} : {rip} . {port}" for n, (rip, port) in enumerate(servers)]
        path = self._folder / "peer.nft"
        values = {"vip": VIP, "count": len(rows), "servers": ", ".join(rows)}
        path.write_text(NFTABLES.format(**values))
        self.namespace.run("nft", "-f", path)

    def _run(self, *words):
        with self._log.open("ab") as log:
            self._process = self.namespace.popen(
                *("taskset", "-c", self._core, *words),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
