/* W1 through the C ABI, as a host with RAFTCORE_STORAGE_SYNC does it.
 *
 *     w1-c ROUNDS BATCH SIZE [REPS]      call by call; TURN=1 in the environment: by raftcore_turn; ALIKE=1: entries of one length,
 *                                        without tokens
 *
 * No repetitions: one run that nobody times, to be counted under callgrind. Linked with the heap's functions wrapped, so that
 * allocations of the library as it is shipped are counted. */
#define _POSIX_C_SOURCE 200809L
#include "raftcore.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 3, PARTS = 64, ARRIVED = 64, CYCLE = 1024 };

/* ---- the heap, counted */

static uint64_t allocs;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *at);

void __wrap_free(void *at) { __real_free(at); }
void *__wrap_malloc(size_t size) { return allocs++, __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return allocs++, __real_calloc(count, size); }
void *__wrap_realloc(void *at, size_t size) { return allocs++, __real_realloc(at, size); }
int __wrap_posix_memalign(void **out, size_t align, size_t size) { return allocs++, __real_posix_memalign(out, align, size); }
void *__wrap_aligned_alloc(size_t align, size_t size) { return allocs++, __real_aligned_alloc(align, size); }

/* ---- hosts */

/* Messages that arrived at a node, back to back in one buffer. */
typedef struct {
    uint8_t *bytes;
    size_t len, count;
    struct { uint64_t from; size_t end; } arrived[ARRIVED];
} inbox;

typedef struct {
    raftcore_node *node;
    uint64_t term, vote, commit, applied;
    raftcore_input input;  /* of the next turn: `done` is the batch that it acknowledges */
    uint64_t stored, done; /* stand for the disk and the state machine: so much of each entry is looked at */
    uint64_t answered;     /* clients: committed entries with a token */
} host;

static host hosts[NODES]; /* hosts[i] has the id i + 1 */
static inbox inboxes[NODES + 1]; /* the last one: what is being read, while others write to the reader's */
static uint8_t *shadow; /* where the second copy goes, if its cost is to be seen */
static inbox *in[NODES], *reading;
static int twice, call_by_call;
static uint64_t rounds_kept, block_bytes;
static raftcore_slice *entries; /* of CYCLE entries, then the first again, so that each round is a part */
static uint64_t *tokens;        /* NULL: none */
static size_t batch, size, at_entry;

static void fail(const host *h, raftcore_code code, const char *what) {
    char detail[256] = "";
    if (h != NULL)
        raftcore_error_detail(h->node, detail, sizeof detail);
    fprintf(stderr, "%s: %s %s\n", what, raftcore_strerror(code), detail);
    exit(1);
}

static inline void must(const host *h, raftcore_code code, raftcore_code wanted, const char *what) {
    if (code != wanted)
        fail(h, code, what);
}

/* Stops with a message unless the condition holds. */
static inline void hold(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        exit(1);
    }
}

static inline const void *at(const void *records, uint32_t stride, uint32_t i) {
    return (const char *)records + (size_t)stride * i;
}

/* The network: a host's gather list, as for writev, arrives in one piece. On a real host the kernel
 * does this work on both ends. A separate function keeps the cost apart
 * (callgrind --toggle-collect=w1_network). */
void w1_network(inbox *to, uint64_t from, const raftcore_slice *parts, uint32_t count);
__attribute__((noinline)) void w1_network(inbox *to, uint64_t from, const raftcore_slice *parts, uint32_t count) {
    if (twice) {
        size_t len = 0;
        for (uint32_t i = 0; i < count; len += parts[i].len, i++)
            memcpy(shadow + len, parts[i].ptr, parts[i].len);
        __asm__ volatile("" : : "r"(shadow) : "memory");
    }
    for (uint32_t i = 0; i < count; to->len += parts[i].len, i++)
        memcpy(to->bytes + to->len, parts[i].ptr, parts[i].len);
    to->arrived[to->count].from = from;
    to->arrived[to->count].end = to->len;
    to->count++;
}

/* Handles a ready: store, send, apply, answer. */
static inline void work(host *h, const raftcore_ready *rd) {
    hold(!(rd->flags & RAFTCORE_RF_SNAPSHOT), "no snapshot");
    for (uint32_t i = 0; i < rd->n_entries; i++) {
        const raftcore_entry *e = at(rd->entries, rd->entry_stride, i);
        h->stored += e->index ^ e->data.len;
    }
    if (rd->flags & RAFTCORE_RF_HARD_STATE) {
        h->term = rd->term;
        h->vote = rd->vote;
        h->commit = rd->commit;
    }
    __asm__ volatile("" : : "r"(rd->flags & RAFTCORE_RF_MUST_SYNC));

    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = at(rd->msgs, rd->msg_stride, i);
        raftcore_slice parts[PARTS];
        for (uint32_t part = 0; part < m->n_frame; part++)
            parts[part] = m->frame[part];
        w1_network(in[m->to - 1], m->from, parts, m->n_frame);
    }

    for (uint32_t i = 0; i < rd->n_committed; i++) {
        const raftcore_entry *e = at(rd->committed, rd->entry_stride, i);
        hold(e->kind == RAFTCORE_ENTRY_NORMAL, "no configuration entry");
        h->applied = e->index;
        h->done += e->index ^ e->data.len;
        h->answered += e->token != 0;
    }
    hold(rd->n_reads == 0 && rd->n_dropped == 0, "nothing to answer");
}

/* Adjacent messages of a peer, headers included. */
static inline raftcore_slice frames_of(const inbox *from, size_t *at, uint64_t *peer) {
    const size_t start = *at > 0 ? from->arrived[*at - 1].end : 0;
    *peer = from->arrived[*at].from;
    while (*at < from->count && from->arrived[*at].from == *peer)
        ++*at;
    return (raftcore_slice){from->bytes + start, from->arrived[*at - 1].end - start};
}

/* Handles every ready by turns. The next turn acknowledges the last ready. */
static void by_turns(host *h, const inbox *mine) {
    raftcore_input *next = &h->input;
    raftcore_ready rd;
    size_t at = 0;
    rd.struct_size = sizeof rd;
    for (;;) {
        if (at < mine->count)
            next->frames = frames_of(mine, &at, &next->peer);
        const raftcore_code code = raftcore_turn(h->node, next, &rd);
        hold(next->consumed == next->frames.len && next->rejected == 0, "all frames are taken");
        next->frames.len = next->done = 0;
        if (code == RAFTCORE_OK || code == RAFTCORE_LAST) {
            work(h, &rd);
            next->done = rd.number;
        } else {
            must(h, code, RAFTCORE_NONE, "turn");
        }
        if (code != RAFTCORE_OK && at == mine->count)
            return;
    }
}

/* The same call by call. */
static void by_calls(host *h, const inbox *mine) {
    raftcore_fetch fetch;
    raftcore_ready rd;
    raftcore_code code;
    fetch.struct_size = sizeof fetch;
    rd.struct_size = sizeof rd;
    size_t start = RAFTCORE_FRAME_HEADER; /* tells a host of many groups for which one a message is */
    for (size_t at = 0; at < mine->count; start = mine->arrived[at++].end + RAFTCORE_FRAME_HEADER)
        must(h, raftcore_step(h->node, mine->arrived[at].from, mine->bytes + start, mine->arrived[at].end - start), RAFTCORE_OK, "step");
    must(h, raftcore_next_fetch(h->node, &fetch), RAFTCORE_NONE, "next_fetch");
    while ((code = raftcore_get_ready(h->node, &rd)) == RAFTCORE_OK) {
        work(h, &rd);
        must(h, raftcore_advance(h->node, rd.number), RAFTCORE_OK, "advance");
    }
    must(h, code, RAFTCORE_NONE, "get_ready");
}

/* Lets the leader's host work, then every host with messages, until no messages are left. */
static void settle(void) {
    static const inbox nothing;
    int busy = 1;
    (call_by_call ? by_calls : by_turns)(&hosts[0], &nothing);
    while (busy) {
        busy = 0;
        for (int i = 0; i < NODES; i++) {
            inbox *mine = in[i];
            if (mine->count == 0)
                continue;
            in[i] = reading;
            reading = mine;
            (call_by_call ? by_calls : by_turns)(&hosts[i], mine);
            mine->len = mine->count = 0;
            busy = 1;
        }
    }
}

static void run(uint64_t rounds) {
    for (uint64_t round = 1; round <= rounds; round++) {
        const uint64_t *now = tokens == NULL ? NULL : tokens + at_entry;
        must(&hosts[0], raftcore_propose_many(hosts[0].node, entries + at_entry, now, batch), RAFTCORE_OK, "propose_many");
        at_entry = (at_entry + batch) % CYCLE;
        settle();
        if (round % rounds_kept == 0)
            for (int i = 0; i < NODES; i++) {
                if (hosts[i].input.done != 0)
                    must(&hosts[i], raftcore_advance(hosts[i].node, hosts[i].input.done), RAFTCORE_OK, "advance");
                hosts[i].input.done = 0;
                must(&hosts[i], raftcore_compacted(hosts[i].node, hosts[i].applied), RAFTCORE_OK, "compacted");
            }
    }
}

static void found(host *h) {
    static const uint64_t voters[NODES] = {1, 2, 3};
    const size_t round = batch * (size + 48);
    raftcore_config config;
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.voters = voters;
    conf.n_voters = NODES;
    must(NULL, raftcore_config_init(&config, sizeof config), RAFTCORE_OK, "config_init");
    config.id = config.seed = (uint64_t)(h - hosts) + 1;
    const char *given = getenv("BLOCK_BYTES");
    if (given != NULL)
        config.block_bytes = strtoull(given, NULL, 10);
    block_bytes = config.block_bytes;
    /* The whole log between two compactions stays in memory, as in the compared programs. */
    config.recent_bytes = (rounds_kept + 4) * round + 8 * config.block_bytes;
    config.max_size_per_msg = 16 << 20;
    must(NULL, raftcore_new(&config, &h->node), RAFTCORE_OK, "new");
    h->input.struct_size = sizeof h->input;
    const raftcore_stored stored = {
        .struct_size = sizeof stored,
        .commit = 1,
        .applied = 1,
        .before_first = 1,
        .before_first_term = 1,
        .last = 1,
        .conf = &conf,
    };
    must(h, raftcore_boot(h->node, &stored), RAFTCORE_OK, "boot");
    h->applied = h->commit = 1;
}

/* The proposals of all rounds, as benches/kit/src/proposals.rs has them. */
static void prepare(void) {
    const char *given = getenv("ALIKE");
    const int alike = given != NULL && strcmp(given, "1") == 0;
    uint8_t *payload = malloc(size + size / 2);
    uint32_t state = 1;
    entries = calloc(CYCLE + batch, sizeof *entries);
    tokens = alike ? NULL : calloc(CYCLE + batch, sizeof *tokens);
    hold(payload && entries && (alike || tokens), "memory");
    memset(payload, 7, size + size / 2);
    for (size_t i = 0; i < CYCLE + batch; i++) {
        if (i % 2 == 0)
            state = state * 1664525u + 1013904223u;
        const size_t apart = alike ? 0 : (state >> 16) % (size / 2 + 1);
        entries[i].ptr = payload;
        entries[i].len = i >= CYCLE ? entries[i - CYCLE].len : i % 2 == 0 ? size - apart : size + apart;
        if (!alike)
            tokens[i] = i + 1;
    }
}

/* ---- figures */

static double ns_of(uint64_t rounds, int doubled) {
    struct timespec a, b;
    uint64_t before[NODES];
    for (int i = 0; i < NODES; i++)
        before[i] = hosts[i].applied;
    twice = doubled;
    clock_gettime(CLOCK_MONOTONIC, &a);
    run(rounds);
    clock_gettime(CLOCK_MONOTONIC, &b);
    for (int i = 0; i < NODES; i++)
        hold(hosts[i].applied - before[i] == rounds * batch, "all applied all");
    hold(hosts[0].answered == (tokens == NULL ? 0 : hosts[0].applied - 2), "each client is answered");
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / ((double)rounds * (double)batch);
}

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv) {
    const uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1024;
    const size_t reps = argc > 4 ? strtoull(argv[4], NULL, 10) : 7;
    double plain[64], doubled[64];
    uint64_t before;
    batch = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    size = argc > 3 ? strtoull(argv[3], NULL, 10) : 256;
    hold(batch > 0 && size > 0 && reps < 64, "arguments");
    call_by_call = getenv("TURN") == NULL;

    rounds_kept = (64 << 20) / (batch * size);
    rounds_kept = rounds_kept > 64 ? 64 : rounds_kept < 1 ? 1 : rounds_kept;
    const size_t room = 4 * batch * (size + size / 2 + 48) + 4096;
    prepare();
    shadow = malloc(room);
    hold(shadow != NULL, "memory");
    for (int i = 0; i <= NODES; i++) {
        inboxes[i].bytes = malloc(room);
        hold(inboxes[i].bytes != NULL, "memory");
    }
    for (int i = 0; i < NODES; i++) {
        in[i] = &inboxes[i];
        found(&hosts[i]);
    }
    reading = &inboxes[NODES];
    must(&hosts[0], raftcore_campaign(hosts[0].node), RAFTCORE_OK, "campaign");
    settle();

    const uint64_t three_blocks = 3 * block_bytes / (batch * size);
    const uint64_t every_length = (CYCLE + batch - 1) / batch;
    const uint64_t warm_up = every_length > 8 * rounds_kept ? every_length : 8 * rounds_kept;
    run(three_blocks > warm_up ? three_blocks : warm_up);
    if (reps == 0) {
        ns_of(rounds, 0);
    } else {
        before = allocs;
        for (size_t i = 0; i < reps; i++) {
            plain[i] = ns_of(rounds, 0);
            doubled[i] = ns_of(rounds, 1);
        }
        before = allocs - before;
        qsort(plain, reps, sizeof *plain, ascending);
        qsort(doubled, reps, sizeof *doubled, ascending);
        printf("who=raftcore-c batch=%zu size=%zu ns_min=%.2f ns_median=%.2f ns_network=%.2f allocs=%.4f\n", batch, size,
               plain[0], plain[reps / 2], doubled[0] > plain[0] ? doubled[0] - plain[0] : 0.0,
               (double)before / (2.0 * (double)(reps * rounds * batch)));
    }
    for (int i = 0; i < NODES; i++) {
        if (hosts[i].stored + hosts[i].done + hosts[i].term + hosts[i].vote + hosts[i].commit == 0)
            return 1;
        must(NULL, raftcore_free(hosts[i].node), RAFTCORE_OK, "free");
    }
    return 0;
}
