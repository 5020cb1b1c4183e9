"""A cluster in one process: hosts with a disk in memory, in each storage mode, and a network that
can be cut.
"""

import raftcore
from raftcore import FRAME_HEADER, ChangeKind, EntryKind, FetchKind, MsgKind, Storage, Supply

# How a host reads a ready: in the node's buffer or in memory of its own, as bytes or as views.
FACES = [("flat", False), ("flat", True), ("own", False), ("own", True)]


class Host:
    def __init__(self, cluster, id, storage, face, **config):
        self.cluster = cluster
        self.id = id
        self.storage = storage
        self.taken, self.views = face
        self.config = config
        self.term, self.vote, self.commit = 0, 0, 0
        self.log = {}  # by index: (term, index, kind, data, 0, context)
        self.before, self.before_term = 0, 0
        self.applied = 0
        self.conf = b""
        self.state = []
        self.reads, self.dropped, self.tokens = [], [], []
        self.snapshots = 0
        self.most_outstanding = 0
        self.node = None

    def found(self, voters):
        self.commit, self.before, self.before_term, self.applied = 1, 1, 1, 1
        self.conf = raftcore.Conf(voters=voters, index=1, dialect=self.config.get("dialect", 0)).encode()

    def boot(self):
        self.node = raftcore.Node(raftcore.Config(self.id, storage=self.storage, **self.config))
        if not self.conf:
            return self.node.boot()
        state = (self.term, self.vote, self.commit, self.applied, self.before, self.before_term)
        entries = [self.log[index] for index in sorted(self.log)]
        last = entries[-1][1] if entries else self.before
        self.node.boot(raftcore.Stored(*state, last, self.conf, entries=entries))

    # ---- work

    def take(self):
        try:
            if self.taken == "own":
                return self.node.ready()
            if self.storage == Storage.SYNC:
                return self.node.ready_flat()  # in the node's buffer
            ready = self.node.ready_flat()
            return ready and ready.keep()
        except raftcore.FullError:
            return None

    def entries(self, ready):
        if not self.views:
            return ready.entries()
        return [raftcore.Entry(*view[:3], bytes(view.data), view.token, bytes(view.context)) for view in ready.entry_views()]

    def committed(self, ready):
        """To apply; from the log if it is no longer in the node's memory."""
        if ready.committed_last and not ready.n_committed:
            tokens = {done.index: done.token for done in ready.done()}
            span = range(ready.committed_first, ready.committed_last + 1)
            return [raftcore.Entry(*self.log[index])._replace(token=tokens.get(index, 0)) for index in span]
        if not self.views:
            return ready.committed()
        return [raftcore.Entry(*view[:3], bytes(view.data), view.token, bytes(view.context)) for view in ready.committed_views()]

    def messages(self, ready):
        if not self.views:
            return ready.messages()
        return [raftcore.Message(*view[:3], bytes(view.frame)) for view in ready.message_views()]

    def store(self, ready):
        assert ready.must_sync or not ready.n_entries
        if ready.has_snapshot:
            self.state = ready.snapshot_data.decode().split(",")
            self.conf = ready.snapshot_conf
            self.applied = self.before = ready.snapshot_index
            self.before_term = ready.snapshot_term
            self.log.clear()
            self.snapshots += 1
        entries = self.entries(ready)
        if entries:
            for index in [index for index in self.log if index >= entries[0].index]:
                del self.log[index]
        for entry in entries:
            self.log[entry.index] = entry._replace(token=0)
        if ready.has_hard_state:
            self.term, self.vote, self.commit = ready.term, ready.vote, ready.commit

    def apply(self, entries):
        for entry in entries:
            assert entry.index == self.applied + 1
            self.applied = entry.index
            if entry.kind == EntryKind.NORMAL and entry.data:
                self.state.append(entry.data.decode())
            elif entry.kind != EntryKind.NORMAL:
                self.conf = self.node.apply_conf(entry).encoded
            if entry.token:
                self.tokens.append(entry.token)

    def answer(self, ready):
        self.reads += ready.reads()
        self.dropped += ready.dropped()

    def fetches(self):
        for fetch in self.node.fetches():
            if fetch.kind == FetchKind.SNAPSHOT:
                self.node.supply_snapshot(fetch.id, self.applied, self.conf, ",".join(self.state).encode())
            elif fetch.first <= self.before:
                self.node.supply_none(fetch.id, Supply.GONE)
            else:
                self.cluster.fetched += 1
                self.cluster.fetched_to_apply += fetch.kind == FetchKind.APPLY
                self.node.supply_entries(fetch.id, [self.log[index] for index in range(fetch.first, fetch.last + 1)])

    def work(self):
        """Whether there was any."""
        self.fetches()
        return [self.work_sync, self.work_async, self.work_messages][self.storage]()

    def work_sync(self):
        ready = self.take()
        if ready is None:
            return False
        self.store(ready)
        self.cluster.send(self.id, self.messages(ready))
        self.apply(self.committed(ready))
        self.answer(ready)
        self.node.advance(ready.number)
        return True

    def work_async(self):
        queue = []
        while (ready := self.take()) is not None:
            self.cluster.send(self.id, [message for message in self.messages(ready) if not message.after])
            queue.append(ready)
            self.answer(ready)
        self.most_outstanding = max(self.most_outstanding, len(queue))
        for ready in queue:
            self.store(ready)
            self.cluster.send(self.id, [message for message in self.messages(ready) if message.after])
            self.node.persisted(ready.number)
            committed = self.committed(ready)
            self.apply(committed)
            if committed:
                self.node.applied(committed[-1].index)
        if queue:
            self.node.release(queue[-1].number)
        return bool(queue)

    def work_messages(self):
        ready = self.take()
        if ready is None:
            return False
        self.store(ready)
        self.answer(ready)
        for message in self.messages(ready):
            if message.kind == MsgKind.STORAGE_APPLY:
                self.apply(self.committed(ready))
            if message.kind in (MsgKind.STORAGE_APPEND, MsgKind.STORAGE_APPLY):
                for to, response in responses(message.frame[FRAME_HEADER:]):
                    if to == self.id:
                        self.node.step_local(response)
                    else:
                        frame = len(response).to_bytes(4, "little") + bytes(8) + response
                        self.cluster.send(self.id, [raftcore.Message(to, True, 0, frame)])
            else:
                self.cluster.send(self.id, [message])
        self.node.release(ready.number)
        return True


class Cluster:
    def __init__(self, storage=Storage.SYNC, face=FACES[0], voters=(1, 2, 3), **config):
        self.network = []
        self.cut = set()
        self.fetched, self.fetched_to_apply, self.refused = 0, 0, 0
        self.made = (storage, face, config)
        self.hosts = {}
        for id in voters:
            host = self.hosts[id] = Host(self, id, storage, face, seed=id, **config)
            host.found(voters)
            host.boot()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts.values():
            host.node.close()

    def __getitem__(self, id):
        return self.hosts[id]

    def join(self, id):
        storage, face, config = self.made
        self.hosts[id] = Host(self, id, storage, face, seed=id, **config)
        self.hosts[id].boot()

    def send(self, peer, messages):
        self.network += [(peer, message.to, message.frame) for message in messages]

    def settle(self):
        busy = True
        while busy:
            busy = any([host.work() for host in self.hosts.values()])
            mail, self.network = self.network, []
            for peer, to, frame in mail:
                if to in self.hosts and not self.cut & {peer, to}:
                    taken, refused, _ = self.hosts[to].node.step_frames(peer, frame)
                    assert taken == len(frame)
                    self.refused += refused
                    busy = True

    def tick(self, times=1):
        for _ in range(times):
            for host in self.hosts.values():
                host.node.tick()
            self.settle()

    def elect(self, id=1):
        self.hosts[id].node.campaign()
        self.settle()
        assert self.hosts[id].node.status().role == raftcore.Role.LEADER
        return self.hosts[id]

    def restart(self, id):
        self.hosts[id].node.close()
        self.hosts[id].boot()

    def add(self, leader, kind, id):
        self.hosts[leader].node.propose_conf([raftcore.Change(kind, id)])
        self.settle()


def responses(message):
    """The field 14 of a raftpb message: (to, bytes) of each."""
    for number, value in fields(message):
        if number == 14:
            yield dict(fields(value)).get(2, 0), value


def fields(message):
    at = 0

    def varint():
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(message):
        key = varint()
        value = varint()
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        yield key >> 3, value


ADD_NODE, ADD_LEARNER, REMOVE_NODE = ChangeKind.ADD_NODE, ChangeKind.ADD_LEARNER, ChangeKind.REMOVE_NODE
