/* Committed entries left the recent log before they were applied. Each boot with more unapplied log than recent_bytes has such entries.
 * The node fetches the entries from its host, and returns them like all committed entries. With COMMITTED_SPANS the node returns a span
 * without entries, and waits for raftcore_applied. */
#include "kit.h"
#include "message.h"

enum { ENTRIES = 300, SIZE = 64 << 10, LAST = 1 + ENTRIES };

static uint8_t payload[SIZE];
static raftcore_entry entries[ENTRIES]; /* entries[i] has the index i + 2 */
static const uint64_t voters[3] = {1, 2, 3};

/* A node with a log of 19 MiB: applied 1, committed LAST. */
static raftcore_node *booted(uint32_t storage, uint64_t flags, uint32_t n_voters) {
    raftcore_config c;
    raftcore_node *n = NULL;
    raftcore_conf conf = {0};
    OK(NULL, raftcore_config_init(&c, sizeof c));
    c.id = 1;
    c.seed = 5;
    c.storage = storage;
    c.flags |= flags | RAFTCORE_FLAG_DEBUG_POISON_VIEWS;
    conf.struct_size = sizeof conf;
    conf.voters = voters;
    conf.n_voters = n_voters;
    raftcore_stored stored = kit_founder(&conf);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        raftcore_entry e = {1, i + 2, RAFTCORE_ENTRY_NORMAL, 0, {payload, SIZE - (size_t)i % 7}, 99, {NULL, 0}};
        entries[i] = e;
    }
    stored.term = 1;
    stored.vote = 1;
    stored.commit = stored.last = LAST;
    stored.entries = entries;
    stored.n_entries = ENTRIES;
    OK(NULL, raftcore_new(&c, &n));
    OK(n, raftcore_boot(n, &stored));
    return n;
}

static raftcore_status status_of(const raftcore_node *n) {
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(n, raftcore_get_status(n, &s));
    return s;
}

static raftcore_code ready(raftcore_node *n, raftcore_ready *rd) {
    memset(rd, 0, sizeof *rd);
    rd->struct_size = sizeof *rd;
    return raftcore_get_ready(n, rd);
}

static raftcore_code fetch(raftcore_node *n, raftcore_fetch *f) {
    memset(f, 0, sizeof *f);
    f->struct_size = sizeof *f;
    return raftcore_next_fetch(n, f);
}

static uint64_t next_apply;

static void apply(const raftcore_ready *rd) {
    CHECK(rd->n_committed > 0 || rd->committed_last == 0);
    for (uint32_t i = 0; i < rd->n_committed; i++) {
        const raftcore_entry *e = KIT_AT(raftcore_entry, rd->committed, rd->entry_stride, i);
        CHECK(e->index == next_apply++ && e->index == rd->committed_first + i);
        if (e->index <= LAST) {
            CHECK(e->term == 1 && e->data.len == entries[e->index - 2].data.len && e->token == 0);
            CHECK(memcmp(e->data.ptr, payload, e->data.len) == 0);
        }
    }
}

/* Runs the loop of the header until there is no more work. */
static void printed_loop(raftcore_node *n, uint32_t storage) {
    raftcore_ready rd;
    raftcore_fetch f;
    for (;;) {
        while (fetch(n, &f) == RAFTCORE_OK) {
            CHECK(f.kind == RAFTCORE_FETCH_APPLY && f.peer == 1 && f.first == next_apply && f.last >= f.first && f.last <= LAST);
            CHECK(status_of(n).apply_waits == f.first);
            OK(n, raftcore_supply_entries(n, f.id, &entries[f.first - 2], f.last - f.first + 1));
            CHECK(status_of(n).apply_waits == 0);
        }
        if (ready(n, &rd) != RAFTCORE_OK)
            return;
        apply(&rd);
        if (storage == RAFTCORE_STORAGE_SYNC) {
            OK(n, raftcore_advance(n, rd.number));
            continue;
        }
        OK(n, raftcore_persisted(n, rd.number));
        if (rd.committed_last > 0)
            OK(n, raftcore_applied(n, rd.committed_last));
        OK(n, raftcore_release(n, rd.number));
    }
}

static void all_are_handed_out(uint32_t storage) {
    raftcore_node *n = booted(storage, 0, 1);
    next_apply = 2;
    CHECK(raftcore_has_ready(n) & RAFTCORE_HAS_FETCH);
    printed_loop(n, storage);
    CHECK(next_apply == LAST + 1 && status_of(n).applied == LAST);
    CHECK((raftcore_has_ready(n) & ~RAFTCORE_HAS_EVENTS) == 0);

    /* Afterwards the node leads, and its proposals come back with their tokens. */
    raftcore_slice data = {payload, 100};
    OK(n, raftcore_campaign(n));
    printed_loop(n, storage);
    OK(n, raftcore_propose(n, &data, 1, 7));
    printed_loop(n, storage);
    CHECK(next_apply == LAST + 3);
    OK(n, raftcore_free(n));
}

/* The node applies no entry before the answer. All else goes on. */
static void a_host_that_waits(void) {
    raftcore_node *n = booted(RAFTCORE_STORAGE_SYNC, 0, 1);
    raftcore_ready rd;
    raftcore_fetch f, again;
    raftcore_event event;
    char text[256] = "";
    next_apply = 2;

    CHECK(status_of(n).apply_waits == 2);
    CHECK(raftcore_has_ready(n) & RAFTCORE_HAS_FETCH);
    CODE(ready(n, &rd), RAFTCORE_NONE);
    OK(n, fetch(n, &f));
    CHECK(f.kind == RAFTCORE_FETCH_APPLY && f.peer == 1 && f.first == 2 && f.max_bytes > 0);
    CHECK(!(raftcore_has_ready(n) & RAFTCORE_HAS_FETCH)); /* taken */
    CODE(fetch(n, &again), RAFTCORE_NONE);

    /* Committed entries cannot be gone, and a wrong answer is refused. Each time the fetch stays open. */
    CODE(raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_GONE), RAFTCORE_E_CORRUPT);
    raftcore_error_detail(n, text, sizeof text);
    CHECK(strstr(text, "the entries from 2 to") != NULL && strstr(text, "can't be gone") != NULL);
    CODE(raftcore_supply_entries(n, f.id, NULL, 0), RAFTCORE_E_ARG);
    CODE(raftcore_supply_entries(n, f.id, &entries[1], 1), RAFTCORE_E_ARG);
    raftcore_entry wrong = entries[0];
    wrong.term = 2;
    CODE(raftcore_supply_entries(n, f.id, &wrong, 1), RAFTCORE_E_ARG);
    CODE(raftcore_supply_none(n, f.id + 1, RAFTCORE_SUPPLY_LATER), RAFTCORE_E_ARG);

    /* After LATER the next tick brings a new fetch, with a new id. */
    OK(n, raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_LATER));
    CODE(fetch(n, &again), RAFTCORE_NONE);
    CHECK(status_of(n).apply_waits == 2);
    OK(n, raftcore_tick(n, 1));
    OK(n, fetch(n, &again));
    CHECK(again.kind == RAFTCORE_FETCH_APPLY && again.id != f.id && again.first == 2);
    CODE(raftcore_supply_entries(n, f.id, &entries[0], 1), RAFTCORE_IGNORED); /* the old fetch is finished */

    /* Meanwhile the node elects itself and stores proposals. */
    raftcore_slice data = {payload, 1000};
    uint32_t stored = 0;
    for (int i = 0; i < 40 || status_of(n).role != RAFTCORE_ROLE_LEADER; i++) {
        OK(n, raftcore_tick(n, 1));
        while (ready(n, &rd) == RAFTCORE_OK) {
            CHECK(rd.committed_last == 0);
            OK(n, raftcore_advance(n, rd.number));
        }
        CHECK(i < 1000);
    }
    for (uint64_t token = 1; token <= 10; token++) {
        OK(n, raftcore_propose(n, &data, 1, token));
        OK(n, ready(n, &rd));
        CHECK(rd.committed_last == 0);
        stored += rd.n_entries;
        OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(stored == 10 && status_of(n).commit == LAST + 11 && status_of(n).applied == 1);

    /* If the host never answers, an event comes after election_ticks, and again after each 10 * election_ticks. */
    uint64_t ticks[8] = {0}, count = 0;
    for (int i = 0; i < 250; i++) {
        OK(n, raftcore_tick(n, 1));
        while (raftcore_next_event(n, &event) == RAFTCORE_OK)
            if (event.kind == RAFTCORE_EVENT_APPLY_WAITS && count < 8) {
                CHECK(event.index == 2 && raftcore_event_text(event.kind)[0] != 0);
                ticks[count++] = event.a;
            }
        while (ready(n, &rd) == RAFTCORE_OK)
            OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(count >= 3 && ticks[0] == 10 && ticks[1] == 100 && ticks[2] == 200);

    /* The host supplies one entry at a time. The tokens of the proposals come back. */
    uint64_t tokens = 0, asked = 1, next;
    f = again;
    do {
        OK(n, raftcore_supply_entries(n, f.id, &entries[f.first - 2], 1));
        OK(n, ready(n, &rd));
        CHECK(rd.n_committed == 1 && rd.committed_first == f.first);
        apply(&rd);
        OK(n, raftcore_advance(n, rd.number));
        asked++;
    } while (fetch(n, &f) == RAFTCORE_OK);
    while (ready(n, &rd) == RAFTCORE_OK) {
        next = next_apply;
        for (uint32_t i = 0; i < rd.n_committed; i++)
            tokens += KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i)->token;
        apply(&rd);
        CHECK(next_apply > next);
        OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(asked > 50 && tokens == 55 && next_apply == LAST + 12 && status_of(n).applied == LAST + 11);
    OK(n, raftcore_free(n));
}

/* A snapshot overtakes the fetch. */
static void overtaken(void) {
    raftcore_node *n = booted(RAFTCORE_STORAGE_SYNC, 0, 3);
    raftcore_ready rd;
    raftcore_fetch f;
    bytes snap = message(RAFTCORE_MSG_SNAP, 1, 2, 2);
    put_snapshot(&snap, 400, 2, 3, "dd", 2);
    OK(n, fetch(n, &f));
    OK(n, raftcore_step(n, 2, snap.at, snap.len));
    CODE(raftcore_supply_entries(n, f.id, &entries[0], 10), RAFTCORE_IGNORED);
    CODE(raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_LATER), RAFTCORE_IGNORED);
    CHECK(status_of(n).apply_waits == 0);
    while (ready(n, &rd) == RAFTCORE_OK) {
        CHECK(rd.committed_last == 0);
        CHECK(!(rd.flags & RAFTCORE_RF_SNAPSHOT) || (rd.snapshot_index == 400 && rd.snapshot_data.len == 2));
        OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(status_of(n).applied == 400);
    CODE(fetch(n, &f), RAFTCORE_NONE);
    OK(n, raftcore_free(n));
}

/* With COMMITTED_SPANS raftcore_advance is refused until raftcore_applied has confirmed the span. */
static void spans(void) {
    raftcore_node *n = booted(RAFTCORE_STORAGE_SYNC, RAFTCORE_FLAG_COMMITTED_SPANS, 1);
    raftcore_ready rd;
    raftcore_fetch f;
    char text[256] = "";
    uint64_t bare = 0;
    CODE(fetch(n, &f), RAFTCORE_NONE);
    CHECK(status_of(n).apply_waits == 0);
    next_apply = 2;
    while (ready(n, &rd) == RAFTCORE_OK) {
        if (rd.n_committed > 0 || rd.committed_last == 0) {
            apply(&rd);
            CODE(raftcore_applied(n, rd.committed_last ? rd.committed_last : 1), RAFTCORE_E_STATE); /* this ready has its entries */
            OK(n, raftcore_advance(n, rd.number));
            continue;
        }
        bare++;
        CHECK(rd.committed == NULL && rd.committed_first == next_apply && rd.committed_last > rd.committed_first);
        CODE(raftcore_advance(n, rd.number), RAFTCORE_E_STATE);
        raftcore_error_detail(n, text, sizeof text);
        CHECK(strstr(text, "came without bytes") != NULL && strstr(text, "applied(") != NULL);
        raftcore_input in = {0};
        raftcore_ready out = {0};
        in.struct_size = sizeof in;
        out.struct_size = sizeof out;
        in.done = rd.number;
        CODE(raftcore_turn(n, &in, &out), RAFTCORE_E_STATE);
        /* A part of the span is not enough. */
        OK(n, raftcore_applied(n, rd.committed_first));
        CODE(raftcore_applied(n, rd.committed_first), RAFTCORE_E_STALE);
        CODE(raftcore_advance(n, rd.number), RAFTCORE_E_STATE);
        OK(n, raftcore_applied(n, rd.committed_last));
        CHECK(status_of(n).applied == rd.committed_last);
        next_apply = rd.committed_last + 1;
        OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(bare > 0 && next_apply == LAST + 1 && status_of(n).applied == LAST);
    OK(n, raftcore_free(n));
}

int main(void) {
    for (size_t i = 0; i < SIZE; i++)
        payload[i] = (uint8_t)(i * 31 >> 3);
    all_are_handed_out(RAFTCORE_STORAGE_SYNC);
    all_are_handed_out(RAFTCORE_STORAGE_ASYNC);
    a_host_that_waits();
    overtaken();
    spans();
    return 0;
}
