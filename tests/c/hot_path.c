/* The shipped archive takes nothing from the heap on the hot path: after a warm-up, leader and followers, in each storage mode:
 * proposals alone, in batches, in parts, up to the size of a block, passed on by followers; reads; ticks; every view read.
 *
 *     hot_path [ROUNDS]      over the three modes; without a number a short run */
#define KIT_SIZES
enum { KIT_NODES = 3, KIT_LOG = 512, KIT_DATA = 16 << 10, KIT_FRAME = 256 << 10, KIT_NET = 64 };
#include "heap.h"
#include "kit.h"

enum {
    BLOCK = 16 << 10,
    LARGEST = BLOCK - 32, /* a record is the payload, and some twenty bytes of term, index and lengths */
    BATCH = 64,
};

static uint8_t payload[BLOCK];
static uint64_t leader, rounds, entries, forwarded, reads, token;

static uint64_t below(uint64_t bound) {
    static uint64_t state = 1;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (z ^ (z >> 29)) % bound;
}

static raftcore_node *node(uint64_t id) { return kit[id].node; }
static uint64_t follower(void) { return (leader + below(2)) % 3 + 1; }

static void write_many(size_t count, size_t size) {
    raftcore_slice slices[BATCH];
    uint64_t tokens[BATCH];
    for (size_t i = 0; i < count; i++) {
        slices[i].ptr = payload;
        slices[i].len = size;
        tokens[i] = ++token;
    }
    OK(node(leader), raftcore_propose_many(node(leader), slices, tokens, count));
    entries += count;
}

static void write_parts(uint64_t at, size_t size) {
    raftcore_slice parts[3] = {{payload, size / 2}, {NULL, 0}, {payload + size / 2, size - size / 2}};
    OK(node(at), raftcore_propose(node(at), parts, 3, 1));
    entries++;
    forwarded += at != leader;
}

static void read_at(uint64_t at, int count) {
    for (int i = 0; i < count; i++, reads++)
        OK(node(at), raftcore_read_index(node(at), 1));
}

static void look(void) {
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_status s = {0};
        raftcore_peer peers[KIT_NODES];
        raftcore_event event;
        size_t count;
        uint32_t due;
        s.struct_size = sizeof s;
        OK(node(id), raftcore_get_status(node(id), &s));
        OK(node(id), raftcore_get_peers(node(id), peers, KIT_NODES, &count));
        OK(node(id), raftcore_ticks_until_due(node(id), &due));
        CHECK(count == 3 && !(raftcore_has_ready(node(id)) & RAFTCORE_HAS_MESSAGES) && due > 0);
        while (raftcore_next_event(node(id), &event) == RAFTCORE_OK) {}
    }
}

/* The host's log is a ring: what nobody will ask for goes. */
static void compact(void) {
    for (uint64_t id = 1; id <= 3; id++) {
        kit_host *h = &kit[id];
        if (h->applied - h->first < KIT_LOG / 2)
            continue;
        OK(h->node, raftcore_compacted(h->node, h->applied - 16));
        h->before_term = kit_slot(h, h->applied - 16)->term;
        h->first = h->applied - 15;
    }
}

static void round_of_work(void) {
    rounds++;
    payload[0]++;
    switch (below(32)) {
    default: write_many(1, below(300)); break;
    case 0: case 1: case 2: write_parts(leader, below(300)); break;
    case 3: write_many(BATCH, 100); break;
    case 4: case 5: write_many(16, 64); break;
    case 6: write_many(1, LARGEST - below(1000)); break;
    case 7: write_many(1, LARGEST); break;
    case 8: case 9: write_parts(follower(), 200); break;
    case 10: case 11: read_at(leader, 3); break;
    case 12: case 13: read_at(follower(), 3); break;
    case 14:
        write_many(3, 50);
        read_at(leader, 1);
        read_at(follower(), 1);
        write_parts(follower(), 50);
        break;
    case 15: look(); break;
    case 16: kit_tick(); break;
    }
    kit_settle();
    compact();
}

/* More of everything than any round has. */
static void largest_round(void) {
    write_many(BATCH, 200);
    write_many(BATCH, 10);
    write_many(2, LARGEST);
    for (uint64_t id = 1; id <= 3; id++) {
        write_parts(id, 200);
        read_at(id, 8);
    }
    kit_tick();
    compact();
}

static void run(uint32_t storage, uint64_t wanted) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, storage);
        c.flags &= ~RAFTCORE_FLAG_DEBUG_POISON_VIEWS;
        c.flags |= RAFTCORE_FLAG_FORWARDING;
        c.block_bytes = BLOCK;
        c.recent_bytes = 32 * BLOCK;
        c.max_size_per_msg = 4 * BLOCK;
        kit_found(&c, 3);
    }
    leader = kit_elect();
    /* Until everything has been as large as it will be: recent logs full of short entries, and of long ones; the largest rounds. */
    for (int i = 0; i < 1000; i++) {
        write_many(BATCH, 0);
        kit_settle();
        compact();
    }
    for (int i = 0; i < 100; i++) {
        write_many(2, LARGEST);
        kit_settle();
        compact();
    }
    for (int i = 0; i < 200; i++)
        largest_round();
    for (int i = 0; i < 2000; i++)
        round_of_work();

    uint64_t calls = heap_calls;
    rounds = entries = forwarded = reads = 0;
    while (rounds < wanted) {
        round_of_work();
        if (heap_calls != calls)
            printf("storage %u: round %" PRIu64 " after the warm-up takes memory\n", storage, rounds);
        CHECK(heap_calls == calls);
    }
    CHECK(kit_leader() == leader && kit_lost == 0 && kit_rejected == 0);
    kit_check_same();
    printf("storage %u: 0 heap calls in %" PRIu64 " rounds: %" PRIu64 " entries, ", storage, rounds, entries);
    printf("%" PRIu64 " of them passed on, %" PRIu64 " reads\n", forwarded, reads);
}

int main(int argc, char **argv) {
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 30000;
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++)
        run(storage, wanted / 3 + 1);
    kit_reset();
    /* What is counted can be seen: a node takes something, and gives it all back but for a few bytes of a freed handle. */
    uint64_t blocks = heap_blocks, calls = heap_calls;
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    kit_found(&c, 3);
    CHECK(heap_calls > calls && heap_blocks > blocks);
    kit_reset();
    CHECK(heap_blocks <= blocks + 1);
    return 0;
}
