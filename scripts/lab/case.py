"""What the lab's tests share."""

import collections
import functools
import socket
import unittest

from lab import plan
from lab.director import target_folder
from lab.topology import Lab

REQUEST = b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n"


@functools.cache
def the_lab():
    """The lab, laid out once for all tests of a run."""
    return Lab(log_folder=target_folder() / "lab" / "test")


class LabCase(unittest.TestCase):
    """A test in the lab."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = the_lab()

    def curl(self, namespace, vip, count):
        """Sends requests one after the other, each of which must be answered.

        Returns how many each server answered.
        """
        answers = collections.Counter()
        for _ in range(count):
            curl = ["curl", "-sS", "-f", "-m", 10, "--noproxy", "*"]
            answer = namespace.run(*curl, f"http://{plan.host_of(vip)}/")
            answers[answer.strip()] += 1
        return answers

    def assert_balanced(self, answers, workers=1):
        """Round robin gave every server its share; each worker takes its own turns."""
        self.assertEqual(set(answers), set(plan.NAMES))
        self.assertLessEqual(max(answers.values()) - min(answers.values()), workers, answers)

    def assert_fetched(self, fetches, servers=tuple(plan.NAMES)):
        """Every request got the whole blob, and every server had some."""
        errors = [fetch.error for fetch in fetches if fetch.error]
        self.assertEqual(errors, [])
        self.assertTrue(all(fetch.body == self.lab.blob for fetch in fetches), "a body differs")
        self.assertEqual({fetch.server for fetch in fetches}, set(servers))

    def connect_idle(self, stack, count):
        """So many connections of each mode that stay open, each of which was answered once."""
        connections = []
        with self.lab.client.inside():
            for mode in plan.MODES:
                for _ in range(count):
                    connection = stack.enter_context(socket.socket())
                    connection.settimeout(10)
                    connection.connect((plan.VIP[mode], 80))
                    connections.append((mode, connection))
        self.assert_answers(connections)
        return connections

    def assert_answers(self, connections):
        """Each still has an answer to a request."""
        broken = []
        for mode, connection in connections:
            try:
                connection.sendall(REQUEST)
                answer = b""
                while b"web" not in answer.partition(b"\r\n\r\n")[2]:
                    octets = connection.recv(4096)
                    if not octets:
                        raise EOFError(answer)
                    answer += octets
            except (OSError, EOFError) as error:
                broken.append((mode, repr(error)))
        self.assertEqual(broken, [])

    def assert_echoed(self, vip, questions):
        """Each datagram came back from the VIP, and every server had some."""
        servers = set()
        family = socket.AF_INET6 if plan.family_of(vip) == 6 else socket.AF_INET
        for question in questions:
            with self.lab.client.inside():
                client = socket.socket(family, socket.SOCK_DGRAM)
            with client:
                # Connected, so that an answer from any other address is none.
                client.connect((vip, plan.ECHO_PORT))
                client.settimeout(2)
                server, _, came_back = self._ask(client, question).partition(b" ")
                self.assertEqual(came_back, question)
                servers.add(server.decode())
        self.assertEqual(servers, set(plan.NAMES))

    def _ask(self, client, question):
        # A datagram may be lost, three in a row are not.
        for _ in range(3):
            client.send(question)
            try:
                return client.recv(65535)
            except TimeoutError:
                continue
        self.fail(f"no answer to {question[:40]}")
