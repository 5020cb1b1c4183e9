"""once.py: writes that clients send again under RAFT.ONCE, while leaders die: each takes effect once."""

import os
import threading

from kit import Client, Reply, attempt, case, error, expect, wait_for


class Once(threading.Thread):
    """Increments a counter under a session of its own, and repeats each request until there is a reply."""

    def __init__(self, cluster, turn):
        super().__init__(daemon=True)
        self.cluster, self.session = cluster, os.urandom(16).hex()
        self.number, self.replies, self.repeats = 0, [], 0
        self.conn, self.turn, self.failed, self.stop_ = None, turn, None, threading.Event()

    def run(self):
        try:
            while not self.stop_.is_set():
                self.number += 1
                while (reply := self.attempt()) is None:
                    self.repeats += 1
                self.replies.append(reply)
        except Exception as e:                      # told to the one who joins
            self.failed = e

    def attempt(self):
        """The reply to the current request, from any node; None: nobody knows."""
        try:
            if self.conn is None:
                self.turn += 1
                self.conn = Client(self.cluster.client[self.cluster.founders[self.turn % 3]], timeout=8)
            return self.conn.do("RAFT.ONCE", self.session, self.number, "INCR", "visits")
        except Reply as e:
            assert str(e).startswith(("TRYAGAIN", "UNKNOWN")) and "expired" not in str(e), e
        except (OSError, ConnectionError):
            self.conn = None
        return None

    def finish(self):
        self.stop_.set()
        self.join(timeout=30)
        assert not self.is_alive(), "a client got no answer in 30 s"
        if self.failed:
            raise self.failed


def repeat_all(k, node, clients):
    """The last request of each client once more, at a node: the first reply, and nothing changes."""
    c = k.connect(node)
    for x in clients:
        expect(c.do("RAFT.ONCE", x.session, x.number, "INCR", "visits"), x.replies[-1])
    expect(int(c.do("GET", "visits")), sum(x.number for x in clients))


@case
def a_retry_after_the_leaders_death_counts_once(make):
    """Leaders die under load. Then everything dies at once, and a new member gets the sessions in a snapshot."""
    with make(options=["--keep-kib", "64"]) as k:
        leader = k.start_all()
        clients = [Once(k, n) for n in range(6)]
        for x in clients:
            x.start()
        for _ in range(3):
            seen = sum(x.number for x in clients)
            wait_for("more increments", lambda n=seen: sum(x.number for x in clients) > n + 150)
            k.kill(leader)
            old, leader = leader, k.leader(other_than=leader, among=[i for i in k.founders if i != leader])
            k.start(old)
            wait_for("it is back", lambda i=old: k.status(i)["leader"] != "0")
        for x in clients:
            x.finish()
        total = sum(x.number for x in clients)
        expect(sorted(r for x in clients for r in x.replies), list(range(1, total + 1)))
        for i in k.founders:
            repeat_all(k, i, clients)
        k.settle()
        for i in k.founders:
            k.kill(i)
        for i in k.founders:
            k.start(i)
        repeat_all(k, k.leader(), clients)
        for n in range(600):                        # so that the log no longer begins at its beginning
            expect(k.ask(k.leader(), "SET", f"more:{n}", "x" * 200), "OK")
        k.start(4, "--join", k.address(1))
        wait_for("node 4 is a voter", lambda: k.status(4)["voters"] == "1,2,3,4")
        assert "the database has the snapshot of index" in k.log(4)
        wait_for("node 4 leads", lambda: attempt(k, 4, "RAFT.TRANSFER", 4) == "OK" and k.status(4)["role"] == "leader")
        repeat_all(k, 4, clients)
        k.settle()
        repeats = sum(x.repeats for x in clients)
        assert repeats > 0, "no request was sent again"
        print(f"    {total} increments, {repeats} sent again")


@case
def a_session_is_told_when_it_cannot_be_known(make):
    with make() as k:
        c = k.connect(k.start_all())
        session, other = os.urandom(16).hex(), os.urandom(16).hex().upper()
        expect(c.do("RAFT.ONCE", session, 1, "SET", "a", "1"), "OK")
        expect(c.do("raft.once", session, 2, "APPEND", "a", "2"), 2)
        expect(c.do("RAFT.ONCE", session, 2, "APPEND", "a", "2"), 2)
        assert "the session has expired" in error(c, "RAFT.ONCE", session, 1, "SET", "a", "3")
        assert "the session has expired" in error(c, "RAFT.ONCE", other, 7, "SET", "a", "3")
        expect(c.do("RAFT.ONCE", other, 1, "SET", "a", "4", "NX"), None)
        expect(c.do("GET", "a"), b"12")
        for bad in (["nonsense", 1, "INCR", "a"], [session[1:], 1, "INCR", "a"], ["0" * 32, 1, "INCR", "a"], [session, 0, "INCR", "a"],
                    [session, "x", "INCR", "a"]):
            assert "32 hexadecimal digits" in error(c, "RAFT.ONCE", *bad), bad
        assert "for commands that write" in error(c, "RAFT.ONCE", session, 3, "GET", "a")
        assert "for commands that write" in error(c, "RAFT.ONCE", session, 3, "QUIT")
        assert "within" in error(c, "RAFT.ONCE", session, 3, "RAFT.ONCE", session, 3, "INCR", "a")
        assert "wrong number" in error(c, "RAFT.ONCE", session, 3, "INCR")
        assert "syntax error" in error(c, "RAFT.ONCE", session, 3)
        assert "not an integer" in error(c, "RAFT.ONCE", session, 3, "INCRBY", "a", "x")        # refused before it has a number
        expect(c.do("RAFT.ONCE", session, 3, "INCR", "a"), 13)
