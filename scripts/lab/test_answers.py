"""What the director itself answers, and what it leaves in a frame."""

from lab import frames, plan
from lab.case import LabCase
from lab.director import http
from lab.frames import Ipv4View, RawSocket

ANSWER_S = 5
SILENCE_S = 1
CLIENT_MAC = plan.mac_of(plan.CLIENT)
WAN_MAC = plan.mac_of(plan.WAN_DIP)


def to_director(packet):
    """A frame from the client with an IPv4 packet."""
    return frames.ethernet(WAN_MAC, CLIENT_MAC, frames.ETHERTYPE_IPV4, packet)


class Answers(LabCase):
    def setUp(self):
        self.client = RawSocket(self.lab.client)
        self.addCleanup(self.client.close)

    def ask(self, frame, wanted, attempts=3):
        """Sends the frame until something wanted comes: the first answer may wait for ARP."""
        for _ in range(attempts):
            self.client.send(frame)
            if found := self.client.find(wanted, ANSWER_S):
                return found
        return None

    def test_ping_of_vip_and_dip(self):
        with self.lab.weir([http("nat"), http("dr")]):
            for address in (plan.VIP["nat"], plan.VIP["dr"], plan.WAN_DIP):
                with self.subTest(address=address):
                    request = frames.echo_request(plan.CLIENT, address, 77, b"anybody there?")
                    reply = self.ask(to_director(request), self._echo_reply(address))
                    self.assertIsNotNone(reply)
                    self.assertEqual(frames.checksum(reply.payload), 0)
                    self.assertEqual(reply.payload[4:], request[24:])

    @staticmethod
    def _echo_reply(address):
        def wanted(frame):
            view = Ipv4View.of(frame)
            is_reply = view and view.protocol == frames.ICMP and view.payload[:2] == b"\0\0"
            return view if is_reply and view.source == address else None

        return wanted

    def test_ttl_1_is_answered_with_time_exceeded(self):
        sender = (plan.CLIENT, 40000)
        vip = plan.VIP["nat"]
        packets = {
            # As IPVS does: a client knows the VIP alone.
            vip: frames.tcp(sender, (vip, 80), ttl=1),
            plan.WAN_DIP: frames.udp(sender, (plan.RIPS["nat"][0], 33434), b"trace", ttl=1),
        }
        with self.lab.weir([http("nat")]):
            for answering, packet in packets.items():
                with self.subTest(answering=answering):
                    view = self.ask(to_director(packet), self._time_exceeded)
                    self.assertIsNotNone(view)
                    self.assertEqual(view.source, answering)
                    self.assertEqual(view.destination, plan.CLIENT)
                    self.assertEqual(frames.checksum(view.payload), 0)
                    # The quotation is at least the header and the ports.
                    self.assertEqual(view.payload[8:36], packet[:28])

    @staticmethod
    def _time_exceeded(frame):
        view = Ipv4View.of(frame)
        is_error = view and view.protocol == frames.ICMP and view.payload[:2] == b"\x0b\0"
        return view if is_error else None

    def test_arp_is_answered_for_own_addresses_only(self):
        with self.lab.weir([http("nat"), http("dr")]):
            for address in (plan.VIP["nat"], plan.VIP["dr"], plan.WAN_DIP):
                with self.subTest(address=address):
                    self.assertEqual(self._who_has(address, ANSWER_S), {WAN_MAC})
            for address in ("10.9.0.77", plan.RIPS["dr"][0], plan.INSIDE_VIP):
                with self.subTest(address=address):
                    self.assertEqual(self._who_has(address, SILENCE_S), set())
            # The silence was not deafness.
            self.assertEqual(self._who_has(plan.WAN_DIP, ANSWER_S), {WAN_MAC})

    def _who_has(self, address, timeout_s):
        """The MACs that answer."""

        def wanted(frame):
            is_reply = frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"
            if is_reply and frame[28:32] == frames.socket.inet_aton(address):
                return frame[22:28].hex(":")
            return None

        self.client.send(frames.arp_request(CLIENT_MAC, plan.CLIENT, address))
        answers = set()
        # Another answer would come soon after the first.
        while answer := self.client.find(wanted, SILENCE_S if answers else timeout_s):
            answers.add(answer)
        return answers

    def test_tag_survives_dr(self):
        tag = 3 << 13 | 42
        servers = [RawSocket(server.namespace) for server in self.lab.servers["dr"]]
        for server in servers:
            self.addCleanup(server.close)
        with self.lab.weir([http("dr")]):
            # The backends' MACs are known from then on.
            self.curl(self.lab.client, plan.VIP["dr"], 2)
            for port in (40001, 40002):
                packet = frames.tcp((plan.CLIENT, port), (plan.VIP["dr"], 80))
                self.client.send(frames.tagged(to_director(packet), tag))
                views = [server.find(self._from_port(port), ANSWER_S / 2) for server in servers]
                arrived = [view for view in views if view]
                self.assertEqual(len(arrived), 1, "one server gets it")
                self.assertEqual(arrived[0].tag, tag)
                self.assertEqual(arrived[0].ttl, 63)

    @staticmethod
    def _from_port(port):
        def wanted(frame):
            view = Ipv4View.of(frame)
            is_it = view and view.protocol == frames.TCP and view.payload[:2] == port.to_bytes(2)
            return view if is_it else None

        return wanted
