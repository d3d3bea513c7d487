"""Datagrams that come in fragments, which real kernels make and join."""

from lab import plan
from lab.case import LabCase
from lab.director import echo

MODES = ("nat", "dr", "fullnat")
DATAGRAM = bytes(range(250)) * 36


class Fragments(LabCase):
    def test_large_datagrams_pass_both_ways(self):
        # Ports of AF_PACKET have fragments joined.
        services = [echo(mode) for mode in MODES]
        with self.lab.weir(services, driver="af_xdp") as weir:
            for mode in MODES:
                with self.subTest(mode=mode):
                    questions = [DATAGRAM[number:] for number in range(12)]
                    self.assert_echoed(plan.VIP[mode], questions)
            drops = {drop["reason"]: drop["packets"] for drop in weir.show_json("drops")}
            lost = {reason: n for reason, n in drops.items() if "fragment" in reason and n}
            self.assertEqual(lost, {})
