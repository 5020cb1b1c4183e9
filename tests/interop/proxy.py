"""A proxy in front of each member's peer address: delays, cut connections, partitions, link by link.

The first frame of a plain connection is the core's hello, so the proxy knows which member dials: docs/wire.md, section 3.
"""

import asyncio
import random
import struct
import threading

HELLO = 48


class Links:
    """What happens to the links: (dialler, acceptor), by number. Runs in a thread of its own."""

    def __init__(self, seed):
        self.chance, self.loop = random.Random(seed), asyncio.new_event_loop()
        self.slow, self.dead, self.open, self.cuts, self.partitions = 0.0, set(), {}, 0, 0
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def delay(self, seconds):
        """Each piece of bytes waits up to so long, in order."""
        self.slow = seconds

    def cut(self):
        """Closes one of the open connections, in the midst of whatever it carries."""
        async def close():
            links = [w for group in self.open.values() for w in group]
            if links:
                self.chance.choice(links).transport.abort()
                self.cuts += 1
        self.do(close())

    def part(self, minority, everyone, one_way=False):
        """Nothing passes between the minority and the others; one_way: only what the minority dials is dead."""
        async def kill():
            others = [n for n in everyone if n not in minority]
            self.dead = {(a, b) for a in minority for b in others}
            if not one_way:
                self.dead |= {(b, a) for a, b in self.dead}
            self.partitions += 1
            for link in self.dead:
                for w in self.open.get(link, ()):
                    w.transport.abort()
        self.do(kill())

    def heal(self):
        self.dead, self.slow = set(), 0.0


class Proxy:
    """Takes connections at `address` for member `number`, which listens at `target`."""

    def __init__(self, number, target, links):
        self.number, self.links = number, links
        self.host, self.port = target.rsplit(":", 1)
        server = links.do(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        links, ends = self.links, [writer]
        try:
            hello = await reader.readexactly(HELLO)
            link = (struct.unpack_from("<Q", hello, 40)[0], self.number)
            if link in links.dead:
                return
            onward, back = await asyncio.open_connection(self.host, self.port)
            ends.append(back)
            links.open.setdefault(link, set()).add(writer)
            back.write(hello)
            pipes = [asyncio.ensure_future(self.pipe(reader, back)), asyncio.ensure_future(self.pipe(onward, writer))]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            for p in pipes:
                p.cancel()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for group in links.open.values():
                group.discard(writer)
            for end in ends:
                end.close()

    async def pipe(self, reader, writer):
        try:
            while data := await reader.read(65536):
                if self.links.slow:
                    await asyncio.sleep(self.links.chance.random() * self.links.slow)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
