"""Connections dialled by other members: the acceptor's side of docs/wire.md."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from .. import DecodeError, EntryKind, RaftError, snapshot_split
from . import _wire as wire
from ._apply import OVER, End, Proposal
from ._link import HELLO_TIME, Link, RejectedError, within
from ._sessions import envelope
from ._wire import Code, ProtocolError, Request

if TYPE_CHECKING:
    from ._host import Host

_CONNECTIONS_MAX, _HELLOS_MAX = 1024, 64


class RemoteProposal(Proposal):
    """A proposal passed on by a member."""

    __slots__ = ("link", "request")
    remote = True

    def __init__(self, link: Link, request: Request, entry: bytes, kind: int) -> None:
        deadline = link.host.loop.time() + max(request.timeout_ms, 1) / 1000
        super().__init__(request.data, entry, kind, request.session, request.number, deadline)
        self.link, self.request = link, request.request

    def finish(self, end: End) -> None:
        if self.state != OVER:
            self.state = OVER
            answer(self.link, self.request, end)


def answer(link: Link, request: int, end: End) -> None:
    link.requests -= 1
    link.send(wire.Outcome(request, *end))


class Guests:
    """The incoming connections."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.server: asyncio.Server | None = None
        self.links: set[Link] = set()
        self.waiting: list[Link] = []  # for a hello, the oldest first
        self.by_id: dict[int, Link] = {}  # of PEER

    async def listen(self, address: str) -> None:
        name, _, port = address.rpartition(":")
        make = lambda: Link(self.host, self._opened)  # noqa: E731
        loop, tls = self.host.loop, self.host.tls_server
        # In two steps: a server that listens at once is lost, and listens on, if the call is cancelled in its last moment.
        self.server = await loop.create_server(make, name.strip("[]"), int(port), ssl=tls, start_serving=False)
        await self.server.start_serving()

    def close(self) -> None:
        if self.server is not None:
            for listener in self.server.sockets:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)  # also for the copy of a forked child, which would keep the port
            self.server.close()
        for link in list(self.links):
            link.close()

    def check_silence(self, now: float) -> None:
        for link in list(self.links):
            link.check_silence(now, ping=False)

    def _opened(self, link: Link) -> None:
        if len(self.links) >= _CONNECTIONS_MAX or self.host.closing is not None:
            link.close()
            return
        if len(self.waiting) >= _HELLOS_MAX:
            self.waiting.pop(0).close()
        self.links.add(link)
        self.waiting.append(link)
        self.host.start_task(self._serve(link))

    async def _serve(self, link: Link) -> None:
        host = self.host
        try:
            await within(HELLO_TIME, self._welcome(link))
            if link in self.waiting:  # else newer connections have pushed the link out
                self.waiting.remove(link)
            assert link.hello is not None
            if link.hello.channel == wire.PEER:
                self._seat(link)
                link.handler = lambda: self._take(link)
                if link.buffer:
                    link.handler()
                await link.closed
            elif link.hello.channel == wire.BULK:
                await host.bulk.receive(link)
            else:
                await self._join(link)
        except ProtocolError as error:
            link.refuse(error, 60000 if error.code <= Code.NOT_MEMBER else 200 if error.code == Code.BUSY else 0)
        except (RejectedError, OSError, asyncio.TimeoutError) as error:
            host.log.debug("a connection of member %s ended: %s", link.id or "?", error)
        finally:
            if link in self.waiting:
                self.waiting.remove(link)
            link.close()
            self.links.discard(link)
            if self.by_id.get(link.id) is link:
                del self.by_id[link.id]

    async def _welcome(self, link: Link) -> None:
        host = self.host
        core = await link.read_hello()
        link.check(core, 0)
        assert link.hello is not None
        if link.hello.channel not in (wire.PEER, wire.BULK, wire.JOIN):
            raise ProtocolError(f"channel {link.hello.channel}", Code.UNKNOWN_VALUE)
        while not host.booted:  # a joining member is dialled before the group is known here
            if host.closing is not None:
                raise ProtocolError("this member ends", Code.SHUTTING_DOWN)
            await asyncio.sleep(host.options.tick / 4)
            if link.closed.done():
                raise ConnectionError("the connection ended before the group was known here")
            link.check(core, 0)
        link.say_hello(link.hello.channel, core.id)
        link.open()
        if link.hello.channel != wire.JOIN:
            if link.hello.peer_address and wire.is_address(link.hello.peer_address):
                host.members.hints[core.id] = link.hello.peer_address
            if core.id in host.peers:
                host.peers[core.id].retry()

    def _seat(self, link: Link) -> None:
        """Registers a PEER connection, and closes an older connection of the id."""
        self.host.bulk.doubt(link.id)
        old = self.by_id.get(link.id)
        self.by_id[link.id] = link
        if old is None or old.hello is None or link.hello is None:
            return
        if old.hello.start != link.hello.start and self.host.loop.time() - old.heard < 5:
            self.host.log.warning(
                "two processes may run under id %d: %s, %s", link.id, old.hello.peer_address, link.hello.peer_address
            )
        old.close()

    # ---- PEER

    def _take(self, link: Link) -> None:
        """Takes the frames of a PEER connection. Runs of messages of the core go there together."""
        at = begin = 0  # of the buffer: the next frame, and the first byte for the core
        buffer, end = link.buffer, len(link.buffer)
        try:
            while at + wire.HEADER.size <= end:
                length, group = wire.HEADER.unpack_from(buffer, at)
                size = wire.HEADER.size + length
                if size > link.limit:
                    raise ProtocolError(f"a frame of {size} bytes, at most {link.limit} are taken", Code.TOO_LARGE)
                if at + size > end:
                    break
                first = buffer[at + wire.HEADER.size] if length else 0
                if first == 0x48 or length and _may_be_snapshot(buffer, at + wire.HEADER.size):
                    self._step(link, begin, at)
                    body = link.body(at, size)
                    begin = at = at + size
                    if first == 0x48:
                        self._host_frame(link, body)
                    else:
                        self._message(link, body)
                else:
                    at += size
            self._step(link, begin, at)
        finally:
            del buffer[:at]
        self.host.poke()

    def _step(self, link: Link, begin: int, end: int) -> None:
        """Steps the messages of the core between two places of the buffer."""
        if begin == end or not self.host.booted:
            return
        try:
            _, refused, error = self.host.node.step_frames(link.id, bytes(memoryview(link.buffer)[begin:end]))
        except DecodeError as failure:
            raise ProtocolError(str(failure)) from None
        if refused:
            self.host.metrics.frames_refused += refused
            self.host.log.debug("member %d: %d messages were refused: %s", link.id, refused, error)

    def _message(self, link: Link, body: bytes) -> None:
        """Steps a message that may be a MsgSnap: only if the data are here."""
        try:
            snapshot = snapshot_split(body)
            if snapshot is not None and snapshot.data:
                raise ProtocolError("a snapshot with data inside")
            if snapshot is not None and not self.host.bulk.has(snapshot.index, snapshot.term):
                link.send(wire.Abort(0, snapshot.index, snapshot.term, wire.Stop.NO_DATA, "the data are not here"))
                return
            self.host.node.step(link.id, body)
        except DecodeError as error:
            raise ProtocolError(str(error)) from None
        except RaftError as error:
            self.host.metrics.frames_refused += 1
            self.host.log.debug("member %d: a message was refused: %s", link.id, error)

    def _host_frame(self, link: Link, body: bytes) -> None:
        frame = wire.decode(body)
        if isinstance(frame, wire.Request):
            self._requested(link, frame)
        elif isinstance(frame, wire.Ping):
            link.send(wire.Pong(frame.token))
        elif isinstance(frame, wire.Reject):
            link.close()
        elif frame is not None:
            raise ProtocolError(f"{type(frame).__name__} on PEER")

    def _requested(self, link: Link, frame: Request) -> None:
        host = self.host
        link.requests += 1
        end: End | None = None
        if link.requests > wire.REQUESTS_MAX:
            end = End(wire.REFUSED, Code.BUSY, 10, words="too many requests without an outcome")
        elif frame.what not in (wire.ENTRY, wire.CHANGE):
            end = End(wire.REFUSED, Code.UNKNOWN_VALUE, words=f"this host serves no requests of kind {frame.what}")
        elif len(frame.data) > host.options.max_entry_bytes:
            end = End(
                wire.REFUSED, Code.TOO_LARGE, words=f"{len(frame.data)} bytes, at most {host.options.max_entry_bytes} are taken"
            )
        elif not host.booted:
            end = End(wire.REFUSED, Code.SHUTTING_DOWN, 100, words="this member ends")
        if end is not None:
            answer(link, frame.request, end)
        elif frame.what == wire.ENTRY:
            entry = envelope(frame.session, frame.number, frame.data)
            host.proposals.waiting.append(RemoteProposal(link, frame, entry, EntryKind.NORMAL))
        else:
            host.proposals.waiting.append(RemoteProposal(link, frame, frame.data, EntryKind.CONF_CHANGE_V2))

    # ---- JOIN

    async def _join(self, link: Link) -> None:
        while True:
            frame = await link.message()
            if isinstance(frame, wire.Join):
                link.send(self.host.members.joined(link, frame.want))
            elif isinstance(frame, wire.Ping):
                link.send(wire.Pong(frame.token))
            elif frame is not None:
                raise ProtocolError(f"{type(frame).__name__} on JOIN")


_NO_SNAPSHOT = frozenset(range(64)) - {7}


def _may_be_snapshot(buffer: bytearray, at: int) -> bool:
    """False if the message surely is no MsgSnap: field 1 comes first, and is a different kind."""
    return not (len(buffer) > at + 1 and buffer[at] == 8 and buffer[at + 1] in _NO_SNAPSHOT)
