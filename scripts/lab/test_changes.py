"""What is changed while weir runs: by ipvsadm's words, against the file, and written back."""

import collections
import subprocess

from lab import plan
from lab.case import LabCase
from lab.director import SOCKET, http, weir_binary

VIP = f"{plan.VIP['nat']}:80"
WEB1, WEB2 = (f"{rip}:{plan.HTTP_PORT['nat']}" for rip in plan.RIPS["nat"])


def said(*words, socket=True):
    """Exit code, output and errors of weir with these arguments."""
    command = [weir_binary(), *words]
    command[2:2] = ["--socket", str(SOCKET)] if socket else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


class Changes(LabCase):
    def ipvsadm(self, line, expected=(0, "", "")):
        self.assertEqual(said("ipvsadm", *line.split()), expected, line)

    def served(self, count=6):
        """Who answers how many of so many requests."""
        return collections.Counter(self.curl(self.lab.client, plan.VIP["nat"], count))

    def test_servers_come_and_go_and_what_runs_is_written_back(self):
        weir = self.lab.weir([http("nat")])
        file = weir.config_file
        for left in file.parent.glob(f"{file.name}.~*~"):
            left.unlink()
        with weir:
            before = file.read_text()
            self.assertEqual(set(self.served()), set(plan.NAMES))
            self.ipvsadm(f"-d -t {VIP} -r {WEB2}")
            self.assertEqual(self.served(), {"web1": 6})
            self.ipvsadm(f"-d -t {VIP} -r {WEB2}", (255, "", "No such destination\n"))
            self.ipvsadm(f"-a -t {VIP} -r {WEB2} -m -w 1")
            self.assertEqual(set(self.served()), set(plan.NAMES))
            self.ipvsadm(f"-e -t {VIP} -r {WEB1} -m -w 0")
            self.assertEqual(self.served(), {"web2": 6})
            self.ipvsadm(f"-A -t {plan.VIP['nat']}:81 -s rr")
            self.ipvsadm(f"-a -t {plan.VIP['nat']}:81 -r {WEB1} -m")
            code, shown, _ = said("show", "changes")
            changes = shown.splitlines()
            self.assertEqual(code, 0)
            self.assertIn("~ backend nat/web1: weight 1 -> 0", changes)
            self.assertEqual(sum(line.startswith("+ service") for line in changes), 1)
            self.assertIn(" *\n", weir.show("services"))

            code, out, errors = said("write")
            self.assertEqual((code, errors), (0, ""), out)
            self.assertEqual(said("show", "changes")[1], "")
            backup = file.with_name(file.name + ".~1~")
            self.assertEqual(backup.read_text(), before)
            code, out, _ = said("diff", str(backup), str(file), socket=False)
            self.assertEqual((code, out.splitlines()), (1, changes))
            self.assertEqual(said("diff", str(file), str(file), socket=False), (0, "", ""))
            self.assertEqual(self.served(), {"web2": 6})

            # The file of before takes it back, and the reload says what.
            file.write_text(before)
            code, out, _ = said("reload")
            self.assertEqual(code, 0)
            self.assertIn("~ backend nat/web1: weight 0 -> 1\n", out)
            self.assertEqual(out.splitlines()[-1], "reloaded")
            self.assertEqual(set(self.served()), set(plan.NAMES))

    def test_rules_of_ipvsadm_are_restored_together(self):
        rules = [f"-A -t {VIP} -s rr", f"-a -t {VIP} -r {WEB2} -m -w 1"]
        with self.lab.weir([http("nat")]):
            self.ipvsadm("-C")
            command = [weir_binary(), "ipvsadm", "--socket", str(SOCKET), "-R"]
            text = "\n".join([*rules, ""])
            subprocess.run(command, input=text, text=True, check=True, timeout=20)
            self.assertEqual(said("ipvsadm", "-Sn"), (0, text, ""))
            self.assertEqual(self.served(), {"web2": 6})
