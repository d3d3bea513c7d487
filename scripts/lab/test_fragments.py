"""Datagrams that come in fragments, which real kernels make and join."""

import socket

from lab import plan
from lab.case import LabCase
from lab.director import echo

MODES = ("nat", "dr", "fullnat")
DATAGRAM = bytes(range(250)) * 36
ANSWER_S = 2


class Fragments(LabCase):
    def test_large_datagrams_pass_both_ways(self):
        # Ports of AF_PACKET have fragments joined.
        services = [echo(mode) for mode in MODES]
        with self.lab.weir(services, driver="af_xdp") as weir:
            for mode in MODES:
                with self.subTest(mode=mode):
                    self._echo(plan.VIP[mode])
            drops = {drop["reason"]: drop["packets"] for drop in weir.show_json("drops")}
            lost = {reason: n for reason, n in drops.items() if "fragment" in reason and n}
            self.assertEqual(lost, {})

    def _echo(self, vip):
        servers = set()
        for number in range(12):
            with self.lab.client.inside():
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with client:
                client.connect((vip, plan.ECHO_PORT))
                client.settimeout(ANSWER_S)
                answer = self._ask(client, DATAGRAM[number:])
                server, _, came_back = answer.partition(b" ")
                self.assertEqual(came_back, DATAGRAM[number:])
                servers.add(server.decode())
        self.assertEqual(servers, set(plan.NAMES))

    def _ask(self, client, question):
        # A datagram may be lost, three in a row are not.
        for attempt in range(3):
            client.send(question)
            try:
                return client.recv(len(question) + 20)
            except TimeoutError:
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")
