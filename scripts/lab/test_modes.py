"""Every forwarding mode carries real traffic, with one worker and with two."""

import socket

from lab import plan
from lab.case import LabCase
from lab.director import ONE_ARM, echo, http
from lab.load import fetch_all


class Modes(LabCase):
    def test_http_through_every_mode(self):
        for workers in (1, 2):
            before = self.lab.replies_at_director()
            with self.lab.weir([http(mode) for mode in plan.MODES], workers=workers):
                for mode in plan.MODES:
                    with self.subTest(mode=mode, workers=workers):
                        answers = self.curl(self.lab.client, plan.VIP[mode], 12)
                        self.assertEqual(sum(answers.values()), 12)
                        self.assert_balanced(answers, workers)
            after = self.lab.replies_at_director()
            with self.subTest("replies", workers=workers):
                passed = {mode: after[mode] - before[mode] for mode in plan.MODES}
                through = [mode for mode in plan.MODES if passed[mode] > 0]
                self.assertEqual(through, plan.THROUGH)

    def test_http_through_af_xdp_ports(self):
        with self.lab.weir([http(mode) for mode in plan.MODES], driver="af_xdp") as weir:
            drivers = {port["driver"] for port in weir.show_json("ports")}
            self.assertEqual(drivers, {"net_af_xdp"})
            for mode in plan.MODES:
                with self.subTest(mode=mode):
                    self.assert_balanced(self.curl(self.lab.client, plan.VIP[mode], 6))

    def test_udp_through_nat_dr_and_fullnat(self):
        modes = ("nat", "dr", "fullnat")
        with self.lab.weir([echo(mode) for mode in modes]):
            for mode in modes:
                with self.subTest(mode=mode):
                    questions = [f"question {number}".encode() for number in range(20)]
                    self.assert_echoed(plan.VIP[mode], questions)

    def test_nat_with_one_arm_and_two_workers(self):
        """Clients and servers are behind the same port."""
        vip = plan.INSIDE_VIP
        with self.lab.weir([http("nat", vip)], workers=2, arms=ONE_ARM):
            answers = self.curl(self.lab.inside, vip, 10)
            self.assert_balanced(answers, workers=2)
            self.assert_fetched(fetch_all(self.lab.inside, vip, "/blob", 40, 120))


class OtherTraffic(LabCase):
    """A backend's own traffic to the world."""

    PORT = 7777

    def setUp(self):
        with self.lab.client.inside():
            self.world = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.world.close)
        self.world.bind((plan.CLIENT, self.PORT))
        self.world.settimeout(1)
        with self.lab.servers["nat"][0].namespace.inside():
            self.backend = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.backend.close)
        self.backend.settimeout(1)

    def _heard(self):
        """How many of five datagrams the world hears, and the sender it sees."""
        heard = set()
        for number in range(5):
            self.backend.sendto(b"%d" % number, (plan.CLIENT, self.PORT))
            try:
                datagram, sender = self.world.recvfrom(64)
            except TimeoutError:
                continue
            heard.add((datagram, sender[0]))
            self.world.sendto(b"back " + datagram, sender)
        return heard

    def test_is_routed_out_and_back(self):
        with self.lab.weir([http("nat")], other="Route"):
            heard = self._heard()
            self.assertGreaterEqual(len(heard), 4, heard)
            self.assertEqual({sender for _, sender in heard}, {plan.RIPS["nat"][0]})
            self.assertTrue(self.backend.recv(64).startswith(b"back "))

    def test_is_dropped_and_counted(self):
        with self.lab.weir([http("nat")], other="Drop") as weir:
            self.assertEqual(self._heard(), set())
            dropped = sum(drop["packets"] for drop in weir.show_json("drops"))
            self.assertGreaterEqual(dropped, 5)
            # The services' traffic still passes.
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 4))
