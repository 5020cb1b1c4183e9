"""A printed loop of Python, completed: tests/loops/README.md. The scenes are those of c/scenario.c.

Arguments: a file with the loop, and the file that prints the loop. Host.names returns the names that the loop finds.
"""

import sys

import raftcore
from raftcore import Change, ChangeKind, Config, EntryKind, FetchKind, Node, Role, Stored, Supply

PAYLOAD = 64 << 10
TEXT = open(sys.argv[1]).read()
LOOP = compile(TEXT, sys.argv[2], "exec")


class Host:
    """A host in memory: disk, state machine, network."""

    hosts = {}
    events = answers = 0

    def __init__(self, id):
        self.id = id
        self.stored = Stored()  # without entries, which are in disk
        self.disk = {}  # index: (term, index, kind, data)
        self.state = bytearray()  # the data of the applied entries, joined
        self.arrived = {}  # index: a snapshot that came beside the core
        self.inbox = []
        self.node = None
        self.hosts[id] = self

    def boot(self):
        if self.node:
            self.node.close()
        self.inbox = []
        self.node = Node(Config(id=self.id))
        self.node.boot(self.stored._replace(entries=self.disk.values()))

    def write(self, **changed):
        self.stored = self.stored._replace(**changed)

    def turn(self):
        exec(LOOP, self.names())
        assert self.node.has_ready() == 0, f"the loop ends though has_ready is {self.node.has_ready()}"

    def leads(self):
        status = self.node.status()
        return status.role == Role.LEADER and status.applied == status.last_index

    # ---- functions that the printed loop calls

    def names(self):
        names = {name: getattr(self, name) for name in ("node", "supply", "store", "send", "apply", "answer", "log")}
        if "def supply" in TEXT:  # a printed supply works on these
            applied, conf = self.stored.applied, self.stored.conf
            names |= {"log": self.disk, "state": [self.state], "applied": applied, "conf": conf}
            names |= {"send_beside": self.send_beside, "print": self.print}
        return names | {"raftcore": raftcore, "FetchKind": FetchKind, "Supply": Supply}

    def supply(self, fetch):
        try:
            if fetch.kind == FetchKind.SNAPSHOT:
                given = (fetch.id, self.stored.applied, self.stored.conf)
                try:
                    self.node.supply_snapshot(*given, bytes(self.state))
                except raftcore.TooLargeError:
                    self.send_beside(fetch.peer, self.stored.applied, bytes(self.state))
                    self.node.supply_snapshot(*given, b"")
            elif fetch.first not in self.disk:
                self.node.supply_none(fetch.id, Supply.GONE)
            else:
                self.node.supply_entries(fetch.id, [self.disk[index] for index in range(fetch.first, fetch.last + 1)])
        except raftcore.RaftError as failed:
            print(failed, file=sys.stderr)
            self.node.supply_none(fetch.id, Supply.LATER)

    def send_beside(self, peer, index, data):
        self.hosts[peer].arrived[index] = data

    def store(self, rd):
        if rd.has_snapshot:
            self.state[:] = rd.snapshot_data or self.arrived[rd.snapshot_index]
            self.disk.clear()
            at = rd.snapshot_index
            self.write(applied=at, before_first=at, before_first_term=rd.snapshot_term, last=at, conf=rd.snapshot_conf)
        for entry in rd.entries():
            self.append(*entry[:4])
        if rd.has_hard_state:
            self.write(term=rd.term, vote=rd.vote, commit=rd.commit)

    def append(self, term, index, kind, data):
        assert index <= self.stored.last + 1, "the log has no gap"
        for over in range(index, self.stored.last + 1):
            del self.disk[over]
        self.disk[index] = (term, index, kind, data)
        self.write(last=index)

    def send(self, rd):
        for message in rd.messages():
            if message.to in self.hosts and self.hosts[message.to].node:
                self.hosts[message.to].inbox.append((self.id, message.frame))

    def apply(self, rd):
        for entry in rd.committed():
            assert entry.index == self.stored.applied + 1, "entries are applied in order, each once"
            if entry.kind == EntryKind.NORMAL:
                self.state += entry.data
            else:
                self.write(conf=self.node.apply_conf(entry).encoded)
            self.write(applied=entry.index)
            Host.answers += entry.token != 0

    def answer(self, rd):
        Host.answers += len(rd.reads())

    def log(self, event):
        Host.events += 1

    def print(self, *words):
        Host.events += words[0] == "event:"


# ---- the group


def payload(k):
    """Returns the data of proposal k, different for each k."""
    return (k * 1000003).to_bytes(8, "little") * (PAYLOAD // 8)


def settle():
    """Runs the loops until no node has work."""
    hosts = Host.hosts.values()
    busy = True
    while busy:
        for host in hosts:
            for sender, frame in host.inbox:
                taken, refused, first = host.node.step_frames(sender, frame)
                assert not refused, first
            host.inbox = []
            host.turn()
        busy = any(host.inbox for host in hosts)


def until(count, when):
    """Ticks until all have applied `count` proposals and a node leads. Returns the leader."""
    hosts = list(Host.hosts.values())
    want = b"".join(map(payload, range(count)))
    for _ in range(500):
        leaders = [host for host in hosts if host.leads()]
        if leaders and all(len(host.state) >= len(want) for host in hosts):
            assert all(host.state == want for host in hosts), f"{when}: something else is applied"
            return leaders[0]
        for host in hosts:
            host.node.tick()
        settle()
    raise SystemExit(f"{when}: {[len(host.state) // PAYLOAD for host in hosts]} of {count} proposals are applied")


def expect_members(host, voters, learners):
    conf = host.node.conf()
    assert (conf.voters, conf.learners) == (voters, learners), conf


def main():
    # A voter restarts with twice recent_bytes of committed log to apply, with a membership change in the middle.
    first = Host(1)
    count = 2 * Config(id=1).recent_bytes // PAYLOAD
    first.stored = Stored.founder([1])
    for k in range(count):
        if k == count // 2:
            learner_2 = bytes((0x10, ChangeKind.ADD_LEARNER, 0x18, 2))  # a raftpb ConfChange
            first.append(1, first.stored.last + 1, EntryKind.CONF_CHANGE, learner_2)
        first.append(1, first.stored.last + 1, EntryKind.NORMAL, payload(k))
    first.write(term=1, vote=1, commit=first.stored.last)
    first.boot()
    until(count, "after the restart")
    expect_members(first, (1,), (2,))

    # The log is compacted, so the new member needs a snapshot. The state is larger than max_snapshot_bytes.
    applied = first.stored.applied
    first.write(before_first=applied, before_first_term=first.disk[applied][0])
    first.disk.clear()
    first.node.compacted(applied)
    second = Host(2)
    second.boot()
    until(count, "after the join")
    assert second.arrived, "the snapshot went beside the core"

    # The new member becomes a voter. Both nodes restart, and the group goes on.
    first.node.propose_conf([Change(ChangeKind.ADD_NODE, 2)], token=99)
    settle()
    for host in (first, second):
        expect_members(host, (1, 2), ())
        host.boot()
        leader = until(count, "after a restart")
        leader.node.propose(payload(count), token=count)
        leader.node.read_index(count)
        count += 1
        until(count, "after a proposal")
    assert Host.events > 0, "no event was logged"
    assert Host.answers == 5, f"{Host.answers} of 5 tokens came back"
    print(count, "proposals,", Host.events, "events,", len(second.arrived), "snapshots beside the core")


main()
