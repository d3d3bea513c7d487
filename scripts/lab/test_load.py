"""Many connections at once, with garbage in the networks and servers that die."""

import asyncio
import collections
import time

from lab import garbage, plan
from lab.case import LabCase
from lab.director import http
from lab.load import Load, fetch_all

# A user-mode Linux serves fewer.
CONNECTIONS = {"nat": 200, "dr": 200, "tun": 40, "fullnat": 200}
FETCH_S = 240


class AmidGarbage(LabCase):
    def test_transfers_lose_nothing(self):
        services = [http(mode) for mode in plan.MODES]
        with (
            self.lab.weir(services, workers=2) as weir,
            garbage.on_the_wan(self.lab) as wan,
            garbage.on_the_lan(self.lab) as lan,
        ):
            for mode, count in CONNECTIONS.items():
                with self.subTest(mode=mode):
                    sent = wan.sent + lan.sent
                    fetches = fetch_all(self.lab.client, plan.VIP[mode], "/blob", count, FETCH_S)
                    self.assert_fetched(fetches)
                    self.assertGreater(wan.sent + lan.sent, sent)
            drops = weir.show_json("drops")
        self.assertGreater(sum(drop["packets"] for drop in drops), 0)


class DyingBackend(LabCase):
    """What a server takes down with it: its own connections and no other."""

    def _survivors(self, mode, kill):
        """Begins slow transfers, kills web1 midway and returns the transfers of the others."""

        async def run():
            load = Load(self.lab.client, plan.VIP[mode], "/slow", 40)
            tasks = load.start()
            placed = [asyncio.create_task(fetch.placed.wait()) for fetch in load.fetches]
            _, unplaced = await asyncio.wait(placed, timeout=60)
            self.assertFalse(unplaced, "a transfer did not begin")
            kill()
            pairs = list(zip(load.fetches, tasks))
            by_server = collections.Counter(fetch.server for fetch in load.fetches)
            self.assert_balanced(by_server)
            others = [task for fetch, task in pairs if fetch.server != "web1"]
            _, late = await asyncio.wait(others, timeout=120)
            self.assertFalse(late, "a transfer from a living server hangs")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return [fetch for fetch, _ in pairs if fetch.server != "web1"]

        return asyncio.run(run())

    def test_link_down_in_nat(self):
        link = ("ip", "link", "set", "lan-nat1")
        self.addCleanup(self.lab.switch.run, *link, "up")
        with self.lab.weir([http("nat")]):
            survivors = self._survivors("nat", lambda: self.lab.switch.run(*link, "down"))
            self.assert_fetched(survivors, servers=["web2"])
            self.lab.switch.run(*link, "up")
            # Back again, and with it its share of new connections.
            self._wait_for_balance("nat")

    def test_killed_server_in_dr(self):
        server = self.lab.servers["dr"][0]
        self.addCleanup(server.start)
        with self.lab.weir([http("dr")]):
            self.assert_fetched(self._survivors("dr", server.stop), servers=["web2"])

    def _wait_for_balance(self, mode):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            fetches = fetch_all(self.lab.client, plan.VIP[mode], "/", 4, 5)
            if {fetch.server for fetch in fetches} == set(plan.NAMES):
                return
        self.fail("the server that came back gets no connection")
