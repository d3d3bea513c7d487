"""IPv6: every mode with real kernels at both ends, and what these make of weir's messages."""

import errno
import json
import re
import socket
import struct
import time

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, Service, echo, http
from lab.load import fetch_all
from lab.net import LabError

VIP = {mode: plan.six(vip) for mode, vip in plan.VIP.items()}
WAN_DIP = plan.six(plan.WAN_DIP)
WAN_MAC = plan.mac_of(plan.WAN_DIP)
CLIENT = plan.six(plan.CLIENT)
LAN_MTU = 1400
PAYLOAD = bytes(range(256)) * 5 + bytes(150)
CLOSED_PORT = 9
ANSWER_S = 5
# From linux/in6.h and linux/errqueue.h, for Python has none of them.
IPV6_MTU_DISCOVER, IPV6_RECVERR, PMTUDISC_DO = 23, 25, 2
EXTENDED_ERROR = struct.Struct("=IBBBBII")


def web(mode):
    """The HTTP service of a mode over IPv6."""
    return http(mode, VIP[mode])


class SixCase(LabCase):
    def weir(self, services, **settings):
        """A weir whose ports have addresses of both families."""
        return self.lab.weir(services, arms=TWO_FAMILIES, **settings)

    def socket(self, kind, *, host=None):
        """A socket of the client's."""
        with (host or self.lab.client).inside():
            made = socket.socket(socket.AF_INET6, kind)
        self.addCleanup(made.close)
        made.settimeout(ANSWER_S)
        return made


class Modes(SixCase):
    def test_http_through_every_mode(self):
        for workers in (1, 2):
            before = self.lab.replies_at_director()
            # Both families at once, since they meet in a worker's bursts.
            services = [http(mode) for mode in plan.MODES] + [web(mode) for mode in plan.MODES]
            with self.weir(services, workers=workers):
                for mode in plan.MODES:
                    with self.subTest(mode=mode, workers=workers):
                        answers = self.curl(self.lab.client, VIP[mode], 12)
                        self.assertEqual(sum(answers.values()), 12)
                        self.assert_balanced(answers, workers)
            after = self.lab.replies_at_director()
            with self.subTest("replies", workers=workers):
                passed = {mode: after[mode] - before[mode] for mode in plan.MODES}
                through = [mode for mode in plan.MODES if passed[mode] > 0]
                self.assertEqual(through, plan.THROUGH)

    def test_downloads_at_once(self):
        with self.weir([web(mode) for mode in plan.MODES], workers=2):
            for mode in plan.MODES:
                with self.subTest(mode=mode):
                    fetches = fetch_all(self.lab.client, VIP[mode], "/blob", 20, 120)
                    self.assert_fetched(fetches)

    def test_udp_through_nat_dr_and_fullnat(self):
        modes = ("nat", "dr", "fullnat")
        with self.weir([echo(mode, VIP[mode]) for mode in modes]):
            for mode in modes:
                with self.subTest(mode=mode):
                    questions = [f"question {number}".encode() for number in range(20)]
                    self.assert_echoed(VIP[mode], questions)

    def test_servers_of_fullnat_see_local_addresses_alone(self):
        with self.weir([web("fullnat")], workers=2) as weir:
            self.curl(self.lab.client, VIP["fullnat"], 12)
            seen = {session["local"].rpartition(":")[0] for session in weir.show_json("sessions")}
            self.assertEqual(seen, {f"[{plan.six(lip)}]" for lip in plan.LIPS})
            server = self.lab.servers["fullnat"][0].namespace
            # A server is its own client.
            self.assert_balanced(self.curl(server, VIP["fullnat"], 10), workers=2)


    def test_explained_as_it_happens(self):
        vip = VIP["fullnat"]
        flow = f"tcp [{CLIENT}]:41234 -> [{vip}]:80"
        with self.weir([web("fullnat")], workers=2) as weir:
            self.curl(self.lab.client, vip, 2)
            said = weir.explain(flow)
            source = {change["field"]: change["to"] for change in said["changes"]}["source"]
            curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*", "--local-port", "41234"]
            self.lab.client.run(*curl, f"http://[{vip}]/")
            client = f"[{CLIENT}]:41234"
            (session,) = [one for one in weir.show_json("sessions") if one["client"] == client]
            self.assertEqual(session["local"], source)
            # Now the session decides.
            self.assertEqual(weir.explain(flow)["session"]["backend"], session["backend"])
            hop = weir.route_to("fd00:99::1")["hop"]
            self.assertEqual((hop["port"], hop["gateway"]), ("wan", plan.six(plan.WAN_ROUTER)))


class Neighbours(SixCase):
    """Neighbour discovery, with kernels that ask, answer and have what weir wants."""

    def neighbours(self):
        """The client's, as {address: MAC}."""
        shown = json.loads(self.lab.client.run("ip", "-6", "-j", "neigh", "show", "dev", "eth0"))
        return {entry["dst"]: entry.get("lladdr") for entry in shown}

    def test_own_addresses_are_answered_and_no_others(self):
        self.lab.client.run("ip", "-6", "neigh", "flush", "dev", "eth0")
        with self.weir([web("nat"), web("dr")]):
            for address in (VIP["nat"], VIP["dr"], WAN_DIP):
                with self.subTest(address=address):
                    self.ping(address)
                    self.assertEqual(self.neighbours().get(address), WAN_MAC)
            for address in ("fd00:9::77", VIP["tun"]):
                with self.subTest(address=address), self.assertRaises(LabError):
                    self.ping(address)
                self.assertIsNone(self.neighbours().get(address))

    def ping(self, address, *options):
        """Two pings, both of which must be answered."""
        often = ["-c", 2, "-i", 0.2, "-W", 2]
        done = self.lab.client.run("ping", "-6", "-n", *often, *options, address)
        self.assertIn(" 2 received", done)

    def test_pings_of_every_size(self):
        with self.weir([web("nat")]):
            for octets in (0, 1, 56, 1452):
                for address in (VIP["nat"], WAN_DIP, plan.six(plan.LAN_DIP)):
                    with self.subTest(address=address, octets=octets):
                        self.ping(address, "-s", octets)

    def test_a_kernel_learns_that_the_vip_is_taken(self):
        with self.weir([web("nat")]):
            address = f"{VIP['nat']}/64"
            self.lab.client.run("ip", "address", "add", address, "dev", "eth0")
            self.addCleanup(self.lab.client.run, "ip", "address", "del", address, "dev", "eth0")
            deadline = time.monotonic() + ANSWER_S
            while not self.lab.client.run("ip", "-6", "address", "show", "dadfailed"):
                self.assertLess(time.monotonic(), deadline, "the client took the VIP")
                time.sleep(0.1)

    def test_weir_says_who_has_its_address(self):
        other = f"{WAN_DIP}/64"
        self.lab.client.run("ip", "address", "add", other, "dev", "eth0", "nodad")
        self.addCleanup(self.lab.client.run, "ip", "address", "del", other, "dev", "eth0")
        with self.weir([web("nat")]):
            log = self.lab.log_folder / "weir.log"
            mac = plan.mac_of(plan.CLIENT)
            said = f"{mac} claims our address {WAN_DIP} "
            deadline = time.monotonic() + ANSWER_S
            while said not in log.read_text(errors="replace"):
                self.assertLess(time.monotonic(), deadline, "weir says nothing")
                time.sleep(0.1)


class Told(SixCase):
    """What a client's kernel learns from ICMPv6."""

    def error(self, sender):
        """Who said what of a packet that a socket sent: (address, type, code)."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                _, ancillary, _, _ = sender.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
                break
            except BlockingIOError:
                self.assertLess(time.monotonic(), deadline, "nobody says anything")
                time.sleep(0.05)
        ((level, kind, data),) = ancillary
        self.assertEqual((level, kind), (socket.IPPROTO_IPV6, IPV6_RECVERR))
        _, _, said, code, *_ = EXTENDED_ERROR.unpack_from(data)
        # A struct sockaddr_in6 follows: family, port, flow, address.
        offender = data[EXTENDED_ERROR.size + 8 :][:16]
        return socket.inet_ntop(socket.AF_INET6, offender), said, code

    def test_the_last_hop_is_known(self):
        with self.weir([echo(mode, VIP[mode]) for mode in ("nat", "dr")]):
            # Of a service it is the VIP, as IPVS does: a client knows that alone.
            targets = {VIP["nat"]: VIP["nat"], VIP["dr"]: VIP["dr"]}
            targets[plan.six(plan.RIPS["nat"][0])] = WAN_DIP
            for target, hop in targets.items():
                with self.subTest(target=target):
                    probe = self.socket(socket.SOCK_DGRAM)
                    probe.setblocking(False)
                    probe.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)
                    probe.sendto(b"trace", (target, plan.ECHO_PORT))
                    self.assertEqual(self.error(probe), (hop, 3, 0))

    def test_closed_ports_are_refused_at_once(self):
        closed = Service("closed", "nat", "Udp", VIP["nat"], CLOSED_PORT, CLOSED_PORT)
        with self.weir([closed]):
            for kind, port in (
                (socket.SOCK_STREAM, CLOSED_PORT + 1),
                (socket.SOCK_DGRAM, CLOSED_PORT + 1),
                # Of the server, about a datagram of a session.
                (socket.SOCK_DGRAM, CLOSED_PORT),
            ):
                with self.subTest(kind=kind, port=port):
                    client = self.socket(kind)
                    with self.assertRaises(ConnectionRefusedError):
                        client.connect((VIP["nat"], port))
                        client.send(b"anybody there?")
                        client.recv(100)

    def test_the_mtu_is_known(self):
        for mode, room in {"nat": LAN_MTU - 48, "tun": LAN_MTU - 48 - 40}.items():
            with self.subTest(mode=mode), self.weir([echo(mode, VIP[mode])], lan_mtu=LAN_MTU):
                client = self.socket(socket.SOCK_DGRAM)
                client.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
                client.connect((VIP[mode], plan.ECHO_PORT))
                with self.assertRaises(OSError) as raised:
                    for _ in range(50):
                        client.send(PAYLOAD)
                        time.sleep(0.1)
                self.assertEqual(raised.exception.errno, errno.EMSGSIZE)
                self.assertEqual(self.mtu_to(VIP[mode]), room + 48)
                if mode == "nat":
                    time.sleep(0.5)
                    client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    client.send(PAYLOAD[:room - 20])
                    self.assertTrue(client.recv(2000).endswith(PAYLOAD[:room - 20]))
                self.lab.client.run("ip", "-6", "route", "flush", "cache")

    def mtu_to(self, address):
        """What the client's kernel has been told."""
        route = self.lab.client.run("ip", "-6", "route", "get", address)
        return int(re.search(r" mtu (\d+)", route)[1])
