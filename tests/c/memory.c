/* What a node takes from the heap, by configuration, on the archive as it is shipped: raftcore_footprint is a bound of it, and
 * status.memory_bytes tells it. Prints the table of the README, to which `make ctest-memory` holds that page; REWRITE=1 writes it. */
#include "check.h"
#include "heap.h"
#include "raftcore.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NODES = 3, BATCH = 256, INBOX = 32 << 20 };

/* A host that stores nothing: the log is only in its node. */
static struct {
    raftcore_node *node;
    uint64_t bytes, most, last;
    uint64_t unsaid; /* the last ready not acknowledged yet */
} hosts[NODES]; /* hosts[i] has the id i + 1 */
static struct { uint8_t bytes[INBOX]; size_t len; } inboxes[NODES];
static uint8_t payload[4 << 20];
static uint32_t storage;

/* What a node's call took is this node's; nobody else takes anything meanwhile. */
static uint64_t heap_before;
static void begin(void) { heap_before = heap_bytes; }
static raftcore_code end(int i, raftcore_code code) {
    hosts[i].bytes += heap_bytes - heap_before;
    if (hosts[i].bytes > hosts[i].most)
        hosts[i].most = hosts[i].bytes;
    if (code < 0 && code != RAFTCORE_E_FULL) {
        char detail[256] = "";
        raftcore_error_detail(hosts[i].node, detail, sizeof detail);
        fprintf(stderr, "node %d: %s %s\n", i + 1, raftcore_strerror(code), detail);
        exit(1);
    }
    return code;
}
#define CALL(i, call) (begin(), end(i, call))

/* Frames that arrive, each with its sender and length before it. */
static void send_frame(const raftcore_msg *m) {
    size_t at = inboxes[m->to - 1].len;
    uint8_t *to = inboxes[m->to - 1].bytes;
    CHECK(at + 16 + m->frame_bytes <= INBOX);
    uint64_t head[2] = {m->from, m->frame_bytes};
    memcpy(to + at, head, sizeof head);
    at += sizeof head;
    for (uint32_t i = 0; i < m->n_frame; i++) {
        memcpy(to + at, m->frame[i].ptr, m->frame[i].len);
        at += m->frame[i].len;
    }
    inboxes[m->to - 1].len = at;
}

/* In ASYNC up to four readies stay outstanding. */
static int work(int i) {
    raftcore_ready rd = {0};
    int any = 0;
    rd.struct_size = sizeof rd;
    for (;;) {
        raftcore_code code = CALL(i, raftcore_get_ready(hosts[i].node, &rd));
        if (code == RAFTCORE_OK) {
            for (uint32_t at = 0; at < rd.n_msgs; at++)
                send_frame((const raftcore_msg *)(const void *)((const char *)rd.msgs + (size_t)rd.msg_stride * at));
            if (rd.committed_last > 0)
                hosts[i].last = rd.committed_last;
            hosts[i].unsaid = rd.number;
        }
        if (code != RAFTCORE_OK && hosts[i].unsaid == 0)
            return any;
        if (code != RAFTCORE_OK || storage == RAFTCORE_STORAGE_SYNC || rd.number % 4 == 0) {
            CALL(i, raftcore_advance(hosts[i].node, hosts[i].unsaid));
            hosts[i].unsaid = 0;
        }
        any = 1;
    }
}

static int hear(int i) {
    static uint8_t reading[INBOX];
    size_t len = inboxes[i].len, used;
    memcpy(reading, inboxes[i].bytes, len);
    inboxes[i].len = 0;
    for (size_t at = 0; at < len;) {
        uint64_t head[2];
        memcpy(head, reading + at, sizeof head);
        at += sizeof head;
        CALL(i, raftcore_step_frames(hosts[i].node, head[0], reading + at, head[1], &used, NULL, NULL));
        at += head[1];
    }
    return len > 0;
}

static void settle(void) {
    int any;
    do {
        any = 0;
        for (int i = 0; i < NODES; i++)
            any |= work(i) | hear(i);
    } while (any);
}

static void tick(void) {
    for (int i = 0; i < NODES; i++)
        CALL(i, raftcore_tick(hosts[i].node, 1));
    settle();
}

/* Entries of a size, so many bytes of them, at the leader. */
static void write_entries(size_t size, size_t batch, uint64_t bytes) {
    raftcore_slice slices[BATCH];
    for (size_t i = 0; i < batch; i++) {
        slices[i].ptr = payload;
        slices[i].len = size;
    }
    for (uint64_t done = 0; done < bytes; done += batch * (size + 10)) {
        CALL(0, raftcore_propose_many(hosts[0].node, slices, NULL, batch));
        settle();
    }
}

static void make(int i, const raftcore_config *given, uint64_t voters) {
    static const uint64_t ids[NODES] = {1, 2, 3};
    raftcore_config c = *given;
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.voters = ids;
    conf.n_voters = (uint32_t)voters;
    c.id = c.seed = (uint64_t)i + 1;
    c.flags |= RAFTCORE_FLAG_FORWARDING;
    CALL(i, raftcore_new(&c, &hosts[i].node));
    raftcore_stored stored = {0};
    stored.struct_size = sizeof stored;
    stored.commit = stored.applied = stored.before_first = stored.before_first_term = stored.last = 1;
    stored.conf = &conf;
    CALL(i, raftcore_boot(hosts[i].node, &stored));
}

/* Everything that takes memory, as much of it as the configuration allows. */
static void busy_life(const raftcore_config *c) {
    size_t batch = c->max_entries_per_ready < BATCH ? c->max_entries_per_ready : BATCH;
    size_t block = (size_t)c->block_bytes - 32;
    if (block > c->max_entry_bytes)
        block = (size_t)c->max_entry_bytes;
    CALL(0, raftcore_campaign(hosts[0].node));
    settle();
    write_entries(0, batch, 2 * c->recent_bytes);
    write_entries(1000, batch < 16 ? batch : 16, 2 * c->recent_bytes);
    write_entries(block, 1, 2 * c->recent_bytes);
    write_entries(0, batch, 2 * c->recent_bytes);
    for (int round = 0; round < 20; round++) {
        raftcore_slice part = {payload, 100};
        for (int i = 0; i < NODES; i++) {
            uint64_t token = 0;
            while (CALL(i, raftcore_read_index(hosts[i].node, ++token)) == RAFTCORE_OK) {}
            while (token++ < 20000 && CALL(i, raftcore_propose(hosts[i].node, &part, 1, token)) == RAFTCORE_OK) {}
        }
        settle();
        tick();
    }
}

static const char *words(uint64_t bytes) {
    static char texts[8][32];
    static int next;
    char *text = texts[next++ % 8];
    if (bytes < 10 << 20)
        snprintf(text, sizeof texts[0], "%" PRIu64 " KiB", (bytes + 512) >> 10);
    else
        snprintf(text, sizeof texts[0], "%.1f MiB", (double)bytes / (1 << 20));
    return text;
}

static void row(const char *name, const raftcore_config *c) {
    size_t bound = 0;
    uint64_t idle = 0, full = 0, blocks = heap_blocks;
    storage = c->storage;
    memset(hosts, 0, sizeof hosts);
    CHECK(raftcore_footprint(c, &bound) == RAFTCORE_OK);
    for (int i = 0; i < NODES; i++) {
        make(i, c, NODES);
        CHECK(hosts[i].most <= bound);
        idle = hosts[i].bytes;
    }
    busy_life(c);
    for (int i = 0; i < NODES; i++) {
        raftcore_status s = {0};
        s.struct_size = sizeof s;
        CHECK(raftcore_get_status(hosts[i].node, &s) == RAFTCORE_OK && s.n_tokens == 0 && s.n_reads == 0);
        CHECK(hosts[i].last == hosts[0].last && s.applied == s.commit);
        if (hosts[i].most > full)
            full = hosts[i].most;
        fprintf(stderr, "%s, node %d: %" PRIu64 " bytes, %" PRIu64 " at most; footprint %zu; memory_bytes %" PRIu64 "\n", name, i + 1,
                hosts[i].bytes, hosts[i].most, bound, s.memory_bytes);
        CHECK(hosts[i].most <= bound && bound <= 3 * hosts[i].most);
        CHECK(s.memory_bytes <= hosts[i].bytes && s.memory_bytes >= hosts[i].bytes - hosts[i].bytes / 16);
        CHECK(raftcore_free(hosts[i].node) == RAFTCORE_OK);
    }
    CHECK(heap_blocks == blocks);
    printf("| %s | %s | %s | %s |\n", name, words(bound), words(idle), words(full));
}

/* Handles have headers, which come in chunks, belong to no node and are never given back. After so many, old ones are used again. */
static void warm_up(const raftcore_config *c) {
    for (int i = 0; i < 600; i++) {
        raftcore_node *node = NULL;
        CHECK(raftcore_new(c, &node) == RAFTCORE_OK && raftcore_free(node) == RAFTCORE_OK);
    }
}

int main(void) {
    raftcore_config usual, small;
    CHECK(raftcore_config_init(&usual, sizeof usual) == RAFTCORE_OK);
    usual.id = usual.seed = 1;
    small = usual;
    small.max_peers = NODES;
    small.max_inflight_msgs = small.max_outstanding = small.max_entries_per_ready = small.max_reads = small.max_tokens = 1;
    small.max_messages = 16;
    small.block_bytes = 4 << 10;
    small.recent_bytes = 4 * small.block_bytes;
    small.catchup_bytes = small.max_snapshot_bytes = 0;
    small.max_size_per_msg = small.max_committed_size_per_ready = small.max_entry_bytes = small.block_bytes;
    small.max_uncommitted_size = 4 * small.block_bytes;

    warm_up(&small);
    printf("| configuration | `raftcore_footprint` | idle | with a full recent log |\n|---|---|---|---|\n");
    row("default", &usual);
    usual.storage = RAFTCORE_STORAGE_ASYNC;
    row("default, `RAFTCORE_STORAGE_ASYNC`", &usual);
    row("every limit at its least", &small);
    return 0;
}
