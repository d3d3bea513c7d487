"""Many HTTP requests at once."""

import asyncio
import contextlib
import dataclasses
import socket


@dataclasses.dataclass
class Fetch:
    """One request on a connection of its own, and how far it came."""

    server: str = ""
    body: bytes = b""
    error: str = ""
    # Set once the server's name is known: from then on the connection is that server's.
    placed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


class Load:
    """`count` requests at once from a namespace, each for the same path."""

    def __init__(self, namespace, address, path, count):
        self._target = (address, 80)
        self._path = path
        self.fetches = [Fetch() for _ in range(count)]
        with namespace.inside():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._sockets = [socket.socket(family) for _ in range(count)]
        for connection in self._sockets:
            connection.setblocking(False)

    def start(self):
        """Begins all of them, in the running loop; returns their tasks."""
        return [
            asyncio.create_task(self._fetch(fetch, connection))
            for fetch, connection in zip(self.fetches, self._sockets)
        ]

    async def _fetch(self, fetch, connection):
        try:
            await asyncio.get_running_loop().sock_connect(connection, self._target)
            reader, writer = await asyncio.open_connection(sock=connection)
            with contextlib.closing(writer):
                await self._talk(fetch, reader, writer)
        except (OSError, EOFError, ValueError) as error:
            fetch.error = repr(error)
        finally:
            connection.close()

    async def _talk(self, fetch, reader, writer):
        writer.write(f"GET {self._path} HTTP/1.0\r\nHost: weir\r\n\r\n".encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        if " 200 " not in lines[0]:
            raise ValueError(lines[0])
        fetch.server = headers["x-server"]
        fetch.placed.set()
        fetch.body = await reader.readexactly(int(headers["content-length"]))


async def _complete(load, timeout_s):
    tasks = load.start()
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for fetch, task in zip(load.fetches, tasks):
        if task in late:
            task.cancel()
            fetch.error = f"not done after {timeout_s} s, server '{fetch.server}'"
    await asyncio.gather(*tasks, return_exceptions=True)
    return load.fetches


def fetch_all(namespace, address, path, count, timeout_s):
    """Runs the requests to their end and returns them."""

    async def run():
        return await _complete(Load(namespace, address, path, count), timeout_s)

    return asyncio.run(run())
