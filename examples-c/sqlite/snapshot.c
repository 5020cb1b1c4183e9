/*
 * snapshot.c: the file and the agreed state, for members that join or lag; flushes.
 *
 * A view is frozen by copies: before an entry changes a block that the view has not saved, the old bytes go aside.
 *
 * Bytes of a snapshot: "raftlite", the state, the size of the file (8 bytes), the staged parts, the file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raftlite.h"

enum { VIEW_BLOCK = 64 * 1024, HEAD = 8 + RL_STATE_BYTES + 8 };

struct rl_view {
    uint8_t head[HEAD];
    uint64_t stage_len, size, at;
    int stage_fd;
    uint8_t *saved; /* a byte a block */
    struct rl_scratch old;
};

/* ---- durable ---- */

int rl_applied(void *self, uint64_t *index, struct rh_words *why) {
    (void)why;
    *index = ((struct rl_node *)self)->state.index;
    return 0;
}

/* Removes the parts of transactions that are over. */
static void tidy(const struct rl_node *n) {
    char keep[48], path[RL_PATH + 300];
    DIR *d = opendir(n->dir);
    snprintf(keep, sizeof keep, "stage-%llu", (unsigned long long)n->state.stage_first);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "stage-", 6) == 0 && strcmp(e->d_name, keep) != 0) {
            snprintf(path, sizeof path, "%s/%s", n->dir, e->d_name);
            unlink(path);
        }
    if (d)
        closedir(d);
}

int rl_flush(void *self, uint64_t index, struct rh_words *why) {
    struct rl_node *n = self;
    rl_drain(n);
    if (n->state.index < index)
        return RH_NONE;     /* readers hold the file back */
    if (n->stage_fd >= 0 && fdatasync(n->stage_fd) != 0)
        return rh_fail(why, RH_E_IO, "the parts of a transaction cannot be flushed: %s", strerror(errno));
    if (n->file->pMethods->xSync(n->file, SQLITE_SYNC_NORMAL) != SQLITE_OK)
        return rh_fail(why, RH_E_IO, "%s cannot be flushed", n->path);
    int code = rl_state_save(n->dir, &n->state, why);
    if (code == RH_OK)
        tidy(n);
    return code;
}

/* ---- made ---- */

int rl_snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why) {
    struct rl_node *n = self;
    struct rl_view *v = calloc(1, sizeof *v);
    if (!v)
        return rh_fail(why, RH_E_NOMEM, "no memory for a snapshot");
    pthread_mutex_lock(&n->file_mutex);
    v->size = rl_file_size(n->file);
    v->old.fd = -1;
    v->stage_fd = n->stage_fd >= 0 && n->state.stage_first ? dup(n->stage_fd) : -1;
    v->stage_len = n->state.stage_first ? n->state.stage_len : 0;
    v->saved = calloc(1, v->size / VIEW_BLOCK + 1);
    memcpy(v->head, "raftlite", 8);
    rl_state_write(&n->state, v->head + 8);
    rl_put(v->head + HEAD - 8, v->size, 8);
    if (n->state.index < n->given)
        *index = n->state.index;
    if (v->saved)
        n->view = v;
    pthread_mutex_unlock(&n->file_mutex);
    if (!v->saved) {
        free(v);
        return rh_fail(why, RH_E_NOMEM, "no memory for a snapshot");
    }
    *view = v;
    return 0;
}

int rl_keep_old(struct rl_node *n, uint64_t at, uint64_t len) {
    struct rl_view *v = n->view;
    int code = SQLITE_OK;
    if (!v || len == 0)
        return SQLITE_OK;
    uint8_t *bytes = malloc(VIEW_BLOCK);
    if (!bytes)
        return SQLITE_NOMEM;
    for (uint64_t b = at / VIEW_BLOCK; code == SQLITE_OK && b * VIEW_BLOCK < at + len && b * VIEW_BLOCK < v->size; b++) {
        if (v->saved[b])
            continue;
        code = n->file->pMethods->xRead(n->file, bytes, VIEW_BLOCK, (sqlite3_int64)(b * VIEW_BLOCK));
        if (code == SQLITE_IOERR_SHORT_READ)
            code = SQLITE_OK;
        if (code == SQLITE_OK)
            code = rl_scratch_write(&v->old, n->dir, bytes, VIEW_BLOCK, b * VIEW_BLOCK);
        v->saved[b] = code == SQLITE_OK;
    }
    free(bytes);
    return code;
}

static int read_view(struct rl_node *n, struct rl_view *v, void *to, size_t *len, uint64_t at) {
    uint64_t block = at / VIEW_BLOCK, left = (block + 1) * VIEW_BLOCK - at;
    if (left > v->size - at)
        left = v->size - at;
    *len = left < *len ? (size_t)left : *len;
    pthread_mutex_lock(&n->file_mutex);
    int code = v->saved[block] ? rl_scratch_read(&v->old, to, *len, at)
                               : n->file->pMethods->xRead(n->file, to, (int)*len, (sqlite3_int64)at);
    pthread_mutex_unlock(&n->file_mutex);
    return code;
}

int rl_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why) {
    struct rl_view *v = view;
    uint64_t at = v->at;
    *got = cap;
    if (at < HEAD) {
        *got = HEAD - at < cap ? (size_t)(HEAD - at) : cap;
        memcpy(to, v->head + at, *got);
    } else if (at - HEAD < v->stage_len) {
        uint64_t left = v->stage_len - (at - HEAD);
        ssize_t n = pread(v->stage_fd, to, left < cap ? (size_t)left : cap, (off_t)(at - HEAD));
        if (n <= 0)
            return rh_fail(why, RH_E_IO, "the parts of a transaction cannot be read");
        *got = (size_t)n;
    } else if (at - HEAD - v->stage_len < v->size) {
        if (read_view(self, v, to, got, at - HEAD - v->stage_len) != SQLITE_OK)
            return rh_fail(why, RH_E_IO, "the file cannot be read");
    } else {
        *got = 0;
    }
    v->at += *got;
    return 0;
}

void rl_snapshot_close(void *self, void *view) {
    struct rl_node *n = self;
    struct rl_view *v = view;
    pthread_mutex_lock(&n->file_mutex);
    n->view = NULL;
    pthread_mutex_unlock(&n->file_mutex);
    if (v->stage_fd >= 0)
        close(v->stage_fd);
    rl_scratch_close(&v->old);
    free(v->saved);
    free(v);
}

/* ---- loaded ---- */

static void name(const struct rl_node *n, const char *which, char path[RL_PATH + 32]) {
    snprintf(path, RL_PATH + 32, "%s/snapshot.%s", n->dir, which);
}

static int copy(struct rl_node *n, int from, uint64_t at, uint64_t len, int to) {
    char *piece = malloc(VIEW_BLOCK);
    int code = piece ? SQLITE_OK : SQLITE_NOMEM;
    for (uint64_t done = 0; code == SQLITE_OK && done < len;) {
        ssize_t got = pread(from, piece, len - done < VIEW_BLOCK ? (size_t)(len - done) : VIEW_BLOCK, (off_t)(at + done));
        if (got <= 0)
            code = SQLITE_IOERR_READ;
        else if (to >= 0)
            code = pwrite(to, piece, (size_t)got, (off_t)done) == got ? SQLITE_OK : SQLITE_IOERR_WRITE;
        else
            code = n->file->pMethods->xWrite(n->file, piece, (int)got, (sqlite3_int64)done);
        done += got > 0 ? (uint64_t)got : 0;
    }
    free(piece);
    return code;
}

/* A commit under way is in the snapshot, beneath later commits, or void. In the snapshot: the connection must go. */
static void settle(struct rl_node *n, const struct rl_state *s) {
    struct rl_pending *p = &n->pending;
    struct rl_state copy = *s;
    pthread_mutex_lock(&n->mutex);
    if (p->active && *rl_state_done(&copy, n->id) == p->number) {
        p->verdict = RL_IN_DOUBT;
        p->active = false;
        n->epoch++;
    } else if (p->active && p->verdict == RL_OPEN) {
        p->verdict = RL_VOID;
        p->active = !p->left;
    }
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->mutex);
}

/* Puts a snapshot that is on the disk in force. May be repeated. */
int rl_finish_load(struct rl_node *n, struct rh_words *why) {
    char path[RL_PATH + 32];
    uint8_t head[HEAD];
    struct rl_state s;
    name(n, "ready", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? RH_OK : rh_fail(why, RH_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    if (pread(fd, head, HEAD, 0) != HEAD || memcmp(head, "raftlite", 8) != 0) {
        close(fd);
        return rh_fail(why, RH_E_DAMAGED, "%s is no snapshot of a database", path);
    }
    rl_state_read(&s, head + 8);
    settle(n, &s);
    uint64_t size = rl_get(head + HEAD - 8, 8), stage_len = s.stage_first ? s.stage_len : 0;
    int code = s.stage_first ? rl_open_stage(n, s.stage_first, why) : RH_OK;
    if (code == RH_OK && stage_len > 0 && (copy(n, fd, HEAD, stage_len, n->stage_fd) != SQLITE_OK || fdatasync(n->stage_fd) != 0))
        code = rh_fail(why, RH_E_IO, "the parts of a transaction cannot be written");
    if (code == RH_OK && !rl_lock_file(n, true))
        code = rh_fail(why, RH_E_STATE, "closing");
    if (code != RH_OK) {
        close(fd);
        return code;
    }
    pthread_mutex_lock(&n->file_mutex);
    rl_steady(n, false);
    int written = rl_keep_old(n, 0, rl_file_size(n->file));
    if (written == SQLITE_OK)
        written = copy(n, fd, HEAD + stage_len, size, -1);
    if (written == SQLITE_OK)
        written = n->file->pMethods->xTruncate(n->file, (sqlite3_int64)size);
    if (written == SQLITE_OK)
        written = n->file->pMethods->xSync(n->file, SQLITE_SYNC_NORMAL);
    if (written == SQLITE_OK) {
        pthread_mutex_lock(&n->mutex);
        n->state = s;
        n->given = s.index;
        pthread_mutex_unlock(&n->mutex);
        code = rl_state_save(n->dir, &s, why);
        rl_steady(n, true);
    } else {
        code = rh_fail(why, RH_E_IO, "a snapshot cannot be written to %s", n->path);
    }
    pthread_mutex_unlock(&n->file_mutex);
    rl_unlock_file(n);
    close(fd);
    if (code == RH_OK)
        unlink(path);
    return code;
}

/* `index` may lie behind the last entry of the state, where the group's own entries followed. */
static int make_ready(struct rl_node *n, uint64_t index, struct rh_words *why) {
    char new[RL_PATH + 32], ready[RL_PATH + 32];
    uint8_t number[8];
    rl_put(number, index, 8);
    name(n, "new", new);
    name(n, "ready", ready);
    if (pwrite(n->loading.fd, number, 8, 8) != 8 || fsync(n->loading.fd) != 0 || rename(new, ready) != 0 || !rl_sync_folder(n->dir))
        return rh_fail(why, RH_E_IO, "%s cannot be made durable: %s", ready, strerror(errno));
    rl_drain(n);
    return rl_finish_load(n, why);
}

int rl_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index, struct rh_words *why) {
    struct rl_node *n = self;
    char path[RL_PATH + 32];
    int code = RH_OK;
    name(n, "new", path);
    if (what == RH_LOAD_BEGIN) {
        rl_scratch_close(&n->loading);
        n->loaded = 0;
        n->loading.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        return n->loading.fd >= 0 ? 0 : rh_fail(why, RH_E_IO, "%s cannot be made: %s", path, strerror(errno));
    }
    if (what == RH_LOAD_DATA) {
        if (pwrite(n->loading.fd, bytes, len, (off_t)n->loaded) != (ssize_t)len)
            return rh_fail(why, RH_E_SPACE, "a snapshot cannot be written: %s", strerror(errno));
        n->loaded += len;
        return 0;
    }
    if (what == RH_LOAD_COMMIT)
        code = make_ready(n, index, why);
    else
        unlink(path);
    rl_scratch_close(&n->loading);
    return code < 0 ? code : 0;
}
