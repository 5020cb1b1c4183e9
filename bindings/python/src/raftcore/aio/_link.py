"""A connection to a member: frames in and out, and the hellos."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from struct import Struct
from typing import TYPE_CHECKING, Callable, TypeVar

from .. import HelloInfo, RaftError, hello_read
from . import _wire as wire
from ._wire import Code, Hello, HostFrame, ProtocolError, Reject

if TYPE_CHECKING:
    from ._host import Host

HELLO_TIME, PING_TIME, SILENT_TIME = 3.0, 5.0, 15.0  # seconds
OUT_MAX = 16 << 20  # bytes that may wait for a connection
_LENGTH = Struct("<I")
_T = TypeVar("_T")


class RejectedError(ConnectionError):
    """The peer refuses this member; or with `own`, this member refuses the peer."""

    def __init__(self, reject: Reject, own: bool = False) -> None:
        super().__init__(f"refused with code {reject.code}: {reject.words}")
        self.reject, self.own = reject, own


class Link(asyncio.Protocol):
    """A stream of frames. Either `handler` takes the buffer, or a task takes frames by `frame`."""

    def __init__(self, host: Host, opened: Callable[[Link], None] | None = None) -> None:
        self.host = host
        self.opened = opened
        self.transport: asyncio.Transport | None = None
        self.handler: Callable[[], None] | None = None
        self.buffer = bytearray()
        self.limit = wire.HELLO_MAX  # bytes of a frame
        self.theirs = wire.HELLO_MAX
        self.id = 0  # of the peer, after the hello
        self.hello: Hello | None = None
        self.requests = 0  # of the peer, without an outcome
        self.heard = self.pinged = host.loop.time()
        self.out: list[bytes] = []
        self.closed: asyncio.Future[None] = host.loop.create_future()
        self.waiter: asyncio.Future[None] | None = None

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.opened is not None:
            self.opened(self)

    def data_received(self, data: bytes) -> None:
        self.heard = self.host.loop.time()
        self.buffer += data
        if self.handler is not None:
            try:
                self.handler()
            except ProtocolError as error:
                self.refuse(error)
        else:
            if len(self.buffer) > 2 * self.limit and self.transport is not None:
                self.transport.pause_reading()
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    # ---- frames in

    def size(self) -> int:
        """Returns the bytes of the first frame in the buffer; 0: not whole yet. Raises ProtocolError."""
        if len(self.buffer) < wire.HEADER.size:
            return 0
        size: int = wire.HEADER.size + _LENGTH.unpack_from(self.buffer)[0]
        if size > self.limit:
            raise ProtocolError(f"a frame of {size} bytes, at most {self.limit} are taken", Code.TOO_LARGE)
        return size if size <= len(self.buffer) else 0

    def body(self, at: int, size: int) -> bytes:
        """Returns the body of a frame in the buffer. Raises ProtocolError for another group's."""
        _, group = wire.HEADER.unpack_from(self.buffer, at)
        if group != self.host.options.group:
            raise ProtocolError(f"a frame of group {group}")
        return bytes(memoryview(self.buffer)[at + wire.HEADER.size : at + size])

    async def frame(self) -> bytes:
        """Returns the next frame, header included. Raises ConnectionError, ProtocolError."""
        while True:
            size = self.size()
            if size:
                frame = bytes(memoryview(self.buffer)[:size])
                del self.buffer[:size]
                if self.transport is not None and len(self.buffer) <= self.limit:
                    self.transport.resume_reading()
                return frame
            if self.closed.done():
                raise ConnectionError("the connection ended")
            self.waiter = self.host.loop.create_future()
            await self.waiter

    async def message(self) -> HostFrame | None:
        """Returns the next host frame; None: of an unknown type. Raises RejectedError, too."""
        frame = await self.frame()
        if wire.HEADER.unpack_from(frame)[1] != self.host.options.group:
            raise ProtocolError("a frame of another group")
        message = wire.decode(frame[wire.HEADER.size :])
        if isinstance(message, Reject):
            raise RejectedError(message)
        return message

    # ---- frames out

    def send(self, frame: HostFrame) -> None:
        """Sends a frame, once the turn ends."""
        self.out.append(wire.encode(self.host.options.group, frame))
        self.host.flush_later(self)

    def flush(self) -> None:
        out, self.out = self.out, []
        if self.transport is not None and out and not self.transport.is_closing():
            self.transport.write(b"".join(out))

    def full(self) -> bool:
        """True if too many bytes wait."""
        return self.transport is not None and self.transport.get_write_buffer_size() > OUT_MAX

    def refuse(self, error: ProtocolError, retry_ms: int = 0) -> None:
        """Sends REJECT, and closes."""
        self.host.log.info("a connection with member %s is refused: %s", self.id or "?", error)
        self.out.append(wire.encode(self.host.options.group, Reject(error.code, str(error), retry_ms)))
        self.close()

    def close(self) -> None:
        self.handler = None
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def check_silence(self, now: float, ping: bool) -> None:
        """Sends PING to a silent peer, and ends a connection that stays silent.

        A busy sender may hear nothing but the answer, so what is sent does not count.
        """
        if now - self.heard > SILENT_TIME and self.transport is not None:
            self.transport.abort()
        elif ping and now - max(self.heard, self.pinged) > PING_TIME:
            self.pinged = now
            self.send(wire.Ping(0))

    # ---- the hellos

    async def read_hello(self) -> HelloInfo:
        """Reads both frames of a hello. Raises ConnectionError, ProtocolError."""
        frame = await self.frame()
        if frame[wire.HEADER.size : wire.HEADER.size + 1] != b"R":
            message = wire.decode(frame[wire.HEADER.size :])
            if isinstance(message, Reject):
                raise RejectedError(message)
            raise ProtocolError("a connection begins with another frame than the core's hello")
        try:
            core = hello_read(frame)
        except RaftError as error:
            raise ProtocolError(str(error)) from None
        # The second frame has the group of the core's hello; the group is checked later.
        second = await self.frame()
        hello = wire.decode(second[wire.HEADER.size :])
        if isinstance(hello, Reject):
            raise RejectedError(hello)
        if not isinstance(hello, Hello):
            raise ProtocolError("no hello")
        self.id, self.hello, self.theirs = core.id, hello, hello.max_frame
        return core

    def certified(self, group: int, id: int) -> bool:
        """True if the peer's certificate holds group and id. Without TLS ids are taken on trust."""
        if self.host.options.tls is None:
            return True
        certificate = self.transport.get_extra_info("peercert") if self.transport is not None else None
        names = certificate.get("subjectAltName", ()) if certificate else ()
        return ("URI", f"urn:raftcore:{group}:{id}") in names

    def check(self, core: HelloInfo, dialled: int) -> None:
        """Makes the checks of docs/wire.md, section 3. Raises ProtocolError with the code."""
        host, hello, own = self.host, self.hello, self.host.owner
        assert hello is not None
        joining = hello.channel == wire.JOIN
        if core.version != host.core_version or hello.version_min > wire.VERSION or hello.version < wire.VERSION:
            raise ProtocolError(f"versions {hello.version_min} to {hello.version}, core {core.version}", Code.VERSION)
        if core.group != own.group:
            raise ProtocolError(f"this is group {own.group}, not {core.group}", Code.GROUP)
        wrong = core.id in (0, host.id) or dialled and core.id != dialled or hello.to != host.id and not (hello.to == 0 and joining)
        if wrong:
            raise ProtocolError(f"this is member {host.id}; member {core.id} meant to reach {hello.to}", Code.ID)
        if not self.certified(core.group, core.id):
            raise ProtocolError(f"the certificate does not hold urn:raftcore:{core.group}:{core.id}", Code.CERTIFICATE)
        if hello.founding != own.founding and wire.NONE not in (hello.founding, own.founding):
            theirs, ours = hello.founding.hex(), own.founding.hex()
            words = f"member {core.id} was founded as {theirs}, this group as {ours}: their logs have nothing in common"
            raise ProtocolError(words, Code.FOUNDING)
        if not 65536 <= hello.max_frame <= 1 << 30:
            raise ProtocolError(f"max_frame {hello.max_frame}")
        known = host.applier.book.get(core.id)
        if known is not None and known.disk not in (wire.NONE, hello.disk) and not joining:
            words = f"member {core.id} has the disk {known.disk.hex()}, and this is {hello.disk.hex()}: it was emptied or copied"
            raise ProtocolError(words, Code.DISK)
        if hello.channel == wire.PEER and host.established() and core.id not in host.members.ids():
            raise ProtocolError(f"{core.id} is no member, or no longer", Code.NOT_MEMBER)

    def open(self) -> None:
        """Ends the exchange of hellos."""
        self.limit = self.host.frame_max

    def say_hello(self, channel: int, to: int) -> None:
        host = self.host
        hello = Hello(
            wire.VERSION,
            wire.VERSION,
            channel,
            wire.EMPTY if host.owner.founding == wire.NONE else 0,
            host.address,
            host.options.client_address,
            host.frame_max,
            0,
            host.owner.founding,
            host.owner.disk,
            host.start_id,
            to,
        )
        self.out += (host.core_hello, wire.encode(host.options.group, hello))
        self.flush()


async def within(seconds: float, work: Coroutine[object, object, _T]) -> _T:
    """Returns the result of `work`. Raises asyncio.TimeoutError.

    Until Python 3.12 asyncio.wait_for may swallow a cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        raise asyncio.TimeoutError
    finally:
        task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, though nobody waits
        task.cancel()


async def dial(host: Host, address: str, channel: int, id: int) -> Link:
    """Opens a connection, and exchanges hellos; id 0: with any member.

    Raises OSError (with RejectedError and timeouts among it) and ProtocolError.
    """
    name, _, port = address.rpartition(":")
    tls: ssl.SSLContext | None = host.tls_client
    link = Link(host)
    connecting = host.loop.create_connection(lambda: link, name.strip("[]"), int(port), ssl=tls)
    try:
        await within(HELLO_TIME, connecting)
        if id and not link.certified(host.options.group, id):
            raise ConnectionError(f"who answers at {address} has no certificate of member {id}")
        link.say_hello(channel, id)
        core = await within(HELLO_TIME, link.read_hello())
        link.check(core, id)
    except ProtocolError as error:
        link.refuse(error)
        raise RejectedError(Reject(error.code, str(error), 0), own=True) from None
    except asyncio.TimeoutError:
        link.close()
        raise ConnectionError(f"no hello from {address} in time") from None
    except BaseException:
        link.close()
        raise
    link.open()
    return link
