"""Packets that are larger than the link to the servers takes."""

import errno
import socket
import time

from lab import frames, plan
from lab.case import LabCase
from lab.director import echo
from lab.frames import Ipv4View, RawSocket

LAN_MTU = 600
PAYLOAD = bytes(range(256)) * 5
ANSWER_S = 5
# From linux/in.h, for the Python of Debian 12 has none of them.
IP_MTU_DISCOVER, DONT, DO = 10, 0, 2


class Sizes(LabCase):
    def client(self, discover):
        """A socket of the client's, connected with the echo service."""
        with self.lab.client.inside():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discover)
        client.connect((plan.VIP["nat"], plan.ECHO_PORT))
        return client

    def test_client_learns_the_mtu(self):
        with self.lab.weir([echo("nat")], lan_mtu=LAN_MTU):
            client = self.client(DO)
            client.send(PAYLOAD)
            with self.assertRaises(OSError) as raised:
                for _ in range(50):
                    time.sleep(0.1)
                    client.send(PAYLOAD)
            self.assertEqual(raised.exception.errno, errno.EMSGSIZE)
            # What fits goes through and comes back, once what is told of earlier ones is read.
            time.sleep(0.5)
            client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            client.settimeout(ANSWER_S)
            client.send(PAYLOAD[: LAN_MTU - 28 - 20])
            self.assertTrue(client.recv(2000).endswith(PAYLOAD[: LAN_MTU - 28 - 20]))

    def test_what_may_be_fragmented_is(self):
        servers = [RawSocket(server.namespace) for server in self.lab.servers["nat"]]
        for server in servers:
            self.addCleanup(server.close)
        with self.lab.weir([echo("nat")], lan_mtu=LAN_MTU):
            self.client(DONT).send(PAYLOAD)
            found = [self._pieces(server) for server in servers]
        (pieces,) = [pieces for pieces in found if pieces]
        self.assertEqual(b"".join(pieces)[8:], PAYLOAD)
        self.assertEqual([len(piece) for piece in pieces], [576, 576, 136])

    @staticmethod
    def _pieces(server):
        def wanted(frame):
            view = Ipv4View.of(frame)
            is_it = view and view.protocol == frames.UDP and view.source == plan.CLIENT
            return view.payload if is_it else None

        pieces = []
        while piece := server.find(wanted, 1):
            pieces.append(piece)
        return pieces
