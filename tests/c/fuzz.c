/* Calls at random, right and wrong: NULL, lengths that lie, freed handles, struct sizes of other versions, any order, two threads at once.
 * Every call answers with a code of the header, and a new node still elects itself and commits afterwards.
 *
 *     ABI_SEED=7 ABI_CALLS=1000000 target/c/asan/fuzz     repeats a run, or a longer one; without a seed it is fresh and printed */
#include "kit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { NODES = 6, ROOM = 512 };

typedef struct chance { uint64_t state; } chance;

static uint64_t next(chance *c) {
    c->state = c->state * 6364136223846793005u + 1442695040888963407u;
    return c->state >> 33;
}
static uint64_t below(chance *c, uint64_t bound) { return next(c) % bound; }
static uint64_t number(chance *c) {
    switch (below(c, 8)) {
    case 0: return UINT64_MAX - below(c, 20);
    case 1: return (uint64_t)1 << below(c, 64);
    default: return below(c, 6);
    }
}

/* Larger than any struct of the header, so that a size of a later version lies within it. */
typedef union room {
    uint32_t size;
    raftcore_config config;
    raftcore_ready ready;
    raftcore_conf conf;
    raftcore_fetch fetch;
    raftcore_status status;
    raftcore_stored stored;
    raftcore_input input;
    raftcore_frame frame;
    raftcore_peer peers[4];
    uint64_t words[ROOM];
    uint8_t bytes[ROOM * 8];
} room;

static void lying(chance *c, room *r, size_t size) {
    memset(r, 0, sizeof *r);
    switch (below(c, 12)) {
    case 0: r->size = 0; break;
    case 1: r->size = (uint32_t)below(c, size); break;
    case 2: r->size = (uint32_t)(size + 8); break;
    case 3: r->size = sizeof *r; break;
    default: r->size = (uint32_t)size; break;
    }
}

static atomic_ullong counts[64]; /* by code, negated */

static void known(raftcore_code code) {
    CHECK(code <= 0 ? code > -64 : code < 1024);
    CHECK(raftcore_strerror(code)[0] != '\0');
    if (code <= 0)
        atomic_fetch_add(&counts[-code], 1);
}

static raftcore_node *fresh(chance *c) {
    raftcore_node *node = NULL;
    raftcore_config config = kit_config(1, (uint32_t)below(c, 3));
    config.dialect = (uint32_t)below(c, 2);
    uint64_t ids[3] = {1, 2, 3};
    raftcore_conf conf = {0};
    if (raftcore_new(&config, &node) != RAFTCORE_OK)
        return NULL;
    conf.struct_size = sizeof conf;
    conf.voters = ids;
    conf.n_voters = (uint32_t)(1 + below(c, 3));
    raftcore_stored stored = kit_founder(below(c, 16) ? &conf : NULL);
    stored.term = below(c, 3);
    stored.vote = below(c, 3);
    switch (below(c, 8)) {
    case 0: break;
    case 1:
        known(raftcore_boot_state(node, stored.term, stored.vote, 1));
        known(raftcore_boot_conf(node, stored.conf, 1, 1));
        known(raftcore_boot_done(node, 1));
        break;
    default: known(raftcore_boot(node, &stored)); break;
    }
    return node;
}

/* A message with plausible numbers, then perhaps damaged. */
static size_t message(chance *c, uint8_t *out) {
    size_t len = 0;
    const uint8_t tags[] = {0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x40, 0x50, 0x58};
    for (size_t i = 0; i < sizeof tags; i++) {
        out[len++] = tags[i];
        out[len++] = (uint8_t)(i == 0 ? below(c, 24) : i == 1 ? below(c, 16) ? 1 : 2 : below(c, 4));
    }
    if (below(c, 3) == 0) {
        out[len++] = 0x3a; /* an entry */
        out[len++] = 4;
        out[len++] = 0x10;
        out[len++] = (uint8_t)below(c, 4);
        out[len++] = 0x18;
        out[len++] = (uint8_t)below(c, 6);
    }
    if (below(c, 4) == 0)
        out[below(c, len)] ^= (uint8_t)(1u << below(c, 8));
    return below(c, 8) ? len : below(c, len);
}

/* One call on a node, which may be NULL or freed. */
static void any_call(chance *c, raftcore_node *n) {
    room r;
    uint8_t buf[256], msg[128] = {0};
    size_t size = 0, len = message(c, msg);
    uint32_t few = 0;
    raftcore_code why = 0;
    uint64_t ids[4] = {number(c), number(c), 1, 2};
    raftcore_slice slices[2] = {{below(c, 8) ? msg : NULL, below(c, 40)}, {NULL, below(c, 8) ? 0 : 9}};
    raftcore_entry e = {number(c), number(c), (uint32_t)below(c, 5), 0, {below(c, 8) ? msg : NULL, below(c, 20)}, number(c),
                        {below(c, 16) ? NULL : msg, below(c, 4) ? 0 : below(c, 20)}};
    raftcore_change change = {number(c), (uint32_t)below(c, 6), 0};
    raftcore_run run = {number(c), number(c)};
    raftcore_event event;
    raftcore_node *clone = NULL;
    switch (below(c, 62)) {
    case 0: case 1: known(raftcore_tick(n, (uint32_t)below(c, 40))); break;
    case 2: case 3: case 4: case 5: known(raftcore_step(n, below(c, 3), below(c, 16) ? msg : NULL, len)); break;
    case 6: known(raftcore_step_frames(n, 0, below(c, 16) ? msg : NULL, len, below(c, 8) ? &size : NULL, below(c, 8) ? &few : NULL,
                                       below(c, 8) ? &why : NULL)); break;
    case 7: case 8: known(raftcore_propose(n, below(c, 16) ? slices : NULL, below(c, 3), number(c))); break;
    case 9: known(raftcore_propose_many(n, below(c, 16) ? slices : NULL, below(c, 4) ? ids : NULL, below(c, 3))); break;
    case 10: known(raftcore_has_ready(n)); break;
    case 11: case 12: case 13:
        lying(c, &r, sizeof r.ready);
        known(raftcore_get_ready(n, below(c, 16) ? &r.ready : NULL));
        if (r.ready.number > 0)
            known(raftcore_advance(n, r.ready.number));
        break;
    case 14: known(raftcore_ready_flat(n, below(c, 8) ? buf : NULL, below(c, sizeof buf), below(c, 8) ? &size : NULL)); break;
    case 15: known(raftcore_advance(n, number(c))); break;
    case 16: lying(c, &r, sizeof r.fetch); known(raftcore_next_fetch(n, below(c, 16) ? &r.fetch : NULL)); break;
    case 17: known(raftcore_supply_entries(n, number(c), below(c, 8) ? &e : NULL, below(c, 2))); break;
    case 18:
        lying(c, &r, sizeof r.conf);
        r.conf.voters = below(c, 8) ? ids : NULL;
        r.conf.n_voters = (uint32_t)below(c, 4);
        known(raftcore_supply_snapshot(n, number(c), number(c), below(c, 16) ? &r.conf : NULL, slices[0]));
        break;
    case 19: known(raftcore_supply_none(n, number(c), (uint32_t)below(c, 4))); break;
    case 20: known(raftcore_compacted(n, number(c))); break;
    case 21: known(raftcore_report_unreachable(n, number(c))); break;
    case 22: known(raftcore_report_snapshot(n, number(c), (uint32_t)below(c, 4))); break;
    case 23: known(raftcore_ticks_until_due(n, below(c, 8) ? &few : NULL)); break;
    case 24: known(raftcore_hello(n, below(c, 8) ? buf : NULL, below(c, sizeof buf), below(c, 8) ? &size : NULL)); break;
    case 25: known(raftcore_read_index(n, number(c))); break;
    case 26: known(raftcore_propose_conf(n, below(c, 8) ? &change : NULL, below(c, 2), (uint32_t)below(c, 5), slices[below(c, 2)], number(c))); break;
    case 27: lying(c, &r, sizeof r.conf); known(raftcore_apply_conf(n, below(c, 8) ? &e : NULL, below(c, 8) ? &r.conf : NULL)); break;
    case 28: lying(c, &r, sizeof r.conf); known(raftcore_skip_conf(n, number(c), below(c, 2) ? &r.conf : NULL)); break;
    case 29: lying(c, &r, sizeof r.conf); known(raftcore_get_conf(n, below(c, 8) ? &r.conf : NULL)); break;
    case 30: case 31: known(raftcore_campaign(n)); break;
    case 32: known(raftcore_transfer(n, number(c))); break;
    case 33: known(raftcore_abort_transfer(n)); break;
    case 34: known(raftcore_forget_leader(n)); break;
    case 35: known(raftcore_set_window(n, number(c), (uint32_t)number(c), number(c))); break;
    case 36: known(raftcore_persisted(n, number(c))); break;
    case 37: known(raftcore_applied(n, number(c))); break;
    case 38: known(raftcore_release(n, number(c))); break;
    case 39: known(raftcore_step_local(n, below(c, 8) ? msg : NULL, len)); break;
    case 40: lying(c, &r, sizeof r.status); known(raftcore_get_status(n, below(c, 8) ? &r.status : NULL)); break;
    case 41: known(raftcore_next_event(n, below(c, 8) ? &event : NULL)); break;
    case 42:
        known(raftcore_boot_terms(n, below(c, 8) ? &run : NULL, below(c, 2), number(c)));
        known(raftcore_boot_entries(n, below(c, 8) ? &e : NULL, below(c, 2)));
        break;
    case 43:
        lying(c, &r, sizeof r.stored);
        r.stored.commit = number(c);
        r.stored.applied = number(c);
        r.stored.before_first = number(c);
        r.stored.before_first_term = number(c);
        r.stored.last = number(c);
        r.stored.runs = below(c, 2) ? &run : NULL;
        r.stored.n_runs = below(c, 2);
        r.stored.entries = below(c, 2) ? &e : NULL;
        r.stored.n_entries = below(c, 2);
        known(raftcore_boot(n, below(c, 16) ? &r.stored : NULL));
        break;
    case 44: known(raftcore_propose_entry(n, (uint32_t)below(c, 5), slices[below(c, 2)], number(c))); break;
    case 45:
        lying(c, &r, sizeof r.conf);
        known(raftcore_apply_change(n, (uint32_t)below(c, 4), slices[below(c, 2)], below(c, 8) ? &r.conf : NULL));
        break;
    case 46: lying(c, &r, sizeof r.ready); known(raftcore_view(n, number(c), below(c, 8) ? &r.ready : NULL)); break;
    case 47:
        known(raftcore_view_flat(n, number(c), below(c, 8) ? buf : NULL, below(c, sizeof buf), below(c, 8) ? &size : NULL));
        break;
    case 48: case 49: case 50: {
        room rd = {0}; /* `number` reaches sizes of a later version: they lie within a room */
        rd.size = below(c, 16) ? sizeof rd.ready : (uint32_t)(number(c) % sizeof rd);
        lying(c, &r, sizeof r.input);
        r.input.ticks = (uint32_t)below(c, 3);
        r.input.done = below(c, 3) ? 0 : number(c);
        r.input.persisted = below(c, 3) ? 0 : number(c);
        r.input.applied = below(c, 3) ? 0 : number(c);
        r.input.released = below(c, 3) ? 0 : number(c);
        r.input.frames.ptr = below(c, 8) ? msg : NULL;
        r.input.frames.len = below(c, 2) ? len : 0;
        if (below(c, 2))
            known(raftcore_turn(n, below(c, 16) ? &r.input : NULL, below(c, 16) ? &rd.ready : NULL));
        else
            known(raftcore_turn_flat(n, below(c, 16) ? &r.input : NULL, below(c, 8) ? buf : NULL, below(c, sizeof buf), &size));
        break;
    }
    case 51: known(raftcore_propose_in_term(n, number(c), below(c, 16) ? slices : NULL, below(c, 3), number(c))); break;
    case 52: known(raftcore_propose_with_context(n, (uint32_t)below(c, 5), slices[below(c, 2)], slices[0], number(c))); break;
    case 53:
        known(raftcore_propose_conf_at(n, number(c), below(c, 8) ? &change : NULL, below(c, 2), (uint32_t)below(c, 5), slices[below(c, 2)],
                                       number(c)));
        break;
    case 54: known(raftcore_set_commit_group(n, number(c), number(c))); break;
    case 55: known(raftcore_promote_when_caught_up(n, number(c), (uint32_t)below(c, 3))); break;
    case 56: known(raftcore_request_snapshot(n)); break;
    case 57: known(raftcore_ping(n)); break;
    case 58: known(raftcore_set_flags(n, below(c, 2) ? number(c) : UINT64_C(1) << below(c, 26), number(c))); break;
    case 59: known(raftcore_trim(n)); break;
    case 60: known(raftcore_hello_check(n, below(c, 8) ? msg : NULL, len)); break;
    default:
        (void)raftcore_digest(n, (uint32_t)below(c, 2));
        (void)raftcore_error_detail(n, below(c, 8) ? (char *)buf : NULL, below(c, sizeof buf));
        known(raftcore_set_election_timeout(n, (uint32_t)number(c)));
        if (raftcore_try_clone(n, &clone) == RAFTCORE_OK)
            known(raftcore_free(clone));
        break;
    }
}

static void config_and_frames(chance *c) {
    room r;
    uint8_t msg[128];
    size_t len = message(c, msg);
    uint64_t index = number(c), term;
    size_t size;
    raftcore_slice data;
    raftcore_node *node = NULL;
    lying(c, &r, sizeof r.config);
    known(raftcore_config_init(below(c, 16) ? &r.config : NULL, r.size));
    known(raftcore_config_preset(below(c, 16) ? &r.config : NULL, (uint32_t)below(c, 4)));
    r.config.id = number(c);
    if (below(c, 2))
        r.words[below(c, sizeof r.config / 8)] = number(c);
    /* What a configuration may take by its own word is its caller's choice: not here. */
    r.config.block_bytes = 4096;
    if (r.config.recent_bytes > 1 << 20)
        r.config.recent_bytes = 1 << 20;
    known(raftcore_frame_limit(below(c, 16) ? &r.config : NULL, below(c, 8) ? &index : NULL));
    (void)raftcore_config_error(&r.config, (char *)msg, below(c, 20));
    known(raftcore_footprint(&r.config, below(c, 8) ? &size : NULL));
    raftcore_code code = raftcore_new(below(c, 16) ? &r.config : NULL, below(c, 16) ? &node : NULL);
    known(code);
    if (code == RAFTCORE_OK && node != NULL)
        known(raftcore_free(node));
    len = message(c, msg);
    known(raftcore_snapshot_split(below(c, 8) ? msg : NULL, len, &data, &index, &term));
    lying(c, &r, sizeof r.frame);
    known(raftcore_frame_next(below(c, 8) ? msg : NULL, len, number(c), below(c, 8) ? &r.frame : NULL));
    lying(c, &r, sizeof r.conf);
    r.conf.voters = below(c, 8) ? &index : NULL;
    r.conf.n_voters = (uint32_t)below(c, 2);
    known(raftcore_conf_encode(below(c, 8) ? &r.conf : NULL, below(c, 8) ? msg : NULL, below(c, sizeof msg), &size));
}

static raftcore_node *_Atomic shared;
static uint64_t shared_calls;

static void *other_thread(void *seed) {
    chance c = {*(uint64_t *)seed};
    for (uint64_t i = 0; i < shared_calls; i++)
        any_call(&c, atomic_load(&shared));
    return NULL;
}

int main(void) {
    const char *seed_text = getenv("ABI_SEED"), *calls_text = getenv("ABI_CALLS");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)time(NULL);
    uint64_t calls = calls_text ? strtoull(calls_text, NULL, 10) : 60000;
    chance c = {seed * 2 + 1};
    raftcore_node *nodes[NODES + 1] = {NULL};
    printf("ABI_SEED=%" PRIu64 " ABI_CALLS=%" PRIu64 "\n", seed, calls);
    for (uint64_t i = 0; i < calls; i++) {
        uint64_t at = below(&c, NODES + 1); /* the last is always NULL */
        if (at < NODES && (nodes[at] == NULL || below(&c, 400) == 0)) {
            known(raftcore_free(nodes[at]));
            if (nodes[at] != NULL) {
                any_call(&c, nodes[at]); /* freed a moment ago */
                CHECK(raftcore_free(nodes[at]) != RAFTCORE_OK);
            }
            nodes[at] = fresh(&c);
        }
        any_call(&c, nodes[at]);
        if (below(&c, 64) == 0)
            config_and_frames(&c);
    }
    for (int at = 0; at < NODES; at++)
        known(raftcore_free(nodes[at]));

    /* Two threads on one node: one of them hears BUSY. */
    pthread_t thread;
    uint64_t other = seed + 1;
    atomic_store(&shared, fresh(&c));
    shared_calls = calls;
    CHECK(pthread_create(&thread, NULL, other_thread, &other) == 0);
    for (uint64_t i = 0; i < shared_calls; i++)
        any_call(&c, atomic_load(&shared));
    CHECK(pthread_join(thread, NULL) == 0);
    known(raftcore_free(atomic_load(&shared)));

    for (int code = 0; code < 64; code++)
        if (atomic_load(&counts[code]) > 0)
            printf("%12llu  %s\n", atomic_load(&counts[code]), raftcore_strerror(-code));
    CHECK(atomic_load(&counts[-RAFTCORE_E_POISONED]) == 0);

    /* The library as a whole has taken no harm. */
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config config = kit_config(id, RAFTCORE_STORAGE_SYNC);
        kit_found(&config, 3);
    }
    uint64_t leader = kit_elect();
    OK(kit[leader].node, kit_propose(leader, "afterwards", 1));
    kit_settle();
    kit_check_same();
    kit_reset();
    return 0;
}
