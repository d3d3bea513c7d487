"""SNAT: servers inside go online, with real kernels at both ends and a NAT service beside."""

import errno
import functools
import socket
import struct

from lab import plan
from lab.case import LabCase, the_lab
from lab.director import BY_OUTSIDE, SNAT, echo, http
from lab.load import fetch_all

ANSWER_S = 5
LARGE = bytes(range(250)) * 36
SMALL_MTU = 1400
# From linux/in.h and linux/errqueue.h, for Python has none of them.
IP_MTU_DISCOVER, IP_RECVERR, PMTUDISC_DO = 10, 11, 2
EXTENDED_ERROR = struct.Struct("=IBBBBII")


@functools.cache
def outside():
    """The hosts outside, laid out once."""
    return the_lab().outside()


class Snat(LabCase):
    def setUp(self):
        self.outside, self.far = outside()
        self.servers = [server.namespace for server in self.lab.servers["nat"]]

    def weir(self, services=(), **settings):
        """A weir with the rule; what is behind the server outside is reached by that."""
        return self.lab.weir(list(services), arms=BY_OUTSIDE, more=SNAT, **settings)

    def who(self, server, address, *options):
        """As whom a server is seen there."""
        curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*", *options]
        return server.run(*curl, f"http://{address}/who").strip()

    def udp(self, server, *, address=plan.FAR, port=plan.ECHO_PORT):
        with server.inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.settimeout(ANSWER_S)
        made.connect((address, port))
        return made

    def test_servers_are_seen_by_the_public_address(self):
        for workers in (1, 2):
            with self.subTest(workers=workers), self.weir([http("nat")], workers=workers) as weir:
                ports = [41000 + 10 * workers + number for number in range(2)]
                for server in self.servers:
                    for port, address in zip(ports, (plan.OUTSIDE, plan.FAR)):
                        # The same port of both servers, towards the same remote end.
                        seen = self.who(server, address, "--local-port", port)
                        self.assertEqual(seen, plan.PUBLIC)
                # A NAT service of the same servers goes on.
                self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 10), workers)
                (rule,) = weir.show_json("snat")
                (address,) = rule["addresses"]
                self.assertEqual(address["connections"], 4)
                self.assertEqual(address["active"] + address["inactive"], 4)
                self.assertIn(plan.PUBLIC, weir.show("snat"))
                sessions = weir.show_json("sessions")
                of = [one for one in sessions if plan.PUBLIC in one["virtual_address"]]
                inside = {f"{rip}:{port}" for rip in plan.RIPS["nat"] for port in ports}
                self.assertEqual({one["backend"] for one in of}, inside)

    def test_downloads_while_clients_download(self):
        with self.weir([http("nat")], workers=2):
            fetches = fetch_all(self.servers[0], plan.FAR, "/blob", 40, 120)
            self.assert_fetched(fetches, ["far"])
            self.assert_fetched(fetch_all(self.lab.client, plan.VIP["nat"], "/blob", 40, 120))

    def test_udp_and_pings(self):
        with self.weir([echo("nat")]):
            for server in self.servers:
                for number in range(10):
                    asks = self.udp(server)
                    asks.send(b"question %d" % number)
                    self.assertEqual(asks.recv(100), b"far question %d" % number)
                for octets in (0, 56, 1472):
                    often = ["-c", 2, "-i", 0.2, "-W", 2]
                    done = server.run("ping", "-n", *often, "-s", octets, plan.FAR)
                    self.assertIn(" 2 received", done)
            self.assert_echoed(plan.VIP["nat"], [b"a question"] * 6)

    def test_datagrams_in_fragments(self):
        # Ports of AF_PACKET have fragments joined.
        with self.weir([echo("nat")], driver="af_xdp"):
            for server in self.servers:
                asks = self.udp(server)
                for number in range(6):
                    asks.send(LARGE[number:])
                    self.assertEqual(asks.recv(65535), b"far " + LARGE[number:])

    def test_every_hop_is_seen(self):
        """As traceroute does it, with datagrams and with pings."""
        with self.weir():
            server = self.servers[0]
            hops = [plan.LAN_DIP, plan.OUTSIDE]
            for ttl, hop in enumerate(hops, start=1):
                with self.subTest(ttl=ttl):
                    probe = self.udp(server, port=33434 + ttl)
                    probe.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
                    probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                    self.assertEqual(self.complaint(probe), (errno.EHOSTUNREACH, hop))
                    done = server.run(
                        *("ping", "-n", "-c", 1, "-W", 2, "-t", ttl, plan.FAR), check=False
                    )
                    self.assertIn(f"From {hop} icmp_seq=1 Time to live exceeded", done)
            probe = self.udp(server, port=33437)
            probe.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            self.assertEqual(self.complaint(probe), (errno.ECONNREFUSED, plan.FAR))

    def complaint(self, probe):
        """What is said of a probe, and by whom."""
        probe.send(b"probe")
        try:
            probe.recv(100)
        except OSError as error:
            said = error.errno
        _, ancillary, _, _ = probe.recvmsg(100, 512, socket.MSG_ERRQUEUE)
        (_, _, octets), *_ = ancillary
        self.assertEqual(EXTENDED_ERROR.unpack_from(octets)[0], said)
        # Behind it stands a sockaddr_in.
        return said, socket.inet_ntoa(octets[EXTENDED_ERROR.size + 4 :][:4])

    def test_the_mtu_beyond_is_learned(self):
        self.outside.run("ip", "link", "set", "far0", "mtu", SMALL_MTU)
        self.addCleanup(self.outside.run, "ip", "link", "set", "far0", "mtu", 1500)
        server = self.servers[0]
        with self.weir():
            done = server.run(
                *("ping", "-n", "-c", 1, "-W", 2, "-M", "do", "-s", 1450, plan.FAR), check=False
            )
            self.assertIn(f"mtu = {SMALL_MTU}", done)
            server.run("ip", "route", "flush", "cache")

    def test_nobody_outside_gets_in(self):
        with self.weir([http("nat")], other="Drop") as weir:
            self.assertEqual(self.who(self.servers[0], plan.FAR), plan.PUBLIC)
            curl = ["curl", "-sS", "-m", 2, "--noproxy", "*"]
            done = self.outside.run(*curl, f"http://{plan.PUBLIC}:8080/", check=False)
            self.assertNotIn("web1", done)
            drops = {drop["reason"]: drop["packets"] for drop in weir.show_json("drops")}
            self.assertGreater(drops["no_session"], 0)

    def test_explained_as_it_happens(self):
        flow = f"tcp {plan.RIPS['nat'][0]}:41234 -> {plan.FAR}:80"
        with self.weir([http("nat")]) as weir:
            self.who(self.servers[0], plan.FAR)
            said = weir.explain(flow)
            source = {change["field"]: change["to"] for change in said["changes"]}["source"]
            self.assertEqual(source, f"{plan.PUBLIC}:41234")
            self.assertEqual((said["service"], said["verdict"]), ("out", "forward"))
            self.who(self.servers[0], plan.FAR, "--local-port", "41234")
            sessions = weir.show_json("sessions")
            of = [one["virtual_address"] for one in sessions if one["backend"].endswith(":41234")]
            self.assertEqual(of, [source])
