"""Backends leave when their servers fail, and return when these work again."""

import time

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, Service, echo, http
from lab.servers import TLS_NAME
from lab.topology import FOLDER

INTERVAL_S = 0.2
RISE, FALL = 2, 3
# A server that hangs is not what is tested: it may take its time on a busy machine.
TIMING = f'interval: "{INTERVAL_S * 1000:.0f}ms", timeout: "2s", rise: {RISE}, fall: {FALL}'
# What a machine that is busy with other things may take beyond what is configured.
GRACE_S = 2.0
# Another way to the servers than by weir's port.
CHECKER = "10.10.0.2"


class Health(LabCase):
    def weir(self, service, **settings):
        """A weir of one service whose checks leave by its ports, as the traffic does."""
        return self.lab.weir([service], taps=True, **settings)

    def states(self, weir, service):
        """The state of each backend of a service, and its reason, by the backend's name."""
        return {
            backend["name"]: (backend["state"], backend["health"]["reason"])
            for backend in weir.show_json("backends")
            if backend["service"] == service
        }

    def wait_for(self, weir, service, backend, state, timeout_s):
        """Waits until a backend is in a state, and returns the reason and how long it took."""
        begin = time.monotonic()
        while True:
            found, reason = self.states(weir, service)[backend]
            took_s = time.monotonic() - begin
            if found == state:
                return reason, took_s
            self.assertLess(took_s, timeout_s, f"{backend} is {found}: {reason}")
            time.sleep(0.02)

    def test_a_dead_server_leaves_and_returns(self):
        server = self.lab.servers["nat"][0]
        check = f'Http(path: "/", body: "^web", {TIMING})'
        with self.weir(http("nat", health=check), workers=2) as weir:
            self.wait_for(weir, "nat", "web1", "up", GRACE_S)
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 8), workers=2)
            server.stop()
            self.addCleanup(lambda: server._process or server.start())
            most_s = INTERVAL_S * FALL + GRACE_S
            reason, _ = self.wait_for(weir, "nat", "web1", "down", most_s)
            self.assertEqual(reason, "Http: Connection refused (os error 111)")
            # From now on no request fails.
            answers = self.curl(self.lab.client, plan.VIP["nat"], 20)
            self.assertEqual(answers, {"web2": 20})
            server.start()
            reason, took_s = self.wait_for(weir, "nat", "web1", "up", 20)
            self.assertEqual(reason, "passes Http")
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 20), workers=2)
            events = [
                (event["backend"], event["state"])
                for event in weir.show_json("events")
                if event["service"] == "nat"
            ]
        self.assertEqual(events, [("web1", "down"), ("web1", "up")])

    def test_https_by_name_and_certificate(self):
        ca = FOLDER / "tls.crt"
        good = f'Https(port: 8443, host: "{TLS_NAME}", ca: "{ca}", start: Down, {TIMING})'
        with self.weir(http("nat", health=good)) as weir:
            for name in plan.NAMES:
                self.wait_for(weir, "nat", name, "up", GRACE_S)
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 8))
        other = f'Https(port: 8443, host: "other.weir.test", ca: "{ca}", {TIMING})'
        with self.weir(http("nat", health=other)) as weir:
            for name in plan.NAMES:
                reason, _ = self.wait_for(weir, "nat", name, "down", GRACE_S)
                self.assertIn("certificate", reason)

    def test_udp_by_its_reply(self):
        # Only web1 answers with its own name.
        check = f'Udp(payload: "70", reply: "77 65 62 31", {TIMING})'
        with self.weir(echo("nat", health=check)) as weir:
            reason, _ = self.wait_for(weir, "nat-echo", "web2", "down", GRACE_S)
            self.assertIn("6 octets, `776562322070`", reason)
            self.assertEqual(self.states(weir, "nat-echo")["web1"][0], "up")

    def test_a_command_decides(self):
        folder = FOLDER / "command"
        folder.mkdir(mode=0o755)
        program = folder / "check"
        program.write_text(f'#!/bin/sh\n! test -e "{folder}/$WEIR_BACKEND-is-ill"\n')
        program.chmod(0o755)
        told = folder / "told"
        notify = folder / "notify"
        notify.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
        notify.chmod(0o755)
        check = f'Command(command: ["{program}"], {TIMING})'
        settings = f'checks: (notify: (command: ["{notify}"], user: "root")),'
        with self.weir(http("nat", health=check), more=settings) as weir:
            (folder / "web2-is-ill").touch()
            reason, _ = self.wait_for(weir, "nat", "web2", "down", INTERVAL_S * FALL + GRACE_S)
            self.assertEqual(reason, "Command: exit code 1")
            answers = self.curl(self.lab.client, plan.VIP["nat"], 10)
            self.assertEqual(answers, {"web1": 10})
            (folder / "web2-is-ill").unlink()
            self.wait_for(weir, "nat", "web2", "up", INTERVAL_S * RISE + GRACE_S)
            # What others can change is not run, and that is a failure.
            program.chmod(0o777)
            reason, _ = self.wait_for(weir, "nat", "web1", "down", INTERVAL_S * FALL + GRACE_S)
            self.assertIn("can be written by others than root", reason)
        lines = told.read_text().splitlines()
        self.assertEqual(
            lines[:2],
            [
                "BACKEND nat/web2 DOWN - Command: exit code 1",
                "BACKEND nat/web2 UP - passes Command",
            ],
        )

    def test_every_kind_over_ipv6(self):
        checks = {
            "Tcp": "Tcp(",
            "Http": 'Http(path: "/", body: "^web", ',
            "Https": f'Https(port: 8443, host: "{TLS_NAME}", ca: "{FOLDER / "tls.crt"}", ',
            "Ping": "Ping(",
            "Udp": f'Udp(payload: "70", reply: "77 65 62", port: {plan.ECHO_PORT}, ',
        }
        vip = plan.six(plan.VIP["nat"])
        services = [
            Service(kind, "nat", "Tcp", vip, port, 8080, health=f"{check}start: Down, {TIMING})")
            for port, (kind, check) in enumerate(checks.items(), start=80)
        ]
        server = self.lab.servers["nat"][0]
        with self.lab.weir(services, taps=True, arms=TWO_FAMILIES) as weir:
            for kind in checks:
                for name in plan.NAMES:
                    with self.subTest(kind=kind, backend=name):
                        reason, _ = self.wait_for(weir, kind, name, "up", GRACE_S)
                        self.assertEqual(reason, f"passes {kind}")
            server.stop()
            self.addCleanup(lambda: server._process or server.start())
            for kind in ("Tcp", "Http", "Https"):
                self.wait_for(weir, kind, "web1", "down", INTERVAL_S * FALL + GRACE_S)
            # From now on no request fails.
            self.assertEqual(self.curl(self.lab.client, vip, 10), {"web2": 10})
            server.start()
            self.wait_for(weir, "Tcp", "web1", "up", 20)

    def test_without_a_tap_the_host_s_own_routes_lead_to_the_servers(self):
        director = self.lab.director
        director.plug(self.lab.switch, "lan", "checks0", f"{CHECKER}/24", peer="lan-checks")
        self.addCleanup(director.run, "ip", "link", "delete", "checks0")
        for check in (f"Tcp(start: Down, {TIMING})", f"Ping(start: Down, {TIMING})"):
            with self.subTest(check=check), self.lab.weir([http("nat", health=check)]) as weir:
                for name in plan.NAMES:
                    self.wait_for(weir, "nat", name, "up", GRACE_S)
