"""FULLNAT: servers that know neither the client nor the way to it."""

import collections

from lab import plan
from lab.case import LabCase
from lab.director import ONE_ARM, http
from lab.load import fetch_all

VIP = plan.VIP["fullnat"]


class FullNat(LabCase):
    def test_servers_see_local_addresses_alone(self):
        with self.lab.weir([http("fullnat")], workers=2) as weir:
            self.assert_fetched(fetch_all(self.lab.client, VIP, "/blob", 200, 240))
            sessions = weir.show_json("sessions")
            # The first of them may be forgotten already.
            self.assertGreater(len(sessions), 20)
            lips = {session["local"].split(":")[0] for session in sessions}
            self.assertEqual(lips, set(plan.LIPS))
            # One port serves a LIP and a server once.
            ends = collections.Counter(
                (session["local"], session["backend"]) for session in sessions
            )
            self.assertEqual(set(ends.values()), {1})
            self.assertEqual({session["worker"] for session in sessions}, {0, 1})
            for session in sessions:
                port = int(session["local"].split(":")[1])
                self.assertEqual(port % 256 % 2, session["worker"])

    def test_a_server_is_its_own_client(self):
        server = self.lab.servers["fullnat"][0].namespace
        with self.lab.weir([http("fullnat")]):
            answers = self.curl(server, VIP, 10)
            self.assert_balanced(answers)

    def test_with_one_arm_and_two_workers(self):
        """Clients and servers are behind the same port."""
        vip = plan.INSIDE_VIP
        with self.lab.weir([http("fullnat", vip)], workers=2, arms=ONE_ARM):
            self.assert_balanced(self.curl(self.lab.inside, vip, 10), workers=2)
            self.assert_fetched(fetch_all(self.lab.inside, vip, "/blob", 40, 120))

    def test_explained_as_it_happens(self):
        flow = f"tcp {plan.CLIENT}:41234 -> {VIP}:80"
        with self.lab.weir([http("fullnat")]) as weir:
            self.curl(self.lab.client, VIP, 2)
            said = weir.explain(flow)
            source = {change["field"]: change["to"] for change in said["changes"]}["source"]
            curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*", "--local-port", "41234"]
            self.lab.client.run(*curl, f"http://{VIP}/")
            client = f"{plan.CLIENT}:41234"
            sessions = [one for one in weir.show_json("sessions") if one["client"] == client]
            self.assertEqual([one["local"] for one in sessions], [source])
