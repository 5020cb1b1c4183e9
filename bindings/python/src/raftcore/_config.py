"""A node's configuration."""

from __future__ import annotations

import ctypes
import secrets

from . import _abi
from ._errors import ArgError, error


class Config(_abi.Config):
    """raftcore_config with its defaults; include/raftcore.h says what each field means.

    Config(id=1, storage=Storage.ASYNC, election_ticks=20). The seed is drawn at random if none is given: it must differ at each
    start. ArgError names a field that is wrong. Fields can be set afterwards, too: config.flags |= Flag.LEASE_READS.
    """

    def __init__(self, id: int, *, preset: int = 0, seed: int | None = None, **fields: int) -> None:
        super().__init__()
        _check(_abi.config_init(ctypes.byref(self), ctypes.sizeof(self)))
        if preset:
            _check(_abi.config_preset(ctypes.byref(self), preset))
        fields.update(id=id, seed=secrets.randbits(64) if seed is None else seed)
        for name, value in fields.items():
            if name not in _abi.Config.__annotations__ or name in ("struct_size", "abi_version"):
                raise TypeError(f"Config has no field {name}")
            setattr(self, name, value)
            if getattr(self, name) != value:
                raise ArgError(f"{name} is {value}, which its field does not hold")
        self.check()

    def check(self) -> None:
        """Raises ArgError if a field is out of its range. Node() does so, too."""
        text = ctypes.create_string_buffer(256)
        if _abi.config_error(ctypes.byref(self), text, len(text)):
            raise ArgError(text.value.decode())

    def footprint(self) -> int:
        """An upper bound of the bytes that a node takes when it is made."""
        size = ctypes.c_size_t()
        _check(_abi.footprint(ctypes.byref(self), ctypes.byref(size)))
        return size.value


def _check(code: int) -> None:
    if code < 0:
        raise error(code)
