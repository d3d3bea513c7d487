"""Datagrams that come in fragments, which real kernels make and join."""

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, echo

MODES = ("nat", "dr", "fullnat")
DATAGRAM = bytes(range(250)) * 36


class Fragments(LabCase):
    def assert_pass(self, vips):
        # Ports of AF_PACKET have fragments joined.
        services = [echo(mode, vip) for mode, vip in vips.items()]
        with self.lab.weir(services, driver="af_xdp", arms=TWO_FAMILIES) as weir:
            for mode, vip in vips.items():
                with self.subTest(mode=mode, vip=vip):
                    questions = [DATAGRAM[number:] for number in range(12)]
                    self.assert_echoed(vip, questions)
            drops = {drop["reason"]: drop["packets"] for drop in weir.show_json("drops")}
            lost = {reason: n for reason, n in drops.items() if "fragment" in reason and n}
            self.assertEqual(lost, {})

    def test_large_datagrams_pass_both_ways(self):
        self.assert_pass({mode: plan.VIP[mode] for mode in MODES})

    def test_large_datagrams_of_ipv6_pass_both_ways(self):
        self.assert_pass({mode: plan.six(plan.VIP[mode]) for mode in MODES})
