"""scripts/realserver.sh on a host of its own: what it sets up, and that `undo` undoes it."""

import unittest

from lab.net import LabError, Namespace, run
from lab.servers import REALSERVER

SYSCTLS = "arp_ignore arp_announce rp_filter accept_redirects".split()
VIP = "192.0.2.100"
VIP_SIX = "2001:db8::100"


class RealServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Namespace("realserver")
        cls.host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer")
        for link in ("eth0", "peer"):
            cls.host.run("ip", "link", "set", link, "up")
        cls.host.run("ip", "address", "add", "10.20.0.11/24", "dev", "eth0")
        cls.host.route("default", "10.20.0.254")
        for interface in ("eth0", "default"):
            cls.host.sysctl(f"net/ipv6/conf/{interface}/disable_ipv6", 0)
        cls.host.run("ip", "address", "add", "fd00:20::11/64", "dev", "eth0", "nodad")
        cls.host.route("default", "fd00:20::fe")

    def realserver(self, *words):
        environment = "WEIR_REALSERVER_STATE=/run/realserver-test"
        return self.host.run("env", environment, REALSERVER, *words)

    def state(self):
        """All that the script may change."""
        folders = [f"/proc/sys/net/ipv4/conf/{interface}" for interface in ("all", "eth0")]
        sysctls = [f"{folder}/{key}" for folder in folders for key in SYSCTLS]
        for interface in ("all", "eth0", "lo"):
            folder = f"/proc/sys/net/ipv6/conf/{interface}"
            sysctls += [f"{folder}/accept_redirects", f"{folder}/disable_ipv6"]
        return [
            self.host.run("ip", "-4", "-br", "address"),
            self.host.run("ip", "-4", "route"),
            self.host.run("ip", "-6", "-br", "address", "show", "scope", "global"),
            self.host.run("ip", "-6", "route", "show", "default"),
            self.host.run("grep", ".", *sysctls),
        ]

    def sysctl(self, key):
        return self.host.run("cat", f"/proc/sys/net/ipv4/conf/all/{key}").strip()

    def setUp(self):
        self.before = self.state()

    def tearDown(self):
        self.realserver("undo")
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.realserver("status"), "nothing is changed\n")

    def test_dr_hides_the_vip(self):
        for _ in range(2):
            self.realserver("dr", "add", VIP)
        self.assertIn(f"{VIP}/32", self.host.run("ip", "address", "show", "lo"))
        self.assertEqual((self.sysctl("arp_ignore"), self.sysctl("arp_announce")), ("1", "2"))

    def test_dr_on_another_interface(self):
        self.realserver("dr", "add", VIP, "--dev", "eth0")
        self.assertIn(f"{VIP}/32", self.host.run("ip", "address", "show", "eth0"))

    def test_dr_of_ipv6(self):
        for _ in range(2):
            self.realserver("dr", "add", VIP_SIX)
        self.assertIn(f"{VIP_SIX}/128", self.host.run("ip", "address", "show", "lo"))
        with self.assertRaises(LabError):
            self.realserver("dr", "add", VIP_SIX, "--dev", "eth0")

    def test_nat_moves_the_gateway_of_ipv6(self):
        self.realserver("nat", "add", "fd00:20::1")
        self.realserver("nat", "add", "fd00:20::2")
        self.assertIn("default via fd00:20::2 ", self.host.run("ip", "-6", "route"))
        self.assertIn("fd00:20::fe", self.realserver("status"))

    def test_nat_moves_the_gateway(self):
        self.realserver("nat", "add", "10.20.0.1")
        # The gateway to restore is the one before the first time.
        self.realserver("nat", "add", "10.20.0.2")
        self.assertIn("default via 10.20.0.2 ", self.host.run("ip", "route"))
        self.assertIn("10.20.0.254", self.realserver("status"))

    def test_all_at_once(self):
        self.realserver("nat", "add", "10.20.0.1")
        self.realserver("dr", "add", VIP)
        self.realserver("dr", "add", "192.0.2.101")
        self.assertEqual(self.realserver("status").count("address 192.0.2.10"), 2)

    def test_nonsense_changes_nothing(self):
        for words in (
            *(["dr", "add", "web"], ["dr", "add"], ["nat", "add", "10.99.0.1"], ["up"]),
            *(["dr", "add", "fd00::1::2"], ["nat", "add", "fd00:99::1"]),
        ):
            with self.subTest(words=words), self.assertRaises(LabError):
                self.realserver(*words)
            self.assertEqual(self.state(), self.before)
