/* Every wrong use that can be answered is answered: NULL, freed handles, wrong order, lying sizes, unknown numbers, two threads. */
#include "kit.h"
#include <pthread.h>
#include <stdatomic.h>

enum { REFUSED = -1000 }; /* any negative code */

static void wanted(raftcore_code code, raftcore_code want, int line) {
    if (code != want && !(want == REFUSED && code < 0)) {
        fprintf(stderr, "%s:%d: answered %d (%s), not %d\n", __FILE__, line, code, raftcore_strerror(code), want);
        exit(1);
    }
}
#define IS(call, want) wanted(call, want, __LINE__)

static raftcore_node *made(uint32_t storage) {
    raftcore_config c = kit_config(1, storage);
    raftcore_node *node = NULL;
    IS(raftcore_new(&c, &node), RAFTCORE_OK);
    return node;
}

/* A sole voter, running; it leads. */
static raftcore_node *leading(uint32_t storage) {
    raftcore_node *node = made(storage);
    uint64_t voter = 1;
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.voters = &voter;
    conf.n_voters = 1;
    raftcore_stored stored = kit_founder(&conf);
    IS(raftcore_boot(node, &stored), RAFTCORE_OK);
    IS(raftcore_campaign(node), RAFTCORE_OK);
    return node;
}

static raftcore_ready next_ready(raftcore_node *node) {
    raftcore_ready rd = {0};
    rd.struct_size = sizeof rd;
    IS(raftcore_get_ready(node, &rd), RAFTCORE_OK);
    return rd;
}

/* Each call that takes a node, with arguments that are good. What it answers to a node that can't take it is `want`. */
static void each_call(raftcore_node *n, raftcore_code want) {
    raftcore_ready rd = {0};
    raftcore_conf conf = {0};
    raftcore_fetch fetch = {0};
    raftcore_status status = {0};
    raftcore_event event;
    raftcore_entry e = {1, 2, RAFTCORE_ENTRY_CONF_CHANGE_V2, 0, {NULL, 0}, 0, {NULL, 0}};
    raftcore_slice none = {NULL, 0};
    raftcore_run run = {1, 1};
    raftcore_change change = {2, RAFTCORE_CHANGE_ADD_NODE, 0};
    raftcore_node *clone = NULL;
    uint64_t voter = 1;
    raftcore_stored stored = kit_stored();
    raftcore_input input = {0};
    uint32_t ticks = 77, rejected = 77;
    size_t size = 77;
    uint8_t buf[64];
    conf.struct_size = sizeof conf;
    conf.voters = &voter;
    conf.n_voters = 1;
    rd.struct_size = sizeof rd;
    fetch.struct_size = sizeof fetch;
    status.struct_size = sizeof status;

    IS(raftcore_try_clone(n, &clone), want);
    IS(raftcore_boot(n, &stored), want);
    IS(raftcore_boot_state(n, 0, 0, 1), want);
    IS(raftcore_boot_conf(n, &conf, 1, 1), want);
    IS(raftcore_boot_terms(n, &run, 1, 1), want);
    IS(raftcore_boot_entries(n, &e, 1), want);
    IS(raftcore_boot_done(n, 0), want);
    IS(raftcore_tick(n, 1), want);
    IS(raftcore_step(n, 2, (const uint8_t *)"", 0), want);
    IS(raftcore_step_frames(n, 2, NULL, 0, &size, &rejected, NULL), want);
    IS(raftcore_step_local(n, NULL, 0), want);
    IS(raftcore_propose(n, &none, 1, 1), want);
    IS(raftcore_propose_many(n, &none, NULL, 1), want);
    IS(raftcore_propose_entry(n, RAFTCORE_ENTRY_NORMAL, none, 1), want);
    IS(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, none, 1), want);
    IS(raftcore_propose_in_term(n, 1, &none, 1, 1), want);
    IS(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, none, none, 1), want);
    IS(raftcore_propose_conf_at(n, 1, &change, 1, RAFTCORE_TRANSITION_AUTO, none, 1), want);
    IS(raftcore_set_commit_group(n, 2, 1), want);
    IS(raftcore_promote_when_caught_up(n, 2, 1), want);
    IS(raftcore_request_snapshot(n), want);
    IS(raftcore_ping(n), want);
    IS(raftcore_set_flags(n, RAFTCORE_FLAG_PRE_VOTE, 0), want);
    IS(raftcore_trim(n), want);
    IS(raftcore_hello_check(n, NULL, 0), want);
    IS(raftcore_read_index(n, 1), want);
    IS(raftcore_campaign(n), want);
    IS(raftcore_transfer(n, 0), want);
    IS(raftcore_abort_transfer(n), want);
    IS(raftcore_set_electable(n, 1), want);
    IS(raftcore_set_priority(n, 1), want);
    IS(raftcore_set_window(n, 2, 1, 0), want);
    IS(raftcore_set_commit_broadcast(n, 1), want);
    IS(raftcore_forget_leader(n), want);
    IS(raftcore_report_unreachable(n, 2), want);
    IS(raftcore_report_snapshot(n, 2, 1), want);
    IS(raftcore_set_election_timeout(n, 5), want);
    IS(raftcore_compacted(n, 0), want);
    IS(raftcore_has_ready(n), want);
    IS(raftcore_get_ready(n, &rd), want);
    IS(raftcore_ready_flat(n, buf, sizeof buf, &size), want);
    IS(raftcore_view(n, 1, &rd), want);
    IS(raftcore_view_flat(n, 1, buf, sizeof buf, &size), want);
    input.struct_size = sizeof input;
    input.consumed = 77;
    IS(raftcore_turn(n, &input, &rd), want);
    IS(raftcore_turn_flat(n, &input, buf, sizeof buf, &size), want);
    IS(raftcore_advance(n, 1), want);
    IS(raftcore_persisted(n, 1), want);
    IS(raftcore_applied(n, 1), want);
    IS(raftcore_release(n, 1), want);
    IS(raftcore_apply_conf(n, &e, &conf), want);
    IS(raftcore_skip_conf(n, 2, &conf), want);
    IS(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE_V2, none, &conf), want);
    IS(raftcore_get_conf(n, &conf), want);
    IS(raftcore_next_fetch(n, &fetch), want);
    IS(raftcore_supply_entries(n, 1, &e, 1), want);
    IS(raftcore_supply_snapshot(n, 1, 1, &conf, none), want);
    IS(raftcore_supply_none(n, 1, RAFTCORE_SUPPLY_GONE), want);
    IS(raftcore_ticks_until_due(n, &ticks), want);
    IS(raftcore_hello(n, buf, sizeof buf, &size), want);
    IS(raftcore_get_status(n, &status), want);
    IS(raftcore_get_peers(n, NULL, 0, &size), want);
    IS(raftcore_next_event(n, &event), want);
    CHECK(raftcore_digest(n, 0) == 0);
    CHECK(raftcore_error_detail(n, (char *)buf, sizeof buf) == 0 && buf[0] == 0);
    CHECK(raftcore_tick_many(&n, 1, 1, &ticks, 1) == 1 && ticks == 0);
    /* Nothing was written. */
    CHECK(clone == NULL && rejected == 77 && size == 77 && rd.number == 0 && status.id == 0 && fetch.id == 0 && conf.n_voters == 1);
    CHECK(input.consumed == 77);
}

static void no_node(void) {
    raftcore_node *node = leading(RAFTCORE_STORAGE_SYNC);
    each_call(NULL, RAFTCORE_E_NULL);
    IS(raftcore_free(NULL), RAFTCORE_OK);
    IS(raftcore_free(node), RAFTCORE_OK);
    each_call(node, RAFTCORE_E_HANDLE);
    IS(raftcore_free(node), RAFTCORE_E_HANDLE);

    /* Still so after many others have come and gone. */
    for (int i = 0; i < 250; i++)
        IS(raftcore_free(made(RAFTCORE_STORAGE_SYNC)), RAFTCORE_OK);
    each_call(node, RAFTCORE_E_HANDLE);
    /* A place is used again, some day: not ours to read, but alive. */
    for (int i = 0; i < 600; i++)
        IS(raftcore_free(made(RAFTCORE_STORAGE_SYNC)), RAFTCORE_OK);
    IS(raftcore_tick(node, 1), RAFTCORE_E_HANDLE);
    /* A pointer into a handle is none. */
    node = made(RAFTCORE_STORAGE_SYNC);
    IS(raftcore_tick((raftcore_node *)((char *)node + 1), 1), RAFTCORE_E_HANDLE);
    IS(raftcore_free(node), RAFTCORE_OK);
}

static void null_arguments(void) {
    raftcore_node *n = leading(RAFTCORE_STORAGE_SYNC);
    raftcore_conf conf = {0};
    raftcore_slice none = {NULL, 0}, lying = {NULL, 5};
    raftcore_change change = {2, RAFTCORE_CHANGE_ADD_NODE, 0};
    raftcore_entry e = {1, 2, RAFTCORE_ENTRY_NORMAL, 0, {NULL, 5}, 0, {NULL, 0}};
    raftcore_entry lying_context = {1, 2, RAFTCORE_ENTRY_NORMAL, 0, {NULL, 0}, 0, {NULL, 5}};
    raftcore_config c = kit_config(1, 0);
    raftcore_hello_info info = {0};
    raftcore_stored stored = kit_stored();
    raftcore_input input = {0};
    raftcore_frame frame = {0};
    raftcore_ready rd = {0};
    uint64_t number;
    size_t size = 77;
    conf.struct_size = sizeof conf;
    input.struct_size = sizeof input;
    frame.struct_size = sizeof frame;
    rd.struct_size = sizeof rd;
    IS(raftcore_boot(n, NULL), RAFTCORE_E_NULL);
    stored.n_entries = 1;
    IS(raftcore_boot(n, &stored), RAFTCORE_E_NULL);
    stored.n_entries = 0;
    stored.n_runs = 1;
    IS(raftcore_boot(n, &stored), RAFTCORE_E_NULL);
    IS(raftcore_frame_limit(NULL, &number), RAFTCORE_E_NULL);
    IS(raftcore_frame_limit(&c, NULL), RAFTCORE_E_NULL);
    IS(raftcore_frame_next(NULL, 1, 100, &frame), RAFTCORE_E_NULL);
    IS(raftcore_frame_next(NULL, 0, 100, NULL), RAFTCORE_E_NULL);
    IS(raftcore_propose_entry(n, RAFTCORE_ENTRY_NORMAL, lying, 0), RAFTCORE_E_NULL);
    IS(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, lying, &conf), RAFTCORE_E_NULL);
    IS(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, none, NULL), RAFTCORE_E_NULL);
    IS(raftcore_conf_encode(NULL, NULL, 0, &size), RAFTCORE_E_NULL);
    IS(raftcore_view(n, 1, NULL), RAFTCORE_E_NULL);
    IS(raftcore_view_flat(n, 1, NULL, 1, &size), RAFTCORE_E_NULL);
    IS(raftcore_turn(n, NULL, &rd), RAFTCORE_E_NULL);
    IS(raftcore_turn(n, &input, NULL), RAFTCORE_E_NULL);
    IS(raftcore_turn_flat(n, NULL, NULL, 0, &size), RAFTCORE_E_NULL);
    IS(raftcore_turn_flat(n, &input, NULL, 1, &size), RAFTCORE_E_NULL);
    input.frames.len = 5;
    IS(raftcore_turn(n, &input, &rd), RAFTCORE_E_NULL);
    IS(raftcore_config_init(NULL, sizeof c), RAFTCORE_E_NULL);
    IS(raftcore_config_preset(NULL, RAFTCORE_PRESET_ETCD), RAFTCORE_E_NULL);
    IS(raftcore_footprint(NULL, &size), RAFTCORE_E_NULL);
    IS(raftcore_footprint(&c, NULL), RAFTCORE_E_NULL);
    IS(raftcore_new(NULL, &n), RAFTCORE_E_NULL);
    IS(raftcore_new(&c, NULL), RAFTCORE_E_NULL);
    IS(raftcore_try_clone(n, NULL), RAFTCORE_E_NULL);
    CHECK(raftcore_config_error(NULL, NULL, 0) > 0);
    IS(raftcore_step(n, 0, NULL, 1), RAFTCORE_E_NULL);
    IS(raftcore_step_frames(n, 0, NULL, 1, &size, NULL, NULL), RAFTCORE_E_NULL);
    IS(raftcore_step_frames(n, 0, NULL, 0, NULL, NULL, NULL), RAFTCORE_E_NULL);
    IS(raftcore_propose(n, NULL, 1, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose(n, &lying, 1, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_many(n, NULL, NULL, 1), RAFTCORE_E_NULL);
    IS(raftcore_propose_many(n, &lying, NULL, 1), RAFTCORE_E_NULL);
    IS(raftcore_propose_conf(n, NULL, 1, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, lying, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_in_term(n, 1, NULL, 1, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_in_term(n, 1, &lying, 1, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, lying, none, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_with_context(n, RAFTCORE_ENTRY_NORMAL, none, lying, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_conf_at(n, 1, NULL, 1, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_NULL);
    IS(raftcore_propose_conf_at(n, 1, &change, 1, RAFTCORE_TRANSITION_AUTO, lying, 0), RAFTCORE_E_NULL);
    IS(raftcore_hello_check(n, NULL, 1), RAFTCORE_E_NULL);
    IS(raftcore_supply_entries(n, 1, &lying_context, 1), RAFTCORE_E_NULL);
    IS(raftcore_get_ready(n, NULL), RAFTCORE_E_NULL);
    IS(raftcore_ready_flat(n, NULL, 1, NULL), RAFTCORE_E_NULL);
    IS(raftcore_apply_conf(n, NULL, &conf), RAFTCORE_E_NULL);
    IS(raftcore_apply_conf(n, &e, &conf), RAFTCORE_E_NULL);
    IS(raftcore_get_conf(n, NULL), RAFTCORE_E_NULL);
    IS(raftcore_next_fetch(n, NULL), RAFTCORE_E_NULL);
    IS(raftcore_supply_entries(n, 1, NULL, 1), RAFTCORE_E_NULL);
    IS(raftcore_supply_entries(n, 1, &e, 1), RAFTCORE_E_NULL);
    IS(raftcore_supply_snapshot(n, 1, 1, NULL, none), RAFTCORE_E_NULL);
    IS(raftcore_supply_snapshot(n, 1, 1, &conf, lying), RAFTCORE_E_NULL);
    IS(raftcore_flatten(NULL, NULL, 0, &size), RAFTCORE_E_NULL);
    IS(raftcore_snapshot_split(NULL, 1, &none, NULL, NULL), RAFTCORE_E_NULL);
    IS(raftcore_snapshot_split(NULL, 0, NULL, NULL, NULL), RAFTCORE_E_NULL);
    IS(raftcore_ticks_until_due(n, NULL), RAFTCORE_E_NULL);
    IS(raftcore_hello(n, NULL, 1, NULL), RAFTCORE_E_NULL);
    IS(raftcore_hello_read(NULL, 1, &info), RAFTCORE_E_NULL);
    IS(raftcore_get_status(n, NULL), RAFTCORE_E_NULL);
    IS(raftcore_get_peers(n, NULL, 1, &size), RAFTCORE_E_NULL);
    IS(raftcore_get_peers(n, NULL, 0, NULL), RAFTCORE_E_NULL);
    IS(raftcore_next_event(n, NULL), RAFTCORE_E_NULL);
    conf.n_voters = 1;
    IS(raftcore_supply_snapshot(n, 1, 1, &conf, none), RAFTCORE_E_NULL);
    CHECK(size == 77);

    /* NULL with a length of 0 is nothing, and fine. */
    while (raftcore_has_ready(n) & ~RAFTCORE_HAS_EVENTS) {
        number = next_ready(n).number;
        IS(raftcore_advance(n, number), RAFTCORE_OK);
    }
    IS(raftcore_propose(n, NULL, 0, 0), RAFTCORE_OK);
    IS(raftcore_propose_many(n, NULL, NULL, 0), RAFTCORE_OK);
    IS(raftcore_step_frames(n, 0, NULL, 0, &size, NULL, NULL), RAFTCORE_OK);
    CHECK(size == 0);
    IS(raftcore_ready_flat(n, NULL, 0, NULL), RAFTCORE_E_TOO_SMALL);
    IS(raftcore_snapshot_split(NULL, 0, &none, NULL, NULL), RAFTCORE_NONE);
    CHECK(raftcore_error_detail(n, NULL, 0) > 0);
    IS(raftcore_free(n), RAFTCORE_OK);
}

static void lying_sizes(void) {
    static const uint32_t sizes[] = {0, 1, 4, 8, 4097, 1u << 20, UINT32_MAX};
    raftcore_node *n = leading(RAFTCORE_STORAGE_SYNC), *other = NULL;
    raftcore_slice none = {NULL, 0};
    union { raftcore_ready rd; raftcore_conf conf; raftcore_fetch f; raftcore_status s; raftcore_hello_info h; raftcore_config c;
            raftcore_stored stored; raftcore_input in; raftcore_frame frame;
            uint32_t struct_size; uint8_t bytes[4096]; } u;
    uint8_t frame[64];
    size_t size;
    uint64_t number;
    raftcore_ready rd = {0};
    raftcore_input in = {0};
    rd.struct_size = sizeof rd;
    in.struct_size = sizeof in;
    in.ticks = 1000; /* not taken by a turn whose other struct is wrong */
    IS(raftcore_hello(n, frame, sizeof frame, &size), RAFTCORE_OK);
    memset(&u, 0xEE, sizeof u);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        u.struct_size = sizes[i];
        IS(raftcore_get_ready(n, &u.rd), RAFTCORE_E_ABI);
        IS(raftcore_get_conf(n, &u.conf), RAFTCORE_E_ABI);
        IS(raftcore_next_fetch(n, &u.f), RAFTCORE_E_ABI);
        IS(raftcore_get_status(n, &u.s), RAFTCORE_E_ABI);
        IS(raftcore_hello_read(frame, size, &u.h), RAFTCORE_E_ABI);
        IS(raftcore_new(&u.c, &other), RAFTCORE_E_ABI);
        IS(raftcore_supply_snapshot(n, 1, 1, &u.conf, none), RAFTCORE_E_ABI);
        IS(raftcore_config_init(&u.c, sizes[i]), RAFTCORE_E_ABI);
        IS(raftcore_boot(n, &u.stored), RAFTCORE_E_ABI);
        IS(raftcore_turn(n, &u.in, &rd), RAFTCORE_E_ABI);
        IS(raftcore_turn_flat(n, &u.in, NULL, 0, NULL), RAFTCORE_E_ABI);
        IS(raftcore_turn(n, &in, &u.rd), RAFTCORE_E_ABI);
        IS(raftcore_view(n, 1, &u.rd), RAFTCORE_E_ABI);
        IS(raftcore_frame_next(frame, size, 100, &u.frame), RAFTCORE_E_ABI);
        IS(raftcore_conf_encode(&u.conf, NULL, 0, NULL), RAFTCORE_E_ABI);
        IS(raftcore_skip_conf(n, 1, &u.conf), RAFTCORE_E_ABI);
        IS(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, none, &u.conf), RAFTCORE_E_ABI);
        IS(raftcore_frame_limit(&u.c, &number), RAFTCORE_E_ABI);
        for (size_t j = 4; j < sizeof u; j++)
            CHECK(u.bytes[j] == 0xEE);
    }
    /* A refused get_ready takes nothing. */
    CHECK(next_ready(n).number == 1 && other == NULL);

    /* A newer caller's struct: what the library does not know is zero in, and zero out. */
    u.struct_size = sizeof u;
    IS(raftcore_get_status(n, &u.s), RAFTCORE_OK);
    CHECK(u.struct_size == sizeof u && u.s.id == 1);
    for (size_t j = sizeof u.s; j < sizeof u; j++)
        CHECK(u.bytes[j] == 0);
    IS(raftcore_config_init(&u.c, sizeof u), RAFTCORE_OK);
    CHECK(u.c.struct_size == sizeof u);
    u.c.id = 3;
    IS(raftcore_new(&u.c, &other), RAFTCORE_E_ARG); /* seed 0 */
    u.c.seed = 5;
    IS(raftcore_new(&u.c, &other), RAFTCORE_OK);
    IS(raftcore_free(other), RAFTCORE_OK);
    u.bytes[sizeof u - 1] = 1;
    IS(raftcore_new(&u.c, &other), RAFTCORE_E_ABI);
    IS(raftcore_free(n), RAFTCORE_OK);
}

static void bad_configurations(void) {
    raftcore_node *node = NULL;
    char text[100];
    raftcore_config good = kit_config(1, 0), c = good;
    CHECK(raftcore_config_error(&good, text, sizeof text) == 0 && text[0] == 0);
#define BAD(field, value, code)                                                                                                  \
    do {                                                                                                                         \
        c = good;                                                                                                                \
        c.field = value;                                                                                                         \
        IS(raftcore_new(&c, &node), code);                                                                                       \
        CHECK(raftcore_config_error(&c, text, sizeof text) == strlen(text) && strstr(text, #field) != NULL);                     \
    } while (0)
    BAD(id, 0, RAFTCORE_E_ARG);
    BAD(seed, 0, RAFTCORE_E_ARG);
    BAD(id, UINT64_MAX - 15, RAFTCORE_E_ARG);
    BAD(flags, UINT64_C(1) << 63, RAFTCORE_E_ARG);
    BAD(storage, 3, RAFTCORE_E_ARG);
    BAD(heartbeat_ticks, 0, RAFTCORE_E_ARG);
    BAD(election_ticks, 1, RAFTCORE_E_ARG);
    BAD(max_peers, 257, RAFTCORE_E_ARG);
    BAD(max_outstanding, 0, RAFTCORE_E_ARG);
    BAD(block_bytes, 1, RAFTCORE_E_ARG);
    BAD(dialect, 2, RAFTCORE_E_UNSUPPORTED);
    BAD(election_jitter_ticks, (1u << 24) + 1, RAFTCORE_E_ARG);
    BAD(abi_version, 2, RAFTCORE_E_ABI);
    CHECK(node == NULL);
    IS(raftcore_config_preset(&good, 2), RAFTCORE_E_ARG);
    IS(raftcore_config_preset(&good, RAFTCORE_PRESET_ETCD), RAFTCORE_OK);
    CHECK(good.id == 1 && !(good.flags & RAFTCORE_FLAG_PRE_VOTE) && (good.flags & RAFTCORE_FLAG_READ_AT_ONCE));
    /* Memory that is not there is an answer. */
    c = kit_config(1, RAFTCORE_STORAGE_ASYNC);
    CHECK(raftcore_config_error(&c, text, 0) == 0);
}

static void unknown_numbers(void) {
    raftcore_node *n = leading(RAFTCORE_STORAGE_SYNC);
    raftcore_slice none = {NULL, 0};
    raftcore_entry e = {1, 2, 3, 0, {NULL, 0}, 0, {NULL, 0}};
    raftcore_conf conf = {0};
    raftcore_change many[65], change = {2, 4, 0};
    uint64_t words[4] = {0};
    conf.struct_size = sizeof conf;
    memset(many, 0, sizeof many);
    IS(raftcore_advance(n, next_ready(n).number), RAFTCORE_OK);
    IS(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_ARG);
    change.kind = RAFTCORE_CHANGE_ADD_NODE;
    IS(raftcore_propose_conf(n, &change, 1, 4, none, 0), RAFTCORE_E_ARG);
    change.reserved0 = 1;
    IS(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_propose_conf(n, many, 65, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_propose_conf(n, many, 2, RAFTCORE_TRANSITION_V1, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_propose_conf(n, many, SIZE_MAX, RAFTCORE_TRANSITION_AUTO, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_supply_entries(n, 1, &e, 1), RAFTCORE_E_ARG);
    IS(raftcore_apply_conf(n, &e, &conf), RAFTCORE_E_ARG);
    e.kind = RAFTCORE_ENTRY_CONF_CHANGE;
    e.reserved0 = 1;
    IS(raftcore_apply_conf(n, &e, &conf), RAFTCORE_E_ARG);
    e.reserved0 = 0;
    e.index = 99; /* never handed out */
    IS(raftcore_apply_conf(n, &e, &conf), RAFTCORE_E_ARG);
    IS(raftcore_skip_conf(n, 99, NULL), RAFTCORE_E_ARG);
    IS(raftcore_supply_none(n, 1, 0), RAFTCORE_E_ARG);
    IS(raftcore_supply_none(n, 1, 3), RAFTCORE_E_ARG);
    IS(raftcore_set_electable(n, 2), RAFTCORE_E_ARG);
    IS(raftcore_set_commit_broadcast(n, 2), RAFTCORE_E_ARG);
    IS(raftcore_promote_when_caught_up(n, 1, 2), RAFTCORE_E_ARG);
    IS(raftcore_set_flags(n, UINT64_C(1) << 63, 0), RAFTCORE_E_ARG);
    IS(raftcore_propose_with_context(n, 3, none, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_report_snapshot(n, 2, 3), RAFTCORE_E_ARG);
    IS(raftcore_report_snapshot(n, 2, RAFTCORE_SNAPSHOT_UNDER_WAY), RAFTCORE_E_NO_PEER);
    IS(raftcore_report_unreachable(n, 2), RAFTCORE_E_NO_PEER);
    IS(raftcore_set_election_timeout(n, 0), RAFTCORE_E_ARG);
    IS(raftcore_compacted(n, 99), RAFTCORE_E_ARG);
    IS(raftcore_step(n, 0, (const uint8_t *)"\xff\xff", 2), RAFTCORE_E_DECODE);
    IS(raftcore_get_status(n, (raftcore_status *)((char *)words + 1)), RAFTCORE_E_ARG);
    IS(raftcore_boot_terms(n, (const raftcore_run *)((char *)words + 1), 1, 1), RAFTCORE_E_ARG);
    CHECK(raftcore_strerror(-12345)[0] != 0 && raftcore_strerror(12345)[0] != 0);

    /* The detail is cut to the buffer, and says how long it is. */
    char text[256], cut[5] = "????";
    size_t len = raftcore_error_detail(n, text, sizeof text);
    CHECK(len == strlen(text) && len > 4);
    CHECK(raftcore_error_detail(n, cut, sizeof cut) == len && strlen(cut) == 4 && strncmp(text, cut, 4) == 0);
    CHECK(raftcore_error_detail(n, cut, 1) == len && cut[0] == 0);
    IS(raftcore_free(n), RAFTCORE_OK);
}

/* DESIGN's table, row by row. */
static void order_of_calls(uint32_t storage) {
    raftcore_node *n = made(storage), *clone = NULL;
    raftcore_status status = {0};
    raftcore_slice none = {NULL, 0};
    raftcore_event event;
    raftcore_entry e = {1, 2, RAFTCORE_ENTRY_NORMAL, 0, {NULL, 0}, 0, {NULL, 0}};
    raftcore_run run = {2, 1};
    raftcore_input input = {0};
    raftcore_conf conf = {0};
    raftcore_ready rd = {0};
    raftcore_fetch fetch = {0};
    int sync = storage == RAFTCORE_STORAGE_SYNC, async = storage == RAFTCORE_STORAGE_ASYNC;
    status.struct_size = sizeof status;
    conf.struct_size = sizeof conf;
    rd.struct_size = sizeof rd;
    fetch.struct_size = sizeof fetch;

    input.struct_size = sizeof input;

    /* before boot_done */
    IS(raftcore_tick(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_step(n, 0, NULL, 0), RAFTCORE_E_STATE);
    IS(raftcore_propose(n, NULL, 0, 1), RAFTCORE_E_STATE);
    IS(raftcore_read_index(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_campaign(n), RAFTCORE_E_STATE);
    IS(raftcore_next_fetch(n, &fetch), RAFTCORE_E_STATE);
    IS(raftcore_get_ready(n, &rd), RAFTCORE_E_STATE);
    IS(raftcore_advance(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_persisted(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_applied(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_release(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_step_local(n, NULL, 0), RAFTCORE_E_STATE);
    IS(raftcore_skip_conf(n, 1, NULL), RAFTCORE_E_STATE);
    IS(raftcore_turn(n, &input, &rd), RAFTCORE_E_STATE);
    IS(raftcore_turn_flat(n, &input, NULL, 0, NULL), RAFTCORE_E_STATE);
    IS(raftcore_view(n, 1, &rd), RAFTCORE_NONE);
    IS(raftcore_propose_entry(n, RAFTCORE_ENTRY_NORMAL, none, 0), RAFTCORE_E_STATE);
    IS(raftcore_apply_change(n, RAFTCORE_ENTRY_CONF_CHANGE, none, &conf), RAFTCORE_E_STATE);
    IS(raftcore_get_status(n, &status), RAFTCORE_OK);
    IS(raftcore_next_event(n, &event), RAFTCORE_NONE);
    CHECK(raftcore_has_ready(n) >= 0 && raftcore_digest(n, 0) != 0);
    IS(raftcore_boot_terms(n, &run, 1, 2), RAFTCORE_E_STATE); /* before the configuration */
    IS(raftcore_free(n), RAFTCORE_OK);

    /* running */
    n = leading(storage);
    IS(raftcore_boot_state(n, 0, 0, 1), RAFTCORE_E_STATE);
    IS(raftcore_boot_entries(n, &e, 1), RAFTCORE_E_STATE);
    IS(raftcore_boot_done(n, 1), RAFTCORE_E_STATE);
    IS(raftcore_advance(n, 1), storage == RAFTCORE_STORAGE_MESSAGES ? RAFTCORE_E_STATE : RAFTCORE_E_ARG);
    raftcore_ready first = next_ready(n);
    CHECK(first.number == 1);

    /* a ready is outstanding */
    IS(raftcore_tick(n, 1), RAFTCORE_OK);
    IS(raftcore_try_clone(n, &clone), RAFTCORE_OK);
    IS(raftcore_free(clone), RAFTCORE_OK);
    if (sync) {
        CHECK(next_ready(n).number == 1);
        IS(raftcore_persisted(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_applied(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_release(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_step_local(n, NULL, 0), RAFTCORE_E_STATE);
        IS(raftcore_advance(n, 2), RAFTCORE_E_ARG);
        IS(raftcore_advance(n, 0), REFUSED);
        IS(raftcore_advance(n, UINT64_MAX), RAFTCORE_E_ARG);
        IS(raftcore_advance(n, 1), RAFTCORE_OK);
        IS(raftcore_advance(n, 1), RAFTCORE_E_STALE);
    } else if (async) {
        IS(raftcore_get_ready(n, &rd), RAFTCORE_NONE);
        IS(raftcore_persisted(n, 2), RAFTCORE_E_ARG);
        IS(raftcore_applied(n, 99), RAFTCORE_E_ARG);
        IS(raftcore_release(n, 2), RAFTCORE_E_ARG);
        IS(raftcore_step_local(n, NULL, 0), RAFTCORE_E_STATE);
        IS(raftcore_persisted(n, 1), RAFTCORE_OK);
        IS(raftcore_persisted(n, 1), RAFTCORE_E_STALE);
        IS(raftcore_release(n, 1), RAFTCORE_OK);
        IS(raftcore_release(n, 1), RAFTCORE_E_STALE);
        IS(raftcore_applied(n, 1), RAFTCORE_E_STALE);
    } else {
        IS(raftcore_advance(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_persisted(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_applied(n, 1), RAFTCORE_E_STATE);
        IS(raftcore_release(n, 2), RAFTCORE_E_ARG);
        IS(raftcore_release(n, 1), RAFTCORE_OK);
        IS(raftcore_release(n, 1), RAFTCORE_E_STALE);
    }
    IS(raftcore_propose_conf(n, NULL, 0, RAFTCORE_TRANSITION_V1, none, 0), RAFTCORE_E_ARG);
    IS(raftcore_free(n), RAFTCORE_OK);

    /* max_outstanding */
    if (async) {
        uint32_t max = kit_config(1, storage).max_outstanding, taken = 0;
        raftcore_code code;
        n = leading(storage);
        while ((code = raftcore_get_ready(n, &rd)) == RAFTCORE_OK) {
            taken++;
            IS(raftcore_get_status(n, &status), RAFTCORE_OK);
            CHECK(status.n_outstanding == taken && rd.number == taken);
            if (status.role != RAFTCORE_ROLE_LEADER)
                IS(raftcore_persisted(n, rd.number), RAFTCORE_OK);
            else
                IS(raftcore_propose(n, NULL, 0, 0), RAFTCORE_OK);
            if (rd.role != RAFTCORE_ROLE_LEADER)
                continue;
            CHECK(raftcore_has_ready(n) & RAFTCORE_HAS_ENTRIES);
        }
        IS(code, RAFTCORE_E_FULL);
        CHECK(taken == max);
        IS(raftcore_release(n, 1), RAFTCORE_OK);
        IS(raftcore_free(n), RAFTCORE_OK);
    }
}

/* A configuration entry must be applied or skipped, in order, before advance goes past it. */
static void unapplied_change(void) {
    raftcore_node *n = leading(RAFTCORE_STORAGE_SYNC);
    raftcore_change change = {7, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    raftcore_slice context = {(const uint8_t *)"host-7", 6};
    raftcore_conf conf = {0};
    raftcore_ready rd;
    const raftcore_entry *e = NULL;
    conf.struct_size = sizeof conf;
    do {
        rd = next_ready(n);
        IS(raftcore_advance(n, rd.number), RAFTCORE_OK);
    } while (raftcore_has_ready(n) & (RAFTCORE_HAS_ENTRIES | RAFTCORE_HAS_COMMITTED | RAFTCORE_HAS_MESSAGES));
    IS(raftcore_propose_conf(n, &change, 1, RAFTCORE_TRANSITION_V1, context, 5), RAFTCORE_OK);
    for (;;) {
        rd = next_ready(n);
        for (uint32_t i = 0; i < rd.n_committed; i++)
            if (KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i)->kind != RAFTCORE_ENTRY_NORMAL)
                e = KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i);
        if (e)
            break;
        IS(raftcore_advance(n, rd.number), RAFTCORE_OK);
    }
    CHECK(e->token == 5);
    IS(raftcore_advance(n, rd.number), RAFTCORE_E_STATE);
    IS(raftcore_apply_conf(n, e, &conf), RAFTCORE_OK);
    CHECK(conf.n_learners == 1 && conf.learners[0] == 7 && conf.context.len == 6 && memcmp(conf.context.ptr, "host-7", 6) == 0);
    raftcore_conf again = conf;
    IS(raftcore_apply_conf(n, e, &again), RAFTCORE_E_STALE);
    IS(raftcore_skip_conf(n, e->index, &again), RAFTCORE_E_STALE);
    CHECK(memcmp(&again, &conf, sizeof conf) == 0);
    IS(raftcore_advance(n, rd.number), RAFTCORE_OK);

    /* What came out stays until the next one is asked for. */
    IS(raftcore_tick(n, 5), RAFTCORE_OK);
    IS(raftcore_propose(n, &context, 1, 0), RAFTCORE_OK);
    IS(raftcore_advance(n, next_ready(n).number), RAFTCORE_OK);
    CHECK(conf.voters[0] == 1 && conf.learners[0] == 7 && memcmp(conf.context.ptr, "host-7", 6) == 0 && conf.bytes.ptr[0] == 8);
    IS(raftcore_get_conf(n, &again), RAFTCORE_OK);
    CHECK(again.context.len == 0 && again.n_learners == 1);
    IS(raftcore_free(n), RAFTCORE_OK);
}

/* With DEBUG_POISON_VIEWS what has ended does not look alive. */
static void stale_views(void) {
    raftcore_node *n = leading(RAFTCORE_STORAGE_SYNC);
    raftcore_ready rd;
    do {
        rd = next_ready(n);
        if (rd.n_entries == 0)
            IS(raftcore_advance(n, rd.number), RAFTCORE_OK);
    } while (rd.n_entries == 0);
    CHECK(rd.entries[0].index == 2);
    IS(raftcore_tick(n, 3), RAFTCORE_OK);
    CHECK(rd.entries[0].index == 2); /* other calls change nothing */
    IS(raftcore_advance(n, rd.number), RAFTCORE_OK);
    CHECK(rd.entries[0].index == UINT64_C(0xdddddddddddddddd));
    IS(raftcore_free(n), RAFTCORE_OK);
}

static raftcore_node *shared;
static atomic_ulong counts[4]; /* OK, NONE, BUSY, HANDLE */
static atomic_int stop;

static void *hammer(void *unused) {
    raftcore_status status = {0};
    raftcore_ready rd = {0};
    status.struct_size = sizeof status;
    rd.struct_size = sizeof rd;
    for (int i = 0; !stop; i++) {
        raftcore_code code = i % 3 == 0 ? raftcore_tick(shared, 1)
                           : i % 3 == 1 ? raftcore_get_status(shared, &status)
                                        : raftcore_get_ready(shared, &rd);
        CHECK(code == RAFTCORE_OK || code == RAFTCORE_NONE || code == RAFTCORE_E_BUSY || code == RAFTCORE_E_HANDLE);
        atomic_fetch_add_explicit(&counts[code >= 0 ? code : code == RAFTCORE_E_BUSY ? 2 : 3], 1, memory_order_relaxed);
    }
    return unused;
}

static void two_threads(void) {
    pthread_t threads[3];
    shared = leading(RAFTCORE_STORAGE_SYNC);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, hammer, NULL) == 0);
    while (counts[2] < 100 && counts[0] < 3000000) {}
    /* Freed under their hands: as often as it takes, then an answer. */
    while (raftcore_free(shared) == RAFTCORE_E_BUSY) {}
    while (counts[3] < 1000) {}
    stop = 1;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    IS(raftcore_free(shared), RAFTCORE_E_HANDLE);
    printf("three threads on one node: %lu done, %lu busy, then %lu on a freed one\n", counts[0] + counts[1], counts[2] + 0,
           counts[3] + 0);
}

int main(void) {
    no_node();
    null_arguments();
    lying_sizes();
    bad_configurations();
    unknown_numbers();
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++)
        order_of_calls(storage);
    unapplied_change();
    stale_views();
    two_threads();
    return 0;
}
