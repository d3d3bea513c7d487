"""The PROXY protocol: servers that know the client's address though they see weir's."""

import asyncio
import collections
import contextlib
import re
import socket
import sys
import time

from lab import plan
from lab.case import LabCase
from lab.director import TWO_FAMILIES, Written
from lab.servers import kill
from lab.topology import FOLDER

VIP = plan.VIP["fullnat"]
# nginx, HAProxy, and a server that speaks before the client does; the last takes datagrams.
NGINX, HAPROXY, GREETER, DNS = 8081, 8082, 8083, 5353
AT_ONCE = 300
CONNECTIONS = 1500
# On the wire: a server that is told by its own kernel that its repeated SYN was dropped gives up
# the connection.
LOSS = """
table netdev loss {{
    chain in {{
        type filter hook ingress device {device} priority 0;
        tcp dport {ports} numgen random mod 100 < {of_hundred} counter drop
        tcp sport {ports} numgen random mod 100 < {of_hundred} counter drop
    }}
}}
"""

NGINX_CONF = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
lock_file {folder}/nginx.lock;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    log_format told "$proxy_protocol_addr $proxy_protocol_port $request_uri";
    access_log {folder}/told.log told;
    default_type text/plain;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {port} proxy_protocol backlog=4096;
        listen [::]:{port} proxy_protocol backlog=4096;
        return 200 "$proxy_protocol_addr $proxy_protocol_port\\n";
    }}
}}
"""
HAPROXY_CONF = """\
global
    maxconn 4096
defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s
frontend told
    bind :{port},[::]:{port} accept-proxy backlog 4096
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]\\n"
"""
# Reads the header, greets whom it names, and only then reads a line, which it repeats.
GREETER_PROGRAM = r"""
import asyncio, ipaddress, sys

async def serve(reader, writer):
    try:
        signature = await reader.readexactly(12)
        assert signature == b"\r\n\r\n\0\r\nQUIT\n", signature
        command, family, *length = await reader.readexactly(4)
        assert command == 0x21, command
        rest = await reader.readexactly(int.from_bytes(length, "big"))
        octets = {0x11: 4, 0x21: 16}[family]
        address = ipaddress.ip_address(rest[:octets])
        port = int.from_bytes(rest[2 * octets : 2 * octets + 2], "big")
        writer.write(f"{address} {port}\n".encode())
        writer.write(await reader.readline())
        await writer.drain()
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, ["0.0.0.0", "::"], int(sys.argv[1]), backlog=4096)
    await server.serve_forever()

asyncio.run(main())
"""
DNSDIST_CONF = """\
setLocal("0.0.0.0:{port}")
setProxyProtocolACL({{"{lips}"}})
setACL("{client}/32")
newServer("127.0.0.1:5300")
addAction(AllRule(), SpoofAction("{answer}"))
"""


def service(name, port, protocol="Tcp", version="V2", vip=VIP):
    """A service whose one server is the first of FULLNAT's."""
    rip, lips = plan.RIPS["fullnat"][0], plan.LIPS
    if plan.family_of(vip) == 6:
        rip, lips = plan.six(rip), [plan.six(lip) for lip in lips]
    lips = ", ".join(f'"{lip}"' for lip in lips)
    return Written(
        f"""(
            name: "{name}", address: "{plan.host_of(vip)}:{port}", protocol: {protocol},
            forward: FullNat, send_proxy: {version}, local_addresses: [{lips}],
            backends: [(name: "one", address: "{plan.host_of(rip)}:{port}")],
        ),"""
    )


class Proxy(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.lab.servers["fullnat"][0].namespace
        cls.folder = FOLDER / "proxy"
        cls.folder.mkdir(exist_ok=True)
        cls.enterClassContext(cls._running())

    @classmethod
    @contextlib.contextmanager
    def _running(cls):
        conf, haproxy = cls.folder / "nginx.conf", cls.folder / "haproxy.cfg"
        conf.write_text(NGINX_CONF.format(folder=cls.folder, port=NGINX))
        haproxy.write_text(HAPROXY_CONF.format(port=HAPROXY))
        commands = [
            ["nginx", "-e", "stderr", "-c", conf],
            ["haproxy", "-db", "-f", haproxy],
            [sys.executable, "-c", GREETER_PROGRAM, GREETER],
        ]
        with (cls.lab.log_folder / "proxy.log").open("ab") as log:
            running = [
                cls.server.popen(*command, stdout=log, stderr=log, start_new_session=True)
                for command in commands
            ]
        try:
            for port in (NGINX, HAPROXY, GREETER):
                cls._await_listener(port)
            yield
        finally:
            for process in running:
                kill(process)

    @classmethod
    def _await_listener(cls, port):
        for _ in range(100):
            if f":{port} " in cls.server.run("ss", "-ltn"):
                return
            time.sleep(0.1)
        raise AssertionError(f"nobody listens at port {port}")

    def test_http_servers_and_one_that_speaks_first(self):
        """Thousands of connections with two of a hundred packets lost each way."""
        services = [
            service("nginx", NGINX),
            service("haproxy", HAPROXY, version="V1"),
            service("greeter", GREETER),
        ]
        with self.lab.weir(services, workers=2), self._losing(2):
            told = [
                Talks(self.lab.client, VIP, port, CONNECTIONS, first)
                for port, first in ((NGINX, False), (HAPROXY, False), (GREETER, True))
            ]
            asyncio.run(talk_all(told))
        for talks in told:
            self.assertEqual(talks.faults[:5], [])
            self.assertEqual(talks.done, CONNECTIONS)
        logged = (self.folder / "told.log").read_text().splitlines()
        self.assertEqual(len(logged), CONNECTIONS)
        self.assertEqual({line.split()[0] for line in logged}, {plan.CLIENT})

    def test_over_ipv6(self):
        vip = plan.six(VIP)
        services = [
            service("nginx", NGINX, vip=vip),
            service("haproxy", HAPROXY, version="V1", vip=vip),
            service("greeter", GREETER, vip=vip),
        ]
        with self.lab.weir(services, arms=TWO_FAMILIES):
            for port, first in ((NGINX, False), (HAPROXY, False), (GREETER, True)):
                talks = Talks(self.lab.client, vip, port, 50, first)
                asyncio.run(talk_all([talks]))
                self.assertEqual(talks.faults[:5], [])

    def test_a_transfer_goes_through_whole(self):
        """Some segments behind the header, with packets lost each way."""
        blob = self.lab.blob
        with self.lab.weir([service("greeter", GREETER)]), self._losing(10):
            with self.lab.client.inside():
                client = socket.create_connection((VIP, GREETER), timeout=30)
            with client:
                own = " ".join(map(str, client.getsockname()))
                stream = client.makefile("rb")
                self.assertEqual(stream.readline().decode().strip(), own)
                line = blob.hex().encode()[:60_000] + b"\n"
                client.sendall(line)
                self.assertEqual(stream.read(), line)

    def test_in_datagrams(self):
        """dnsdist answers nobody but the client, whom it knows by the header alone."""
        conf = self.folder / "dnsdist.conf"
        rip = plan.RIPS["fullnat"][0]
        lips = '", "'.join(plan.LIPS)
        words = {"port": DNS, "lips": lips, "client": plan.CLIENT, "answer": "203.0.113.77"}
        conf.write_text(DNSDIST_CONF.format(**words))
        command = ["dnsdist", "--supervised", "--disable-syslog", "-C", conf]
        with (self.lab.log_folder / "dnsdist.log").open("ab") as log:
            dnsdist = self.server.popen(*command, stdout=log, stderr=log, start_new_session=True)
        try:
            with self.lab.weir([service("dns", DNS, "Udp")]):
                answers = collections.Counter(self._ask_dns() for _ in range(20))
            self.assertEqual(answers, {socket.inet_aton("203.0.113.77"): 20}, rip)
        finally:
            kill(dnsdist)

    def _ask_dns(self):
        question = bytes.fromhex("0001 0100 0001 0000 0000 0000 0161 0474657374 00 0001 0001")
        with self.lab.client.inside():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.connect((VIP, DNS))
            client.settimeout(1)
            for _ in range(10):
                client.send(question)
                try:
                    return client.recv(512)[-4:]
                except (TimeoutError, ConnectionRefusedError):
                    time.sleep(0.2)
        return b""

    @contextlib.contextmanager
    def _losing(self, of_hundred):
        """The server's link loses packets of these services, each way."""
        ports = f"{{ {NGINX}, {HAPROXY}, {GREETER} }}"
        ends = [(self.server, "eth0"), (self.lab.switch, f"lan-{self.server.name}")]
        ruleset = self.folder / "loss.nft"
        for namespace, device in ends:
            words = {"device": device, "ports": ports, "of_hundred": of_hundred}
            ruleset.write_text(LOSS.format(**words))
            namespace.run("nft", "-f", ruleset)
        try:
            yield
            for namespace, _ in ends:
                listed = namespace.run("nft", "list", "table", "netdev", "loss")
                lost = [int(packets) for packets in re.findall(r"counter packets (\d+)", listed)]
                self.assertGreater(sum(lost), 0, listed)
        finally:
            for namespace, _ in ends:
                namespace.run("nft", "delete", "table", "netdev", "loss")


class Talks:
    """So many connections, of each of which the server tells whose it is."""

    def __init__(self, namespace, address, port, count, server_first):
        self._target = (address, port)
        self._server_first = server_first
        self._namespace = namespace
        self._count = count
        self.faults = []
        self.done = 0

    async def run(self):
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._one(number, gate) for number in range(self._count)))

    async def _one(self, number, gate):
        async with gate:
            family = socket.AF_INET6 if ":" in self._target[0] else socket.AF_INET
            with self._namespace.inside():
                connection = socket.socket(family)
            connection.setblocking(False)
            try:
                await asyncio.wait_for(self._talk(connection, number), 60)
                self.done += 1
            except (OSError, EOFError, ValueError) as error:
                self.faults.append(f"{number}: {error!r}")
            finally:
                connection.close()

    async def _talk(self, connection, number):
        await asyncio.get_running_loop().sock_connect(connection, self._target)
        address, port = connection.getsockname()[:2]
        reader, writer = await asyncio.open_connection(sock=connection)
        with contextlib.closing(writer):
            if self._server_first:
                told = (await reader.readuntil(b"\n")).decode().split()
                writer.write(b"%d\n" % number)
                said = await reader.read()
                if said != b"%d\n" % number:
                    raise ValueError(f"{number} came back as {said}")
            else:
                host = plan.host_of(self._target[0])
                writer.write(f"GET /{number} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                told = (await reader.read()).decode().split("\r\n\r\n")[-1].split()
        if told != [address, str(port)]:
            raise ValueError(f"{address} {port} was told as {told}")


async def talk_all(talks):
    """All of these at once."""
    await asyncio.gather(*(one.run() for one in talks))
