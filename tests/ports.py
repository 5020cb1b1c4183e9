"""Ports for the members that a test starts as processes of their own.

No two programs get the same port at a time: each port has a mark, an abstract Unix socket, which ends with the program that
drew the port. A member that is down keeps its port in this way. The ports lie below those that the kernel gives to
connections. As a program it prints a port, without a mark.
"""
import collections
import os
import random
import socket

_chance = random.SystemRandom()  # a test's own seed gives other ports each time
_marks = collections.deque()  # descriptors
MOST = 200  # marks held: the members of older ports have ended


def free_port():
    while True:
        port = _chance.randrange(10000, 32000)
        mark, probe = socket.socket(socket.AF_UNIX), socket.socket()
        try:
            mark.bind(f"\0raftcore-port-{port}")
            probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        finally:
            probe.close()
        _marks.append(mark.detach())
        if len(_marks) > MOST:
            os.close(_marks.popleft())
        return port


if __name__ == "__main__":
    print(free_port())
