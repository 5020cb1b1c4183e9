"""moved.py: members that come back under another address are found again, by the group's agreement."""

import os

import insult
from kit import attempt, case, expect, free_port, wait_for
from options import Authority


def move(k, node, *options):
    """Ends a node, and starts it at another peer address and another client address."""
    if node in k.process:
        k.kill(node)
    k.peer[node], k.client[node] = free_port(), free_port()
    k.start(node, *options)


def all_know(k, *nodes):
    """Waits until the book of every node has the nodes' addresses."""
    wanted = {n: f"peer={k.address(n)},client=127.0.0.1:{k.client[n]}" for n in nodes}
    wait_for(f"all know where {nodes} are", lambda: all(wanted[n] in k.status(i)[f"member_{n}"] for n in nodes for i in k.process))


@case
def a_member_moves(make):
    """A follower, the leader, a learner, two of three at once; at last all, which needs a word from a person."""
    with make() as k:
        leader = k.start_all()
        expect(k.ask(leader, "SET", "a", "1"), "OK")
        follower = leader % 3 + 1
        for node in (follower, leader):
            move(k, node)
            all_know(k, node)
        k.start(4, "--join", k.address(1))
        wait_for("node 4 is a voter", lambda: k.status(4)["voters"] == "1,2,3,4")
        expect(k.ask(k.leader(), "RAFT.REMOVE", 4), "OK")
        k.kill(4)
        k.start(5, "--wait")
        expect(k.ask(1, "RAFT.ADD", 5, k.address(5), "LEARNER"), "OK")
        wait_for("node 5 has it", lambda: k.ask(5, "GET", "a") == b"1")
        move(k, 5, "--wait")
        all_know(k, 5)
        expect(k.ask(5, "GET", "a"), b"1")
        expect(k.ask(1, "RAFT.REMOVE", 5), "OK")
        k.kill(5)
        k.kill(1)
        k.kill(2)
        move(k, 1)
        move(k, 2)
        all_know(k, 1, 2)
        k.settle()
        for i in k.founders:
            k.kill(i)
        for i in k.founders:
            move(k, i)
        for i in (2, 3):
            answer = attempt(k, 1, "RAFT.ADDRESS", i, k.address(i))
            assert answer == "OK" or str(answer).startswith(("TRYAGAIN", "UNKNOWN")), answer
        all_know(k, 1, 2, 3)
        expect(k.ask(k.leader(), "GET", "a"), b"1")
        k.settle()
        assert "no member" in str(attempt(k, 1, "RAFT.ADDRESS", 9, "127.0.0.1:1"))
        assert "HOST:PORT" in str(attempt(k, 1, "RAFT.ADDRESS", 2, "nonsense"))


@case
def a_false_address_takes_no_member_away(make):
    """On a plain network anybody may say that a member has moved. The member goes on at its address."""
    with make() as k:
        leader = k.start_all()
        node = leader % 3 + 1
        greeting = insult.throw(k.peer[node], insult.hello(9, channel=insult.JOIN), answer=True)
        disk = greeting[108:124]                        # docs/wire.md, section 3
        assert any(disk), greeting
        for _ in range(5):
            insult.throw(k.peer[leader], insult.hello(node, to=leader, disk=disk))
        expect(k.ask(leader, "SET", "a", "1"), "OK")
        k.settle()
        assert f"peer={k.address(node)}" in k.status(leader)[f"member_{node}"]
        # The false address was heard last. The member comes back, and is found.
        k.kill(node)
        insult.throw(k.peer[leader], insult.hello(node, to=leader, disk=disk))
        k.start(node)
        expect(k.ask(leader, "SET", "a", "2"), "OK")
        k.settle()
        move(k, node)
        all_know(k, node)
        k.settle()


@case
def a_member_moves_with_tls(make):
    with make() as k:
        ca = Authority(os.path.join(k.where, "tls"))
        for i in (1, 2, 3):
            ca.certify(str(i), i)
        k.start(1, "--found", *ca.options("1"))
        for i in (2, 3):
            k.start(i, "--join", k.address(1), *ca.options(str(i)))
        wait_for("all are voters", lambda: all(k.status(i)["voters"] == "1,2,3" for i in (1, 2, 3)))
        leader = k.leader()
        node = leader % 3 + 1
        move(k, node, *ca.options(str(node)))
        all_know(k, node)
        move(k, leader, *ca.options(str(leader)))
        all_know(k, leader)
        k.settle()
