"""Two directors that share their sessions: one is killed, and no connection breaks."""

import asyncio
import contextlib
import os
import time

from lab import plan
from lab.case import LabCase
from lab.director import Director, http
from lab.load import Load
from lab.net import Namespace
from lab.topology import FOLDER

# Downloads and idle connections of each mode.
COUNT = int(os.environ.get("WEIR_SYNC_CONNECTIONS", "15"))
WAN = {"weir": "10.9.0.5", "second": "10.9.0.6"}
LAN = {"weir": "10.10.0.5", "second": "10.10.0.6"}
# A wire between the two, of their kernels.
WIRE = {"weir": "10.2.0.1", "second": "10.2.0.2"}
PRIORITY = {"weir": 150, "second": 100}
KEY = FOLDER / "sync.key"
MORE = """
    groups: [(
        name: "pair", port: "wan", id: 52, priority: {priority}, advert_interval: "100ms",
        addresses: {addresses},
    )],
    sync: (peer: "{peer}", address: "{own}", key_file: "{key}"),"""
RULES = """
table netdev lab {
    chain wan { type filter hook ingress device wan0 priority 0; policy drop; }
    chain lan { type filter hook ingress device lan0 priority 0; policy drop; }
}
"""


class Sync(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab = cls.lab
        second = Namespace("second")
        second.plug(lab.switch, "wan", "wan0", f"{WAN['second']}/24", configure=False)
        second.plug(lab.switch, "lan", "lan0", f"{LAN['second']}/24", configure=False)
        rules = FOLDER / "second.nft"
        rules.write_text(RULES)
        second.run("nft", "-f", rules)
        cls.hosts = {"weir": lab.director, "second": second}
        lab.director.run(
            *("ip", "link", "add", "sync0", "type", "veth"),
            *("peer", "name", "sync0", "netns", "second"),
        )
        for name, host in cls.hosts.items():
            host.run("ip", "address", "add", f"{WIRE[name]}/24", "dev", "sync0")
            host.run("ip", "link", "set", "sync0", "up")
        KEY.write_text("0123456789abcdef0123456789abcdef\n")
        KEY.chmod(0o600)

    def pair(self):
        """Both directors; the first one has the higher priority."""
        moving = [*plan.VIP.values(), *plan.LIPS, plan.LAN_DIP]
        others = {"weir": "second", "second": "weir"}

        def one(name):
            more = MORE.format(
                priority=PRIORITY[name],
                addresses=str(moving).replace("'", '"'),
                peer=WIRE[others[name]],
                own=WIRE[name],
                key=KEY,
            )
            ports = [("wan", "wan0", [f"{WAN[name]}/24"]), ("lan", "lan0", [f"{LAN[name]}/24"])]
            services = [http(mode) for mode in plan.MODES]
            # They name the backends in other orders: each numbers them as it likes.
            services = services if name == "weir" else services[::-1]
            arms = (ports, [plan.WAN_ROUTER])
            log_folder = self.lab.log_folder
            return Director(
                self.hosts[name], log_folder, services, arms=arms, more=more, name=name
            )

        return one("weir"), one("second")

    def await_that(self, what, holds, timeout_s=20):
        """Waits until it holds; how long that took."""
        began = time.monotonic()
        while not holds():
            self.assertLess(time.monotonic() - began, timeout_s, f"not within time: {what}")
            time.sleep(0.02)
        return time.monotonic() - began

    @staticmethod
    def is_master(weir):
        [group] = weir.show_json("groups")
        return group["state"] == "MASTER"

    def await_synced(self, weir):
        def synced():
            [sync] = weir.show_json("sync")
            return sync["state"] == "UP" and sync["has_all"] and sync["gave_all"]

        return self.await_that("all is shared", synced)

    async def download_across(self, act):
        """Downloads in all modes, in the midst of which something happens."""
        client = self.lab.client
        loads = [Load(client, plan.VIP[mode], "/slow", COUNT) for mode in plan.MODES]
        tasks = [task for load in loads for task in load.start()]
        fetches = [fetch for load in loads for fetch in load.fetches]
        placed = [fetch.placed.wait() for fetch in fetches]
        await asyncio.wait_for(asyncio.gather(*placed), 20)
        await asyncio.sleep(0.5)
        under_way = sum(not task.done() for task in tasks)
        await asyncio.to_thread(act)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        self.assertEqual(under_way, len(tasks), "they were through before anything happened")
        return fetches

    def test_no_connection_breaks_when_the_master_is_killed_and_when_it_is_back(self):
        first, second = self.pair()
        with first, second, contextlib.ExitStack() as stack:
            self.await_synced(first)
            self.await_synced(second)
            self.await_that("the first is master", lambda: self.is_master(first))
            # Switches and servers have to hear of it.
            time.sleep(1.5)
            idle = self.connect_idle(stack, COUNT)
            took_s = []

            def kill():
                # What is told a moment later is told: a thread wakes each millisecond.
                began = time.monotonic()
                first.process.kill()
                first.process.wait()
                self.await_that("the second is master", lambda: self.is_master(second))
                took_s.append(time.monotonic() - began)

            fetches = asyncio.run(self.download_across(kill))
            self.assert_fetched(fetches)
            self.assert_answers(idle)
            unknown = second.show_json("sync")[0]["unknown"]
            self.assertEqual(unknown, 0)

            def come_back():
                first.start()
                self.await_that("the first is back", lambda: self.is_master(first))
                [sync] = first.show_json("sync")
                self.assertTrue(sync["has_all"], sync)

            fetches = asyncio.run(self.download_across(come_back))
            self.assert_fetched(fetches)
            self.assert_answers(idle)
            print(
                f"sync: {len(fetches)} downloads and {len(idle)} idle connections, 0 broken, "
                f"master {took_s[0]:.2f} s after kill -9"
            )
            print(second.show("sync"))
