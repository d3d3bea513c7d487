"""Frames that no host sends, into the networks where real ones travel."""

import random
import socket
import threading
import time

from lab import frames, plan

RATE_PER_S = 400
# However long a test takes, this is the end.
MOST_FRAMES = 100_000


class Garbage:
    """Sends garbage into a director's network meanwhile, as a context manager.

    The source MACs are no host's, lest the switch sends a host's frames elsewhere, and ARP never
    claims a host's address: what a lie does to a network is not what is tested here.
    """

    def __init__(self, namespace, interface, director_mac, targets, seed):
        self._socket = frames.RawSocket(namespace, interface)
        self._director_mac = director_mac
        self._targets = targets
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        while not self._stop.is_set() and self.sent < MOST_FRAMES:
            for _ in range(RATE_PER_S // 20):
                try:
                    self._socket.send(self.frame())
                    self.sent += 1
                except OSError:
                    # A frame that the interface does not take, or no room: the next one.
                    continue
            time.sleep(1 / 20)

    def frame(self):
        """The next frame."""
        kinds = [self._octets, self._mutated_ip, self._mutated_arp, self._truncated, self._tagged]
        return self._random.choice(kinds)()

    def _source_mac(self):
        return f"02:ff:00:00:00:{self._random.randrange(256):02x}"

    def _destination_mac(self):
        return self._random.choice([self._director_mac] * 3 + [frames.BROADCAST])

    def _stranger(self):
        """An address of RFC 2544's benchmarking network, which no host here has."""
        octets = self._random.choices(range(256), k=2)
        return f"198.18.{octets[0]}.{octets[1]}"

    def _octets(self):
        ethertype = self._random.choice([0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD, 0x0000])
        content = self._random.randbytes(self._random.randrange(46, 1400))
        return frames.ethernet(self._destination_mac(), self._source_mac(), ethertype, content)

    def _ip_packet(self):
        source = (self._stranger(), self._random.randrange(65536))
        target = (self._random.choice(self._targets), self._random.choice([7, 80, 8080, 9]))
        content = self._random.randbytes(self._random.randrange(64))
        match self._random.randrange(4):
            case 0:
                return frames.tcp(source, target, flags=self._random.randrange(64), payload=content)
            case 1:
                return frames.udp(source, target, content)
            case 2:
                return frames.echo_request(source[0], target[0], source[1], content)
            case _:
                # It quotes a packet that nobody sent.
                error = frames.icmp_error(3, 4, frames.tcp(target, source)[:28])
                return frames.ipv4(source[0], target[0], frames.ICMP, error)

    def _mutated(self, packet):
        mutant = bytearray(packet)
        for _ in range(self._random.randrange(1, 6)):
            # In the headers, where it matters.
            mutant[self._random.randrange(min(len(mutant), 48))] = self._random.randrange(256)
        return bytes(mutant)

    def _mutated_ip(self):
        return frames.ethernet(
            *(self._destination_mac(), self._source_mac()),
            *(frames.ETHERTYPE_IPV4, self._mutated(self._ip_packet())),
        )

    def _mutated_arp(self):
        source_mac = self._source_mac()
        target = self._random.choice(self._targets)
        packet = frames.arp(self._random.randrange(4), source_mac, "0.0.0.0", source_mac, target)
        # The eight octets before the sender's addresses.
        head = self._mutated(packet[:8])
        payload = head + packet[8:14] + socket.inet_aton(self._stranger()) + packet[18:]
        return frames.ethernet(
            self._destination_mac(), source_mac, frames.ETHERTYPE_ARP, payload
        )

    def _truncated(self):
        whole = self._mutated_ip()
        return whole[: self._random.randrange(14, min(len(whole), 60))]

    def _tagged(self):
        return frames.tagged(self._mutated_ip(), self._random.randrange(65536))


def on_the_wan(lab, seed=1):
    """Garbage from the router's place on the wan."""
    targets = [*plan.VIP.values(), plan.WAN_DIP, *plan.RIPS["nat"]]
    return Garbage(lab.router, "wan0", plan.mac_of(plan.WAN_DIP), targets, seed)


def on_the_lan(lab, seed=2):
    """Garbage from the router's place on the lan."""
    targets = [*plan.VIP.values(), plan.LAN_DIP, plan.CLIENT]
    return Garbage(lab.router, "lan0", plan.mac_of(plan.LAN_DIP), targets, seed)
