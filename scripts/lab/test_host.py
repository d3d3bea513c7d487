"""The host behind the ports: the director's own kernel reaches the wire by TAPs, and is reached."""

import contextlib
import json
import subprocess
import time

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, http, tap_of
from lab.net import LabError
from lab.servers import require_answer
from lab.topology import FOLDER

PORT = 8022
WAN_TAP = tap_of("wan")
LAN_TAP = tap_of("lan")
CURL = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*"]
# UDP to a port where nobody listens, as fast as it goes.
FLOOD = """
import socket, sys
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        flood.sendto(b"flood", (sys.argv[1], 9))
    except OSError:
        pass
"""


class Host(LabCase):
    @contextlib.contextmanager
    def weir(self, dip=plan.WAN_DIP, services=(http("nat"), http("dr")), **settings):
        """A weir with TAPs, and a server on its host at PORT of every address of a family."""
        with self.lab.weir(services, taps=True, **settings) as weir:
            every = "::" if "[" in dip else "0.0.0.0"
            server = ["python3", "-m", "http.server", "-b", every, "-d", FOLDER, str(PORT)]
            process = self.lab.director.popen(
                *server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                require_answer(self.lab.client, f"http://{dip}:{PORT}/", 20)
                yield weir
            finally:
                process.kill()
                process.wait()

    def test_over_ipv6_the_host_is_reached_and_reaches(self):
        vip_six = plan.six(plan.VIP["nat"])
        dips = [plan.host_of(plan.six(dip)) for dip in (plan.WAN_DIP, plan.LAN_DIP)]
        services = [http("nat"), http("nat", vip_six)]
        with self.weir(dips[0], services=services, arms=TWO_FAMILIES) as weir:
            for dip in dips:
                with self.subTest(dip=dip):
                    body = FOLDER / "fetched"
                    self.lab.client.run(*CURL, "-o", body, f"http://{dip}:{PORT}/blob")
                    self.assertEqual(body.read_bytes(), self.lab.blob)
            # What a client is told of the VIP, whose port nobody serves.
            with self.assertRaises(LabError):
                vip = f"http://{plan.host_of(vip_six)}:{PORT}/"
                self.lab.client.run(*CURL, "--connect-timeout", 2, vip)
            announced = self.lab.director.run("ip", "-6", "route", "show", "table", "882")
            self.assertEqual({line.split()[0] for line in announced.splitlines()}, {vip_six})
            rip = plan.six(plan.RIPS["nat"][0])
            url = f"http://{plan.host_of(rip)}/"
            answer = self.lab.director.run(*CURL, "--interface", LAN_TAP, url)
            self.assertEqual(answer.strip(), "web1")
            ping = ["ping", "-6", "-n", "-c", 2, "-i", 0.2, "-W", 2, "-I", WAN_TAP]
            # On the link, and by the gateway of weir's own default route.
            for target in (plan.six(plan.CLIENT), plan.six(plan.RIPS["dr"][0])):
                with self.subTest(target=target):
                    self.assertIn(" 2 received", self.lab.director.run(*ping, target))
            # Its main table has no route for them.
            ours = self.lab.director.run("ip", "-6", "route", "show", "root", "fd00::/16")
            self.assertEqual(ours, "")
            self.assertEqual(self.losses(weir), {})
        rules = self.lab.director.run("ip", "-6", "rule", "show")
        self.assertNotIn("lookup 881", rules)

    def test_clients_reach_the_host_at_dips_and_never_at_a_vip(self):
        with self.weir() as weir:
            for address in (plan.WAN_DIP, plan.LAN_DIP):
                with self.subTest(address=address):
                    body = FOLDER / "fetched"
                    url = f"http://{address}:{PORT}/blob"
                    self.lab.client.run(*CURL, "-o", body, url)
                    self.assertEqual(body.read_bytes(), self.lab.blob)
            with self.assertRaises(LabError):
                vip = f"http://{plan.VIP['nat']}:{PORT}/"
                self.lab.client.run(*CURL, "--connect-timeout", 2, vip)
            # What is a service's stays a service's.
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 4))
            self.assertEqual(self.losses(weir), {})

    def test_the_host_reaches_backends_and_clients(self):
        with self.weir() as weir:
            rip = plan.RIPS["nat"][0]
            for bound_to in (LAN_TAP, plan.LAN_DIP):
                with self.subTest(bound_to=bound_to):
                    page = self.lab.director.run(*CURL, "--interface", bound_to, f"http://{rip}/")
                    self.assertEqual(page.strip(), plan.NAMES[0])
            # Answered by the client's kernel; weir must not take the answers for its own.
            self.lab.director.run("ping", "-c", 3, "-i", 0.2, "-I", WAN_TAP, plan.CLIENT)
            # By the gateway of weir's own default route.
            self.lab.director.run("ping", "-c", 1, "-I", plan.WAN_DIP, "10.10.0.254")
            self.assertEqual(self.losses(weir), {})

    def test_the_hosts_own_tables_stay_as_they_were(self):
        def tables():
            rules = self.lab.director.run("ip", "rule", "show")
            return rules, self.lab.director.run("ip", "route", "show", "table", "main")

        before = tables()
        with self.weir():
            rules, routes = tables()
            self.assertEqual(routes, before[1])
            self.assertIn(f"from {plan.WAN_DIP} lookup 881", rules)
            self.assertIn(f"oif {LAN_TAP} lookup 881", rules)
            link = self.lab.director.run("ip", "-o", "link", "show", WAN_TAP)
            self.assertIn(plan.mac_of(plan.WAN_DIP), link)
            self.assertIn("mtu 1500", link)
        self.assertEqual(tables(), before)
        self.assertEqual(self.lab.director.run("ip", "link", "show", "type", "tun"), "")

    def test_a_flood_for_the_host_costs_no_other_class_a_frame(self):
        with self.weir() as weir:
            flood = self.lab.client.popen("python3", "-c", FLOOD, plan.WAN_DIP)
            try:
                time.sleep(1)
                # ARP of a client that knows nobody, and of weir for backends. `ip neigh flush`
                # would go on for as long as the flood asks again.
                known = json.loads(self.lab.client.run("ip", "-j", "neigh", "show", "dev", "eth0"))
                for neighbour in known:
                    self.lab.client.run("ip", "neigh", "del", neighbour["dst"], "dev", "eth0")
                self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 20))
                self.assertIsNone(flood.poll(), "the flood lasts as long as the test")
            finally:
                flood.kill()
                flood.wait()
            lost = self.losses(weir)
            self.assertGreater(lost.pop("host_limited", 0) + lost.pop("punt_full", 0), 0)
            self.assertEqual(lost, {})

    @staticmethod
    def losses(weir):
        """What was dropped so far by the management thread, or on the way to it."""
        drops = weir.show_json("drops")
        ours = [drop for drop in drops if drop["layer"] in ("management", "limit")]
        return {drop["reason"]: drop["packets"] for drop in ours if drop["packets"]}
