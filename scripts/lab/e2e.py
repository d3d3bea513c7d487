"""HTTP through weir and through other directors, all on the same core.

One turn is one director with all loads; it is asked for by a line of JSON on stdin and answered by
one on stdout. The director and what its interfaces receive have the one core; clients, servers and
all other links have the other.
"""

import contextlib
import json
import os
import pathlib
import shutil
import sys
import time

from lab import plan
from lab.director import Director, http, target_folder
from lab.net import LabError
from lab.peers import Peer
from lab.servers import require_answer
from lab.topology import FOLDER, Lab

WRK = pathlib.Path(__file__).with_name("wrk.lua")
MODES = {"weir-nat": "nat", "weir-full-nat": "fullnat", "weir-dr": "dr"}
PEERS = {"haproxy": "haproxy", "nginx": "nginx", "nftables": "nftables"}
# Without a director: the client asks a server by the router.
DIRECT = "direct"
# What is asked for, and words for wrk.
LOADS = {
    "requests": ("/", ["-c", "64"]),
    "connections": ("/", ["-c", "64", "-H", "Connection: close"]),
    "octets": ("/blob", ["-c", "16"]),
}
SETTLE_S = 0.5
ANSWER_S = 20
PROGRAMS = {"wrk": "wrk", "haproxy": "haproxy", "taskset": "util-linux"}


class E2e:
    """The lab, and the directors by turns."""

    def __init__(self, worker_core, main_core):
        missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
        if missing:
            raise LabError(f"missing: apt-get install {' '.join(missing)}")
        self._cores = (worker_core, main_core)
        # Whatever is started from here on, but for directors, shares the other core.
        os.sched_setaffinity(0, {main_core})
        log_folder = target_folder() / "lab" / "e2e"
        self.lab = Lab(log_folder=log_folder, modes=["nat", "dr", "fullnat"])
        self.peer = Peer(self.lab.switch, log_folder, FOLDER, worker_core)
        self.lab.client.route(f"{plan.RIPS['dr'][0]}/32", plan.WAN_ROUTER)
        self.lab.client.sysctl("net/ipv4/ip_local_port_range", "1024 65535")
        self.lab.client.sysctl("net/ipv4/tcp_tw_reuse", 1)
        self.peer.namespace.sysctl("net/ipv4/ip_local_port_range", "1024 65535")
        self.peer.namespace.sysctl("net/ipv4/tcp_tw_reuse", 1)
        servers = [server.namespace for servers in self.lab.servers.values() for server in servers]
        for namespace in [self.lab.client, self.lab.router, self.lab.switch, *servers]:
            receive_on(namespace, main_core)
        for namespace in [self.lab.director, self.peer.namespace]:
            receive_on(namespace, worker_core)

    def turn(self, director, seconds):
        """Starts the director, applies every load for so long, and ends it."""
        with self._running(director) as address:
            require_answer(self.lab.client, f"http://{address}/", ANSWER_S)
            return {load: self._apply(load, address, seconds) for load in LOADS}

    @contextlib.contextmanager
    def _running(self, director):
        worker_core, main_core = self._cores
        if director in MODES:
            mode = MODES[director]
            placed = ([worker_core], main_core)
            with self.lab.weir([http(mode)], idle="Auto", placed=placed):
                yield plan.VIP[mode]
        elif director in PEERS:
            try:
                self.peer.start(PEERS[director], self.lab.client)
                yield plan.VIP["nat"]
            finally:
                self.peer.stop()
        elif director == DIRECT:
            yield plan.RIPS["dr"][0]
        else:
            raise LabError(f"no director is called {director}")

    def _apply(self, load, address, seconds):
        path, words = LOADS[load]
        time.sleep(SETTLE_S)
        before = busy(self._cores[0])
        printed = self.lab.client.run(
            *("wrk", "-t", 1, *words, "-d", f"{seconds}s", "--latency", "-s", WRK),
            f"http://{address}{path}",
            timeout_s=seconds + 60,
        )
        after = busy(self._cores[0])
        worked, passed = (b - a for a, b in zip(before, after))
        answer = json.loads(printed.splitlines()[-1])
        return {**answer, "busy_percent": 100 * worked / max(passed, 1)}


def receive_on(namespace, core):
    """What the interfaces of a namespace receive is worked on by this core."""
    masks = "/sys/class/net/*/queues/rx-*/rps_cpus"
    namespace.run("sh", "-c", f"for mask in {masks}; do echo {1 << core:x} > $mask; done")


def busy(core):
    """Ticks in which a core worked, and all of its ticks."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            ticks = [int(tick) for tick in ticks[:8]]
            return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
    raise LabError(f"there is no core {core}")


def main(worker_core, main_core):
    """Answers turns until nobody asks for more."""
    e2e = E2e(worker_core, main_core)
    say({"directors": [DIRECT, *MODES, *PEERS]})
    for line in sys.stdin:
        say(e2e.turn(**json.loads(line)))
    return 0


def say(answer):
    """Prints a line of JSON at once."""
    print(json.dumps(answer), flush=True)
