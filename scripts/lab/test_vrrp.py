"""VRRP against the real keepalived: who has the VIP, and how long nobody has."""

import contextlib
import itertools
import os
import signal
import time

from lab import frames, plan
from lab.case import LabCase
from lab.director import http
from lab.frames import RawSocket
from lab.topology import FOLDER

PEER = "10.9.0.3"
VIP = plan.VIP["nat"]
WEIR_MAC = plan.mac_of(plan.WAN_DIP)
PEER_MAC = plan.mac_of(PEER)
NAMES = {WEIR_MAC: "weir", PEER_MAC: "keepalived"}
VRID = 51
# More than a machine that is busy with other things may add to the formula's time.
SLACK_S = 0.5

KEEPALIVED = """\
global_defs {{
    router_id lab
}}
vrrp_instance pair {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    advert_int {interval}
    version {version}
    {more}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"""
# One that was killed leaves its files behind, and the next would take it for running.
RUNS = itertools.count()
GROUP = """\
    groups: [(
        name: "pair", port: "wan", id: {vrid}, priority: {priority},
        version: {version}, advert_interval: "{interval_ms}ms", {more}
        addresses: ["{vip}"], {depends}
    )],
"""


class Way:
    """How two directors speak: the version, the interval, by multicast or to each other."""

    def __init__(self, version, interval_s, *, unicast=False, password=None):
        self.version = version
        self.interval_s = interval_s
        self._unicast = unicast
        self._password = password

    def __str__(self):
        how = "unicast" if self._unicast else "multicast"
        return f"v{self.version} {how} {self.interval_s} s"

    def skew_s(self, priority):
        """How long a director of this priority waits longer than others."""
        unit_s = 1 if self.version == 2 else self.interval_s
        return (256 - priority) / 256 * unit_s

    def keepalived(self, priority, addresses=VIP):
        """The configuration of keepalived."""
        more = ""
        if self._unicast:
            more += f"unicast_src_ip {PEER}\n    unicast_peer {{\n{plan.WAN_DIP}\n}}\n"
        if self._password:
            more += f"authentication {{\nauth_type PASS\nauth_pass {self._password}\n}}\n"
        return KEEPALIVED.format(
            vrid=VRID,
            priority=priority,
            interval=self.interval_s,
            version=self.version,
            more=more,
            addresses=addresses,
        )

    def weir(self, priority, depends=""):
        """The group of weir."""
        more = ""
        if self._unicast:
            more += f'peers: ["{PEER}"], '
        if self._password:
            more += f'password: "{self._password}", '
        return GROUP.format(
            vrid=VRID,
            priority=priority,
            version=self.version,
            interval_ms=round(self.interval_s * 1000),
            more=more,
            vip=VIP,
            depends=depends,
        )


WAYS = [
    Way(2, 1, password="secret"),
    Way(2, 1, unicast=True),
    Way(3, 1),
    Way(3, 0.1),
    Way(3, 0.1, unicast=True),
]


class Vrrp(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.peer = cls.lab.standby(PEER)

    def setUp(self):
        self.client = RawSocket(self.lab.client)
        self.addCleanup(self.client.close)

    @contextlib.contextmanager
    def keepalived(self, text):
        """A keepalived on the peer."""
        conf = FOLDER / "keepalived.conf"
        conf.write_text(text)
        log = (self.lab.log_folder / "keepalived.log").open("ab")
        run = next(RUNS)
        pids = [("-p", "main"), ("-r", "vrrp"), ("-c", "checkers")]
        files = [word for flag, name in pids for word in (flag, FOLDER / f"{name}-{run}.pid")]
        process = self.peer.popen(
            *("keepalived", "-n", "-l", "-P", "-f", conf, *files),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait(10)
            self.peer.run("ip", "address", "flush", "dev", "eth0")
            self.peer.run("ip", "address", "add", f"{PEER}/24", "dev", "eth0")

    def master(self, timeout_s=0.5):
        """Who answers for the VIP."""

        def wanted(frame):
            is_reply = frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"
            if is_reply and frame[28:32] == frames.socket.inet_aton(VIP):
                return NAMES[frame[22:28].hex(":")]
            return None

        own = plan.mac_of(plan.CLIENT)
        self.client.send(frames.arp_request(own, plan.CLIENT, VIP))
        return self.client.find(wanted, timeout_s)

    def await_master(self, name, timeout_s=15, after=lambda: None):
        """Waits until this one announces the VIP after something, and returns how long it took."""
        mac = {name: mac for mac, name in NAMES.items()}[name]

        def announced(frame):
            is_arp = frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42]
            is_it = is_arp and frame[28:32] == frames.socket.inet_aton(VIP)
            return time.monotonic() if is_it and frame[22:28].hex(":") == mac else None

        self.client.find(lambda frame: None, 0.1)
        begin = time.monotonic()
        after()
        at = self.client.find(announced, timeout_s)
        self.assertIsNotNone(at, f"{name} does not announce {VIP} within {timeout_s} s")
        # Whoever was master has to hear of it, and its kernel to let go of the address.
        time.sleep(0.3)
        self.client.find(lambda frame: None, 0.1)
        self.assertEqual(self.master(), name)
        return at - begin

    def weir(self, way, priority, depends=""):
        """A weir with a group."""
        return self.lab.weir([http("nat"), http("dr")], more=way.weir(priority, depends))

    def check(self, what, way, took_s, least_s, most_s):
        """The formula's time, and a little."""
        print(f"vrrp: {way}: {what}: {took_s:.3f} s, formula {least_s:.3f} to {most_s:.3f} s")
        self.assertGreater(took_s, least_s - 0.05)
        self.assertLess(took_s, most_s + SLACK_S)

    def test_weir_takes_over_from_keepalived(self):
        for way in WAYS:
            with self.subTest(way=str(way)), self.weir(way, 100) as weir:
                skew_s, interval_s = way.skew_s(100), way.interval_s
                with self.keepalived(way.keepalived(150)) as process:
                    # weir may have been master before keepalived was there.
                    self.await_master("keepalived", 15)
                    took_s = self.await_master("weir", 10, process.terminate)
                    self.check("weir after a clean stop", way, took_s, skew_s, skew_s)
                    process.wait(10)
                self.assert_balanced(self.curl(self.lab.client, VIP, 4))
                with self.keepalived(way.keepalived(150)) as process:
                    self.await_master("keepalived", 15)
                    time.sleep(2 * interval_s)
                    took_s = self.await_master("weir", 15, lambda: self.kill(process))
                    least_s = 2 * interval_s + skew_s
                    self.check("weir after kill -9", way, took_s, least_s, least_s + interval_s)
                self.assertEqual(self.refused(weir), {})

    def test_keepalived_takes_over_from_weir(self):
        for way in WAYS:
            with self.subTest(way=str(way)), self.keepalived(way.keepalived(100)):
                skew_s, interval_s = way.skew_s(100), way.interval_s
                weir = self.weir(way, 150)
                with weir:
                    self.await_master("weir", 15)
                    self.assert_balanced(self.curl(self.lab.client, VIP, 4))
                    took_s = self.await_master("keepalived", 10, weir.process.terminate)
                    self.check("keepalived after a clean stop", way, took_s, skew_s, skew_s)
                    weir.process.wait(10)
                    weir.start()
                    self.await_master("weir", 15)
                    time.sleep(2 * interval_s)
                    took_s = self.await_master("keepalived", 15, weir.process.kill)
                    least_s = 2 * interval_s + skew_s
                    most_s = least_s + interval_s
                    self.check("keepalived after kill -9", way, took_s, least_s, most_s)
                    weir.process.wait()
                    weir.start()

    def kill(self, process):
        """kill -9 of keepalived with its children, which leaves the VIP on the interface."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # A machine that has crashed does not answer.
        self.peer.run("ip", "address", "del", f"{VIP}/32", "dev", "eth0", check=False)

    @staticmethod
    def refused(weir):
        """Adverts that weir did not believe."""
        drops = weir.show_json("drops")
        return {
            drop["reason"]: drop["packets"]
            for drop in drops
            if drop["reason"].startswith("vrrp_") and drop["packets"]
        }

    def test_of_equals_the_one_that_is_master_stays(self):
        way = Way(3, 0.1)
        with self.weir(way, 100) as weir:
            time.sleep(2)
            self.assertEqual(self.master(), "weir")
            with self.keepalived(way.keepalived(100)):
                time.sleep(3)
                self.assertEqual(self.master(), "weir")
                took_s = self.await_master("keepalived", 10, weir.process.terminate)
                self.check("keepalived, an equal", way, took_s, way.skew_s(100), way.skew_s(100))
                weir.process.wait(10)
                weir.start()
                time.sleep(3)
                self.assertEqual(self.master(), "keepalived")
                [group] = weir.show_json("groups")
                self.assertEqual((group["state"], group["master"]), ("BACKUP", PEER))

    def test_a_wrong_password_is_not_believed(self):
        ours = Way(2, 1, password="secret")
        theirs = Way(2, 1, password="wrong")
        with self.weir(ours, 100) as weir, self.keepalived(theirs.keepalived(150)):
            time.sleep(8)
            self.assertGreater(self.refused(weir).get("vrrp_password", 0), 0)
            # Neither believes the other, and says so where it can.
            [group] = weir.show_json("groups")
            self.assertEqual((group["state"], group["heard"]), ("MASTER", 0))

    def test_other_addresses_do_not_make_two_masters(self):
        way = Way(3, 0.1)
        more = f"{VIP}\n        10.9.0.77"
        with self.weir(way, 100) as weir, self.keepalived(way.keepalived(150, more)):
            self.await_master("keepalived", 15)
            time.sleep(2)
            self.assertEqual(self.master(), "keepalived")
            self.assertGreater(weir.show_json("groups")[0]["other_addresses"], 0)

    def test_who_lacks_what_it_needs_leaves_the_vip_to_the_other(self):
        notify, told = FOLDER / "notify", FOLDER / "told"
        notify.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
        notify.chmod(0o755)
        self.addCleanup(told.unlink)
        self.addCleanup(notify.unlink)
        depends = (
            'track: [Service(name: "nat"), Service(name: "dr", weight: -20)], '
            f'notify: (command: ["{notify}"], user: "root"),'
        )
        way = Way(3, 0.1)
        weir = self.weir(way, 110, depends)
        with weir, self.keepalived(way.keepalived(100)):
            self.await_master("weir", 15)

            def change(verb, service):
                for name in plan.NAMES:
                    weir.backend(verb, service, name)

            def lacks():
                return weir.show_json("groups")[0]["lacks"]

            for service in ("nat", "dr"):
                with self.subTest(service=service):
                    self.await_master("keepalived", 5, lambda: change("disable", service))
                    self.assertEqual(lacks(), [f"service {service}"])
                    self.await_master("weir", 5, lambda: change("enable", service))
                    self.assertEqual(lacks(), [])
        lines = told.read_text().splitlines()
        words = [line.split()[2:] for line in lines]
        self.assertTrue(all(line.startswith("GROUP pair ") for line in lines), lines)
        expected = "MASTER 110, FAULT 110, BACKUP 110, MASTER 110, BACKUP 90, MASTER 110, STOP 110"
        self.assertEqual(", ".join(map(" ".join, words)), expected)
