"""The mistakes that are made when backends are set up, and what `weir doctor` says of them."""

import json
import subprocess

from lab import plan
from lab.case import LabCase
from lab.director import SOCKET, Written, http, weir_binary

WAIT_S = 30
SERVICE = """\
        (
            name: "{name}", address: "{vip}:80", protocol: Tcp, forward: {forward},{more}
            backends: [
                (name: "good", address: "{good}:{port}"), (name: "bad", address: "{bad}:{port}"),
            ],
        ),"""


def service(name, vip, forward, good, bad, more=""):
    """A service with one backend that is set up for it and one that is not."""
    port = 8080 if forward in ("Nat", "FullNat") else 80
    return Written(
        SERVICE.format(
            name=name, vip=vip, forward=forward, good=good, bad=bad, port=port, more=more
        )
    )


class Doctor(LabCase):
    def examine(self, *words):
        """The exit code of `weir doctor`, and what it prints."""
        command = [weir_binary(), "doctor", "--socket", SOCKET, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, done.stdout

    def faults(self):
        """What it finds: service, backend and fault."""
        code, text = self.examine("--json")
        found = json.loads(text)["findings"]
        self.assertEqual(code, 1 if found else 0, text)
        return sorted((one["service"], one["backend"] or "", one["fault"]) for one in found)

    def test_a_healthy_director_has_no_findings(self):
        with self.lab.weir([http(mode) for mode in plan.MODES], workers=2):
            self.assertEqual(self.faults(), [])
            self.assertEqual(self.examine(), (0, "8 backends looked at, 0 findings\n"))
            # It held nobody up, and may come again.
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 4), 2)
            self.assertEqual(self.faults(), [])

    def test_each_mistake_is_found_with_its_evidence(self):
        nat, dr, full = plan.RIPS["nat"], plan.RIPS["dr"], plan.RIPS["fullnat"]
        gone = "10.10.0.77"
        lips = f" local_addresses: {json.dumps(plan.LIPS)},"
        services = [
            # The gateway of DR's servers is the router.
            service("gateway", "10.9.0.110", "Nat", nat[0], dr[0]),
            # NAT's servers know no VIP.
            service("vip", plan.VIP["dr"], "Dr", dr[0], nat[0]),
            # No server here has ipip but those in user-mode Linux.
            service("tunnel", plan.VIP["tun"], "Tun", plan.RIPS["tun"][0], nat[0]),
            service("mtu", plan.VIP["fullnat"], "FullNat", full[0], full[1], lips),
            service("gone", "10.9.0.111", "Nat", nat[0], gone),
        ]
        link = f"lan-{self.lab.servers['fullnat'][1].namespace.name}"
        arp = self.lab.servers["dr"][0].namespace
        try:
            self.lab.switch.run("ip", "link", "set", link, "mtu", 1400)
            arp.sysctl("net/ipv4/conf/all/arp_ignore", 0)
            self.lab.client.run("ip", "address", "add", "10.9.0.111/32", "dev", "eth0")
            with self.lab.weir(services):
                faults = [
                    ("gateway", "bad", "gateway"),
                    ("gone", "", "vip_elsewhere"),
                    ("gone", "bad", "unreachable"),
                    ("mtu", "bad", "mtu"),
                    ("tunnel", "bad", "tunnel"),
                    ("vip", "bad", "vip_missing"),
                    ("vip", "good", "answers_arp"),
                ]
                # Whoever asks again is told the same.
                for _ in range(2):
                    self.assertEqual(self.faults(), faults)
                code, text = self.examine()
                self.assertEqual(code, 1)
                for said in [
                    "gateway/bad: its default gateway is not the director",
                    f"asked who has {plan.VIP['dr']}, {plan.mac_of(dr[0])} answers",
                    f"{full[1]} answers small pings, and none of 1500 octets",
                    f"asked who has 10.9.0.111, {plan.mac_of(plan.CLIENT)} answers",
                    f"nobody answers ARP for {gone}",
                    "10 backends looked at, 7 findings",
                ]:
                    self.assertIn(said, text)
        finally:
            self.lab.client.run("ip", "address", "del", "10.9.0.111/32", "dev", "eth0")
            self.lab.switch.run("ip", "link", "set", link, "mtu", 1500)
            arp.sysctl("net/ipv4/conf/all/arp_ignore", 1)
