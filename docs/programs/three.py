"""Three nodes of a group in one process replicate two words. The leader falls silent, and the others go on."""

import raftcore
from raftcore import Config, Node, Stored


class Member:
    """A node with disk and state. A disk in earnest writes a ready in one transaction: docs/durability.md."""

    def __init__(self, id):
        self.id, self.log, self.state, self.hard = id, {}, [], None
        founder = Stored.founder([1, 2, 3])
        self.node, self.conf, self.applied = Node(Config(id=id, seed=id)), founder.conf.encode(), founder.applied
        self.node.boot(founder)

    def work(self):
        """Does all work of the node. Call it after tick, step_frames, propose and the like."""
        while True:
            for fetch in self.node.fetches():  # old entries for a peer: the log here is whole
                self.node.supply_entries(fetch.id, [self.log[i] for i in range(fetch.first, fetch.last + 1)])
            rd = self.node.ready_flat()
            if rd is None:
                break
            for entry in rd.entries():  # 1. store
                self.log[entry.index] = entry
            self.hard = (rd.term, rd.vote, rd.commit)
            for message in rd.messages():  # 2. send
                network.append((self.id, message.to, message.frame))
            for entry in rd.committed():  # 3. apply
                if entry.kind:
                    self.conf = self.node.apply_conf(entry).encoded
                elif entry.data:
                    self.state.append(entry.data.decode())
                self.applied = entry.index
            for read in rd.reads():  # 4. answer
                print(f"node {self.id} reads {self.state}")
            self.node.advance(rd.number)  # 5.
        for event in self.node.events():  # in earnest: log them all
            if event.kind == raftcore.EventKind.BECAME_LEADER:
                print(f"node {self.id} leads")


network, silent = [], set()
members = {id: Member(id) for id in (1, 2, 3)}


def run():
    """Works and delivers messages until nothing is left to do."""
    while True:
        for member in members.values():
            member.work()
        if not network:
            return
        for source, target, frame in network[:]:
            if not silent & {source, target}:
                members[target].node.step_frames(source, frame)
        network.clear()


def elect():
    """Lets time pass until a node leads, and returns it."""
    while True:
        for member in members.values():
            member.node.tick()
        run()
        for member in members.values():
            if member.id not in silent and member.node.status().role == raftcore.Role.LEADER:
                return member


leader = elect()
leader.node.propose(b"hello")
run()
silent.add(leader.id)
other = elect()
other.node.propose(b"world")
other.node.read_index(token=1)
run()
assert [other.state, leader.state] == [["hello", "world"], ["hello"]]
