"""How weir begins, tells and ends."""

import collections
import subprocess
import time

from lab import plan
from lab.case import LabCase
from lab.director import SOCKET, http, weir_binary

SHOWN = "services backends sessions ports routes neighbours groups drops workers".split()


class Life(LabCase):
    def test_sigterm_ends_it_cleanly(self):
        weir = self.lab.weir([http("nat")], workers=2)
        weir.start()
        self.addCleanup(lambda: weir.process.poll() is None and weir.process.kill())
        self.curl(self.lab.client, plan.VIP["nat"], 2)
        self.assertTrue(SOCKET.is_socket())
        self.assertEqual(weir.stop(), 0)
        self.assertFalse(SOCKET.exists())

    def test_sigterm_while_it_starts_ends_it_cleanly(self):
        for pause_s in (0.05, 0.15, 0.3):
            with self.subTest(pause_s=pause_s):
                weir = self.lab.weir([http("nat")])
                weir.launch()
                self.addCleanup(lambda: weir.process.poll() is None and weir.process.kill())
                deadline = time.monotonic() + 10
                while not SOCKET.exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(pause_s)
                self.assertEqual(weir.stop(), 0)
                self.assertFalse(SOCKET.exists())

    def test_it_starts_again_after_a_crash(self):
        for _ in range(2):
            weir = self.lab.weir([http("nat")])
            weir.start()
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 2))
            weir.process.kill()
            weir.process.wait()

    def test_a_wrong_configuration_is_refused(self):
        config = self.lab.log_folder / "wrong.ron"
        config.write_text("(ports: [(name: 'wan')])")
        command = [weir_binary(), "run", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 3)
        self.assertIn(str(config), done.stderr)


class Shown(LabCase):
    def test_every_table_in_both_forms(self):
        with self.lab.weir([http(mode) for mode in plan.MODES], workers=2) as weir:
            self.curl(self.lab.client, plan.VIP["nat"], 2)
            for what in SHOWN:
                with self.subTest(what=what):
                    self.assertIsInstance(weir.show_json(what), list)
                    self.assertTrue(weir.show(what).strip())

    def test_counts_add_up_over_workers(self):
        count = 24
        with self.lab.weir([http(mode) for mode in plan.MODES], workers=2) as weir:
            answers = {
                mode: self.curl(self.lab.client, plan.VIP[mode], count) for mode in plan.MODES
            }
            sessions = weir.show_json("sessions")
            services = weir.show_json("services")
            workers = weir.show_json("workers")
        self.assertEqual(len(workers), 2)
        self.assertEqual(sum(worker["sessions"] for worker in workers), len(sessions))
        owners = collections.Counter(session["worker"] for session in sessions)
        self.assertEqual(owners, {worker["index"]: worker["sessions"] for worker in workers})
        self.assertEqual(set(owners), {0, 1}, "one worker has got nothing")
        held = collections.Counter(session["backend"] for session in sessions)
        for service in services:
            for backend in service["backends"]:
                with self.subTest(service=service["name"], backend=backend["name"]):
                    answered = answers[service["name"]][backend["name"]]
                    self.assertEqual(backend["active"] + backend["inactive"], answered)
                    self.assertEqual(backend["connections"], answered)
                    self.assertEqual(held[backend["address"]], answered)

    def test_what_is_explained_comes_true(self):
        with self.lab.weir([http(mode) for mode in plan.MODES], workers=2) as weir:
            for number, mode in enumerate(plan.MODES * 4):
                port = 41000 + number
                flow = f"tcp {plan.CLIENT}:{port} -> {plan.VIP[mode]}:80"
                with self.subTest(flow=flow):
                    before = weir.explain(flow)
                    self.assertTrue(before["new_session"])
                    self.assertIsNone(before["session"])
                    curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*", "--local-port", port]
                    answer = self.lab.client.run(*curl, f"http://{plan.VIP[mode]}/").strip()
                    self.assertEqual(before["backend"], answer)
                    after = weir.explain(flow)
                    rip = plan.RIPS[mode][plan.NAMES.index(answer)]
                    backend = f"{rip}:{plan.HTTP_PORT[mode]}"
                    self.assertEqual(after["session"]["backend"], backend)
                    self.assertEqual(after["session"]["worker"], before["worker"])
                    self.assertEqual(after["hop"]["mac"], plan.mac_of(after["hop"]["neighbour"]))

    def test_a_route_leads_to_its_neighbour(self):
        with self.lab.weir([http("nat")]) as weir:
            self.curl(self.lab.client, plan.VIP["nat"], 2)
            hop = weir.route_to(plan.RIPS["nat"][0])["hop"]
            self.assertEqual((hop["port"], hop["prefix"]), ("lan", plan.LAN_NETWORK))
            self.assertEqual(hop["mac"], plan.mac_of(plan.RIPS["nat"][0]))
            hop = weir.route_to("198.51.100.1")["hop"]
            self.assertEqual((hop["port"], hop["gateway"]), ("wan", plan.WAN_ROUTER))
            self.assertEqual(weir.route_to(plan.VIP["nat"])["own"], "VIP")
