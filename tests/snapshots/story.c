/* Two nodes with the functions of docs/snapshots.md, on disks that lose power: the loop, the network, the story.
 *
 *     story DIRECTORY SEED LOSSY [OPERATION]
 *
 * boots both nodes from DIRECTORY and goes on until the story ends: exit code 0. The power is cut at the given
 * operation of a disk: exit code 42. All else is a fault. LOSSY 1: streams break. */
#include "boot.h"

enum { TICKS = 6000, MORE = 16 };
enum { FIRST_LOG = 60, SECOND_LOG = 90, WHILE_APART = 150, END = 170 }; /* last indexes, at which the story goes on */

static int lossy, apart;

/* ---- the loop */

static void supply(raftcore_node *n, const raftcore_fetch *f) {
    raftcore_entry got[MORE];
    size_t count = 0;
    if (f->kind == RAFTCORE_FETCH_SNAPSHOT) {
        supply_snapshot(n, &me->d, f);
        return;
    }
    for (uint64_t i = f->first; i > me->d.before_first && i <= f->last && count < MORE; i++) {
        const struct record *r = record_at(i);
        got[count++] = (raftcore_entry){.term = r->term, .index = i, .kind = r->kind, .data = {r->data.ptr, r->data.len}};
    }
    if (count > 0)
        checked(raftcore_supply_entries(n, f->id, got, count));
    else
        checked(raftcore_supply_none(n, f->id, RAFTCORE_SUPPLY_GONE));
}

static void store(const raftcore_ready *rd) {
    if (rd->flags & RAFTCORE_RF_SNAPSHOT) {
        CHECK(received(other()->id, rd->snapshot_index, rd->snapshot_term));
        me->last = me->d.before_first = rd->snapshot_index;
    }
    for (uint32_t i = 0; i < rd->n_entries; i++) {
        const raftcore_entry *e = item(rd->entries, rd->entry_stride, i);
        remember(e->index, e->term, e->kind, e->data.ptr, e->data.len);
    }
    if (rd->flags & RAFTCORE_RF_SNAPSHOT) {
        install(&me->d, me->data, rd);
        me->installs++;
    } else {
        write_entries(me->d.log, rd);
        if (rd->flags & RAFTCORE_RF_HARD_STATE)
            write_state(me->d.log, rd->term, rd->vote, rd->commit);
        if (rd->flags & RAFTCORE_RF_MUST_SYNC)
            disk_flush(me->d.log);
    }
    me->d.term = rd->term;
    me->d.vote = rd->vote;
    me->d.commit = rd->commit;
}

void send_frame(const raftcore_msg *m) {
    CHECK(m->to == other()->id);
    uint8_t *frame = malloc(m->frame_bytes);
    size_t len = 0;
    CHECK(frame != NULL && raftcore_flatten(m, frame, m->frame_bytes, &len) == RAFTCORE_OK);
    if (!apart)
        add(&other()->inbox, frame, len);
    free(frame);
}

static void apply(raftcore_node *n, const raftcore_entry *e) {
    CHECK(e->index == me->d.applied + 1);
    if (e->kind == RAFTCORE_ENTRY_NORMAL) {
        add(&me->state, e->data.ptr, e->data.len);
    } else {
        raftcore_conf conf = {.struct_size = sizeof conf};
        checked(raftcore_apply_conf(n, e, &conf));
        set(&me->conf, conf.bytes.ptr, conf.bytes.len);
        me->d.conf = (raftcore_slice){me->conf.ptr, me->conf.len};
    }
    me->d.applied = e->index;
}

void run_loop(raftcore_node *n) {
    raftcore_ready rd = {.struct_size = sizeof rd};
    raftcore_fetch f = {.struct_size = sizeof f};
    raftcore_event e;
    CHECK(n == me->node);
    for (;;) {
        while (raftcore_next_fetch(n, &f) == RAFTCORE_OK)
            supply(n, &f);
        if (raftcore_get_ready(n, &rd) != RAFTCORE_OK)
            break;
        store(&rd);
        promise();
        for (uint32_t i = 0; i < rd.n_msgs; i++)
            send_message(n, item(rd.msgs, rd.msg_stride, i));
        for (uint32_t i = 0; i < rd.n_committed; i++)
            apply(n, item(rd.committed, rd.entry_stride, i));
        promise();
        checked(raftcore_advance(n, rd.number));
    }
    while (raftcore_next_event(n, &e) == RAFTCORE_OK) {
        const char *event = raftcore_event_text(e.kind), *reason = raftcore_reason_text(e.reason);
        if (getenv("V"))
            fprintf(stderr, "node %" PRIu64 ": %s, %s\n", me->id, event, reason);
        CHECK(e.kind != RAFTCORE_EVENT_ALARM && e.kind != RAFTCORE_EVENT_POISONED);
    }
}

/* ---- the network */

static void deliver(void) {
    struct bytes got = me->inbox;
    me->inbox = (struct bytes){NULL, 0};
    size_t at = 0;
    while (at < got.len) {
        long used = on_bytes(me->node, other()->id, got.ptr + at, got.len - at);
        CHECK(used > 0);
        at += (size_t)used;
    }
    empty(&got);
    run_loop(me->node);
}

static void deliver_message(const struct bytes *frame) {
    add(&me->inbox, frame->ptr, frame->len);
    deliver();
}

/* The data have come: the message comes before the flush, or behind it. */
static void finish_stream(stream *s) {
    raftcore_slice data;
    uint64_t index, term;
    const size_t header = 12;
    int early = random_below(2) == 0;
    CHECK(s->message.len > header);
    raftcore_code code =
        raftcore_snapshot_split(s->message.ptr + header, s->message.len - header, &data, &index, &term);
    CHECK(code == RAFTCORE_OK && index == s->index && data.len == 0);
    if (early)
        deliver_message(&s->message);
    struct bytes state = read_snapshot(me->data, index);
    empty(&state);
    disk_flush(me->data);
    me->data_index = index;
    me->data_term = term;
    if (early)
        on_received(me->node, other()->id, index, term);
    else
        deliver_message(&s->message);
    s->progress = ARRIVED;
}

/* A part of a stream comes to `me`. */
static void receive_stream(stream *s) {
    uint8_t part[2000];
    if (s->progress != SENDING)
        return;
    if (apart || (lossy && random_below(25) == 0)) {
        s->progress = BROKEN;
        return;
    }
    if (!s->begun) {
        discard(other()->id);
        me->data = create(me->d.dir, "received.tmp");
        s->begun = 1;
    }
    ssize_t n = read(s->file, part, sizeof part);
    CHECK(n >= 0);
    if (n > 0)
        disk_write(me->data, part, (size_t)n);
    else if (s->message.len > 0)
        finish_stream(s);
}

static raftcore_status status(const struct host *h) {
    raftcore_status s = {.struct_size = sizeof s};
    CHECK(raftcore_get_status(h->node, &s) == RAFTCORE_OK);
    return s;
}

/* A host compacts whenever it likes, in the middle of a stream, too. */
static void compact_now(uint64_t keep) {
    if (me->d.snapshot > 0 && me->d.applied > me->d.snapshot)
        compact(me->node, &me->d, keep);
}

static void turn(void) {
    uint64_t peer = other()->id;
    checked(raftcore_tick(me->node, 1));
    run_loop(me->node);
    deliver();
    if (other()->out != NULL) {
        receive_stream(other()->out);
        compact_now(me->d.applied);
    }
    if (me->out != NULL)
        compact_now(status(me).safe_to_compact);
    report_streams(me->node, &peer, 1);
    run_loop(me->node);
}

/* ---- the story: what the leader does next follows from the log, so that it goes on after a restart */

static void propose(int count) {
    char text[120];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "proposal %*" PRIu64 "\n", (int)sizeof text - 11, me->last + (uint64_t)i);
        raftcore_slice data = {(const uint8_t *)text, sizeof text - 1};
        if (raftcore_propose(me->node, &data, 1, 0) < 0)
            break; /* later */
    }
    run_loop(me->node);
}

static void change(uint32_t kind) {
    raftcore_change c = {.kind = kind, .id = 2};
    if (raftcore_propose_conf(me->node, &c, 1, RAFTCORE_TRANSITION_AUTO, (raftcore_slice){NULL, 0}, 0) == RAFTCORE_OK)
        run_loop(me->node);
}

static int equal(void) {
    const struct host *a = &hosts[1], *b = &hosts[2];
    return a->d.applied == b->d.applied && a->last == b->last && a->d.applied == a->last;
}

/* Returns 1 at the end of the story. */
static int go_on(void) {
    raftcore_conf conf = {.struct_size = sizeof conf};
    raftcore_status s = status(me);
    CHECK(raftcore_get_conf(me->node, &conf) == RAFTCORE_OK);
    if (s.applied != s.last_index)
        return 0;
    if (conf.n_voters == 2) {
        if (me->last < END)
            propose(5);
        return me->last >= END && equal();
    }
    if (conf.n_learners == 0) {
        if (me->last < FIRST_LOG)
            propose(MORE);
        else if (me->d.before_first < FIRST_LOG - MORE)
            compact_now(me->d.applied - 5);
        else
            change(RAFTCORE_CHANGE_ADD_LEARNER); /* after the compaction, so the learner needs another snapshot */
        return 0;
    }
    if (apart && me->last >= WHILE_APART) {
        compact_now(me->d.applied); /* so the learner needs a snapshot again */
        apart = 0;
    } else if (apart || (equal() && me->last >= SECOND_LOG && me->last < WHILE_APART)) {
        apart = 1;
        propose(MORE);
    } else if (equal() && me->last < SECOND_LOG) {
        propose(5);
    } else if (equal()) {
        change(RAFTCORE_CHANGE_ADD_NODE);
    }
    return 0;
}

static void check_end(void) {
    const struct host *a = &hosts[1], *b = &hosts[2];
    CHECK(a->state.len == b->state.len && memcmp(a->state.ptr, b->state.ptr, a->state.len) == 0);
    CHECK(a->conf.len == b->conf.len && memcmp(a->conf.ptr, b->conf.ptr, a->conf.len) == 0);
    printf("%lu operations, %u installs\n", operations, a->installs + b->installs);
}

int main(int argc, char **argv) {
    CHECK(argc == 4 || argc == 5);
    place = argv[1];
    uint64_t seed = strtoull(argv[2], NULL, 10);
    lossy = atoi(argv[3]);
    cut_at = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    random_state = seed;
    for (uint64_t id = 1; id <= HOSTS; id++)
        boot(id, seed);
    for (int t = 0; t < TICKS; t++) {
        for (uint64_t id = 1; id <= HOSTS; id++) {
            me = &hosts[id];
            turn();
            if (status(me).role == RAFTCORE_ROLE_LEADER && go_on()) {
                check_end();
                return 0;
            }
        }
    }
    fprintf(stderr, "stuck: node 1 applied %" PRIu64 ", node 2 %" PRIu64 "\n", hosts[1].d.applied, hosts[2].d.applied);
    return 1;
}
