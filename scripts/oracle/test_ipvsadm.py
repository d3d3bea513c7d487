"""`weir ipvsadm` prints what the real ipvsadm prints, letter by letter.

The same frames go through IPVS and through `weir replay`; what the replay counted is then answered
on a socket, as the running program would, and both are asked.
"""

import contextlib
import http.server
import json
import pathlib
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
import unittest

from lab.director import weir_binary
from oracle import plan
from oracle.guest import Guest
from oracle.play import Case, Group
from oracle.replay import replay
from oracle.services import Service

WEIR_S = 20
SERVICES = [
    Service("NAT", "tcp", (1, 65535, 0), "wlc", port=80),
    Service("NAT mapped", "udp", (3,), "rr", port=53),
    Service("DR", "tcp", (1, 1, 1), "sed", port=443),
    Service("TUN", "udp", (1, 2), "wrr", port=8080),
    Service("TUN", "tcp", (), "fo", port=8081),
    Service("TUN", "tcp", (1,), "rr", port=8084, tunnel=("gre", "off")),
    Service("TUN", "udp", (1,), "rr", port=8085, tunnel=("gre", "full")),
    Service("TUN", "tcp", (1,), "rr", port=8086, tunnel=("gue", "off")),
    Service("TUN", "udp", (1,), "rr", port=8087, tunnel=("gue", "full")),
    Service("TUN", "udp", (1,), "rr", port=8088, tunnel=("gue", "remote")),
    Service("NAT", "tcp", (1, 1), "wlc", persistence=(360, 24), port=8082),
    Service("DR", "udp", (1,), "rr", persistence=(300, 32), any_port=True, port=5000),
]
# What is asked before and after -Z, each as one line of arguments.
LISTS = [
    "-L -n",
    "-Ln",
    "-ln --sort",
    "-L",
    "",
    "-Ln --stats",
    "-Ln --stats --exact",
    "-L --stats",
    "-Ln --thresholds",
    "-Ln --persistent-conn",
    "-Ln --tun-info",
    f"-Ln -t {plan.VIP['NAT']}:80",
    f"-L -t {plan.VIP['NAT']}:http --stats",
    f"-Ln -u {plan.VIP['TUN']}:8080 --thresholds",
    "-L --timeout",
    "-S",
    "-S -n",
    "--save --numeric",
]
REFUSED = [
    "-A -t {nat}",
    "-E -t 192.0.2.7:80",
    "-D -t 192.0.2.7:80",
    "-a -t 192.0.2.7:80 -r {rip}",
    "-e -t 192.0.2.7:80 -r {rip}",
    "-d -t 192.0.2.7:80 -r {rip}",
    "-a -t {nat} -r {rip} -m",
    "-e -t {nat} -r 192.0.2.9 -m",
    "-d -t {nat} -r 192.0.2.9",
    "-A -t 192.0.2.7:80 -s nosuch",
    "-A -t 192.0.2.7:0",
    "-A -t 192.0.2.7:80 -s rr -b mh-port",
    "-A -t 192.0.2.7:80 -s rr -b none",
    "-A -t 192.0.2.7:80 -p x",
    "-A -t 192.0.2.7:80 -p 9 -M none",
    "-a -t {nat} -r 192.0.2.9 -w x",
    "-a -t {nat} -r 192.0.2.300",
    "-a -t {nat} -r 192.0.2.9 -m --tun-type gre",
    "-a -t {nat} -r 192.0.2.9 -i --tun-type none",
    "-a -t {nat} -r 192.0.2.9 -i --tun-type gue",
    "-a -t {nat} -r 192.0.2.9 -i --tun-type gue --tun-port 0",
    "-a -t {nat} -r 192.0.2.9 -i --tun-csum",
    "-a -t {nat} -r 192.0.2.9 -i --tun-port 6080",
    "-a -t {nat} -r 192.0.2.9 -i --tun-type gre --tun-remcsum",
    "-a -t {nat} -r 192.0.2.9 -i --tun-type gre --tun-nocsum --tun-csum",
    "-a -t {nat} -r [2001:db8::9]:80 -m",
    "-a -t {nat}",
    "-A -t 192.0.2.7:80 -w 3",
    "-D",
    "-C -s rr",
]
RATES = ["-Ln --rate", "-L --rate --exact"]
EXPIRE = re.compile(r"^(TCP|UDP) +(\d+):(\d+)")
TOLERANCE_S = 5
# IPVS counts on each CPU and adds up every two seconds: until then its lists show none.
COUNTED = (
    "for _ in $(seq 100); do ipvsadm -Ln --stats"
    " | grep -Eq '^(TCP|UDP) .*:(80|53|443|8080|8082|808[4-8]) +0 '"
    " || break; sleep 0.1; done"
)


def talk(play):
    """Some packets both ways."""
    for port in (30001, 30002, 30003):
        one = play.talk(port=port)
        one.first()
        if play.service.protocol == "tcp":
            seen = {way for _, way in play.service.ways}
            one.segments(*[segment for segment in ("<SA", ">A") if segment[0] in seen])


def knock(play):
    """Flows of clients that stay unassured."""
    for client in plan.CLIENTS[:3]:
        play.talk(client).first()


class Answers(http.server.BaseHTTPRequestHandler):
    """The running program's part, from what a replay counted."""

    def do_GET(self):
        answer = json.dumps(self.server.tables[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    """Listens on a unix socket."""

    def get_request(self):
        request, _ = super().get_request()
        return request, ("weir", 0)


@contextlib.contextmanager
def answering(path, tables):
    """A program that answers these tables at this socket."""
    with Server(str(path), Answers) as server:
        server.tables = tables
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Ipvsadm(unittest.TestCase):
    """What both print."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-oracle-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.guest = cls.enterClassContext(Guest(cls.folder))
        group = Group("ipvsadm", [Case("", "", "", service, talk) for service in SERVICES[:4]])
        group.cases.append(Case("", "", "", SERVICES[4], lambda play: None))
        group.cases += [Case("", "", "", service, knock) for service in SERVICES[5:]]
        group.play(cls.guest)
        cls.guest.run(COUNTED)
        outcome = replay(weir_binary(), group, cls.folder)
        cls.socket = cls.folder / "weir.sock"
        tables = {
            "/services": outcome.services,
            "/sessions": {"sessions": outcome.sessions, "next": None},
            "/persistence": {"templates": outcome.templates, "next": None},
            "/timeouts": {"tcp_ms": 900_000, "tcp_fin_ms": 120_000, "udp_ms": 300_000},
        }
        cls.enterClassContext(answering(cls.socket, tables))

    def ipvs(self, arguments):
        """The real one's output, blanks at the ends of lines included."""
        text = self.guest.run("set -o pipefail", f"ipvsadm {arguments} | sed 's/$/|/'")
        return [line.removesuffix("|") for line in text.splitlines()]

    def weir(self, arguments):
        """weir's output."""
        command = [weir_binary(), "ipvsadm", "--socket", self.socket, *arguments.split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WEIR_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return done.stdout.splitlines()

    def test_lists(self):
        for arguments in LISTS:
            with self.subTest(arguments):
                self.assertEqual(self.weir(arguments), self.ipvs(arguments))
        with self.subTest("lists without connections would prove little"):
            self.assertRegex(" ".join(self.weir("-Ln")), r"Masq    1      [1-9]")

    def test_refusals(self):
        """What would change something, and cannot: the same text and the same exit code."""
        nat = f"{plan.VIP['NAT']}:80"
        rip = [line.split()[1] for line in self.weir("-Ln") if "Masq" in line][0]
        for arguments in [line.format(nat=nat, rip=rip) for line in REFUSED]:
            with self.subTest(arguments):
                theirs = self.guest.run(f"ipvsadm {arguments} 2>&1 && echo 0 || echo $?")
                text, code = theirs.strip().rsplit("\n", 1)
                command = [weir_binary(), "ipvsadm", "--socket", self.socket, *arguments.split()]
                done = subprocess.run(command, capture_output=True, text=True, timeout=WEIR_S)
                ours = (done.returncode, done.stdout, done.stderr.strip())
                self.assertEqual(ours, (int(code), "", text))

    def test_rates(self):
        """Of services that nothing goes through any more; the numbers have tests of their own."""
        self.guest.run("ipvsadm -Z")
        for arguments in RATES:
            with self.subTest(arguments):
                self.assertEqual(self.weir(arguments), self.ipvs(arguments))

    def test_connections(self):
        ours, theirs = self.weir("-Lnc"), self.ipvs("-Lnc")
        self.assertEqual(ours[:2], theirs[:2])
        ours, theirs = ours[2:], theirs[2:]
        self.assertGreater(len(ours), 18)
        self.assertEqual(sum(":0 " in line for line in ours), 1 + 3)
        for our, their in zip(sorted(ours, key=flow), sorted(theirs, key=flow), strict=True):
            self.assertEqual(EXPIRE.sub("", our), EXPIRE.sub("", their))
            self.assertEqual(EXPIRE.match(our).end(), EXPIRE.match(their).end())
            self.assertLess(abs(seconds(our) - seconds(their)), TOLERANCE_S)


def flow(line):
    """What tells a connection from others."""
    return (line[:3], line.split()[3:])


def seconds(line):
    """Until the connection expires."""
    _, minutes, rest = EXPIRE.match(line).groups()
    return int(minutes) * 60 + int(rest)


if __name__ == "__main__":
    unittest.main()
