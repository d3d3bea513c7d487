"""The real IPVS: a user-mode Linux whose NICs are socket pairs and whose console is a shell."""

import os
import pathlib
import select
import shutil
import socket
import subprocess
import threading

from lab import frames
from lab.contain import die_with_parent
from oracle import plan

INIT = pathlib.Path(__file__).resolve().parent / "guest-init.sh"
BOOT_S = 60
COMMAND_S = 30
SYNC_S = 10
MAX_FRAME = 65536
# What the guest tells its links of itself comes at any time, to MACs that begin so.
GROUP = bytes.fromhex("3333")


class GuestError(Exception):
    """The guest did not do as told."""


def setup_script():
    """What the guest runs to have its part of the plan."""
    lines = [
        "ip link set lo up",
        "modprobe ip6_tunnel ip_gre ip6_gre sit fou fou6",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
        "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit",
        "echo 0 > /proc/sys/net/ipv6/auto_flowlabels",
        # Answers to every error, whenever it comes.
        "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit",
        "echo 0 > /proc/sys/net/ipv4/icmp_ratemask",
        "echo 1000000 > /proc/sys/net/ipv4/icmp_msgs_per_sec",
        "echo 1000000 > /proc/sys/net/ipv4/icmp_msgs_burst",
    ]
    for kind in ("all", "default"):
        lines += [
            # It tells nobody of itself by itself.
            f"echo 0 > /proc/sys/net/ipv6/conf/{kind}/router_solicitations",
            f"echo 0 > /proc/sys/net/ipv6/conf/{kind}/accept_dad",
            f"echo 0 > /proc/sys/net/ipv4/conf/{kind}/rp_filter",
            f"echo 0 > /proc/sys/net/ipv4/conf/{kind}/send_redirects",
        ]
    for port, dip in enumerate(plan.DIP):
        lines.append(f"ip address add {dip}/24 dev vec{port}")
    for vip in plan.VIP.values():
        lines.append(f"ip address add {vip}/32 dev vec{plan.WAN}")
    for port in range(len(plan.PORTS)):
        lines.append(f"ip link set vec{port} up")
    for port, macs in ((plan.WAN, plan.CLIENT_MAC), (plan.LAN, plan.SERVER_MAC)):
        for address, mac in macs.items():
            if ":" in address:
                continue
            lines.append(f"ip neigh replace {address} lladdr {mac} dev vec{port} nud permanent")
    lines.append(f"ip route add {plan.FAR_NETWORK} via {plan.CLIENT}")
    return "".join(line + "\n" for line in lines)


def containment():
    """Where the guest and its helper processes live, and all die when the first of them does."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return words if os.getuid() == 0 else [*words, "--user", "--map-current-user"]


class Guest:
    """A booted guest, which reads files from `folder`. To be used in a `with`, which ends it."""

    def __init__(self, folder):
        self._rules = folder / "rules"
        setup = folder / "setup.sh"
        setup.write_text(setup_script())
        # The kernel's command line has no room for blanks in the path of the repository.
        init = shutil.copy(INIT, folder)
        nics, ends, self._sockets = [], [], []
        for port, mac in enumerate(plan.MAC):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            self._sockets.append(ours)
            ends.append(theirs)
            nics.append(f"vec{port}:transport=fd,fd={theirs.fileno()},mac={mac},depth=128")
        self._process = subprocess.Popen(
            [
                *(*containment(), "linux.uml", "umid=oracle", f"uml_dir={folder}/", "mem=64M"),
                *("rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", f"setup={setup}"),
                *("con=null", "con0=fd:0,fd:1", "console=tty0", "quiet", *nics),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[end.fileno() for end in ends],
            preexec_fn=die_with_parent,
        )
        for end in ends:
            end.close()

    def __enter__(self):
        try:
            self._read_until("GUEST-READY", BOOT_S)
            self._settle([])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Pulls the plug."""
        self._process.kill()
        self._process.wait()
        for nic in self._sockets:
            nic.close()

    def run(self, *commands):
        """Runs shell commands, all of which must succeed; returns what they printed.

        A console's line holds 4,095 octets.
        """
        line = " && ".join(commands)
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        output, code = self._read_until("GUEST-DONE", COMMAND_S)
        if code != "0":
            raise GuestError(f"{line}: exit {code}: {output}")
        return output

    def serve(self, rules):
        """Makes services of the rules, which are as ipvsadm-save prints them, and nothing else."""
        self._rules.write_text("".join(rule + "\n" for rule in rules))
        self.run("clean_slate", f"ipvsadm -R <{self._rules}")

    def have_six(self):
        """Gives the guest its IPv6, which a link loses when its MTU is too small for it."""
        lines = []
        for port, dip in enumerate(plan.DIP):
            lines.append(f"ip address replace {plan.six(dip)}/64 dev vec{port} nodad")
        for vip in plan.VIP.values():
            # Where the kernel does not take it for an address of its own to speak from.
            lines.append(f"ip address replace {plan.six(vip)}/128 dev lo")
        for port, macs in ((plan.WAN, plan.CLIENT_MAC), (plan.LAN, plan.SERVER_MAC)):
            for address, mac in macs.items():
                if ":" in address:
                    known = f"lladdr {mac} dev vec{port} nud permanent"
                    lines.append(f"ip neigh replace {address} {known}")
        self.run(*lines)

    def exchange(self, port, frame):
        """Puts a frame into a port; returns what came out of all ports, as [(port, frame)]."""
        self._sockets[port].send(frame)
        return self._settle([])

    def _read_until(self, tag, timeout_s):
        alarm = threading.Timer(timeout_s, self._process.kill)
        alarm.start()
        lines = []
        try:
            for line in self._process.stdout:
                text = line.decode(errors="replace").rstrip()
                if text.startswith(tag):
                    return "\n".join(lines).rstrip(), text.removeprefix(tag).strip()
                lines.append(text)
        finally:
            alarm.cancel()
        output = "\n".join(lines)
        raise GuestError(f"the guest ended, or said nothing for {timeout_s} s:\n{output}")

    def _settle(self, sent):
        """Waits until everything that the guest does with what it got has come out."""
        # A NIC's answers come in order; the second round is behind what went from NIC to NIC.
        for _ in range(2):
            for port, nic in enumerate(self._sockets):
                # From no address: answered, and no neighbour is learnt from it.
                nic.send(frames.arp_request(plan.SYNC_MAC[port], "0.0.0.0", plan.DIP[port]))
            awaited = set(range(len(self._sockets)))
            while awaited:
                readable, _, _ = select.select(self._sockets, [], [], SYNC_S)
                if not readable:
                    raise GuestError(f"no ARP answer from the guest within {SYNC_S} s")
                for nic in readable:
                    port = self._sockets.index(nic)
                    frame = nic.recv(MAX_FRAME)
                    if not frame:
                        raise GuestError("the guest has closed its NIC")
                    if frame.startswith(frames.packed_mac(plan.SYNC_MAC[port])):
                        awaited.discard(port)
                    elif not frame.startswith(GROUP):
                        sent.append((port, frame))
        return sent
