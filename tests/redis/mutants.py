"""mutants.py: faults planted in raftcore-redis, each for a test to notice. mutants.py SCRATCH [PART OF A NAME]"""

import os
import shutil
import subprocess
import sys
import tempfile

from kit import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
# The fault; file; old text; new text; the test of traps.py to fail.
MUTANTS = [
    ("replies leave without a commit", "rounds.c", "s->first_round->confirmed && s->first_round->position <= s->log_end", "true",
     "a_deposed_leader_is_loaded_anew_and_its_held_replies_are_closed"),
    ("reads leave without a confirmed leader", "rounds.c", "r->confirmed = position > s->proposed;", "r->confirmed = true;",
     "a_read_is_not_answered_by_a_leader_that_was_cut_off"),
    ("bytes without a client are not proposed", "main.c", "source_flush(s, false);", "if (s->n_clients) source_flush(s, false);",
     "expiry_without_clients_reaches_all_members"),
    ("followers forget bytes", "database.c", "size_t skip = s->fed_end > begin", "size_t skip = s->n_ends % 50 == 49 ? 1 : s->fed_end > begin",
     "followers_get_no_image_because_the_leader_changed"),
    ("a deposed server is always loaded anew", "server.c", "if (!level || s->reload[0]) {", "if (true) {",
     "followers_get_no_image_because_the_leader_changed"),
    ("an entry may end within a transaction", "resp.c", "if (!s->in_multi)", "if (true)",
     "a_command_of_the_stream_is_never_cut_by_a_change_of_leader"),
    ("unfinished parts stay", "database.c", "            if (!goes_on) {", "            if (false) {",
     "a_command_of_the_stream_is_never_cut_by_a_change_of_leader"),
    ("clients may do anything", "server.c", 'old ? rules_6 : rules', '"+@all"',
     "what_would_break_the_arrangement_is_refused_with_words"),
    ("replies are read without a limit", "clients.c", "c->out.len < HELD_CLIENT", "c->out.len < 1024ul * HELD_CLIENT",
     "held_replies_are_bounded_and_a_large_reply_arrives"),
    ("a hanging server is kept", "server.c", "s->now - s->asked_since > s->server_ms", "false",
     "a_server_that_hangs_is_replaced_by_another_leader"),
    ("the server is never told what is committed", "source.c", "if (s->stage != SERVE || s->source.out.len > 0 ||", "if (true ||",
     "wait_counts_the_group_as_one_replica"),
]


def main():
    scratch, part = tempfile.mkdtemp(dir=sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    missed = []
    for number, (name, file, old, new, test) in enumerate(MUTANTS):
        if part not in name:
            continue
        source = os.path.join(scratch, f"{number}")
        shutil.copytree(os.path.join(ROOT, "examples-c", "redis"), source)
        path = os.path.join(source, file)
        with open(path) as f:
            text = f.read()
        assert text.count(old) == 1, f"{name}: {file} has {text.count(old)} times {old!r}"
        with open(path, "w") as f:
            f.write(text.replace(old, new))
        subprocess.run(["make", "-s", "-C", source, f"ROOT={ROOT}", f"OUT={source}/out",
                        "CFLAGS=-O1 -Wno-error"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seen = subprocess.run([sys.executable, os.path.join(HERE, "traps.py"), source, test], capture_output=True, timeout=300,
                              env={**os.environ, "BINARY": f"{source}/out/raftcore-redis"}).returncode != 0
        print(f"    {'noticed' if seen else 'MISSED '}  {name}", flush=True)
        if not seen:
            missed.append(name)
    return 1 if missed else 0


sys.exit(main())
