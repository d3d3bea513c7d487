"""Runs the lab where nothing it makes can outlive it.

The lab lives in mount, network and process namespaces of its own, with /run in memory: other
programs' networks stay untouched, two labs do not meet, and when the first process in there ends,
however it ends, the kernel takes every process, link, mount and file with it.
"""

import ctypes
import os
import signal
import subprocess
import sys

INSIDE = "WEIR_LAB_INSIDE"
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For a `preexec_fn`: the kernel kills the child when the thread that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def contain():
    """Returns inside the containment; outside, runs this program in it and exits as it does."""
    if os.environ.pop(INSIDE, None):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        os.mkdir("/run/lock")
        return
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    child = subprocess.Popen(
        [*unshare, sys.executable, "-B", *sys.orig_argv[1:]],
        env={**os.environ, INSIDE: "1"},
        preexec_fn=die_with_parent,
    )
    # unshare blocks these signals while it waits for its child, so only SIGKILL ends it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: child.kill())
    status = child.wait()
    sys.exit(status if status >= 0 else 128 - status)
