"""Clients stay with the server that they have met, at all addresses of a service."""

from lab import plan
from lab.case import LabCase
from lab.director import Written

VIP = plan.VIP["nat"]
# Networks of 16 addresses of clients, whose first is the lab's own client.
MASK = 28
NETWORKS = [[f"10.9.0.{16 * number + host}" for host in (2, 3, 9)] for number in range(6)]
GROUP = f"""\
        (
            name: "group", addresses: ["{VIP}:80", "{VIP}:8080", "{VIP}:{plan.ECHO_PORT}/udp"],
            protocol: Tcp, forward: Nat, scheduler: rr,
            persistence: (timeout: "300s", mask: {MASK}), backends: [
                (name: "web1", address: "{plan.RIPS["nat"][0]}"),
                (name: "web2", address: "{plan.RIPS["nat"][1]}"),
            ],
        ),"""


class Persistence(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for client in (address for network in NETWORKS for address in network):
            if client != plan.CLIENT:
                command = ("ip", "address", "add", f"{client}/24", "dev", "eth0")
                cls.lab.client.run(*command)
                command = ("ip", "address", "delete", f"{client}/24", "dev", "eth0")
                cls.addClassCleanup(cls.lab.client.run, *command)

    def servers(self, network):
        """Who answers the addresses of a network, at both ports."""
        found = set()
        for client in network:
            for port in (80, 8080):
                curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*", "--interface", client]
                found.add(self.lab.client.run(*curl, f"http://{VIP}:{port}/").strip())
        return found

    def test_clients_of_one_network_meet_one_server_at_all_addresses(self):
        with self.lab.weir([Written(GROUP)], workers=2) as weir:
            met = [self.servers(network) for network in NETWORKS]
            self.assertEqual([len(one) for one in met], [1] * len(NETWORKS))
            self.assertEqual(set.union(*met), set(plan.NAMES))
            templates = weir.show_json("persistence")
            kept = {(one["client"], one["mask"]): one for one in templates}
            for number, (server,) in enumerate(met):
                template = kept.pop((f"10.9.0.{16 * number}", MASK))
                self.assertEqual((template["service"], template["backend"]), ("group", server))
                self.assertLess(280_000, template["expires_ms"])
                self.assertLessEqual(template["expires_ms"], 300_000)
            self.assertEqual(kept, {})
            # ipvsadm knows the service by a mark.
            listed = weir.ipvsadm("-Lnc")
            self.assertRegex(listed, r"(?m)^IP  04:\d\d  \w+ +10\.9\.0\.16:0 +0\.0\.0\.1:0 ")
            counted = weir.ipvsadm("-Ln", "--persistent-conn").splitlines()
            counted = [int(line.split()[3]) for line in counted if line.startswith("  -> 10.")]
            self.assertEqual(sum(counted), len(NETWORKS))

    def test_a_server_that_drains_keeps_its_clients_and_one_that_is_disabled_does_not(self):
        with self.lab.weir([Written(GROUP)], workers=2) as weir:
            met = [self.servers(network) for network in NETWORKS]
            (first,) = met[0]
            (other,) = set(plan.NAMES) - {first}
            weir.tell("backend", "drain", "group", first)
            self.assertEqual([self.servers(network) for network in NETWORKS], met)
            weir.tell("backend", "disable", "group", first)
            moved = [self.servers(network) for network in NETWORKS]
            self.assertEqual(moved, [{other}] * len(NETWORKS))
            weir.tell("backend", "enable", "group", first)
            self.assertEqual([self.servers(network) for network in NETWORKS], moved)
            backends = {one["backend"] for one in weir.show_json("persistence")}
            self.assertEqual(backends, {other})
