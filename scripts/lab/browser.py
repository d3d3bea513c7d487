"""A real browser, and the way to weir's socket for it."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading

from lab.net import LabError

BROWSER_S = 90
# What the browser believes to have passed when it is done; requests take no such time.
VIRTUAL_MS = 9000


@contextlib.contextmanager
def forwarded(path):
    """A TCP port of this machine that leads to a unix socket, as `ssh -L` makes one."""
    # The lab's own network begins without.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, str(path)), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener, path):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_carry, args=(client, path), daemon=True).start()


def _carry(client, path):
    with client, socket.socket(socket.AF_UNIX) as program:
        program.connect(path)
        request = threading.Thread(target=_copy, args=(client, program), daemon=True)
        request.start()
        _copy(program, client)


def _copy(source, sink):
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_WR)


def look(url, width, picture):
    """Opens a page in a window so wide; returns its document after some seconds, and draws it."""
    browser = shutil.which("chromium")
    if not browser:
        raise LabError("there is no chromium; scripts/install.sh installs it")
    with tempfile.TemporaryDirectory(prefix="weir-browser-") as folder:
        flags = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server"),
            *("--hide-scrollbars", f"--user-data-dir={folder}"),
            *(f"--window-size={width},1200", f"--virtual-time-budget={VIRTUAL_MS}"),
        ]
        drawn = [f"--screenshot={picture}", "--dump-dom"]
        done = subprocess.run(
            [browser, *flags, *drawn, url], capture_output=True, text=True, timeout=BROWSER_S
        )
        if done.returncode != 0:
            raise LabError(f"chromium ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
