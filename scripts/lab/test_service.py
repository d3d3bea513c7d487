"""weir as systemd sees it: ready, alive, with few rights; and what it ends with."""

import contextlib
import ctypes
import os
import pathlib
import socket
import subprocess
import time

from lab import plan
from lab.case import LabCase
from lab.director import http, weir_binary

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WAIT_ALL = 0x40000000
ALLOWED_S = 1.0
# CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_NET_ADMIN, CAP_NET_RAW
KEPT = sum(1 << number for number in (2, 5, 6, 7, 12, 13))
NO_HUGEPAGES = """\
(
    dpdk: (workers: [0], hugepages: Required, memory_mb: 1048576, file_prefix: "weir-none"),
    api: (socket: "/run/weir-none/weir.sock"),
    ports: [(name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.1/24"])],
)
"""


@contextlib.contextmanager
def systemd(folder):
    """What systemd gives to a service, and a socket on which it hears of it."""
    path = folder / "notify.sock"
    path.unlink(missing_ok=True)
    given = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(ALLOWED_S * 1e6))}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        os.environ.update(given)
        try:
            yield heard
        finally:
            for name in given:
                del os.environ[name]


def words(heard, seconds):
    """What is told within so many seconds."""
    deadline = time.monotonic() + seconds
    found = []
    while (left := deadline - time.monotonic()) > 0:
        heard.settimeout(left)
        with contextlib.suppress(TimeoutError):
            found.append(heard.recv(4096).decode().strip())
    return found


@contextlib.contextmanager
def stopped(thread):
    """A thread as a debugger stops it."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def call(request):
        if ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    call(PTRACE_SEIZE)
    call(PTRACE_INTERRUPT)
    os.waitpid(thread, WAIT_ALL)
    try:
        yield
    finally:
        call(PTRACE_DETACH)


def threads(pid):
    """[(thread, name)] of a process."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [(int(task.name), (task / "comm").read_text().strip()) for task in tasks]


class Service(LabCase):
    def test_a_stopped_worker_makes_the_watchdog_speak(self):
        weir = self.lab.weir([http("nat")])
        with systemd(self.lab.log_folder) as heard:
            with weir:
                self.assertIn("READY=1", words(heard, 0.2))
                self.assertGreaterEqual(words(heard, 2 * ALLOWED_S).count("WATCHDOG=1"), 3)
                (worker,) = [one for one, name in threads(weir.process.pid) if name == "worker0"]
                with stopped(worker):
                    # It may be told once more before it is known.
                    words(heard, 1.5)
                    self.assertEqual(words(heard, 3 * ALLOWED_S), [])
                self.assertIn("WATCHDOG=1", words(heard, 2))
                self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 4))
            self.assertIn("STOPPING=1", words(heard, 0.2))
        log = (self.lab.log_folder / "weir.log").read_text()
        self.assertRegex(log, r"stands still, for 1\d{3} ms")
        self.assertRegex(log, r"turns again, after \d{4} ms")

    def test_it_keeps_few_capabilities(self):
        with self.lab.weir([http(mode) for mode in plan.MODES]) as weir:
            names = {"weir", "worker0"}
            for thread, name in threads(weir.process.pid):
                if name not in names:
                    continue
                names.discard(name)
                status = pathlib.Path(f"/proc/{weir.process.pid}/task/{thread}/status").read_text()
                held = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
                for kind in ("CapEff", "CapPrm", "CapBnd"):
                    self.assertEqual(int(held[kind], 16) & ~KEPT, 0, f"{name} {kind}")
                self.assertEqual(int(held["CapInh"], 16), 0)
            self.assertEqual(names, set())
            self.assert_balanced(self.curl(self.lab.client, plan.VIP["nat"], 4))

    def test_what_the_machine_lacks_has_its_own_exit_code(self):
        config = self.lab.log_folder / "none.ron"
        config.write_text(NO_HUGEPAGES)
        command = [weir_binary(), "run", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("hugepages", done.stderr)
