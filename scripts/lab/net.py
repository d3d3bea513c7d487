"""Network namespaces and the links between them."""

import contextlib
import ctypes
import os
import subprocess

from lab.plan import mac_of
from lab.plan import six as six_of

CLONE_NEWNET = 0x40000000
# Half-made checksums and frames beyond the MTU are no frames that a wire would carry.
OFFLOADS = ["tso", "gso", "gro", "tx", "txvlan", "rxvlan"]


class LabError(Exception):
    """Something the lab needs did not come about."""


def run(*words, timeout_s=30, check=True):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=timeout_s
    )
    if check and done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}: {output}")
    return done.stdout


class Namespace:
    """A host: a network namespace."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        for family in ("all", "default"):
            self.sysctl(f"net/ipv6/conf/{family}/disable_ipv6", 1)
            # Return paths are asymmetric in DR and TUN.
            self.sysctl(f"net/ipv4/conf/{family}/rp_filter", 0)
            self.sysctl(f"net/ipv4/conf/{family}/send_redirects", 0)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **options):
        """Runs a command in here, see run()."""
        return run("ip", "netns", "exec", self.name, *words, **options)

    def popen(self, *words, **options):
        """Starts a command in here."""
        command = ["ip", "netns", "exec", self.name, *map(str, words)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    def sysctl(self, key, value):
        """Sets a value below /proc/sys."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/{key}")

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in here meanwhile; a socket made here stays here."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise LabError(f"setns {self.name}: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def plug(self, switch, bridge, interface, address, *, configure=True, six=False, peer=None):
        """Joins an interface in here to a bridge in the namespace `switch`.

        `address` is "10.9.0.2/24"; without `configure` it only makes the MAC. With `six` there is
        its IPv6 address too. `peer` is the other end, for a second one on the same bridge.
        """
        peer = peer or f"{bridge}-{self.name}"[:15]
        host = address.split("/")[0]
        run(
            *("ip", "link", "add", "name", interface, "address", mac_of(host)),
            *("netns", self.name, "type", "veth", "peer", "name", peer, "netns", switch.name),
        )
        switch.run("ip", "link", "set", peer, "master", bridge, "up")
        if configure:
            self.run("ip", "address", "add", address, "dev", interface)
        self.run("ip", "link", "set", interface, "up")
        if six:
            for link in ("lo", interface):
                self.sysctl(f"net/ipv6/conf/{link}/disable_ipv6", 0)
            # Nobody else can have it here, and all is to be ready at once.
            self.run(*("ip", "address", "add", f"{six_of(host)}/64", "dev", interface, "nodad"))
        for namespace, link in ((self, interface), (switch, peer)):
            off = [word for name in OFFLOADS for word in (name, "off")]
            namespace.run("ethtool", "-K", link, *off, check=False)

    def route(self, to, via):
        """Adds a route."""
        family = "-6" if ":" in via else "-4"
        self.run("ip", family, "route", "add", to, "via", via)


def bridge(namespace, name):
    """Makes a bridge: a switch that floods at once and asks nothing."""
    namespace.run(
        *("ip", "link", "add", name, "type", "bridge"),
        *("forward_delay", 0, "stp_state", 0, "mcast_snooping", 0),
    )
    namespace.run("ip", "link", "set", name, "up")
