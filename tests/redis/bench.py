"""bench.py: redis-benchmark SET and GET, beside a plain server, appendfsync always, and WAIT 1 with a replica.

    bench.py SCRATCH [ROUNDS]     QUICK=1: only the loads that have a bar; figures are the best of ROUNDS; the columns take turns, in one run

Only ratios mean anything: servers, members and client share the machine. WAIT 1 is measured by wait_load.c,
because redis-benchmark sends a single command.
"""

import os
import subprocess
import sys
import tempfile

from kit import ROOT, Client, Group, free_port, wait_for

# clients, pipeline, requests
LOADS = [(64, 1, 4000), (64, 16, 64000)] if os.environ.get("QUICK") else [(1, 1, 2000), (64, 1, 20000), (256, 1, 20000), (1, 16, 20000), (64, 16, 160000), (256, 16, 160000)]
BARS = {(64, 1): 0.2, (64, 16): 0.3}


def server(where, *options):
    port = free_port()
    os.makedirs(where)
    process = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", where, *options], stdout=subprocess.DEVNULL)
    wait_for("a server", lambda: Client(port).do("PING") == "PONG")
    return process, port


def measure(port, clients, pipeline, requests, command):
    """Requests a second."""
    text = subprocess.run(["redis-benchmark", "-p", str(port), "-t", command, "-n", str(requests), "-c", str(clients), "-P",
                           str(pipeline), "-d", "64", "-r", "100000", "--csv"], capture_output=True, text=True, check=True).stdout
    return float(text.splitlines()[1].split(",")[1].strip('"'))


def measure_wait(port, clients, pipeline, requests):
    """SET, and WAIT 1 behind each pipeline."""
    text = subprocess.run([os.path.join(ROOT, "target", "redis", "wait_load"), str(port), str(clients), str(pipeline), str(requests)],
                          capture_output=True, text=True, check=True).stdout
    return float(text)


def short(rate):
    return f"{rate / 1000:.1f} k"


def main():
    scratch, rounds = tempfile.mkdtemp(dir=sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    plain, plain_port = server(os.path.join(scratch, "plain"))
    always, always_port = server(os.path.join(scratch, "always"), "--appendonly", "yes", "--appendfsync", "always")
    master, master_port = server(os.path.join(scratch, "master"), "--repl-diskless-sync-delay", "0")
    replica, _ = server(os.path.join(scratch, "replica"), "--replicaof", "127.0.0.1", str(master_port))
    wait_for("the replica", lambda: b"online" in Client(master_port).do("INFO", "replication"))
    best = {}
    try:
        # Long ticks: a machine under load elects nobody in between.
        with Group(os.path.join(scratch, "group"), options=["--tick-ms", "200"]) as group:
            ports = {"plain": plain_port, "always": always_port, "members": group.client[group.wait_leader()]}
            for _ in range(rounds):
                for clients, pipeline, requests in LOADS:
                    for command in ("set", "get"):
                        for name, port in ports.items():
                            key = clients, pipeline, command, name
                            best[key] = max(best.get(key, 0), measure(port, clients, pipeline, requests, command))
                    key = clients, pipeline, "set", "wait"
                    best[key] = max(best.get(key, 0), measure_wait(master_port, clients, pipeline, requests))
    finally:
        for process in (plain, always, master, replica):
            process.kill()
            process.wait()
    print("| clients | -P | SET plain | always | WAIT 1 | **members** | of always | GET plain | **members** | of plain |\n"
          "|---|---|---|---|---|---|---|---|---|---|")
    missed = []
    for clients, pipeline, _ in LOADS:
        at = {(c, n): best.get((clients, pipeline, c, n), 0) for c in ("set", "get") for n in ("plain", "always", "wait", "members")}
        ratio = at["set", "members"] / at["set", "always"]
        if ratio < BARS.get((clients, pipeline), 0):
            missed.append(f"{clients} clients at -P {pipeline}: {ratio:.2f} of appendfsync always, the bar is {BARS[clients, pipeline]}")
        print(f"| {clients} | {pipeline} | {short(at['set', 'plain'])} | {short(at['set', 'always'])} | {short(at['set', 'wait'])} "
              f"| **{short(at['set', 'members'])}** | {ratio:.2f} | {short(at['get', 'plain'])} | **{short(at['get', 'members'])}** "
              f"| {at['get', 'members'] / at['get', 'plain']:.2f} |")
    print("\n".join(missed) or "bars met: 0.2 of appendfsync always at -P 1, 0.3 at -P 16, with 64 clients")
    return 1 if missed else 0


sys.exit(main())
