"""The Python face: does what a schedule says through the Python binding, and writes what came back: see README.md.

replay.py SCHEDULE OUT ABI_OUT
"""

from __future__ import annotations

import sys
from typing import Any, Callable, TextIO

import raftcore
from raftcore import Change, Conf, Entry, Node, RaftError, Stored

PLACES = 16
CONFIG = (
    "id group seed flags storage dialect election_ticks heartbeat_ticks read_timeout_ticks snapshot_timeout_ticks vote_fence_ticks "
    "max_peers max_inflight_msgs max_outstanding max_entries_per_ready max_messages max_reads max_tokens priority "
    "max_apply_unpersisted recent_bytes catchup_bytes max_size_per_msg max_committed_size_per_ready max_uncommitted_size "
    "max_inflight_bytes max_entry_bytes max_snapshot_bytes block_bytes own_write_timeout_ticks "
    "election_jitter_ticks peer_lags_ticks no_leader_ticks max_entries_per_msg caught_up_entries"
).split()
STATUS = (
    "role id group term vote commit applied durable leader transferee first_index last_index last_term recent_first safe_to_compact "
    "messages_dropped messages_refused messages_ignored proposals_refused reads_failed events_lost implausible n_peers "
    "n_outstanding promotable electable election_elapsed election_timeout n_reads n_tokens last_ready late_ticks apply_waits"
).split()
PEER = "id match_index next_index pending_snapshot inflight_bytes inflight_msgs flow flags silent_ticks commit group".split()
EVENT = "kind reason peer term index a b".split()
FETCH = "kind id peer first last max_bytes".split()


class Words:
    """What is left of a line."""

    def __init__(self, line: str) -> None:
        self.rest = line.split(" ")[::-1]

    def word(self) -> str:
        return self.rest.pop()

    def num(self) -> int:
        return int(self.rest.pop())

    def data(self) -> bytes:
        return bytes.fromhex(self.rest.pop()[1:])

    def many(self, one: Callable[[], Any]) -> list[Any]:
        return [one() for _ in range(self.num())]

    def entry(self) -> Entry:
        return Entry(self.num(), self.num(), self.num(), self.data(), context=self.data())

    def conf(self) -> Conf | bytes:
        if self.word() == "bytes":
            return self.data()
        index, dialect, auto_leave = self.num(), self.num(), self.num() != 0
        voters, outgoing, learners, learners_next = [tuple(self.many(self.num)) for _ in range(4)]
        return Conf(voters, outgoing, learners, learners_next, auto_leave, index=index, dialect=dialect)

    def runs(self) -> list[tuple[int, int]]:
        return self.many(lambda: (self.num(), self.num()))

    def stored(self) -> Stored:
        term, vote, commit, applied, before_first, before_first_term, last = [self.num() for _ in range(7)]
        place = (term, vote, commit, applied, before_first, before_first_term, last)
        return Stored(*place, self.conf(), self.runs(), self.many(self.entry))

    def config(self) -> raftcore.Config:
        return raftcore.Config(**{name: self.num() for name in CONFIG})


def hexed(data: bytes) -> str:
    return "x" + data.hex()


def numbers(record: Any, names: list[str]) -> str:
    return " ".join(str(int(getattr(record, name))) for name in names)


def listed(items: list[str]) -> str:
    return " ".join([str(len(items)), *items])


def conf_text(conf: Conf) -> str:
    lists = (conf.voters, conf.outgoing, conf.learners, conf.learners_next)
    ids = " ".join(listed([str(id) for id in ids]) for ids in lists)
    return f"{int(conf.auto_leave)} {ids} {conf.index} {conf.dialect} {hexed(conf.encoded)} {hexed(conf.context)}"


def entries_text(entries: list[Entry]) -> str:
    return listed([f"{e.term} {e.index} {e.kind} {hexed(e.data)} {e.token} {hexed(e.context)}" for e in entries])


def head_text(head: raftcore.MessageHead) -> str:
    return " ".join(hexed(field) if isinstance(field, bytes) else str(field) for field in head)


def ready_text(rd: raftcore.Ready | raftcore.FlatReady) -> str:
    head = "number flags role leader term vote commit snapshot_index snapshot_term".split()
    messages = rd.messages()
    for message, view in zip(messages, rd.message_views()):
        assert view.frame == message.frame, "a message's view and copy differ"
    for entry, entry_view in zip(rd.entries(), rd.entry_views()):
        assert bytes(entry_view.data) == entry.data, "an entry's view and copy differ"
        assert bytes(entry_view.context) == entry.context, "a context's view and copy differ"
    return " ".join(
        [
            numbers(rd, head),
            hexed(rd.snapshot_conf),
            hexed(rd.snapshot_data),
            f"{rd.committed_first} {rd.committed_last}",
            entries_text(rd.entries()),
            entries_text(rd.committed()),
            listed([f"{head_text(head)} {hexed(m.frame)}" for head, m in zip(rd.message_heads(), messages)]),
            listed([f"{r.token} {r.index}" for r in rd.reads()]),
            listed([f"{d.token} {d.what} {d.reason}" for d in rd.dropped()]),
            listed([f"{d.token} {d.index}" for d in rd.done()]),
        ]
    )


class Face:
    def __init__(self, out: TextIO, abi: TextIO) -> None:
        self.nodes: list[Node | None] = [None] * PLACES
        self.out = out
        self.abi = abi
        self.line = 0

    def run(self, line: str) -> None:
        self.line += 1
        words = Words(line)
        call, place = words.word(), words.word()
        at = None if place == "-" else int(place)
        detail = ""
        try:
            if at is None:
                code, text = self.without_node(call, words)
            elif call in ("new", "free", "try_clone"):
                code, text = self.life(call, at, words)
            else:
                code, text = self.with_node(call, self.node(at), words)
        except RaftError as failed:
            code, text, detail = failed.code, "", failed.detail
        assert not words.rest, f"line {self.line}: words are left over"
        node = None if at is None else self.nodes[at]
        digests = "- -" if node is None else f"{node.digest():016x} {node.digest(True):016x}"
        text = text or (detail if node is not None else "")
        print(call, code, digests, text, file=self.out) if text else print(call, code, digests, file=self.out)

    def node(self, at: int) -> Node:
        node = self.nodes[at]
        assert node is not None
        return node

    def life(self, call: str, at: int, words: Words) -> tuple[int, str]:
        if call == "new":
            self.nodes[at] = Node(words.config())
            return 0, ""
        if call == "free":
            self.node(at).close()
            self.nodes[at] = None
            return 0, ""
        twin = self.node(at).try_clone()
        self.nodes[words.num()] = twin
        return 0, f"{twin.digest():016x} {twin.digest(True):016x}"

    def without_node(self, call: str, words: Words) -> tuple[int, str]:
        if call in ("version_string", "abi_version", "features"):
            said = {"version_string": raftcore.version, "abi_version": raftcore.abi_version, "features": raftcore.features}[call]()
            print(self.line, said, file=self.abi)
            return 0, ""
        if call == "footprint":
            print(self.line, "footprint", words.config().footprint(), file=self.abi)
            return 0, ""
        if call == "frame_limit":
            return 0, str(words.config().frame_limit())
        if call == "frame_next":
            limit = words.num()
            frame = raftcore.frame_next(words.data(), limit)
            return (1, "") if frame is None else (0, f"{frame.group} {hexed(frame.message)} {frame.size}")
        if call == "conf_encode":
            conf = words.conf()
            assert isinstance(conf, Conf)
            return 0, hexed(conf.encode())
        if call in ("config_init", "config_preset"):
            config = raftcore.Config(1, preset=words.num() if call == "config_preset" else 0)
            config.id = config.seed = 0
            return 0, numbers(config, CONFIG)
        if call == "config_error":
            try:
                words.config()
            except raftcore.ArgError as failed:
                return 0, failed.detail
            return 0, ""
        if call == "strerror":
            return 0, str(RaftError(code=words.num()))
        if call == "event_text":
            return 0, raftcore.event_text(words.num())
        if call == "reason_text":
            return 0, raftcore.reason_text(words.num())
        if call == "hello_read":
            return 0, numbers(raftcore.hello_read(words.data()), ["version", "features", "group", "id"])
        if call == "snapshot_split":
            snapshot = raftcore.snapshot_split(words.data())
            return (1, "") if snapshot is None else (0, f"{snapshot.index} {snapshot.term} {hexed(snapshot.data)}")
        assert call == "tick_many", call
        ticks = words.num()
        nodes = words.many(lambda: self.node(words.num()))
        found = raftcore.NodeArray(nodes).tick(ticks)
        digests = [f"{node.digest(True):016x}" for node in nodes]
        return 0, " ".join([listed([str(nodes.index(node)) for node in found]), *digests])

    def with_node(self, call: str, node: Node, w: Words) -> tuple[int, str]:
        bare: dict[str, Callable[[], object]] = {
            "boot_state": lambda: node.boot_state(w.num(), w.num(), w.num()),
            "boot_conf": lambda: node.boot_conf(w.conf(), w.num(), w.num()),
            "boot_terms": lambda: node.boot_terms(w.runs(), w.num()),
            "boot": lambda: node.boot(w.stored()),
            "boot_entries": lambda: node.boot_entries(w.many(w.entry)),
            "boot_done": lambda: node.boot_done(w.num()),
            "tick": lambda: node.tick(w.num()),
            "step": lambda: node.step(w.num(), w.data()),
            "step_local": lambda: node.step_local(w.data()),
            "propose": lambda: node.propose(*w.many(w.data), token=w.num()),
            "propose_conf": lambda: node.propose_conf(
                w.many(lambda: Change(w.num(), w.num())), w.num(), w.data(), w.num()
            ),
            "propose_conf_at": lambda: node.propose_conf_at(
                w.num(), w.many(lambda: Change(w.num(), w.num())), w.num(), w.data(), w.num()
            ),
            "propose_in_term": lambda: node.propose_in_term(w.num(), *w.many(w.data), token=w.num()),
            "propose_with_context": lambda: node.propose_with_context(w.num(), w.data(), w.data(), w.num()),
            "set_commit_group": lambda: node.set_commit_group(w.num(), w.num()),
            "promote_when_caught_up": lambda: node.promote_when_caught_up(w.num(), w.num() != 0),
            "request_snapshot": node.request_snapshot,
            "ping": node.ping,
            "set_flags": lambda: node.set_flags(w.num(), w.num()),
            "trim": node.trim,
            "hello_check": lambda: node.hello_check(w.data()),
            "read_index": lambda: node.read_index(w.num()),
            "campaign": node.campaign,
            "transfer": lambda: node.transfer(w.num()),
            "abort_transfer": node.abort_transfer,
            "forget_leader": node.forget_leader,
            "set_electable": lambda: node.set_electable(w.num() != 0),
            "set_priority": lambda: node.set_priority(w.num()),
            "set_window": lambda: node.set_window(w.num(), w.num(), w.num()),
            "set_commit_broadcast": lambda: node.set_commit_broadcast(w.num() != 0),
            "set_election_timeout": lambda: node.set_election_timeout(w.num()),
            "report_unreachable": lambda: node.report_unreachable(w.num()),
            "report_snapshot": lambda: node.report_snapshot(w.num(), w.num()),
            "compacted": lambda: node.compacted(w.num()),
            "advance": lambda: node.advance(w.num()),
            "persisted": lambda: node.persisted(w.num()),
            "applied": lambda: node.applied(w.num()),
            "release": lambda: node.release(w.num()),
            "propose_entry": lambda: node.propose_entry(w.num(), w.data(), w.num()),
        }
        wanted: dict[str, Callable[[], bool]] = {
            "supply_entries": lambda: node.supply_entries(w.num(), w.many(w.entry)),
            "supply_snapshot": lambda: node.supply_snapshot(w.num(), w.num(), w.conf(), w.data()),
            "supply_none": lambda: node.supply_none(w.num(), w.num()),
        }
        if call in bare:
            bare[call]()
            return 0, ""
        if call in wanted:
            return (0 if wanted[call]() else 2), ""
        if call == "propose_many":
            pairs = w.many(lambda: (w.data(), w.num()))
            node.propose_many([data for data, _ in pairs], [token for _, token in pairs])
            return 0, ""
        return self.looks(call, node, w)

    def looks(self, call: str, node: Node, w: Words) -> tuple[int, str]:
        if call == "has_ready":
            return node.has_ready(), ""
        if call == "step_frames":
            taken, refused, first = node.step_frames(w.num(), w.data())
            return 0, f"{taken} {refused} {first.code if first else 0}"
        if call in ("turn", "turn_flat"):
            return self.turn(node, w)
        if call in ("view", "view_flat"):
            rd = node.view(w.num())
            return (1, "") if rd is None else (0, ready_text(rd))
        if call == "get_ready":
            rd = node.ready()
            if rd is None:
                return 1, ""
            try:
                carried = node.message_entries(rd.number)
            except raftcore.StateError:  # without Flag.DECODED_MSGS
                carried = []
            if any(carried):
                print(self.line, "decoded", " ".join(map(entries_text, carried)), file=self.abi)
            return 0, ready_text(rd)
        if call == "ready_flat":
            flat = node.ready_flat()
            if flat is None:
                return 1, ""
            print(self.line, hexed(bytes(flat.buffer)), file=self.abi)
            return 0, ready_text(flat)
        if call == "next_fetch":
            fetch = node.next_fetch()
            return (1, "") if fetch is None else (0, numbers(fetch, FETCH))
        if call == "next_event":
            event = node.next_event()
            return (1, "") if event is None else (0, numbers(event, EVENT))
        one: dict[str, Callable[[], str]] = {
            "apply_conf": lambda: conf_text(node.apply_conf(w.entry())),
            "apply_change": lambda: conf_text(node.apply_change(w.num(), w.data())),
            "skip_conf": lambda: conf_text(node.skip_conf(w.num())),
            "get_conf": lambda: conf_text(node.conf()),
            "ticks_until_due": lambda: str(node.ticks_until_due()),
            "hello": lambda: hexed(node.hello()),
            "get_status": lambda: numbers(node.status(), STATUS),
            "get_peers": lambda: listed([numbers(peer, PEER) for peer in node.peers()]),
        }
        return 0, one[call]()


    def turn(self, node: Node, w: Words) -> tuple[int, str]:
        ticks, done, persisted, applied, released, peer = [w.num() for _ in range(6)]
        t = node.turn(done, ticks, peer, w.data(), persisted=persisted, applied=applied, released=released)
        text = f"{t.taken} {t.refused} {t.first.code if t.first else 0}"
        if t.ready is None:
            return (4 if t.fetch else 1), text
        return (3 if t.last else 0), f"{text} {ready_text(t.ready)}"


def main(schedule: str, out: str, abi: str) -> None:
    with open(schedule) as lines, open(out, "w") as out_file, open(abi, "w") as abi_file:
        face = Face(out_file, abi_file)
        assert next(lines).startswith("raftcore schedule 1 "), "no schedule of version 1"
        for line in lines:
            face.run(line.rstrip("\n"))


if __name__ == "__main__":
    main(*sys.argv[1:])
