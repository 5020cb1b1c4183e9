/* The functions that docs/snapshots.md leaves to the reader: records, log, state, snapshot files, streams.
 * page.c has the printed ones. */
#include "disk.h"
#include "page.c"

enum { HOSTS = 2, LOG = 1024, CHUNK_BYTES = 1000 };
enum { HEAD = 1, ENTRY, HARD_STATE, STATE_SIZE, STATE_CHUNK };

struct record {
    uint64_t term;
    uint32_t kind;
    struct bytes data;
};

struct stream {
    uint64_t peer, index;
    int file, begun;
    enum progress progress;
    struct bytes message;
};

/* A node, what it has on disk, and what is on the way to it. */
static struct host {
    disk d;
    uint64_t id;
    raftcore_node *node;

    struct record log[LOG];
    uint64_t last, before_first_term;
    struct bytes state, conf, snapshot_conf;

    struct bytes inbox;
    stream *out;
    int data;                   /* received.tmp; -1: closed */
    uint64_t data_index, data_term; /* not 0: the data are complete, checked and flushed */
    struct bytes held;
    uint64_t held_index, held_term;
    unsigned installs;
} hosts[HOSTS + 1], *me;        /* by id; the host whose turn it is */

static struct host *other(void) {
    return &hosts[HOSTS + 1 - me->id];
}

uint64_t group = 7, frame_limit;

/* ---- records: type, length, checksum, content */

struct cursor {
    const uint8_t *at;
    size_t left;
};

static void take(struct cursor *c, void *to, size_t len) {
    CHECK(c->left >= len);
    memcpy(to, c->at, len);
    c->at += len;
    c->left -= len;
}

static uint64_t take_number(struct cursor *c) {
    uint64_t v;
    take(c, &v, sizeof v);
    return v;
}

static uint32_t checksum(uint32_t type, const uint8_t *ptr, size_t len) {
    uint32_t sum = UINT32_C(2166136261) ^ type;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ ptr[i]) * UINT32_C(16777619);
    return sum;
}

static void write_record(int file, uint32_t type, const uint64_t *numbers, size_t count, raftcore_slice rest) {
    struct bytes content = {NULL, 0}, all = {NULL, 0};
    add(&content, numbers, count * sizeof *numbers);
    add(&content, rest.ptr, rest.len);
    uint32_t head[] = {type, (uint32_t)content.len, checksum(type, content.ptr, content.len)};
    add(&all, head, sizeof head);
    add(&all, content.ptr, content.len);
    disk_write(file, all.ptr, all.len);
    empty(&content);
    empty(&all);
}

/* Returns the type of the next record and passes it; 0: the end, or a torn record. */
static uint32_t next_record(struct cursor *file, struct cursor *content) {
    uint32_t head[3];
    struct cursor rest = *file;
    if (rest.left < sizeof head)
        return 0;
    take(&rest, head, sizeof head);
    if (rest.left < head[1] || checksum(head[0], rest.at, head[1]) != head[2])
        return 0;
    *content = (struct cursor){rest.at, head[1]};
    *file = (struct cursor){rest.at + head[1], rest.left - head[1]};
    return head[0];
}

static const void *item(const void *items, uint32_t stride, uint32_t i) {
    return (const char *)items + (size_t)stride * i;
}

/* ---- the log */

static struct record *record_at(uint64_t index) {
    CHECK(index < LOG);
    return &me->log[index];
}

static void remember(uint64_t index, uint64_t term, uint32_t kind, const uint8_t *ptr, size_t len) {
    CHECK(index > me->d.before_first && index <= me->last + 1);
    struct record *r = record_at(index);
    r->term = term;
    r->kind = kind;
    set(&r->data, ptr, len);
    me->last = index;
}

int create(int dir, const char *name) {
    return disk_create(dir, name);
}

void write_head(int log, uint64_t before_first, uint64_t before_first_term, uint64_t snapshot, raftcore_slice conf) {
    uint64_t numbers[] = {me->id, group, before_first, before_first_term, snapshot};
    write_record(log, HEAD, numbers, 5, conf);
}

static void write_entry(int log, uint64_t index, uint64_t term, uint32_t kind, raftcore_slice data) {
    uint64_t numbers[] = {index, term, kind};
    write_record(log, ENTRY, numbers, 3, data);
}

void write_entries(int log, const raftcore_ready *rd) {
    for (uint32_t i = 0; i < rd->n_entries; i++) {
        const raftcore_entry *e = item(rd->entries, rd->entry_stride, i);
        write_entry(log, e->index, e->term, e->kind, e->data);
    }
}

void write_state(int log, uint64_t term, uint64_t vote, uint64_t commit) {
    uint64_t numbers[] = {term, vote, commit};
    write_record(log, HARD_STATE, numbers, 3, (raftcore_slice){NULL, 0});
}

void copy_entries(int log, const disk *d, uint64_t above) {
    CHECK(d == &me->d);
    for (uint64_t i = above + 1; i <= me->last; i++) {
        const struct record *r = record_at(i);
        write_entry(log, i, r->term, r->kind, (raftcore_slice){r->data.ptr, r->data.len});
    }
}

uint64_t term_at(const disk *d, uint64_t index) {
    CHECK(d == &me->d && index >= d->before_first && index <= me->last);
    return index == d->before_first ? me->before_first_term : record_at(index)->term;
}

/* Takes over what the head record says. */
static void read_head(struct cursor *log) {
    struct cursor head;
    CHECK(next_record(log, &head) == HEAD);
    CHECK(take_number(&head) == me->id);
    CHECK(take_number(&head) == group);
    me->d.before_first = take_number(&head);
    me->before_first_term = take_number(&head);
    me->d.snapshot = take_number(&head);
    set(&me->snapshot_conf, head.at, head.left);
    me->d.snapshot_conf = (raftcore_slice){me->snapshot_conf.ptr, me->snapshot_conf.len};
}

void use(disk *d, int log, uint64_t snapshot, raftcore_slice conf) {
    struct bytes want = {NULL, 0}, file = disk_read(log);
    struct cursor records = {file.ptr, file.len};
    add(&want, conf.ptr, conf.len);
    read_head(&records);
    CHECK(d == &me->d && d->snapshot == snapshot);
    CHECK(want.len == me->snapshot_conf.len && memcmp(want.ptr, me->snapshot_conf.ptr, want.len) == 0);
    close(d->log);
    d->log = log;
    empty(&want);
    empty(&file);
}

/* ---- the state: the data of all applied entries, joined */

void write_snapshot(int file) {
    uint64_t numbers[] = {me->d.applied, me->state.len};
    write_record(file, STATE_SIZE, numbers, 2, (raftcore_slice){NULL, 0});
    for (size_t at = 0; at < me->state.len; at += CHUNK_BYTES) {
        size_t len = me->state.len - at < CHUNK_BYTES ? me->state.len - at : CHUNK_BYTES;
        write_record(file, STATE_CHUNK, NULL, 0, (raftcore_slice){me->state.ptr + at, len});
    }
}

/* Reads a whole snapshot file: the state as of `index`. */
static struct bytes read_snapshot(int fd, uint64_t index) {
    struct bytes state = {NULL, 0}, file = disk_read(fd);
    struct cursor records = {file.ptr, file.len}, content;
    CHECK(next_record(&records, &content) == STATE_SIZE);
    CHECK(take_number(&content) == index);
    uint64_t size = take_number(&content);
    while (next_record(&records, &content) == STATE_CHUNK)
        add(&state, content.at, content.left);
    CHECK(state.len == size && records.left == 0);
    empty(&file);
    return state;
}

static int open_snapshot(const disk *d, uint64_t index) {
    char name[NAME];
    snprintf(name, sizeof name, "snap-%" PRIu64, index);
    return openat(d->dir, name, O_RDONLY);
}

void load(disk *d) {
    int file = open_snapshot(d, d->snapshot);
    CHECK(file >= 0);
    empty(&me->state);
    me->state = read_snapshot(file, d->snapshot);
    close(file);
    set(&me->conf, me->snapshot_conf.ptr, me->snapshot_conf.len);
    d->conf = (raftcore_slice){me->conf.ptr, me->conf.len};
    d->applied = d->snapshot;
}

static int unnamed_snapshot(const char *name) {
    char named[NAME];
    snprintf(named, sizeof named, "snap-%" PRIu64, me->d.snapshot);
    return strncmp(name, "snap-", 5) == 0 && strcmp(name, "snap.tmp") != 0 && strcmp(name, named) != 0;
}

void clean(const disk *d) {
    disk_unlink_if(d->dir, unnamed_snapshot);
}

/* ---- streams, at the sender */

stream *stream_begin(const disk *d, uint64_t peer, uint64_t index) {
    int file = open_snapshot(d, index);
    CHECK(file >= 0 && peer == other()->id && me->out == NULL);
    me->out = calloc(1, sizeof *me->out);
    CHECK(me->out != NULL);
    me->out->peer = peer;
    me->out->index = index;
    me->out->file = file;
    return me->out;
}

stream *stream_to(uint64_t peer) {
    return me->out != NULL && me->out->peer == peer ? me->out : NULL;
}

uint64_t stream_index(const stream *s) {
    return s->index;
}

enum progress stream_state(const stream *s) {
    return s->progress;
}

void stream_then(stream *s, const raftcore_msg *m) {
    uint8_t *frame = malloc(m->frame_bytes);
    size_t len = 0;
    CHECK(frame != NULL && raftcore_flatten(m, frame, m->frame_bytes, &len) == RAFTCORE_OK);
    CHECK(m->log_term > 0 && m->snapshot_conf.len > 0);
    set(&s->message, frame, len);
    free(frame);
}

void stream_end(stream *s) {
    CHECK(s == me->out);
    close(s->file);
    empty(&s->message);
    free(s);
    me->out = NULL;
}

/* ---- what has come, at the receiver */

int received(uint64_t peer, uint64_t index, uint64_t term) {
    return peer == other()->id && index > 0 && index == me->data_index && term == me->data_term;
}

void hold_back(uint64_t peer, uint64_t index, uint64_t term, raftcore_slice msg) {
    CHECK(peer == other()->id);
    set(&me->held, msg.ptr, msg.len);
    me->held_index = index;
    me->held_term = term;
}

raftcore_slice held_back(uint64_t peer, uint64_t index, uint64_t term) {
    int it = peer == other()->id && me->held.len > 0 && me->held_index == index && me->held_term == term;
    return it ? (raftcore_slice){me->held.ptr, me->held.len} : (raftcore_slice){NULL, 0};
}

void discard(uint64_t peer) {
    CHECK(peer == other()->id);
    if (me->data >= 0)
        close(me->data);
    me->data = -1;
    me->data_index = 0;
    disk_unlink(me->d.dir, "received.tmp");
    empty(&me->held);
}
