"""The status page in a real browser, and the metrics by Prometheus' own tool."""

import re
import subprocess

from lab import plan
from lab.browser import forwarded, look
from lab.case import LabCase
from lab.director import SOCKET, http

WIDTHS = {"a desk": 1280, "a phone": 390}


class Page(LabCase):
    def test_status_page_shows_what_weir_does(self):
        services = [http(mode) for mode in plan.MODES]
        with self.lab.weir(services), forwarded(SOCKET) as port:
            self.curl(self.lab.client, plan.VIP["nat"], 12)
            for name, width in WIDTHS.items():
                with self.subTest(name):
                    self._look(port, width)

    def _look(self, port, width):
        picture = self.lab.log_folder / f"page-{width}.png"
        page = look(f"http://127.0.0.1:{port}/", width, picture)
        self.assertGreater(picture.stat().st_size, 20_000)
        self.assertTrue('id="alarm" role="status"></div>' in page, "the page tells of a fault")
        turns = int(re.search(r'data-turns="(\d+)"', page)[1])
        self.assertGreater(turns, 2, "it goes on asking")
        for part in [*plan.MODES, *plan.NAMES, plan.VIP["tun"], "2 of 2 up", "wan", "lan"]:
            self.assertTrue(part in page, part)
        # Twelve connections by NAT are remembered.
        tiles = re.findall(r'<span class="soft">([^<]+)</span><b>([^<]+)</b>', page)
        self.assertIn(("Sessions", "12"), tiles)

    def test_metrics_are_what_prometheus_reads(self):
        with self.lab.weir([http("nat")]):
            self.curl(self.lab.client, plan.VIP["nat"], 4)
            curl = ["curl", "-sS", "-f", "--unix-socket", SOCKET, "http://weir/metrics"]
            text = subprocess.run(curl, capture_output=True, text=True, check=True).stdout
            said = subprocess.run(
                ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
            )
            self.assertEqual((said.returncode, said.stdout + said.stderr), (0, ""))
            self.assertIn('weir_service_connections_total{service="nat"} 4\n', text)
            metric = r'weir_backend_incoming_packets_total\{service="nat",backend="web1"\} (\d+)'
            self.assertGreater(int(re.search(metric, text)[1]), 8)
