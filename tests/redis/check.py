"""check.py: is a history linearizable? Registers with unique values, and growing lists. In time n log n.

An operation is (kind, key, value, begin, end): kind "write" or "read"; end None: the outcome is unknown. A read's value is
a value or None for a register, and a tuple of values for a list. An append has the answered length in addition.
"""

import collections
import itertools
import math


def check_register(key, ops):
    """Gibbons and Korach: the write and the reads of a value make a zone; two zones must be orderable."""
    writes = {op[2]: op for op in ops if op[0] == "write"}
    clusters = collections.defaultdict(list)
    for kind, _, value, begin, end in ops:
        if kind == "read":
            clusters[value].append((begin, end))
            if value is not None:
                if value not in writes:
                    return f"{key}: {value} was read and never written"
                if end < writes[value][3]:
                    return f"{key}: {value} was read before it was written"
    zones = []
    for value in {*writes, None}:
        reads = clusters[value]
        write = writes.get(value)
        if write and write[4] is None and not reads:
            continue                    # the write may never have happened
        own = [(-2.0, -1.0)] if write is None else [(write[3], math.inf if write[4] is None else write[4])]
        low, high = min(end for _, end in own + reads), max(begin for begin, _ in own + reads)
        zones.append((low, high, value))
    forward = sorted(z for z in zones if z[0] < z[1])
    for a, b in itertools.pairwise(forward):
        if b[0] < a[1]:
            return f"{key}: {a[2]} was current at {a[0]:.3f} and {a[1]:.3f}, and {b[2]} at {b[0]:.3f}, in between"
    for low, high, value in zones:
        if low >= high:                 # the operations of the value overlap: some moment must lie outside of the forward zones
            for f_low, f_high, other in forward:
                if f_low < high and low < f_high:
                    return f"{key}: {value} happened within {high:.3f} … {low:.3f}, while {other} was current"
    return None


def check_list(key, ops, final):
    """A growing list fixes the order: every read is a beginning of the final list."""
    place = {value: i for i, value in enumerate(final)}
    if len(place) != len(final):
        return f"{key}: a value is there twice"
    moments = []                        # (begin, end, length): the list was so long within
    for kind, _, value, begin, end, *length in ops:
        if kind == "read":
            if tuple(final[:len(value)]) != tuple(value):
                return f"{key}: a read is no beginning of the final list"
            moments.append((begin, end, len(value)))
        elif end is not None:
            if value not in place:
                return f"{key}: {value} was acknowledged and is lost"
            if length and length[0] != place[value] + 1:
                return f"{key}: {value} was told length {length[0]} and is number {place[value] + 1}"
            moments.append((begin, end, place[value] + 1))
        elif value in place:
            moments.append((begin, math.inf, place[value] + 1))
    reached = 0
    ends = sorted((end, length) for _, end, length in moments)
    k = 0
    for begin, _, length in sorted(moments):
        while k < len(ends) and ends[k][0] < begin:
            reached = max(reached, ends[k][1])
            k += 1
        if length < reached:
            return f"{key}: length {length} at {begin:.3f}, after {reached} was seen"
    begun = {op[2]: op[3] for op in ops if op[0] == "write"}
    first = -math.inf                   # an element appears after the begin of every append before
    needed = []
    for value in final:
        first = max(first, begun.get(value, -math.inf))
        needed.append(first)
    for begin, end, length in moments:
        if length and end < needed[length - 1]:
            return f"{key}: length {length} was seen at {end:.3f}, before its append began"
    return None


def self_test():
    """Bad histories, to be refused: a checker without findings proves nothing."""
    good = [("write", "r", 1, 0, 1), ("read", "r", 1, 2, 3), ("write", "r", 2, 2, None), ("read", "r", 2, 4, 5)]
    assert check_register("r", good) is None
    for bad in ([("write", "r", 1, 0, 1), ("read", "r", None, 2, 3)],
                [("write", "r", 1, 0, 1), ("write", "r", 2, 2, 3), ("read", "r", 1, 4, 5)],
                [("write", "r", 1, 0, 9), ("read", "r", 1, 1, 2), ("read", "r", None, 3, 4)],
                [("write", "r", 1, 4, 5), ("read", "r", 1, 1, 2)],
                [("read", "r", 7, 1, 2)]):
        assert check_register("r", bad), bad
    assert check_list("l", [("write", "l", 1, 0, 1, 1), ("read", "l", (1,), 2, 3)], [1]) is None
    for bad, final in (([("write", "l", 1, 0, 1)], []),
                       ([("write", "l", 1, 0, 1), ("read", "l", (), 2, 3)], [1]),
                       ([("write", "l", 1, 0, 1), ("write", "l", 2, 2, 3)], [2, 1]),
                       ([("write", "l", 1, 4, 5), ("read", "l", (1,), 1, 2)], [1]),
                       ([("write", "l", 1, 0, 1, 2)], [1]),
                       ([("write", "l", 1, 0, 9), ("read", "l", (1,), 1, 2), ("read", "l", (), 3, 4)], [1])):
        assert check_list("l", bad, final), (bad, final)
