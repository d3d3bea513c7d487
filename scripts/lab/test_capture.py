"""What `weir capture` writes, as tshark reads it."""

import json
import signal
import subprocess
import time

from lab import frames, plan
from lab.case import LabCase
from lab.director import SOCKET, http, weir_binary
from lab.frames import RawSocket

WAIT_S = 15
CLIENT_MAC = plan.mac_of(plan.CLIENT)
WAN_MAC = plan.mac_of(plan.WAN_DIP)
FIELDS = ["frame.interface_name", "frame.packet_flags_direction", "ip.src", "tcp.dstport"]


def tshark(capture, *words, stdin=None):
    """What tshark says of a capture, line by line."""
    command = ["tshark", "-n", "-r", str(capture), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S, stdin=stdin, check=True
    )
    return done.stdout.splitlines()


class Capture(LabCase):
    def begin(self, *words, **options):
        """Begins `weir capture`, and waits until it is under way."""
        command = [weir_binary(), "capture", "--socket", SOCKET, *words]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        time.sleep(1)
        self.assertIsNone(process.poll())
        return process

    def end(self, process):
        """Ends it as Ctrl-C does; what it says at the end."""
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        self.assertEqual(process.wait(WAIT_S), 0, said)
        return said

    def test_tshark_reads_both_directions_of_a_port(self):
        capture = self.lab.log_folder / "wan.pcapng"
        with self.lab.weir([http("nat")], workers=2):
            process = self.begin("wan", "-w", capture, "tcp", "port", "80")
            self.curl(self.lab.client, plan.VIP["nat"], 4)
            said = self.end(process)
            words = ["-T", "fields", *(word for field in FIELDS for word in ("-e", field))]
            rows = [row.split("\t") for row in tshark(capture, *words)]
            self.assertEqual(said, f"{len(rows)} frames captured, 0 lost for want of room\n")
            self.assertGreater(len(rows), 30)
            ways = {(name, way, source) for name, way, source, _ in rows}
            self.assertEqual(
                {(name, int(way, 0), source) for name, way, source in ways},
                {("wan", 1, plan.CLIENT), ("wan", 2, plan.VIP["nat"])},
            )
            # Who took it for the client is free again.
            self.end(self.begin("any", "-w", capture))

    def test_tshark_finds_the_reason_of_a_drop(self):
        capture = self.lab.log_folder / "drops.pcapng"
        with self.lab.weir([http("nat")]), RawSocket(self.lab.client) as client:
            process = self.begin("drops", "-c", "3", "-w", capture, "src", plan.CLIENT)
            packet = frames.tcp((plan.CLIENT, 40000), (plan.VIP["nat"], 80))
            for _ in range(5):
                # The wire fills what is missing with zeros.
                broken = frames.ethernet(WAN_MAC, CLIENT_MAC, 0x0800, packet[:30])
                client.send(broken)
            said = process.stderr.read()
            self.assertEqual((process.wait(WAIT_S), said[:17]), (0, "3 frames captured"))
            comments = tshark(capture, "-T", "fields", "-e", "frame.comment")
            self.assertEqual(len(comments), 3)
            for comment in comments:
                self.assertTrue(comment.startswith("dropped: tcp_malformed: "), comment)

    def test_a_pipe_takes_it_and_who_goes_frees_it(self):
        with self.lab.weir([http("nat")]):
            process = self.begin("any", "-w", "-", "arp", "or", "tcp", stdout=subprocess.PIPE)
            with process.stdout:
                self.curl(self.lab.client, plan.VIP["nat"], 2)
                lines = tshark("-", "-c", "5", "-T", "json", stdin=process.stdout)
                self.assertEqual(len(json.loads("\n".join(lines))), 5)
            # Nobody reads any more: with the next frame it ends, and another may begin.
            for _ in range(20):
                self.curl(self.lab.client, plan.VIP["nat"], 1)
                if process.poll() is not None:
                    break
                time.sleep(0.2)
            self.assertIsNotNone(process.poll())
            process = self.begin("any", "-w", self.lab.log_folder / "killed.pcapng")
            process.kill()
            process.wait(WAIT_S)
            time.sleep(1)
            self.end(self.begin("any", "-w", self.lab.log_folder / "again.pcapng"))

    def test_it_hears_ctrl_c_while_its_pipe_takes_nothing(self):
        with self.lab.weir([http("nat")]), RawSocket(self.lab.client) as client:
            process = self.begin("wan", "-w", "-", stdout=subprocess.PIPE)
            with process.stdout:
                # More than a pipe holds.
                for _ in range(200):
                    client.send(frames.ethernet(WAN_MAC, CLIENT_MAC, 0x88B5, bytes(1400)))
                time.sleep(1)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(WAIT_S), 1)
                self.assertIn("did not come within 3s", process.stderr.read())

    def test_wrong_words_say_what_to_do(self):
        with self.lab.weir([http("nat")]):
            for words, said in [
                (["wam", "-w", "x"], "no port is called `wam`; there are wan, lan, `any` for all"),
                (["wan", "-w", "x", "port", "http"], "`http` is not a port from 0 to 65535"),
                (["wan"], "-w <FILE>"),
            ]:
                command = [weir_binary(), "capture", "--socket", SOCKET, *words]
                done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)
