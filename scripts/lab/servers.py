"""Real servers: nginx in a namespace, nginx in a kernel of its own, UDP echo."""

import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

from lab import plan
from lab.net import LabError, run
from lab.plan import mac_of

HERE = pathlib.Path(__file__).resolve().parent
REALSERVER = HERE.parent / "realserver.sh"
BLOB_OCTETS = 1 << 20

NGINX_CONF = """\
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {scratch}/nginx.pid;
lock_file {scratch}/nginx.lock;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type text/plain;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 80 backlog=4096;
        listen 8080 backlog=4096;
        listen [::]:80 backlog=4096;
        listen [::]:8080 backlog=4096;
        listen 8443 ssl;
        listen [::]:8443 ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        add_header X-Server {name};
        location = / {{ return 200 "{name}\\n"; }}
        location = /who {{ return 200 "$remote_addr\\n"; }}
        location = /blob {{ alias {blob}; }}
        # Some seconds for the blob: time to lose the server midway.
        location = /slow {{ alias {blob}; limit_rate 256k; }}
    }}
}}
"""


TLS_NAME = "web.weir.test"


def make_certificate(path):
    """Writes a key and the certificate for TLS_NAME that it has signed itself."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    name = ["-subj", f"/CN={TLS_NAME}", "-addext", f"subjectAltName=DNS:{TLS_NAME}"]
    run(*new, "-nodes", "-days", 2, *name, "-keyout", path, "-out", path.with_suffix(".crt"))
    with path.open("a") as key:
        key.write(path.with_suffix(".crt").read_text())


def write_nginx_conf(path, name, blob, scratch):
    """Writes the configuration of the server `name`, whose own files go to `scratch`."""
    certificate = path.parent.parent / "tls.pem"
    values = {"name": name, "blob": blob, "scratch": scratch, "certificate": certificate}
    path.write_text(NGINX_CONF.format(**values))


def kill(process):
    """Ends a process that leads a group of its own, and all of the group, if there is one."""
    if process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class NginxServer:
    """nginx in the namespace of a real server, on ports 80 and 8080, and with TLS on 8443."""

    def __init__(self, name, namespace, folder, log, blob):
        self.name = name
        self.namespace = namespace
        scratch = folder / namespace.name
        scratch.mkdir()
        self._conf = scratch / "nginx.conf"
        self._log = log
        self._state = scratch / "realserver"
        write_nginx_conf(self._conf, name, blob, scratch)
        self._process = None

    def realserver(self, *words):
        """Runs scripts/realserver.sh on this server."""
        environment = f"WEIR_REALSERVER_STATE={self._state}"
        return self.namespace.run("env", environment, REALSERVER, *words)

    def start(self):
        """Starts nginx; it answers a moment later."""
        with self._log.open("ab") as log:
            command = ["nginx", "-e", "stderr", "-c", self._conf]
            self._process = self.namespace.popen(
                *command, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self):
        """Ends nginx at once, as a crash would: its connections are reset."""
        kill(self._process)
        self._process = None


@dataclasses.dataclass
class Guest:
    """What a user-mode Linux needs to know of its network."""

    rip: str
    vip: str
    gateway: str


class UmlServer:
    """nginx in a user-mode Linux that decapsulates tunnels, its NIC the namespace's eth0."""

    def __init__(self, name, namespace, folder, log, blob, guest):
        self.name = name
        self.namespace = namespace
        self._log = log
        scratch = folder / namespace.name
        scratch.mkdir()
        # What the guest writes goes to a mount of its own there: the host's files are read-only.
        (scratch / "own").mkdir()
        write_nginx_conf(scratch / "nginx.conf", name, blob, scratch / "own")
        for script in (HERE / "uml-init.sh", REALSERVER):
            shutil.copy(script, scratch)
        self._command = [
            *("linux.uml", f"umid={namespace.name}", f"uml_dir={scratch}/", "mem=96M"),
            *("rootfstype=hostfs", "rootflags=/", "ro", f"init={scratch}/uml-init.sh"),
            *("con=null", "con0=null,fd:1", "console=tty0", "quiet"),
            f"vec0:transport=raw,ifname=eth0,mac={mac_of(guest.rip)},depth=128",
            *(f"scratch={scratch}", f"address={guest.rip}/24"),
            *(f"vip={guest.vip}", f"gateway={guest.gateway}"),
            *(f"address_six={plan.six(guest.rip)}/64", f"vip_six={plan.six(guest.vip)}"),
            f"gateway_six={plan.six(guest.gateway)}",
            f"gre_sums={'yes' if name == plan.NAMES[1] else 'no'}",
        ]
        self._process = None

    def start(self):
        """Boots; nginx answers some seconds later."""
        with self._log.open("ab") as log:
            # Its helper processes end with the group.
            self._process = self.namespace.popen(
                *self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self):
        """Pulls the plug."""
        kill(self._process)
        self._process = None


class UdpEcho:
    """Answers every datagram with the server's name and what was in it."""

    def __init__(self, name, namespace, address, port):
        family = socket.AF_INET6 if plan.family_of(address) == 6 else socket.AF_INET
        with namespace.inside():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        # Bound to the one address, since an answer from another is none: in DR that is the VIP.
        self._socket.bind((address, port))
        self._name = name.encode()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            datagram, client = self._socket.recvfrom(65535)
            try:
                self._socket.sendto(self._name + b" " + datagram, client)
            except OSError:
                # A garbled source address may have no route; the next datagram matters.
                continue


def require_answer(namespace, url, timeout_s):
    """Waits until the server at the URL answers the namespace."""
    retries = ["--retry", timeout_s * 2, "--retry-delay", 0, "--retry-max-time", timeout_s]
    try:
        return namespace.run(
            *("curl", "-s", "--noproxy", "*", "-m", timeout_s, "--connect-timeout", 2),
            *(*retries, "--retry-all-errors", url),
            timeout_s=timeout_s + 30,
        )
    except LabError as error:
        raise LabError(f"no server at {url} within {timeout_s} s") from error
