"""For mypy, which must find every marked mistake: an ignore without an error is an
error. Nobody runs this.
"""

# ruff: noqa: B018
from __future__ import annotations

import raftcore


def mistakes(node: raftcore.Node, config: raftcore.Config) -> None:
    config.election_tickz = 3  # type: ignore[attr-defined]
    raftcore.Config(1, election_tick=3)  # type: ignore[call-arg]
    raftcore.Config(1, election_ticks="3")  # type: ignore[arg-type]
    node.status().ledaer  # type: ignore[attr-defined]
    node.status().term.lower()  # type: ignore[attr-defined]
    node.peers()[0].mach_index  # type: ignore[attr-defined]
    for fetch in node.fetches():
        fetch.frist  # type: ignore[attr-defined]
    for event in node.events():
        event.reasons  # type: ignore[attr-defined]
    rd = node.ready()
    rd.entries()  # type: ignore[union-attr]
    if rd is not None:
        rd.committed_frist  # type: ignore[attr-defined]
        rd.entries()[0].dta  # type: ignore[attr-defined]
        rd.messages()[0].too  # type: ignore[attr-defined]
        rd.message_heads()[0].terms  # type: ignore[attr-defined]
        rd.reads()[0].tokn  # type: ignore[attr-defined]
        rd.dropped()[0].wat  # type: ignore[attr-defined]
        node.advance(rd)  # type: ignore[arg-type]
    node.conf().voterz  # type: ignore[attr-defined]
    node.propose("text")  # type: ignore[arg-type]
    raftcore.Role.LEEDER  # type: ignore[attr-defined]
    raftcore.Role.LEADER.value.lower()  # type: ignore[attr-defined]
