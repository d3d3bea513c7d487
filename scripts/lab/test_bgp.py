"""Many directors behind one router: BIRD on the host announces the VIPs that weir serves."""

import json
import time

from lab import plan
from lab.case import LabCase
from lab.director import Service
from lab.topology import FOLDER

# Beyond the networks of all ports: only a route leads there.
VIP = "203.0.113.80"
IDLE_VIP = "203.0.113.81"
ROUTED = "203.0.113.0/24"
HOLD_S = 9

DIRECTOR = f"""
router id {plan.WAN_DIP};
protocol device {{}}
protocol kernel vips {{
    kernel table 882;
    learn;
    ipv4 {{ import all; export none; }};
}}
protocol bgp upstream {{
    local {plan.WAN_DIP} as 64512;
    neighbor {plan.WAN_ROUTER} as 64513;
    hold time {HOLD_S};
    connect retry time 1;
    connect delay time 1;
    error wait time 1, 2;
    ipv4 {{ import none; export where proto = "vips"; next hop self; }};
}}
"""
ROUTER = f"""
router id {plan.WAN_ROUTER};
protocol device {{}}
protocol kernel {{
    ipv4 {{ import none; export all; }};
}}
protocol bgp downstream {{
    local {plan.WAN_ROUTER} as 64513;
    neighbor {plan.WAN_DIP} as 64512;
    passive;
    hold time {HOLD_S};
    error wait time 1, 2;
    ipv4 {{ import all; export none; }};
}}
"""


class Bgp(LabCase):
    def bird(self, namespace, text):
        """Starts BIRD in a namespace; it ends with the test."""
        conf = FOLDER / f"bird-{namespace.name}.conf"
        conf.write_text(text)
        log = (self.lab.log_folder / f"bird-{namespace.name}.log").open("ab")
        control = FOLDER / f"bird-{namespace.name}.ctl"
        process = namespace.popen("bird", "-f", "-c", conf, "-s", control, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def learned(self):
        """What the router's kernel routes by BIRD, as {network: gateway}."""
        shown = self.lab.router.run("ip", "-j", "route", "show", "proto", "bird")
        return {route["dst"]: route["gateway"] for route in json.loads(shown)}

    def await_learned(self, wanted, timeout_s):
        """Waits until the router has learned this, and returns how long that took."""
        begin = time.monotonic()
        while (learned := self.learned()) != wanted:
            if time.monotonic() - begin > timeout_s:
                self.fail(f"after {timeout_s} s the router knows {learned}, not {wanted}")
            time.sleep(0.05)
        return time.monotonic() - begin

    def test_the_router_learns_the_vips_that_are_served(self):
        self.lab.client.run("ip", "route", "add", ROUTED, "via", plan.WAN_ROUTER)
        self.addCleanup(self.lab.client.run, "ip", "route", "del", ROUTED)
        served = Service("routed", "nat", "Tcp", VIP, 80, 8080)
        idle = Service("idle", "nat", "Tcp", IDLE_VIP, 80, 8080, weight=0)
        self.bird(self.lab.router, ROUTER)
        with self.lab.weir([served, idle], taps=True):
            self.bird(self.lab.director, DIRECTOR)
            self.await_learned({VIP: plan.WAN_DIP}, 30)
            self.assert_balanced(self.curl(self.lab.client, VIP, 4))
        # It was withdrawn before weir ended, not when the session's time was over.
        self.assertEqual(self.learned(), {})

    def test_a_director_that_is_killed_announces_nothing(self):
        served = Service("routed", "nat", "Tcp", VIP, 80, 8080)
        self.bird(self.lab.router, ROUTER)
        weir = self.lab.weir([served], taps=True)
        with weir:
            self.bird(self.lab.director, DIRECTOR)
            self.await_learned({VIP: plan.WAN_DIP}, 30)
            weir.process.kill()
            weir.process.wait()
            # A busy BIRD, with something left to read, gives its peer ten seconds more.
            self.await_learned({}, HOLD_S + 12)
            # What it left behind is in nobody's way.
            weir.start()
            self.await_learned({VIP: plan.WAN_DIP}, 30)
