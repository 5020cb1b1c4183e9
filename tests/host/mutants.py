#!/usr/bin/env python3
"""Does rh-log-check notice what could be wrong in the file log?

    tests/host/mutants.py [WORD…]     plants each fault (or those whose name has a WORD) in a copy of bindings/c, and runs the suite

A fault that stays unnoticed is listed, and the answer is 1. Each fault is one edit of the source: FILE, name, FROM, TO.
"""

import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

FAULTS = [
    ("log_sync.c", "no flush", "if ((is_new ? fsync(fd) : fdatasync(fd)) == 0)", "if (fd >= 0)"),
    ("log_sync.c", "no flush of a new segment", "(is_new ? fsync(fd) : fdatasync(fd))", "(is_new ? 0 : fdatasync(fd))"),
    ("log_sync.c", "no flush of a directory", "int code = rh_dir_sync(log->dir, why);", "int code = RH_OK;"),
    ("log_sync.c", "a mark that is not flushed before the next segment", "if (log->write_dirty && fdatasync(log->write_fd) != 0)",
     "if (log->write_dirty && log->write_fd < 0)"),
    ("log_sync.c", "a failed flush is forgotten", "    log->failed = true;\n", ""),
    ("log_sync.c", "segments go before the news is durable", "    int code = write_flight(log, true, &cause);",
     "    log->synced_batch = batch; remove_segments(log, take_doomed(log)); int code = write_flight(log, true, &cause);"),
    ("log_sync.c", "cut before the next one has its name", "    int code = rh_dir_sync(log->dir, why);\n    if (code != RH_OK)\n        return code;\n    if (log->write_fd >= 0) {",
     "    int code = RH_OK;\n    if (log->write_fd >= 0) {"),
    ("log_sync.c", "no cut of a full segment", "if (ftruncate(log->write_fd, (off_t)log->write_end) != 0) {", "if (log->write_end == 1) {"),
    ("log_sync.c", "no mark when idle", "    int code = write_flight(log, false, &cause);", "    int code = RH_OK;"),
    ("log_sync.c", "blocks are written again", "    last->tail = rh_place_of_next_sync(log, last->tail);", "    (void)last;"),
    ("log_append.c", "synced is one too high", ".synced = log->synced_batch,", ".synced = log->next_batch,"),
    ("log_append.c", "synced is never told", ".synced = log->synced_batch,", ".synced = 0,"),
    ("log_append.c", "the base forgets the hard state", "    add_state(&b, s->term, s->vote, s->commit);\n", ""),
    ("log_append.c", "the base forgets memberships", "    for (size_t i = 0; i < s->n_confs; i++)\n        add_conf(&b, &s->confs[i]);\n    add_state",
     "    add_state"),
    ("log_append.c", "the base forgets what was compacted", ".type = RH_REC_BEFORE, .index = s->before,", ".type = RH_REC_BEFORE, .index = 0 * s->before,"),
    ("log_append.c", "a snapshot that replaces does not", "add_snapshot(b, batch->snapshot, batch->replaces);", "add_snapshot(b, batch->snapshot, false);"),
    ("log_append.c", "a falling term is taken", "|| e->term < term ||", "||"),
    ("log_recovery.c", "promised by nobody, trusted where it lies", "    v->proven = tail->synced > synced ? tail->synced : synced;",
     "    v->proven = tail->synced > v->good ? tail->synced : v->good; (void)synced;"),
    ("log_recovery.c", "damage is taken for a torn end", "if (code == RH_OK && v->proven > v->good)", "if (code == RH_OK && v->proven > v->good + 1000000)"),
    ("log_recovery.c", "a cut file is not noticed", "    if (v->scan.size == base->size)\n        return RH_OK;", "    if (v->scan.size <= base->size)\n        return RH_OK;"),
    ("log_recovery.c", "missing entries are not noticed", "(s->last > s->before && v->first_there > s->before + 1)", "false"),
    ("log_recovery.c", "how far the log had come is not asked", "if (v->good < v->log->dir->owner.reached)", "if (v->good + 1000000 < v->log->dir->owner.reached)"),
    ("log_recovery.c", "leftovers before the chain are an error", "for (v->chain = v->count - 1; v->chain > 0 && v->numbers[v->chain - 1] + 1 == v->numbers[v->chain];)",
     "for (v->chain = v->count - 1; v->chain > 0;)"),
    ("log_boot.c", "the run goes on in the old segment's number", "    bool again = v->proven == base->prev_number + 1;", "    bool again = true;"),
    ("log_boot.c", "nothing is copied", "    return copy_promised_by_nobody(v, g, why);", "    return copied > 0 && !g ? copy_promised_by_nobody(v, g, why) : RH_OK;"),
    ("log_scan.c", "records are not verified", "        if (!rh_get_record(p + at, h->bytes - at, s->seed, place + RH_BATCH_HEAD + at, &r, &need))\n            return trouble",
     "        if (!rh_get_record(p + at, h->bytes - at, s->seed, place + RH_BATCH_HEAD + at, &r, &need) && need == 0)\n            return trouble"),
    ("log_format.c", "data out of the checksum", "rh_put_u32(to, rh_crc32c(seed_at(seed, r->place), to + 4, RH_RECORD_HEAD - 4 + len));",
     "rh_put_u32(to, rh_crc32c(seed_at(seed, r->place), to + 4, RH_RECORD_HEAD - 4));"),
    ("log_read.c", "an entry is not verified when it is read", "g->seed, place, &r, &need);",
     "g->seed, place, &r, &need); if (!good && need > 0 && need <= got - at) { good = true; r = (struct rh_record){.type = RH_REC_ENTRY, .index = g->first + i, .term = 1, .data = {io->buf + at + 32, need - 32}}; }"),
    ("log_state.c", "truncation keeps the terms", "    while (s->n_runs > 0 && s->runs[s->n_runs - 1].first >= index)\n        s->n_runs--;\n", ""),
    ("log_compact.c", "hold is not asked", "uint64_t limit = upto < hold ? upto : hold,", "uint64_t limit = upto < hold ? upto : upto,"),
    ("log_compact.c", "the news of compaction is not written", "    rh_builder_add(&b, (struct rh_record){.type = RH_REC_BEFORE, .index = before, .term = term}, (raftcore_slice){0});\n", ""),
    ("log_append.c", "a segment may be full to the last byte", "g->tail + bytes) + RH_BATCH_HEAD < g->size;", "g->tail + bytes) + RH_BATCH_HEAD <= g->size;"),
    ("log_append.c", "a full segment has no room for a mark", "g->tail + bytes) + RH_BATCH_HEAD < g->size;", "g->tail + bytes) < g->size;"),
    ("log_boot.c", "marks in between are not copied", "if (batch->head.count == 0 && batch->head.number == v->good)", "if (batch->head.count == 0)"),
    ("log_boot.c", "blocks of a full disk are not given back", "    free_tail_if_full(v);\n    if (code == RH_OK)", "    if (code == RH_OK)"),
    ("log_sync.c", "the reserve is not used", "bool on_reserve = code == RH_E_SPACE && log->reserve &&", "bool on_reserve = code == RH_E_SPACE && log->reserve && !log &&"),
    ("dir.c", "no lock", "    bool taken = flock(d->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;\n    if (taken || flock(d->lock, LOCK_EX | LOCK_NB) != 0) {",
     "    bool taken = false;\n    if (taken) {"),
    ("dir.c", "the owner's checksum is not asked", "if (strcmp(text, again) == 0)", "if (again[0])"),
    ("dir.c", "the owner file is not flushed", "    if (code == RH_OK && fsync(fd) != 0)\n        code = fail_call(why, \"fsync\", \"owner.tmp\");\n", ""),
    ("dir.c", "short writes are taken for whole", "        len -= (size_t)n;\n", "        len = 0;\n"),
]


def run(fault, seconds):
    file, name, old, new = fault
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        shutil.copytree(os.path.join(TOP, "bindings", "c"), os.path.join(work, "c"))
        path = os.path.join(work, "c", file)
        text = open(path).read()
        if text.count(old) != 1:
            return f"the source has {text.count(old)} places like it"
        open(path, "w").write(text.replace(old, new))
        return run_tests(work, seconds)


TESTS = {
    "log_end": [],
    "log_check": [],
    "log_file": ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"],
}


def run_tests(work, seconds):
    """What the first test says that fails; None if none does."""
    sources = [os.path.join(d, f) for d in (os.path.join(work, "c"), os.path.join(work, "c", "check"))
               for f in os.listdir(d) if f.endswith(".c")]
    includes = [os.path.join(TOP, "include"), os.path.join(work, "c"), os.path.join(work, "c", "check"), os.path.join(TOP, "tests/host")]
    for test, flags in TESTS.items():
        program = os.path.join(work, test)
        build = subprocess.run(["cc", "-std=gnu11", "-O1", "-g", "-w", "-D_FILE_OFFSET_BITS=64", *("-I" + d for d in includes), *flags,
                                os.path.join(TOP, f"tests/host/{test}.c"), *sources, "-lpthread", "-o", program],
                               capture_output=True, text=True)
        if build.returncode != 0:
            return "does not compile: " + build.stderr[:300]
        try:
            done = subprocess.run([program, os.path.join(work, "scratch")], capture_output=True, text=True, timeout=seconds,
                                  env={**os.environ, "HOST_TIMES": os.environ.get("HOST_TIMES", "4"), "SEED": os.environ.get("SEED", "1")})
        except subprocess.TimeoutExpired:
            return "hangs"
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.strip().splitlines()] or [f"ends with {done.returncode}"]
            return " | ".join(lines[1:3] or lines)[:230]
    return None


def main():
    wanted = sys.argv[1:]
    missed = []
    for fault in FAULTS:
        if wanted and not any(word in fault[1] or word == fault[0] for word in wanted):
            continue
        result = run(fault, 300)
        print(f"{fault[0]:14} {fault[1]:52} {'NOT NOTICED' if result is None else 'noticed: ' + result}", flush=True)
        if result is None:
            missed.append(fault[1])
    print(f"{len(missed)} not noticed" + "".join(f"\n    {name}" for name in missed))
    return 1 if missed else 0


sys.exit(main())
