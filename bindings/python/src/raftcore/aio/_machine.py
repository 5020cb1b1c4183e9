"""A state machine: a class with methods marked @write, or bytes in and bytes out."""

from __future__ import annotations

import functools
import inspect
import pickle
from typing import Callable, Protocol, TypeVar, Union, cast

from ._errors import DamagedError, MachineError

_F = TypeVar("_F", bound=Callable[..., object])
_PROTOCOL = 5  # of pickle: Python 3.8 and later


class Machine(Protocol):
    """A state machine on bytes, for groups with members in other languages: Group.propose.

    All calls come from the event loop, one at a time. Members apply equal entries in equal order,
    so `apply` must depend on nothing but the state and the entry: no clock, no random number, no
    order of a set. An exception ends the member, at each start anew: a senseless entry must change
    nothing, and the result says so.
    """

    def apply(self, data: bytes) -> bytes:
        """Applies an entry, and returns the result of propose."""

    def snapshot(self) -> bytes:
        """Returns the whole state."""

    def restore(self, data: bytes) -> None:
        """Replaces the whole state by a snapshot."""


class _Marked(Protocol):
    raftcore_write: Callable[..., object]


def write(method: _F) -> _F:
    """Marks a method that changes the state: call it by Group.write, on any member.

    The method runs on every member, in equal order, in the event loop. It must depend on nothing
    but the state and its arguments: no clock, no random number, no order of a set. Pass such values
    as arguments. Arguments, result and state must be picklable. An exception of the method is
    raised at the caller of Group.write, and must leave the state as it was.

    While the object belongs to a running group, a direct call raises RuntimeError,
    since only the member here would change.
    """
    if inspect.iscoroutinefunction(method):
        raise TypeError(f"{method.__name__} is a coroutine: a write happens at once, in the order of the log")

    @functools.wraps(method)
    def guarded(self: object, *args: object, **kwargs: object) -> object:
        methods = _running.get(id(self))
        if methods is not None and not methods.applying:
            raise RuntimeError(f"call it through the group: await group.write(machine.{method.__name__}, ...)")
        return method(self, *args, **kwargs)

    guarded.raftcore_write = method  # type: ignore[attr-defined]
    return cast(_F, guarded)


_running: dict[int, Methods] = {}


class Methods:
    """A Machine made of an object with methods marked @write."""

    def __init__(self, target: object) -> None:
        found = inspect.getmembers(type(target), lambda member: hasattr(member, "raftcore_write"))
        self.methods = {name: cast(_Marked, method).raftcore_write for name, method in found}
        if not self.methods:
            raise TypeError(f"{type(target).__name__} has no method marked @write, and no apply(data)")
        self._own = hasattr(target, "snapshot") and hasattr(target, "restore")
        if not self._own and not hasattr(target, "__dict__"):
            raise TypeError(f"{type(target).__name__} has __slots__: it needs snapshot() and restore(data)")
        self.target = target
        self.applying = False

    def attach(self) -> None:
        _running[id(self.target)] = self

    def detach(self) -> None:
        _running.pop(id(self.target), None)

    def encode(self, method: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        """Returns the entry of a call. Raises TypeError for anything but a marked method."""
        name = getattr(method, "__name__", "")
        if getattr(method, "__self__", None) is not self.target or name not in self.methods:
            raise TypeError(f"{method!r} is not a method marked @write of this group's machine")
        return pickle.dumps((name, args, kwargs), _PROTOCOL)

    def apply(self, data: bytes, wanted: bool = True) -> bytes:
        """Calls the method. A wanted result is pickled."""
        self.applying = True
        try:
            name, args, kwargs = pickle.loads(data)
            done, value = True, self.methods[name](self.target, *args, **kwargs)
        except MemoryError:
            raise  # of the member alone, so nobody may go on from here
        except Exception as error:  # on every member alike: the caller gets it
            done, value = False, error
        finally:
            self.applying = False
        return _result(done, value) if wanted else b""

    def snapshot(self) -> bytes:
        if self._own:
            return cast(Machine, self.target).snapshot()
        return pickle.dumps(vars(self.target), _PROTOCOL)

    def restore(self, data: bytes) -> None:
        self.applying = True
        try:
            if self._own:
                cast(Machine, self.target).restore(data)
                return
            state = pickle.loads(data)
        except (pickle.UnpicklingError, EOFError) as error:
            raise DamagedError(f"a snapshot is no pickle of {type(self.target).__name__}: {error}") from None
        finally:
            self.applying = False
        vars(self.target).clear()
        vars(self.target).update(state)


def _result(done: bool, value: object) -> bytes:
    try:
        return pickle.dumps((done, value), _PROTOCOL)
    except Exception as error:  # a lock, a socket, a lambda: the state has changed
        return pickle.dumps((False, MachineError(f"{value!r} cannot be pickled: {error}")), _PROTOCOL)


def decode(result: bytes) -> object:
    """Returns the method's result, or raises the method's exception."""
    try:
        done, value = pickle.loads(result)
    except Exception as error:
        raise MachineError(f"the result of the method cannot be unpickled here: {error}") from error
    if done:
        return cast(object, value)
    raise value


class Bytes:
    """A Machine as it is, with the signature of Methods.apply."""

    def __init__(self, target: Machine) -> None:
        self.target = target
        self.snapshot, self.restore = target.snapshot, target.restore

    def attach(self) -> None: ...
    def detach(self) -> None: ...

    def apply(self, data: bytes, wanted: bool = True) -> bytes:
        return self.target.apply(data)


AnyMachine = Union[Methods, Bytes]


def machine_of(target: object) -> AnyMachine:
    return Bytes(cast(Machine, target)) if hasattr(target, "apply") else Methods(target)
