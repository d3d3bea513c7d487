"""weir itself, in the director's namespace."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time

from lab import plan
from lab.net import LabError

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOCKET = pathlib.Path("/run/weir-lab/weir.sock")
START_S = 30
STOP_S = 20

CONFIG = """\
(
    dpdk: (
        workers: {workers}, main_core: {main_core},
        hugepages: Off, memory_mb: 256, file_prefix: "{name}-lab",
    ),
    idle: {idle},
    api: (socket: "{socket}"),
    other: {other}, {more}
    ports: [
{ports}
    ],
    routes: [{routes}],
    services: [
{services}
    ],
)
"""
PORT = """\
        (
            name: "{name}",
            device: Vdev("{device}"),
            addresses: {addresses},{tap}{mtu}
        ),"""
DEVICES = {
    "af_packet": "net_af_packet{number},iface={interface},qpairs={queues},framecnt=2048",
    "af_xdp": "net_af_xdp{number},iface={interface},queue_count={queues}",
}
SERVICE = """\
        (
            name: "{name}", address: "{address}", protocol: {protocol},
            forward: {forward}, scheduler: RoundRobin, health: {health},{more}
            backends: [
{backends}
            ],
        ),"""
BACKEND = """\
                (name: "{name}", address: "{rip}:{port}", weight: {weight}),"""
ROUTE = '(to: "{to}", via: "{via}")'
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}

# Ports as (name, interface, addresses), and the gateways of the default routes.
TWO_ARMS = (
    [
        ("wan", "wan0", [f"{plan.WAN_DIP}/24"]),
        ("lan", "lan0", [f"{plan.LAN_DIP}/24"]),
    ],
    [plan.WAN_ROUTER],
)
TWO_FAMILIES = (
    [
        ("wan", "wan0", [f"{plan.WAN_DIP}/24", f"{plan.six(plan.WAN_DIP)}/64"]),
        ("lan", "lan0", [f"{plan.LAN_DIP}/24", f"{plan.six(plan.LAN_DIP)}/64"]),
    ],
    [plan.WAN_ROUTER, plan.six(plan.WAN_ROUTER)],
)
# What lies behind the server outside is reached by it.
BY_OUTSIDE = (TWO_ARMS[0], [plan.OUTSIDE])
SNAT = f"""
    snat: [(
        name: "out", inside: ["{plan.LAN_NETWORK}"], port: "wan", addresses: ["{plan.PUBLIC}"],
    )],"""
ONE_ARM = (
    [("lan", "lan0", [f"{plan.LAN_DIP}/24", f"{plan.INSIDE_DIP}/24"])],
    [plan.LAN_ROUTER],
)


def tap_of(port):
    """The interface by which the director's kernel uses a port, where it does."""
    return f"weir-{port}"


def target_folder():
    """Where cargo builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def weir_binary():
    """The weir under test: $WEIR, or what `cargo build --release` makes."""
    return os.environ.get("WEIR", str(target_folder() / "release" / "weir"))


@dataclasses.dataclass
class Service:
    """A service of one mode with that mode's servers web1 and web2 as backends."""

    name: str
    mode: str
    protocol: str
    vip: str
    vip_port: int
    backend_port: int
    weight: int = 1
    health: str = "Off"

    def ron(self):
        """The service in the configuration's words; its VIP says of which family all is."""
        is_six = plan.family_of(self.vip) == 6
        rips, lips = plan.RIPS[self.mode], plan.LIPS
        if is_six:
            rips, lips = [list(map(plan.six, addresses)) for addresses in (rips, lips)]
        backends = [
            BACKEND.format(
                name=name, rip=plan.host_of(rip), port=self.backend_port, weight=self.weight
            )
            for name, rip in zip(plan.NAMES, rips)
        ]
        return SERVICE.format(
            name=self.name,
            address=f"{plan.host_of(self.vip)}:{self.vip_port}",
            protocol=self.protocol,
            forward=plan.FORWARD[self.mode],
            health=self.health,
            more=f" local_addresses: {json.dumps(lips)}," if self.mode == "fullnat" else "",
            backends="\n".join(backends),
        )


@dataclasses.dataclass
class Written:
    """Services as a configuration has them."""

    text: str

    def ron(self):
        """The services in the configuration's words."""
        return self.text


def http(mode, vip=None, health="Off"):
    """The HTTP service of a mode, named as the mode; where its VIP is of IPv6 it says so."""
    address = vip or plan.VIP[mode]
    name = f"{mode}-six" if plan.family_of(address) == 6 else mode
    return Service(name, mode, "Tcp", address, 80, plan.HTTP_PORT[mode], health=health)


def echo(mode, vip=None, health="Off"):
    """The UDP echo service of a mode."""
    address, port = vip or plan.VIP[mode], plan.ECHO_PORT
    return Service(f"{mode}-echo", mode, "Udp", address, port, port, health=health)


def cores(workers):
    """The cores for so many workers and, where there are enough, another for the management."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < workers:
        raise LabError(f"{workers} workers need as many cores, this machine has {len(usable)}")
    return usable[-workers:], usable[0]


def config(
    services, *, workers, other, arms, driver, taps, more, lan_mtu, idle, placed, name="weir"
):
    """The text of a configuration file."""
    ports, gateways = arms
    worker_cores, main_core = placed or cores(workers)
    port_texts = [
        PORT.format(
            name=port,
            device=DEVICES[driver].format(number=number, interface=interface, queues=workers),
            addresses=json.dumps(addresses),
            tap=f' tap: "{tap_of(port)}",' if taps else "",
            mtu=f" mtu: {lan_mtu}," if lan_mtu and port == "lan" else "",
        )
        for number, (port, interface, addresses) in enumerate(ports)
    ]
    return CONFIG.format(
        workers=worker_cores,
        main_core=main_core,
        idle=idle,
        socket=SOCKET.with_name(f"{name}.sock"),
        name=name,
        other=other,
        more=more,
        ports="\n".join(port_texts),
        routes=", ".join(
            ROUTE.format(to=EVERYWHERE[plan.family_of(gateway)], via=gateway)
            for gateway in gateways
        ),
        services="\n".join(service.ron() for service in services),
    )


class Director:
    """A weir with these services; as a context manager it runs meanwhile and must end cleanly.

    `placed` are the cores of its workers and the core of its management thread, where it matters.
    Where there are several at once each has another `name`.
    """

    def __init__(
        self,
        namespace,
        log_folder,
        services,
        *,
        workers=1,
        other="Route",
        arms=TWO_ARMS,
        driver="af_packet",
        taps=False,
        more="",
        lan_mtu=None,
        idle='Sleep(max: "50us")',
        placed=None,
        name="weir",
    ):
        self._namespace = namespace
        self._socket = SOCKET.with_name(f"{name}.sock")
        self._log = log_folder / f"{name}.log"
        self._config = log_folder / f"{name}.ron"
        settings = {"workers": workers, "other": other, "arms": arms, "driver": driver}
        settings |= {"taps": taps, "more": more, "lan_mtu": lan_mtu}
        text = config(services, **settings, idle=idle, placed=placed, name=name)
        self._config.write_text(text)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            status = self.stop()
            if status != 0:
                raise self._fault(f"ended with {status} on SIGTERM")
        else:
            self._kill()

    def _kill(self):
        self.process.kill()
        self.process.wait()

    def _fault(self, what):
        end = self._log.read_text(errors="replace").splitlines()[-5:]
        return LabError("\n".join([f"weir {what}; the end of {self._log}:", *end]))

    @property
    def config_file(self):
        """The file that it reads."""
        return self._config

    def launch(self):
        """Starts weir and waits for nothing."""
        with self._log.open("ab") as log:
            self.process = self._namespace.popen(
                *(weir_binary(), "run", "--config", self._config), stdout=log, stderr=log
            )

    def start(self):
        """Starts weir and waits until it answers."""
        self.launch()
        deadline = time.monotonic() + START_S
        while self._ask("show", "ports").returncode != 0:
            if self.process.poll() is not None:
                raise self._fault(f"ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                self._kill()
                raise self._fault(f"does not answer on {self._socket} after {START_S} s")
            time.sleep(0.1)

    def stop(self):
        """Sends SIGTERM and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired as error:
            self._kill()
            raise self._fault(f"still runs {STOP_S} s after SIGTERM") from error

    def _ask(self, *words):
        return subprocess.run(
            [weir_binary(), *words, "--socket", self._socket],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    def _answer(self, *words):
        done = self._ask(*words)
        if done.returncode != 0:
            asked = " ".join(words)
            raise LabError(f"weir {asked}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def tell(self, *words):
        """What weir answers to these words."""
        return self._answer(*words)

    def ipvsadm(self, *words):
        """What `weir ipvsadm` prints, whose last words are ipvsadm's own."""
        command = [weir_binary(), "ipvsadm", "--socket", self._socket, *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=True
        ).stdout

    def show(self, what):
        """What `weir show` prints for people."""
        return self._answer("show", what)

    def show_json(self, what):
        """What `weir show --json` says."""
        return json.loads(self._answer("show", what, "--json"))

    def backend(self, verb, service, name):
        """Has `weir backend` change one."""
        self._answer("backend", verb, service, name)

    def explain(self, flow):
        """What `weir explain --json` says of a flow."""
        return json.loads(self._answer("explain", flow, "--json"))

    def route_to(self, address):
        """What `weir route get --json` says of an address."""
        return json.loads(self._answer("route", "get", address, "--json"))
