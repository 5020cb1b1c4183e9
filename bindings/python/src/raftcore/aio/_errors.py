"""The failures of a group, as exceptions. All are GroupErrors; the text says more."""

from __future__ import annotations


class GroupError(Exception):
    """Any failure of a group. A method of your machine raises exceptions of your own."""


# ---- outcomes of a write


class NotCommittedError(GroupError):
    """The write was not done, and never will be. You may write again."""


class UnknownOutcomeError(GroupError):
    """The write may be done, now or later. A retry is safe only in a Session."""


class SessionExpiredError(UnknownOutcomeError):
    """The group no longer remembers the session or the result, so a retry cannot be recognised."""


class RefusedError(GroupError):
    """The leader did not take the request, and never would. The text says why."""


class EntryTooLargeError(RefusedError):
    """The arguments of the write, encoded, have more bytes than Options.max_entry_bytes."""


class UnavailableError(GroupError):
    """No leader answered a read or a transfer in Options.timeout seconds. Try again."""


# ---- conditions of a member


class GroupClosedError(GroupError):
    """The group was closed here, or has failed: see Group.wait_closed."""


class EmptyError(GroupError):
    """The directory belongs to no group. Pass found=True, once, or the address of a member."""


class FoundedError(GroupError):
    """The directory belongs to a group already. Start without found=True."""


class RemovedError(GroupError):
    """The group has removed the member. Delete the directory; never use the id again."""


class DamagedError(GroupError):
    """Bytes on the disk have changed. Remove the member from the group, and add a new member."""


class InUseError(GroupError):
    """Another process has the directory open."""


class OwnerError(GroupError):
    """The directory belongs to a different member or group."""


class MachineError(GroupError):
    """A method marked @write failed with an exception without a pickle: the text is here."""
