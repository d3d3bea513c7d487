"""weir ends and begins again, and connections go on."""

import asyncio
import contextlib
import socket
import threading
import time

from lab import plan
from lab.case import LabCase
from lab.director import echo, http
from lab.load import Load
from lab.topology import FOLDER

FILE = FOLDER / "sessions"
COUNT = 10


class Restart(LabCase):
    def measure(self, stop, gaps):
        """The longest time without an answer to datagrams of one flow, sent each 5 ms."""
        with self.lab.client.inside():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.connect((plan.VIP["nat"], plan.ECHO_PORT))
            client.settimeout(0.005)
            last = time.monotonic()
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    client.send(b"?")
                with contextlib.suppress(OSError):
                    client.recv(64)
                    now = time.monotonic()
                    gaps.append(now - last)
                    last = now

    async def download_across(self, act):
        """Downloads in all modes, in the midst of which something happens."""
        client = self.lab.client
        loads = [Load(client, plan.VIP[mode], "/slow", COUNT) for mode in plan.MODES]
        tasks = [task for load in loads for task in load.start()]
        fetches = [fetch for load in loads for fetch in load.fetches]
        await asyncio.wait_for(asyncio.gather(*(one.placed.wait() for one in fetches)), 20)
        under_way = sum(not task.done() for task in tasks)
        await asyncio.to_thread(act)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        self.assertEqual(under_way, len(tasks), "they were through before anything happened")
        return fetches

    def test_connections_go_on_over_a_restart(self):
        services = [*(http(mode) for mode in plan.MODES), echo("nat")]
        weir = self.lab.weir(services, more=f'sessions_file: "{FILE}",')
        with weir, contextlib.ExitStack() as stack:
            idle = self.connect_idle(stack, COUNT)
            stop, gaps = threading.Event(), []
            measuring = threading.Thread(target=self.measure, args=(stop, gaps))
            measuring.start()

            def restart():
                self.assertEqual(weir.stop(), 0)
                self.assertTrue(FILE.exists())
                self.assertEqual(FILE.stat().st_mode & 0o777, 0o600)
                weir.start()
                self.assertFalse(FILE.exists(), "it serves once")

            fetches = asyncio.run(self.download_across(restart))
            stop.set()
            measuring.join()
            self.assert_fetched(fetches)
            self.assert_answers(idle)
            drops = {drop["reason"]: drop["packets"] for drop in weir.show_json("drops")}
            self.assertEqual(drops.get("no_session", 0), 0)
            print(
                f"restart: {len(fetches)} downloads and {len(idle)} idle connections, 0 broken, "
                f"{max(gaps):.3f} s without an answer"
            )
