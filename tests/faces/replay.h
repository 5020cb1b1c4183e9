/* What replay.c reads and writes: a line's words as arguments of the C ABI, and what came back as text. */
#ifndef RAFTCORE_TESTS_REPLAY_H
#define RAFTCORE_TESTS_REPLAY_H

#include "raftcore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 16, LIST = 4096 };

static raftcore_node *nodes[PLACES];
static FILE *out, *abi;
static char *line;          /* what is left of it */
static char *text;          /* what came out of the call */
static size_t text_len, text_cap;
static uint8_t *store;      /* the bytes of the line's arguments */
static size_t stored;

/* ---- words */

static char *word(void) {
    char *begin = line, *end = begin + strcspn(begin, " \n");
    if (end == begin) {
        fprintf(stderr, "a word is missing\n");
        exit(2);
    }
    line = *end == ' ' ? end + 1 : end;
    if (*end != ' ')
        line = end + strlen(end);
    *end = 0;
    return begin;
}

static uint64_t num(void) { return strtoull(word(), NULL, 10); }
static uint32_t small(void) { return (uint32_t)num(); }

static int nibble(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static raftcore_slice bytes(void) {
    const char *digits = word() + 1;
    raftcore_slice s = {store + stored, 0};
    for (; digits[0] != 0; digits += 2)
        store[stored + s.len++] = (uint8_t)(nibble(digits[0]) << 4 | nibble(digits[1]));
    stored += s.len;
    return s;
}

static size_t count(void) {
    uint64_t n = num();
    if (n > LIST) {
        fprintf(stderr, "a list is too long\n");
        exit(2);
    }
    return (size_t)n;
}

static raftcore_entry entry(void) {
    raftcore_entry e = {0};
    e.term = num();
    e.index = num();
    e.kind = small();
    e.data = bytes();
    e.context = bytes();
    return e;
}

static size_t entries(raftcore_entry *list) {
    size_t n = count();
    for (size_t i = 0; i < n; i++)
        list[i] = entry();
    return n;
}

static uint32_t ids(const uint64_t **list, uint64_t *room) {
    size_t n = count();
    for (size_t i = 0; i < n; i++)
        room[i] = num();
    *list = room;
    return (uint32_t)n;
}

static raftcore_conf conf(void) {
    static uint64_t room[4][LIST];
    raftcore_conf c = {0};
    c.struct_size = sizeof c;
    if (strcmp(word(), "bytes") == 0) {
        c.bytes = bytes();
        return c;
    }
    c.index = num();
    c.dialect = small();
    c.auto_leave = small();
    c.n_voters = ids(&c.voters, room[0]);
    c.n_outgoing = ids(&c.outgoing, room[1]);
    c.n_learners = ids(&c.learners, room[2]);
    c.n_learners_next = ids(&c.learners_next, room[3]);
    return c;
}

static raftcore_config config(void) {
    raftcore_config c = {0};
    c.struct_size = sizeof c;
    c.abi_version = RAFTCORE_ABI_VERSION;
    c.id = num();
    c.group = num();
    c.seed = num();
    c.flags = num();
    c.storage = small();
    c.dialect = small();
    c.election_ticks = small();
    c.heartbeat_ticks = small();
    c.read_timeout_ticks = small();
    c.snapshot_timeout_ticks = small();
    c.vote_fence_ticks = small();
    c.max_peers = small();
    c.max_inflight_msgs = small();
    c.max_outstanding = small();
    c.max_entries_per_ready = small();
    c.max_messages = small();
    c.max_reads = small();
    c.max_tokens = small();
    c.priority = (int32_t)strtol(word(), NULL, 10);
    c.max_apply_unpersisted = small();
    c.recent_bytes = num();
    c.catchup_bytes = num();
    c.max_size_per_msg = num();
    c.max_committed_size_per_ready = num();
    c.max_uncommitted_size = num();
    c.max_inflight_bytes = num();
    c.max_entry_bytes = num();
    c.max_snapshot_bytes = num();
    c.block_bytes = num();
    c.own_write_timeout_ticks = small();
    c.election_jitter_ticks = small();
    c.peer_lags_ticks = small();
    c.no_leader_ticks = small();
    c.max_entries_per_msg = small();
    c.caught_up_entries = small();
    return c;
}

/* ---- what came out */

static char *room(size_t more) {
    if (text_len + more + 1 > text_cap) {
        text_cap = 2 * (text_len + more + 1);
        text = realloc(text, text_cap);
        if (text == NULL)
            exit(2);
    }
    return text + text_len;
}

static void put(const char *s) {
    size_t n = strlen(s);
    memcpy(room(n + 1), s, n + 1);
    text_len += n;
}

static void put_num(uint64_t n) {
    char digits[24];
    snprintf(digits, sizeof digits, text_len > 0 ? " %" PRIu64 : "%" PRIu64, n);
    put(digits);
}

static void put_bytes(raftcore_slice s) {
    static const char hex[] = "0123456789abcdef";
    char *to;
    put(text_len > 0 ? " x" : "x");
    to = room(2 * s.len);
    for (size_t i = 0; i < s.len; i++) {
        *to++ = hex[s.ptr[i] >> 4];
        *to++ = hex[s.ptr[i] & 15];
    }
    *to = 0;
    text_len += 2 * s.len;
}

static void put_config(const raftcore_config *c) {
    char number[16];
    const uint64_t first[] = {c->id, c->group, c->seed, c->flags, c->storage, c->dialect, c->election_ticks, c->heartbeat_ticks,
                              c->read_timeout_ticks, c->snapshot_timeout_ticks, c->vote_fence_ticks, c->max_peers,
                              c->max_inflight_msgs, c->max_outstanding, c->max_entries_per_ready, c->max_messages, c->max_reads,
                              c->max_tokens};
    const uint64_t rest[] = {c->max_apply_unpersisted, c->recent_bytes, c->catchup_bytes, c->max_size_per_msg,
                             c->max_committed_size_per_ready, c->max_uncommitted_size, c->max_inflight_bytes, c->max_entry_bytes,
                             c->max_snapshot_bytes, c->block_bytes, c->own_write_timeout_ticks,
                             c->election_jitter_ticks, c->peer_lags_ticks, c->no_leader_ticks, c->max_entries_per_msg,
                             c->caught_up_entries};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        put_num(first[i]);
    snprintf(number, sizeof number, " %" PRId32, c->priority);
    put(number);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        put_num(rest[i]);
}

static void put_conf(const raftcore_conf *c) {
    const uint64_t *lists[] = {c->voters, c->outgoing, c->learners, c->learners_next};
    const uint32_t n[] = {c->n_voters, c->n_outgoing, c->n_learners, c->n_learners_next};
    put_num(c->auto_leave);
    for (int l = 0; l < 4; l++) {
        put_num(n[l]);
        for (uint32_t i = 0; i < n[l]; i++)
            put_num(lists[l][i]);
    }
    put_num(c->index);
    put_num(c->dialect);
    put_bytes(c->bytes);
    put_bytes(c->context);
}

#define AT(type, list, stride, i) ((const type *)(const void *)((const char *)(list) + (size_t)(stride) * (i)))

static void put_entries(const raftcore_entry *list, uint32_t n, uint32_t stride) {
    put_num(n);
    for (uint32_t i = 0; i < n; i++) {
        const raftcore_entry *e = AT(raftcore_entry, list, stride, i);
        put_num(e->term);
        put_num(e->index);
        put_num(e->kind);
        put_bytes(e->data);
        put_num(e->token);
        put_bytes(e->context);
    }
}

static void put_lists(const raftcore_read *reads, uint32_t n_reads, uint32_t read_stride, const raftcore_drop *dropped,
                      uint32_t n_dropped, uint32_t drop_stride, const raftcore_done *done, uint32_t n_done, uint32_t done_stride) {
    put_num(n_reads);
    for (uint32_t i = 0; i < n_reads; i++) {
        put_num(AT(raftcore_read, reads, read_stride, i)->token);
        put_num(AT(raftcore_read, reads, read_stride, i)->index);
    }
    put_num(n_dropped);
    for (uint32_t i = 0; i < n_dropped; i++) {
        const raftcore_drop *d = AT(raftcore_drop, dropped, drop_stride, i);
        put_num(d->token);
        put_num(d->what);
        put_num(d->reason);
    }
    put_num(n_done);
    for (uint32_t i = 0; i < n_done; i++) {
        put_num(AT(raftcore_done, done, done_stride, i)->token);
        put_num(AT(raftcore_done, done, done_stride, i)->index);
    }
}

static void put_head(const uint64_t *numbers, raftcore_slice snapshot_conf, raftcore_slice snapshot_data, uint64_t first,
                     uint64_t last) {
    for (int i = 0; i < 9; i++)
        put_num(numbers[i]);
    put_bytes(snapshot_conf);
    put_bytes(snapshot_data);
    put_num(first);
    put_num(last);
}

static void put_ready(const raftcore_ready *rd) {
    const uint64_t head[] = {rd->number, rd->flags, rd->role, rd->leader, rd->term, rd->vote, rd->commit, rd->snapshot_index,
                             rd->snapshot_term};
    put_head(head, rd->snapshot_conf, rd->snapshot_data, rd->committed_first, rd->committed_last);
    put_entries(rd->entries, rd->n_entries, rd->entry_stride);
    put_entries(rd->committed, rd->n_committed, rd->entry_stride);
    put_num(rd->n_msgs);
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = AT(raftcore_msg, rd->msgs, rd->msg_stride, i);
        const uint64_t numbers[] = {m->to, m->from, m->term, m->log_term, m->index, m->commit, m->reject_hint, m->vote, m->flags,
                                    m->kind};
        /* The pieces, and what raftcore_flatten makes of them. */
        size_t need = 0, len = 0;
        uint8_t *frame = malloc(m->frame_bytes), *body = malloc(m->frame_bytes);
        if (frame == NULL || body == NULL)
            exit(2);
        for (uint32_t p = 0; p < m->n_frame; p++) {
            if (m->frame[p].len > 0)
                memcpy(frame + len, m->frame[p].ptr, m->frame[p].len);
            len += m->frame[p].len;
        }
        if (len != m->frame_bytes || raftcore_flatten(m, body, m->frame_bytes, &need) != RAFTCORE_OK || need != len ||
            memcmp(frame, body, len) != 0) {
            fprintf(stderr, "raftcore_flatten gives another frame\n");
            exit(1);
        }
        for (int n = 0; n < 10; n++)
            put_num(numbers[n]);
        put_bytes(m->context);
        put_bytes(m->snapshot_conf);
        put_bytes((raftcore_slice){frame, len});
        free(frame);
        free(body);
    }
    put_lists(rd->reads, rd->n_reads, rd->read_stride, rd->dropped, rd->n_dropped, rd->drop_stride, rd->done, rd->n_done,
              rd->done_stride);
}

static void put_flat(const uint8_t *b) {
    const raftcore_flat *f = (const raftcore_flat *)(const void *)b;
    const uint64_t head[] = {f->number, f->flags, f->role, f->leader, f->term, f->vote, f->commit, f->snapshot_index,
                             f->snapshot_term};
    put_head(head, (raftcore_slice){b + f->snapshot_conf_at, f->snapshot_conf_bytes},
             (raftcore_slice){b + f->snapshot_data_at, f->snapshot_data_bytes}, f->committed_first, f->committed_last);
    for (int list = 0; list < 2; list++) {
        uint32_t n = list == 0 ? f->n_entries : f->n_committed;
        put_num(n);
        for (uint32_t i = 0; i < n; i++) {
            const raftcore_flat_entry *e = AT(raftcore_flat_entry, b + (list == 0 ? f->entries_at : f->committed_at), f->entry_stride, i);
            put_num(e->term);
            put_num(e->index);
            put_num(e->kind);
            put_bytes((raftcore_slice){b + e->data_at, e->data_bytes});
            put_num(e->token);
            put_bytes((raftcore_slice){b + e->context_at, e->context_bytes});
        }
    }
    put_num(f->n_msgs);
    for (uint32_t i = 0; i < f->n_msgs; i++) {
        const raftcore_flat_msg *m = AT(raftcore_flat_msg, b + f->msgs_at, f->msg_stride, i);
        const uint64_t numbers[] = {m->to, m->from, m->term, m->log_term, m->index, m->commit, m->reject_hint, m->vote, m->flags,
                                    m->kind};
        for (int n = 0; n < 10; n++)
            put_num(numbers[n]);
        put_bytes((raftcore_slice){b + m->context_at, m->context_bytes});
        put_bytes((raftcore_slice){b + m->snapshot_conf_at, m->snapshot_conf_bytes});
        put_bytes((raftcore_slice){b + m->frame_at, m->frame_bytes});
    }
    put_lists((const raftcore_read *)(const void *)(b + f->reads_at), f->n_reads, f->read_stride,
              (const raftcore_drop *)(const void *)(b + f->dropped_at), f->n_dropped, f->drop_stride,
              (const raftcore_done *)(const void *)(b + f->done_at), f->n_done, f->done_stride);
}

static void put_status(const raftcore_status *s) {
    const uint64_t numbers[] = {s->role, s->id, s->group, s->term, s->vote, s->commit, s->applied, s->durable, s->leader,
                                s->transferee, s->first_index, s->last_index, s->last_term, s->recent_first, s->safe_to_compact,
                                s->messages_dropped, s->messages_refused, s->messages_ignored, s->proposals_refused,
                                s->reads_failed, s->events_lost, s->implausible, s->n_peers, s->n_outstanding, s->promotable,
                                s->electable, s->election_elapsed, s->election_timeout, s->n_reads, s->n_tokens, s->last_ready, s->late_ticks,
                                s->apply_waits};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_num(numbers[i]);
}

static void put_peers(const raftcore_peer *p, size_t n) {
    put_num(n);
    for (; n > 0; n--, p++) {
        const uint64_t numbers[] = {p->id, p->match_index, p->next_index, p->pending_snapshot, p->inflight_bytes, p->inflight_msgs,
                                    p->flow, p->flags, p->silent_ticks, p->commit, p->group};
        for (int i = 0; i < 11; i++)
            put_num(numbers[i]);
    }
}

#endif
