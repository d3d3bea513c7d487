"""What real kernels and weir refuse, and who learns of it."""

import socket

from lab import frames, plan
from lab.case import LabCase
from lab.director import Service, echo, http
from lab.frames import Ipv4View, RawSocket

ANSWER_S = 5
CLOSED_PORT = 9


class Errors(LabCase):
    def test_client_learns_that_nobody_listens_at_the_server(self):
        closed = Service("closed", "nat", "Udp", plan.VIP["nat"], CLOSED_PORT, CLOSED_PORT)
        with self.lab.weir([closed]):
            client = self._socket(socket.SOCK_DGRAM)
            client.connect((plan.VIP["nat"], CLOSED_PORT))
            client.send(b"anybody there?")
            with self.assertRaises(ConnectionRefusedError):
                client.recv(100)

    def test_closed_ports_and_lost_connections_are_refused_at_once(self):
        with self.lab.weir([http("nat")]):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with self.subTest(kind=kind):
                    client = self._socket(kind)
                    with self.assertRaises(ConnectionRefusedError):
                        client.connect((plan.VIP["nat"], CLOSED_PORT))
                        client.send(b"anybody there?")
                        client.recv(100)
            client = self._socket(socket.SOCK_STREAM)
            client.connect((plan.VIP["nat"], 80))
        # The weir that knew the connection is gone.
        with self.lab.weir([http("nat")]):
            with self.assertRaises(ConnectionResetError):
                client.send(b"GET / HTTP/1.0\r\n\r\n")
                client.recv(100)

    def _socket(self, kind):
        with self.lab.client.inside():
            client = socket.socket(socket.AF_INET, kind)
        self.addCleanup(client.close)
        client.settimeout(ANSWER_S)
        return client

    def test_server_learns_that_nobody_listens_at_the_client(self):
        client = RawSocket(self.lab.client)
        self.addCleanup(client.close)
        servers = [RawSocket(server.namespace) for server in self.lab.servers["nat"]]
        for server in servers:
            self.addCleanup(server.close)
        macs = (plan.mac_of(plan.WAN_DIP), plan.mac_of(plan.CLIENT))
        with self.lab.weir([echo("nat")]):
            # No socket has this port, so the client's kernel refuses what the server sends.
            packet = frames.udp((plan.CLIENT, 40000), (plan.VIP["nat"], plan.ECHO_PORT), b"echo")
            client.send(frames.ethernet(*macs, frames.ETHERTYPE_IPV4, packet))
            found = [server.find(self._refusal, ANSWER_S) for server in servers]
            (view,) = [view for view in found if view]
            self.assertEqual(view.source, plan.CLIENT)
            self.assertEqual(frames.checksum(view.payload), 0)
            quoted = view.payload[8:]
            self.assertEqual(frames.checksum(quoted[:20]), 0)
            self.assertEqual(socket.inet_ntoa(quoted[12:16]), view.destination)
            self.assertIn(view.destination, plan.RIPS["nat"])
            self.assertEqual(quoted[20:24], bytes([0, plan.ECHO_PORT, 40000 >> 8, 40000 & 255]))

    @staticmethod
    def _refusal(frame):
        view = Ipv4View.of(frame)
        is_refusal = view and view.protocol == frames.ICMP and view.payload[:2] == b"\3\3"
        return view if is_refusal else None
