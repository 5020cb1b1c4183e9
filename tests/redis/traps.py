"""traps.py: a test for each trap of replication by a database's own stream. traps.py SCRATCH [NAME…]"""

import os
import signal
import socket
import sys
import tempfile
import threading
import time

from kit import BROKEN, Client, Group, Reply, version_of, wait_for


def refused(c, *words):
    try:
        c.do(*words)
    except Reply as e:
        return str(e)
    raise AssertionError(f"{words} is not refused")


def until_refused_or_done(group, *words):
    """Repeats a command on new connections until the first success."""
    def once():
        c = group.connect()
        try:
            return [c.do(*words)]
        finally:
            c.close()
    return wait_for(f"{words[0]} is done", once, 30)[0]


def a_command_of_the_stream_is_never_cut_by_a_change_of_leader(group):
    """A transaction and a value of several entries; the leader's process is killed in the middle."""
    value = b"x" * 3_000_000
    for turn in range(3):
        leader = group.wait_leader()
        c = group.connect(leader)
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n += 1
                try:
                    c.send("MULTI"), c.send("SET", "a", value + b"%d" % n), c.send("SET", "b", value + b"%d" % n), c.send("EXEC")
                    for _ in range(4):
                        c.read()
                except BROKEN:
                    return
        t = threading.Thread(target=write)
        t.start()
        time.sleep(0.3 + 0.1 * turn)
        group.kill(leader)
        stop.set()
        t.join()
        now = group.wait_leader(leader)
        c = group.connect(now)
        assert c.do("GET", "a") == c.do("GET", "b"), "half of a transaction"
        group.start(leader)
        group.assert_equal()


def a_deposed_leader_is_loaded_anew_and_its_held_replies_are_closed(group):
    """The followers stand still, and the leader executes writes without a quorum."""
    leader = group.wait_leader()
    c = group.connect(leader)
    c.do("SET", "kept", 1)
    others = [group.process[i].pid for i in group.process if i != leader]
    with group.paused(*others):
        c.send("SET", "lost", 1)
        wait_for("the leader's server has executed the write", lambda: group.own(leader).do("GET", "lost") == b"1")
        try:
            reply = c.read()
        except BROKEN:
            reply = None
        assert reply is None, f"a reply that nothing stands behind: {reply}"
        assert "serves clients" not in group.status(leader), "a leader without a quorum serves clients"
    now = group.wait_leader()
    group.assert_equal()
    c = group.connect(now)
    assert c.do("GET", "kept") == b"1"
    if c.do("GET", "lost") is None:
        assert "loaded anew" in group.log(leader)


def a_read_is_not_answered_by_a_leader_that_was_cut_off(group):
    leader = group.wait_leader()
    c = group.connect(leader)
    c.do("SET", "r", 1)
    others = [group.process[i].pid for i in group.process if i != leader]
    with group.paused(*others):
        time.sleep(0.1)
        try:
            c.send("GET", "r")
            reply = c.read()
        except BROKEN:
            reply = "closed"
        assert reply == "closed", "an unconfirmed read"
    group.wait_leader()


def expiry_without_clients_reaches_all_members(group):
    c = group.connect()
    for k in range(200):
        c.do("SET", f"e{k}", k, "PX", 200 + k)
    c.close()
    # No client speaks from here on: the leader's server deletes, and the deletions are entries.
    wait_for("no member has a key", lambda: all(group.own(i).do("DBSIZE") == 0 for i in group.process), 10)
    group.assert_equal()


def fill(c, name, count):
    for k in range(count):
        c.send("SET", f"{name}{k}", os.urandom(10000))
        if k % 100 == 99:
            assert [c.read() for _ in range(100)] == ["OK"] * 100


def evictions_of_the_leader_reach_all_members(group):
    c, own = group.connect(), group.own(group.wait_leader())
    fill(c, "v", 2000)                  # the backlog of 16 MB counts as memory, so it is full first
    used = int(own.do("INFO", "memory").decode().split("used_memory:")[1].split()[0])
    own.do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    own.do("CONFIG", "SET", "maxmemory", used - 2_000_000)
    fill(c, "w", 200)
    assert 0 < c.do("DBSIZE") < 2000
    group.assert_equal()
    own.do("CONFIG", "SET", "maxmemory", 0)


def followers_get_no_image_because_the_leader_changed(group):
    c = group.connect()
    for k in range(100):
        c.do("SET", f"k{k}", "x" * 100)
    group.assert_equal()
    before = {i: group.images(i) for i in group.process}
    for _ in range(3):
        leader = group.wait_leader()
        group.ctl(leader, "transfer")
        now = group.wait_leader(leader)
        assert group.connect(now).do("INCR", "n") > 0
        group.assert_equal()
    after = {i: group.images(i) for i in group.process}
    assert before == after, (before, after)


def what_would_break_the_arrangement_is_refused_with_words(group):
    c = group.connect()
    for words in (["REPLICAOF", "NO", "ONE"], ["SLAVEOF", "NO", "ONE"], ["SHUTDOWN", "NOSAVE"], ["PSYNC", "?", "-1"],
                  ["SYNC"], ["MONITOR"], ["FAILOVER"], ["DEBUG", "SLEEP", "0"], ["CONFIG", "SET", "save", ""],
                  ["CLIENT", "KILL", "TYPE", "replica"], ["ACL", "SETUSER", "default", "+@all"],
                  ["MODULE", "LOAD", "/nothing"], ["REPLCONF", "ACK", "9"]):
        assert any(word in refused(c, *words) for word in ("NOPERM", "not allowed", "unknown command")), words
    c.do("MULTI")
    refused(c, "SHUTDOWN")
    assert "EXECABORT" in refused(c, "EXEC")
    refused(c, "EVAL", "return redis.call('replicaof', 'no', 'one')", 0)
    assert c.do("CONFIG", "GET", "port") == [b"port", b"0"]
    assert c.do("SET", "still", "here") == "OK"
    group.assert_equal()


def the_settings_that_count_win_over_the_users(group):
    """The group's server command asks for the opposite: see OPTIONS."""
    c = group.connect()
    assert c.do("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
    assert c.do("CONFIG", "GET", "repl-diskless-sync-delay") == [b"repl-diskless-sync-delay", b"0"]
    limits = c.do("CONFIG", "GET", "client-output-buffer-limit")[1]
    assert b"slave 0 0 0" in limits or b"replica 0 0 0" in limits, limits


def functions_and_data_survive_a_change_of_leader(group):
    c = group.connect()
    if version_of(group.server) < (7,):
        return
    c.do("FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('f', function(k, a) return a[1] end)")
    script = c.do("SCRIPT", "LOAD", "return 7").decode()
    leader = group.wait_leader()
    group.kill_server(leader)
    assert until_refused_or_done(group, "FCALL", "f", 0, "word") == b"word"
    assert refused(group.connect(), "EVALSHA", script, 0).startswith("NOSCRIPT"), "scripts are in no replication stream"


def a_snapshot_cuts_the_log_and_brings_a_new_member_up(group):
    c = group.connect()
    for _ in range(6):
        fill(c, "s", 100)
    wait_for("every member has a snapshot",
             lambda: all(int(group.status(i).split("snapshot at entry ")[1].split(",")[0]) > 8 for i in group.process))
    group.start(4)
    wait_for("the fourth member votes", lambda: group.status(1).count("  voter  ") == 4)
    until_refused_or_done(group, "SET", "after", 1)
    group.assert_equal()
    for i in list(group.process):
        group.kill(i)
    for i in group.members:
        group.start(i)
    group.wait_leader()
    digest = group.assert_equal()
    assert digest != b"0" * 40
    assert "done" in group.ctl(group.wait_leader(), "remove", 4)
    group.kill(4)
    group.members.remove(4)
    assert until_refused_or_done(group, "GET", "after") == b"1"


def wait_counts_the_group_as_one_replica(group):
    c = group.connect()
    c.do("SET", "w", 1)
    assert c.do("WAIT", 1, 5000) == 1
    assert b"connected_slaves:1" in c.do("INFO", "replication")


def held_replies_are_bounded_and_a_large_reply_arrives(group):
    """64 MB through a limit of 1 MiB, to a slow client; a second client is served meanwhile."""
    leader = group.wait_leader()
    c, other = group.connect(leader), group.connect(leader)
    value = os.urandom(1_000_000)
    c.do("SET", "big", value)
    for _ in range(64):
        c.send("GET", "big")
    most = 0
    for k in range(64):
        assert c.read() == value
        most = max(most, int(group.status(leader).split("replies held: ")[1].split()[0]) if k % 16 == 0 else 0)
        assert k % 8 or other.do("INCR", "other") > 0
    assert most < 6_000_000, most


def a_client_at_a_follower_is_served_by_the_leader(group):
    leader = group.wait_leader()
    follower = next(i for i in group.process if i != leader)
    c, direct = group.connect(follower), group.connect(leader)
    for k in range(50):
        assert c.do("INCR", "passed") == 2 * k + 1
        assert direct.do("INCR", "passed") == 2 * k + 2
    group.kill(follower)
    group.start(follower, options=["--tell"])
    wait_for("the follower knows the leader", lambda: "leader %d\n" % leader in group.status(follower))
    told = refused(Client(group.client[follower]), "GET", "passed")
    assert told == f"MOVED 0 127.0.0.1:{group.client[leader]}", told


def blocking_commands_watch_pubsub_and_scripts_pass(group):
    a, b = group.connect(), group.connect()
    a.send("BLPOP", "queue", 0)
    time.sleep(0.1)
    b.do("RPUSH", "queue", "job")
    assert a.read() == [b"queue", b"job"]
    a.do("WATCH", "n"), b.do("INCR", "n"), a.do("MULTI"), a.do("INCR", "n")
    assert not a.do("EXEC"), "a watched key had changed"
    a.do("SUBSCRIBE", "news")
    b.do("PUBLISH", "news", "word")
    assert a.read() == [b"message", b"news", b"word"]
    assert b.do("EVAL", "redis.call('set', KEYS[1], redis.call('time')[1]) return redis.call('get', KEYS[1])", 1, "t")
    q = group.connect()
    assert q.do("QUIT") == "OK"
    for i in group.process:             # as `echo PING | nc`: the end of the requests comes before the replies
        half = group.connect(i)
        half.send("INCR", "half"), half.sock.shutdown(socket.SHUT_WR)
        assert half.read() > 0 and half.file.read() == b""
    group.assert_equal()


def a_server_that_hangs_is_replaced_by_another_leader(group):
    leader = group.wait_leader()
    with group.paused(group.server_pid(leader)):
        assert group.wait_leader(leader) != leader
    assert until_refused_or_done(group, "SET", "h", 1) == "OK"
    group.assert_equal()


def a_transfer_ends_with_words_if_the_server_dies_meanwhile(group):
    """A held reply keeps the transfer waiting."""
    leader = group.wait_leader()
    pid, answer = group.server_pid(leader), []
    with group.paused(*(group.process[i].pid for i in group.process if i != leader)):
        group.connect(leader).send("SET", "held", 1)
        t = threading.Thread(target=lambda: answer.append(group.ctl(leader, "transfer")))
        t.start()
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        t.join(10)
    assert answer and "no answer" not in answer[0], answer
    group.wait_leader()
    group.assert_equal()


def a_long_script_costs_no_leader(group):
    """The server answers BUSY meanwhile: see OPTIONS."""
    leader = group.wait_leader()
    a, b, before = group.connect(leader), group.connect(leader), group.log(leader)
    def busy():
        try:
            b.do("GET", "long")
        except Reply as e:
            return "BUSY" in str(e)
        return False
    a.send("EVAL", "local t = redis.call('time')[1] + 3 while redis.call('time')[1] + 0 < t do end "
           "return redis.call('incr', KEYS[1])", 1, "long")
    wait_for("the server is busy", busy)
    assert a.read() == 1 and b.do("GET", "long") == b"1"
    assert group.log(leader) == before, "the leader changed"
    group.assert_equal()


SMALL_LOG = ["--log-bytes", "2000000"]
TESTS = [
    (a_command_of_the_stream_is_never_cut_by_a_change_of_leader, []),
    (a_deposed_leader_is_loaded_anew_and_its_held_replies_are_closed, []),
    (a_read_is_not_answered_by_a_leader_that_was_cut_off, []),
    (expiry_without_clients_reaches_all_members, []),
    (evictions_of_the_leader_reach_all_members, []),
    (followers_get_no_image_because_the_leader_changed, []),
    (what_would_break_the_arrangement_is_refused_with_words, []),
    (the_settings_that_count_win_over_the_users, []),
    (functions_and_data_survive_a_change_of_leader, []),
    (wait_counts_the_group_as_one_replica, []),
    (blocking_commands_watch_pubsub_and_scripts_pass, []),
    (a_long_script_costs_no_leader, []),
    (a_transfer_ends_with_words_if_the_server_dies_meanwhile, []),
    (a_client_at_a_follower_is_served_by_the_leader, []),
    (a_snapshot_cuts_the_log_and_brings_a_new_member_up, SMALL_LOG),
    (held_replies_are_bounded_and_a_large_reply_arrives, ["--held", "1048576", "--tick-ms", "200"]),
    (a_server_that_hangs_is_replaced_by_another_leader, ["--server-ms", "1000"]),
]
OPTIONS = " --lua-time-limit 300 --appendonly yes --repl-diskless-sync-delay 5 --client-output-buffer-limit 'replica 1mb 1mb 1'"


def main():
    scratch, names = sys.argv[1], sys.argv[2:]
    group, last = None, None
    for test, options in TESTS:
        if names and test.__name__ not in names:
            continue
        if group is None or options != last:
            if group:
                group.__exit__(None)
            where = os.path.join(tempfile.mkdtemp(dir=scratch), "group")
            group = Group(where, server=(os.environ.get("SERVER") or "redis-server") + OPTIONS,
                          options=["--tick-ms", os.environ.get("TICK_MS", "50"), *options])
            last = options
        begin = time.monotonic()
        try:
            group.connect().do("FLUSHALL")
            test(group)
        except BaseException:
            print(f"    FAILED: {test.__name__}", flush=True)
            group.__exit__(True)
            raise
        print(f"    ok {time.monotonic() - begin:5.1f} s  {test.__name__}", flush=True)
    group.__exit__(None)


main()
