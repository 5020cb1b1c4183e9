/* The flat form of a ready: decoded from bytes alone, as another language would, and held to what the views of a clone say. */
#include "kit.h"

static uint8_t flat[1 << 20];

static uint64_t u64_at(size_t at) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | flat[at + (size_t)i];
    return value;
}
static uint32_t u32_at(size_t at) { return (uint32_t)(u64_at(at) & 0xffffffff); }

#define U64(base, type, field) u64_at((base) + offsetof(type, field))
#define U32(base, type, field) u32_at((base) + offsetof(type, field))
#define HEAD64(field) U64(0, raftcore_flat, field)
#define HEAD32(field) U32(0, raftcore_flat, field)

static size_t total;
static uint64_t seen_contexts;

static void check_bytes(uint64_t at, uint64_t len, const void *want, size_t want_len) {
    CHECK(len == want_len && at % 8 == 0 && at + len <= total && (len == 0) == (at == 0));
    CHECK(len == 0 || memcmp(flat + at, want, len) == 0);
}

static void check_entries(uint64_t at, uint32_t count, const raftcore_entry *want, uint32_t want_count, uint32_t stride) {
    CHECK(count == want_count && (count == 0) == (at == 0) && at % 8 == 0);
    for (uint32_t i = 0; i < count; i++) {
        size_t base = (size_t)at + (size_t)HEAD32(entry_stride) * i;
        const raftcore_entry *e = KIT_AT(raftcore_entry, want, stride, i);
        CHECK(U64(base, raftcore_flat_entry, term) == e->term && U64(base, raftcore_flat_entry, index) == e->index);
        CHECK(U64(base, raftcore_flat_entry, token) == e->token && U32(base, raftcore_flat_entry, kind) == e->kind);
        check_bytes(U64(base, raftcore_flat_entry, data_at), U64(base, raftcore_flat_entry, data_bytes), e->data.ptr, e->data.len);
        check_bytes(U64(base, raftcore_flat_entry, context_at), U64(base, raftcore_flat_entry, context_bytes), e->context.ptr,
                    e->context.len);
        seen_contexts += e->context.len > 0;
    }
}

static void check_flat(const raftcore_ready *rd) {
    CHECK(HEAD32(layout) == 1 && HEAD64(total_bytes) == total && total % 8 == 0);
    CHECK(HEAD32(role) == rd->role && HEAD64(flags) == rd->flags && HEAD64(number) == rd->number);
    CHECK(HEAD64(term) == rd->term && HEAD64(vote) == rd->vote && HEAD64(commit) == rd->commit && HEAD64(leader) == rd->leader);
    CHECK(HEAD64(committed_first) == rd->committed_first && HEAD64(committed_last) == rd->committed_last);
    CHECK(HEAD64(snapshot_index) == rd->snapshot_index && HEAD64(snapshot_term) == rd->snapshot_term);
    check_bytes(HEAD64(snapshot_conf_at), HEAD64(snapshot_conf_bytes), rd->snapshot_conf.ptr, rd->snapshot_conf.len);
    check_bytes(HEAD64(snapshot_data_at), HEAD64(snapshot_data_bytes), rd->snapshot_data.ptr, rd->snapshot_data.len);
    check_entries(HEAD64(entries_at), HEAD32(n_entries), rd->entries, rd->n_entries, rd->entry_stride);
    check_entries(HEAD64(committed_at), HEAD32(n_committed), rd->committed, rd->n_committed, rd->entry_stride);
    CHECK(HEAD32(n_msgs) == rd->n_msgs && HEAD32(n_reads) == rd->n_reads && HEAD32(n_dropped) == rd->n_dropped);
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        static uint8_t frame[KIT_FRAME];
        size_t len, base = (size_t)HEAD64(msgs_at) + (size_t)HEAD32(msg_stride) * i;
        const raftcore_msg *m = KIT_AT(raftcore_msg, rd->msgs, rd->msg_stride, i);
        OK(NULL, raftcore_flatten(m, frame, sizeof frame, &len));
        CHECK(U64(base, raftcore_flat_msg, to) == m->to && U64(base, raftcore_flat_msg, from) == m->from);
        CHECK(U64(base, raftcore_flat_msg, term) == m->term && U64(base, raftcore_flat_msg, index) == m->index);
        CHECK(U64(base, raftcore_flat_msg, log_term) == m->log_term && U64(base, raftcore_flat_msg, commit) == m->commit);
        CHECK(U64(base, raftcore_flat_msg, flags) == m->flags && U32(base, raftcore_flat_msg, kind) == m->kind);
        check_bytes(U64(base, raftcore_flat_msg, context_at), U64(base, raftcore_flat_msg, context_bytes), m->context.ptr,
                    m->context.len);
        check_bytes(U64(base, raftcore_flat_msg, snapshot_conf_at), U64(base, raftcore_flat_msg, snapshot_conf_bytes),
                    m->snapshot_conf.ptr, m->snapshot_conf.len);
        check_bytes(U64(base, raftcore_flat_msg, frame_at), U64(base, raftcore_flat_msg, frame_bytes), frame, len);
    }
    for (uint32_t i = 0; i < rd->n_reads; i++) {
        size_t base = (size_t)HEAD64(reads_at) + (size_t)HEAD32(read_stride) * i;
        const raftcore_read *read = KIT_AT(raftcore_read, rd->reads, rd->read_stride, i);
        CHECK(U64(base, raftcore_read, token) == read->token && U64(base, raftcore_read, index) == read->index);
    }
    for (uint32_t i = 0; i < rd->n_dropped; i++) {
        size_t base = (size_t)HEAD64(dropped_at) + (size_t)HEAD32(drop_stride) * i;
        const raftcore_drop *d = KIT_AT(raftcore_drop, rd->dropped, rd->drop_stride, i);
        CHECK(U64(base, raftcore_drop, token) == d->token && U32(base, raftcore_drop, what) == d->what);
        CHECK(U32(base, raftcore_drop, reason) == d->reason);
    }
}

/* Takes the next ready of a node flat, through every buffer that is too small, and compares it with the views of a clone. */
static int compare(kit_host *h) {
    raftcore_node *clone = NULL;
    raftcore_ready rd = {0};
    size_t need = 0;
    rd.struct_size = sizeof rd;
    OK(h->node, raftcore_try_clone(h->node, &clone));
    raftcore_code code = raftcore_ready_flat(h->node, NULL, 0, &need);
    if (code == RAFTCORE_NONE) {
        CODE(raftcore_get_ready(clone, &rd), RAFTCORE_NONE);
        OK(clone, raftcore_free(clone));
        return 0;
    }
    CODE(code, RAFTCORE_E_TOO_SMALL);
    OK(clone, raftcore_get_ready(clone, &rd));
    CHECK(need >= sizeof(raftcore_flat) && need <= sizeof flat);

    /* Not taken: it can't be acknowledged, shows in has_ready, and comes again whole. */
    memset(flat, 0xAA, sizeof flat);
    CODE(raftcore_advance(h->node, rd.number), RAFTCORE_E_ARG);
    CHECK(raftcore_has_ready(h->node) >= 0);
    if (rd.n_msgs > 0)
        CHECK(raftcore_has_ready(h->node) & RAFTCORE_HAS_MESSAGES);
    total = 0;
    CODE(raftcore_ready_flat(h->node, flat, need - 1, &total), RAFTCORE_E_TOO_SMALL);
    CHECK(total == need && flat[0] == 0xAA);
    OK(h->node, raftcore_ready_flat(h->node, flat, need, &total));
    CHECK(total == need && flat[need] == 0xAA);
    check_flat(&rd);
    OK(clone, raftcore_free(clone));
    return 1;
}

/* What was too large for a buffer may as well be taken as views. */
static void take_otherwise(kit_host *h) {
    raftcore_node *clone = NULL;
    raftcore_ready rd = {0}, other = {0};
    rd.struct_size = other.struct_size = sizeof rd;
    OK(h->node, raftcore_try_clone(h->node, &clone));
    if (raftcore_ready_flat(clone, flat, 8, NULL) == RAFTCORE_E_TOO_SMALL) {
        OK(clone, raftcore_get_ready(clone, &rd));
        raftcore_code code = raftcore_get_ready(clone, &other);
        CHECK(h->storage == RAFTCORE_STORAGE_SYNC ? code == RAFTCORE_OK && other.number == rd.number
                                                  : code == RAFTCORE_NONE || other.number == rd.number + 1);
    }
    OK(clone, raftcore_free(clone));
}

static uint64_t seen_messages, seen_entries, seen_reads, seen_snapshots, seen_drops;

/* Before each step of the loop, the next ready is also taken flat, from a clone. */
static void settle(void) {
    int any;
    do {
        any = 0;
        for (int i = 1; i <= KIT_NODES; i++) {
            kit_host *h = &kit[i], probe;
            if (h->node == NULL)
                continue;
            kit_fetches(h);
            take_otherwise(h);
            probe.node = NULL;
            OK(h->node, raftcore_try_clone(h->node, &probe.node));
            if (compare(&probe)) {
                seen_messages += HEAD32(n_msgs);
                seen_entries += HEAD32(n_entries);
                seen_reads += HEAD32(n_reads);
                seen_drops += HEAD32(n_dropped);
                seen_snapshots += !!(HEAD64(flags) & RAFTCORE_RF_SNAPSHOT);
                if (h->storage == RAFTCORE_STORAGE_SYNC)
                    OK(probe.node, raftcore_ready_flat(probe.node, flat, sizeof flat, NULL)); /* the same once more */
            }
            OK(probe.node, raftcore_free(probe.node));
            any |= kit_work(h);
        }
        while (kit_deliver())
            any = 1;
    } while (any);
}

static void tick(void) {
    for (int i = 1; i <= KIT_NODES; i++)
        if (kit[i].node)
            OK(kit[i].node, raftcore_tick(kit[i].node, 1));
    settle();
}

int main(void) {
    for (uint32_t run = 0; run < 6; run++) {
        uint32_t storage = run % 3, dialect = run / 3;
        kit_reset();
        seen_contexts = seen_messages = seen_entries = seen_reads = seen_snapshots = seen_drops = 0;
        for (uint64_t id = 1; id <= 3; id++) {
            raftcore_config c = kit_config(id, storage);
            c.flags |= RAFTCORE_FLAG_FORWARDING;
            c.dialect = dialect;
            kit_found(&c, 3);
        }
        while (kit_leader() == 0)
            tick();
        uint64_t leader = kit_leader();
        for (uint64_t token = 1; token < 40; token++) {
            OK(kit[leader].node, kit_propose(leader, "some proposal, in two parts", token));
            if (dialect == RAFTCORE_DIALECT_ERAFTPB) {
                raftcore_slice context = {(const uint8_t *)"a context of some bytes", token % 24}, data = {(const uint8_t *)"data", token % 3};
                OK(kit[leader].node, raftcore_propose_with_context(kit[leader].node, RAFTCORE_ENTRY_NORMAL, context, data, 4000 + token));
            }
            if (token % 8 == 0) {
                OK(kit[leader].node, raftcore_read_index(kit[leader].node, 1000 + token));
                OK(kit[leader % 3 + 1].node, kit_propose(leader % 3 + 1, "passed on", 2000 + token));
                settle();
            }
        }
        settle();
        raftcore_config c = kit_config(4, storage);
        c.dialect = dialect;
        raftcore_change add = {4, RAFTCORE_CHANGE_ADD_NODE, 0};
        raftcore_slice none = {NULL, 0};
        kit_join(&c);
        OK(kit[leader].node, raftcore_propose_conf(kit[leader].node, &add, 1, RAFTCORE_TRANSITION_AUTO, none, 0));
        for (int i = 0; i < 20; i++)
            tick();
        kit_check_same();
        CHECK(kit[4].snapshots == 1);
        CHECK(dialect == RAFTCORE_DIALECT_ERAFTPB ? seen_contexts > 100 : seen_contexts == 0);
        CHECK(seen_messages > 100 && seen_entries > 100 && seen_reads >= 4 && seen_snapshots >= 1 && seen_drops >= 4);
    }
    kit_reset();
    return 0;
}
