"""The settings of a group, and TLS."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from .. import Config, Storage
from ._sessions import ENVELOPE_MAX
from ._wire import is_address


@dataclass(frozen=True)
class TLS:
    """Authenticates members, and encrypts. Files in PEM.

    A member's id stands in its certificate as the URI urn:raftcore:GROUP:ID among the subject's
    alternative names; names of machines do not matter. TLS 1.3.
    """

    certificate: Union[str, Path]
    """The member's certificate; further certificates up to the authority may follow."""
    key: Union[str, Path]
    """The private key."""
    authorities: Union[str, Path]
    """The certificates of the signers of members."""

    def contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Returns the contexts of the accepting and of the dialling side."""
        both = []
        for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
            context = ssl.SSLContext(protocol)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_REQUIRED
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.set_alpn_protocols(["raftcore/1"])
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authorities)
            both.append(context)
        both[0].num_tickets = 0  # a resumed session would bring back a revoked certificate
        return both[0], both[1]


@dataclass(frozen=True)
class Options:
    """The settings of a member. All have defaults."""

    group: int = 1
    """A number for the group, 0 to 2**64 - 1. Members of different groups refuse connections."""
    listen: str = ""
    """HOST:PORT where other members come, if not the member's own address in `peers`."""
    client_address: str = ""
    """Where clients reach the member, HOST:PORT; Group.members shows the address everywhere."""
    learner: bool = False
    """True: after joining the member stays a learner, without a vote, until Group.promote."""
    tls: TLS | None = None
    """None: plain TCP. Ids are then taken on trust: use a trusted network."""
    tick: float = 0.05
    """Seconds, 0.001 to 10. A leader sends a heartbeat each tick; 10 to 20 ticks without one start
    an election. Ten ticks must be longer than a slow flush of the disk."""
    timeout: float = 10.0
    """Seconds for a write, a read or a change of the membership."""
    snapshot_bytes: int = 16 << 20
    """Bytes of applied log before the next snapshot."""
    keep_bytes: int = 4 << 20
    """Bytes of log behind a snapshot, for lagging members."""
    max_entry_bytes: int = 4 << 20
    """Bytes of the largest write, encoded, 1 to 2**30. Equal on all members."""
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("raftcore"))
    """Warnings and errors are for people."""

    def check(self, address: str) -> None:
        """Raises ValueError with the name of a wrong setting."""
        for name, text in (("peers", address), ("listen", self.listen), ("client_address", self.client_address)):
            if not is_address(text):
                raise ValueError(f"{name}: {text!r} is not HOST:PORT")
        for name, value, least, most in (
            ("tick", self.tick, 0.001, 10),
            ("timeout", self.timeout, 0.001, 2**31 / 1000 - 1),
            ("snapshot_bytes", self.snapshot_bytes, 0, 2**62),
            ("keep_bytes", self.keep_bytes, 0, 2**60),
            ("max_entry_bytes", self.max_entry_bytes, 1, 2**30),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}; {least} to {most} are possible")

    def config(self, id: int) -> Config:
        """Returns the settings of the core."""
        config = Config(id, group=self.group, storage=Storage.ASYNC, max_outstanding=64, max_peers=64)
        config.max_entry_bytes = min(self.max_entry_bytes + ENVELOPE_MAX, 2**30)
        config.recent_bytes = max(config.recent_bytes, 4 * config.max_entry_bytes)
        config.max_uncommitted_size = max(config.max_uncommitted_size, 2 * config.max_entry_bytes)
        config.max_committed_size_per_ready = max(config.max_committed_size_per_ready, config.max_entry_bytes)
        config.max_inflight_bytes = 8 << 20
        config.snapshot_timeout_ticks = int(max(600, 60 / self.tick))
        config.check()
        return config
