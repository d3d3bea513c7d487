"""Connections and new clients while backends come and go, and while weir does."""

import http.client
import pathlib
import socket
import time

from lab import plan
from lab.case import LabCase
from lab.director import Written
from lab.topology import FOLDER

VIP = plan.VIP["nat"]
FIRST, SECOND = plan.RIPS["nat"]
GRACE_S = 5.0
TIMING = 'interval: "200ms", timeout: "2s", rise: 1, fall: 1'

# Two and one of it make the quorum; both are nat1, by two ports. The sorry one is nat2.
QUORUM = """\
        (
            name: "web", address: "{vip}:80", protocol: Tcp, forward: Nat, scheduler: rr,
            quorum: 2, hysteresis: 1, health: Command(command: ["{program}"], {timing}),
            backends: [
                (name: "heavy", address: "{first}:8080", weight: 2),
                (name: "light", address: "{first}:80", weight: 1),
                (name: "sorry", address: "{second}:8080", sorry: true),
            ],
        ),"""
GONE = """\
        (
            name: "{gone}", address: "{vip}:{port}", protocol: Tcp, forward: Nat, scheduler: rr,
            backend_gone: {gone}, backends: [
                (name: "web1", address: "{first}:8080"), (name: "web2", address: "{second}:8080"),
            ],
        ),"""
ADMITTING = """\
        (
            name: "{mode}", address: "{vip}:80", protocol: Tcp, forward: {forward},
            scheduler: Maglev, strays: Admit, backends: [
                (name: "web1", address: "{first}:{port}"),
                (name: "web2", address: "{second}:{port}"),
            ],
        ),"""

FILTERED = """\
        (
            name: "{name}", address: "{vip}:{port}", protocol: Tcp, forward: Nat, scheduler: rr,
            source_filter: ({filter}), backends: [(name: "web1", address: "{first}:8080")],
        ),"""


class Connection:
    """An HTTP connection of a client that stays open."""

    def __init__(self, namespace, vip, port=80):
        with namespace.inside():
            self._http = http.client.HTTPConnection(vip, port, timeout=GRACE_S)
            self._http.connect()
        # Another one would be no proof.
        self._http.auto_open = 0

    def ask(self, timeout_s=GRACE_S):
        """The name of the server that answers."""
        self._http.sock.settimeout(timeout_s)
        self._http.request("GET", "/")
        return self._http.getresponse().read().decode().strip()

    def answer(self):
        """The name of the server that answers what has been asked already."""
        self._http.sock.settimeout(GRACE_S)
        return self._http.sock.recv(65536).decode().splitlines()[-1]

    def close(self):
        self._http.close()


class Backends(LabCase):
    def connect(self, vip, port=80):
        connection = Connection(self.lab.client, vip, port)
        self.addCleanup(connection.close)
        return connection

    def wait_for(self, what, found):
        """Waits until `found` gives what is wanted."""
        deadline = time.monotonic() + GRACE_S
        while (now := found()) != what:
            self.assertLess(time.monotonic(), deadline, f"{now} and not {what}")
            time.sleep(0.02)

    def test_a_sorry_server_serves_without_a_quorum_which_has_hysteresis(self):
        folder = pathlib.Path(FOLDER / "quorum")
        folder.mkdir(mode=0o755)
        program = folder / "check"
        program.write_text(f'#!/bin/sh\n! test -e "{folder}/$WEIR_BACKEND-is-ill"\n')
        program.chmod(0o755)
        text = QUORUM.format(vip=VIP, first=FIRST, second=SECOND, program=program, timing=TIMING)
        with self.lab.weir([Written(text)], workers=2) as weir:

            def falls_ill(name, ill):
                path = folder / f"{name}-is-ill"
                path.touch() if ill else path.unlink()
                state = lambda: {one["name"]: one["state"] for one in weir.show_json("backends")}
                self.wait_for("down" if ill else "up", lambda: state()[name])
                return self.curl(self.lab.client, VIP, 6)

            self.assertEqual(self.curl(self.lab.client, VIP, 6), {"web1": 6})
            self.assertEqual(falls_ill("heavy", True), {"web1": 6}, "1 is not below 2 - 1")
            early = self.connect(VIP)
            self.assertEqual(early.ask(), "web1")
            self.assertEqual(falls_ill("light", True), {"web2": 6}, "there is no quorum")
            self.assertEqual(falls_ill("light", False), {"web2": 6}, "1 is below 2 + 1")
            late = self.connect(VIP)
            self.assertEqual(late.ask(), "web2")
            self.assertEqual(falls_ill("heavy", False), {"web1": 6}, "3 make it again")
            self.assertEqual(late.ask(), "web2", "who has come to the sorry server stays")
            changes = [one["state"] for one in weir.show_json("events") if not one["backend"]]
            self.assertEqual(changes, ["down", "up"])

    def test_connections_end_or_wait_or_go_on_when_their_server_is_gone(self):
        kinds = ["Reset", "Drop", "Keep"]
        services = [
            GONE.format(gone=gone, vip=VIP, port=80 + number, first=FIRST, second=SECOND)
            for number, gone in enumerate(kinds)
        ]
        with self.lab.weir([Written("\n".join(services))], workers=2) as weir:
            open_ones = {}
            for number, gone in enumerate(kinds):
                connection = self.connect(VIP, 80 + number)
                open_ones[gone] = (connection, connection.ask())
            connection, server = open_ones["Keep"]
            weir.tell("backend", "drain", "Keep", server)
            self.assertEqual(connection.ask(), server)
            for gone in ("Reset", "Drop"):
                weir.tell("backend", "disable", gone, open_ones[gone][1])
            connection, server = open_ones["Reset"]
            with self.assertRaises(ConnectionResetError):
                connection.ask()
            (other,) = set(plan.NAMES) - {server}
            self.assertEqual(self.connect(VIP, 80).ask(), other)
            connection, server = open_ones["Drop"]
            with self.assertRaises(TimeoutError):
                connection.ask(timeout_s=1)
            weir.tell("backend", "enable", "Drop", server)
            # The client has asked again and again meanwhile.
            self.assertEqual(connection.answer(), server)

    def test_who_is_denied_gets_nothing(self):
        client = plan.CLIENT
        filters = {
            "taken": f'allow: ["{client}/32"], deny: ["0.0.0.0/0"]',
            "silent": f'deny: ["{client}/32"]',
            "told": 'allow: ["198.51.100.0/24"], denied: Answer',
        }
        services = [
            FILTERED.format(name=name, vip=VIP, port=port, filter=text, first=FIRST)
            for port, (name, text) in enumerate(filters.items(), 80)
        ]
        with self.lab.weir([Written("\n".join(services))], workers=2) as weir:
            self.assertEqual(self.connect(VIP, 80).ask(), "web1")
            with self.lab.client.inside(), self.assertRaises(TimeoutError):
                socket.create_connection((VIP, 81), timeout=1)
            with self.assertRaises(ConnectionRefusedError):
                self.connect(VIP, 82)
            drops = {one["reason"]: one["packets"] for one in weir.show_json("drops")}
            self.assertGreaterEqual(drops["source_denied"], 1)

    def test_connections_outlast_a_restart_of_weir(self):
        modes = ["nat", "dr", "tun"]
        services = []
        for mode in modes:
            first, second = plan.RIPS[mode]
            ends = {"first": first, "second": second, "port": plan.HTTP_PORT[mode]}
            forward = plan.FORWARD[mode]
            text = ADMITTING.format(mode=mode, vip=plan.VIP[mode], forward=forward, **ends)
            services.append(Written(text))
        weir = self.lab.weir(services, workers=2)
        with weir:
            connections = {
                mode: [self.connect(plan.VIP[mode]) for _ in range(4)] for mode in modes
            }
            before = {mode: [one.ask() for one in all_] for mode, all_ in connections.items()}
        with weir:
            self.assertEqual(weir.show_json("sessions"), [])
            for mode, all_ in connections.items():
                with self.subTest(mode=mode):
                    self.assertEqual([one.ask() for one in all_], before[mode])
            sessions = [one["state"] for one in weir.show_json("sessions")]
            self.assertEqual(sessions, ["ESTABLISHED"] * 12)
