/*
 * database.c: the nine functions of struct rh_database, over the server.
 *
 * The state is the server's, and a position: log_end, where the accepted entries end. The members
 * accept equal entries, because the decision depends on the entries alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sidecar.h"

/* The head of a snapshot; the image of the server follows. */
struct head {
    char magic[8];
    uint64_t log_end;   /* end of the snapshot's last entry */
    uint64_t image_end; /* position of the image: at or behind log_end */
};

static const char magic[8] = {'R', 'C', 'R', 'E', 'D', 'I', 'S', 1};

void database_reset(struct sidecar *s)
{
    s->log_end = s->last_index = s->loaded_index = s->part_term = s->part_end = s->n_ends = 0;
    buf_free(&s->part);
}

static void add_end(struct sidecar *s, uint64_t index, uint64_t end)
{
    s->ends[s->n_ends++ % ENDS] = (struct end){index, end};
}

/* Finds the last entry that ends at or before a position. False: forgotten, or not there yet. */
bool entry_at(const struct sidecar *s, uint64_t position, struct end *out)
{
    uint64_t low = s->n_ends > ENDS ? s->n_ends - ENDS : 0, high = s->n_ends;

    *out = (struct end){0};
    if (s->log_end < position)
        return false;
    if (s->n_ends == 0)
        return position == s->log_end;  /* nothing was ever written */
    if (s->ends[low % ENDS].end > position)
        return low == 0 && position == 0;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (s->ends[middle % ENDS].end <= position)
            low = middle;
        else
            high = middle;
    }
    *out = s->ends[low % ENDS];
    return true;
}

/* ---- apply ---- */

/* Takes the bytes of an accepted entry. Returns false if there is no memory. */
static bool accept_bytes(struct sidecar *s, const struct rh_entry *e, bool more)
{
    const uint8_t *bytes = e->data.ptr + ENTRY_HEAD;
    size_t n = e->data.len - ENTRY_HEAD;
    bool run = s->part_term != 0;
    uint64_t begin = s->log_end;

    s->part_end = (run ? s->part_end : s->log_end) + n;
    s->part_term = e->term;
    bool own = s->stage == SERVE && e->term == s->serving_term;  /* the server has the bytes */
    if (!own && (run || more) && !buf_add(&s->part, bytes, n))
        return false;
    if (more)
        return true;
    if (!own && run) {
        bytes = buf_head(&s->part);
        n = s->part.len;
    }
    s->log_end = s->part_end;
    s->last_index = e->index;
    add_end(s, e->index, s->log_end);
    size_t skip = s->fed_end > begin ? (size_t)(s->fed_end - begin) : 0;  /* in the image already */
    bool good = own || skip >= n || feed_add(s, bytes + skip, n - skip);
    s->part_term = 0;
    buf_free(&s->part);
    return good;
}

static int apply(void *self, struct rh_entry *entries, size_t count, struct rh_words *why)
{
    struct sidecar *s = self;

    for (size_t i = 0; i < count; i++) {
        const struct rh_entry *e = &entries[i];
        uint64_t term = 0, position = 0;
        if (e->data.len <= ENTRY_HEAD)
            continue;
        if (e->data.ptr[0] != 1 || e->data.ptr[1] > 1)
            return rh_fail(why, RH_E_VERSION, "entry %" PRIu64 " is of a newer version of raftcore-redis", e->index);
        for (int k = 0; k < 8; k++) {
            term |= (uint64_t)e->data.ptr[2 + k] << 8 * k;
            position |= (uint64_t)e->data.ptr[10 + k] << 8 * k;
        }
        bool goes_on = s->part_term == e->term;
        if (term == e->term && position == (goes_on ? s->part_end : s->log_end)) {
            if (!goes_on) {             /* unfinished parts of a deposed leader are void */
                s->part_term = 0;
                buf_free(&s->part);
            }
            if (!accept_bytes(s, e, e->data.ptr[1]))
                return rh_fail(why, RH_E_NOMEM, "the server takes no more bytes");
        } else if (e->ticket && s->stage == SERVE) {
            want_reload(s, "an entry came too late");
        }
    }
    feed_write(s);
    image_resolve(s);
    return 0;
}

static int applied(void *self, uint64_t *index, struct rh_words *why)
{
    (void)self;
    (void)why;
    *index = 0; /* the server starts empty: the library brings the newest snapshot, and the log behind it */
    return 0;
}

/* ---- snapshots ---- */

struct view {
    int fd;
    uint64_t at;
    size_t head_at;
    struct head head;
};

static int snapshot_open(void *self, void **out, uint64_t *index, struct rh_words *why)
{
    struct sidecar *s = self;
    /* Level: no applied entry is newer than the image, not even an entry of the library's own. */
    bool known = s->image_done && s->image_indexed;
    bool level = known && s->image_end == s->log_end && s->image_entry.index == s->last_index && s->part_term == 0;

    if (!level && !(known && s->image_entry.index > s->loaded_index)) {
        if (known)
            image_close(s);             /* as old as the last snapshot */
        if (!s->image_busy && !s->image_done)
            image_start(s);
        return RH_NONE;
    }
    struct view *v = malloc(sizeof *v);
    if (!v)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    *v = (struct view){.fd = s->image_fd, .head = {.log_end = s->image_entry.end, .image_end = s->image_end}};
    memcpy(v->head.magic, magic, sizeof magic);
    s->loaded_index = s->image_entry.index;
    if (!level)
        *index = s->image_entry.index;
    s->image_fd = -1;
    image_close(s);
    *out = v;
    return 0;
}

static int snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    struct view *v = view;
    ssize_t n;

    (void)self;
    if (v->head_at < sizeof v->head) {
        *got = sizeof v->head < cap ? sizeof v->head : cap;
        memcpy(to, &v->head, *got);
        v->head_at = sizeof v->head;
        return 0;
    }
    n = pread(v->fd, to, cap, (off_t)v->at);
    if (n < 0)
        return rh_fail(why, RH_E_IO, "the image cannot be read: %s", strerror(errno));
    v->at += (uint64_t)n;
    *got = (size_t)n;
    return 0;
}

static void snapshot_close(void *self, void *view)
{
    struct view *v = view;

    (void)self;
    close(v->fd);
    free(v);
}

static int load_commit(struct sidecar *s, uint64_t index, struct rh_words *why)
{
    struct head h;
    off_t len = lseek(s->load_fd, 0, SEEK_END);

    if (len < (off_t)sizeof h || pread(s->load_fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
        memcmp(h.magic, magic, sizeof magic) != 0 || h.image_end < h.log_end)
        return rh_fail(why, RH_E_DAMAGED, "the snapshot of index %" PRIu64 " is none of raftcore-redis", index);
    database_reset(s);
    s->log_end = h.log_end;
    s->last_index = s->loaded_index = index;
    add_end(s, index, h.log_end);
    feed_base(s, s->load_fd, sizeof h, (uint64_t)len - sizeof h, h.image_end);
    s->load_fd = -1;
    if (s->stage != FOLLOW)
        want_reload(s, "a leader's snapshot arrived");
    return 0;
}

static int snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why)
{
    struct sidecar *s = self;

    if (what == RH_LOAD_DATA) {
        if (write(s->load_fd, bytes, len) != (ssize_t)len)
            return rh_fail(why, RH_E_IO, "the image cannot be written: %s", strerror(errno));
        return 0;
    }
    if (what == RH_LOAD_COMMIT)
        return load_commit(s, index, why);
    if (s->load_fd >= 0)
        close(s->load_fd);
    s->load_fd = -1;
    if (what == RH_LOAD_BEGIN && (s->load_fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) < 0)
        return rh_fail(why, RH_E_IO, "no file for an image in %s: %s", s->dir, strerror(errno));
    return 0;
}

/* ---- the rest ---- */

static void role(void *self, const struct rh_role *r)
{
    struct sidecar *s = self;
    bool moved = r->leader != s->leader || strcmp(r->leader_address, s->leader_address) != 0;

    s->leads = r->role == RAFTCORE_ROLE_LEADER && r->ready;
    s->term = r->term;
    s->leader = r->leader;
    snprintf(s->leader_address, sizeof s->leader_address, "%s", r->leader_address);
    if (moved)
        s->moved = true;
}

static void outcome(void *self, uint64_t ticket, const struct rh_outcome *o)
{
    struct sidecar *s = self;
    uint64_t number = ticket & ~(0xfull << 60);

    if (ticket >> 60 == TICKET_SOURCE)
        source_outcome(s, o, number);
    else if (ticket >> 60 == TICKET_ROUND)
        rounds_readable(s, number, o->what == RH_READABLE);
    else
        ctl_outcome(s, ticket, o);
}

void database_fill(struct sidecar *s, struct rh_database *db)
{
    *db = (struct rh_database){.struct_size = sizeof *db, .self = s, .apply = apply, .applied = applied,
                               .snapshot_open = snapshot_open, .snapshot_read = snapshot_read,
                               .snapshot_close = snapshot_close, .snapshot_load = snapshot_load, .role = role,
                               .outcome = outcome};
}
