/*
 * apply.c: committed entries go to the file, in order, each under SQLite's exclusive lock.
 *
 * The loop applies an entry at once if no reader holds the file. Otherwise the entry waits in a queue for the applier, so
 * that the host's loop goes on. The writer's own entry needs no lock: the writer holds the lock, and waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "raftlite.h"

enum { PIECE = 64 * 1024, PAUSE_MS = 50, MS = 1000 };

/* ---- the file's lock ---- */

static void drop_lock(struct rl_node *n) {
    n->file->pMethods->xUnlock(n->file, SQLITE_LOCK_NONE);
}

/* A writer that holds RESERVED must be able to finish, so nothing is kept while it does. Behind PENDING no reader begins. */
bool rl_lock_file(struct rl_node *n, bool wait) {
    sqlite3_file *f = n->file;
    for (;;) {
        if (f->pMethods->xLock(f, SQLITE_LOCK_SHARED) == SQLITE_OK && f->pMethods->xLock(f, SQLITE_LOCK_RESERVED) == SQLITE_OK) {
            if (f->pMethods->xLock(f, SQLITE_LOCK_EXCLUSIVE) == SQLITE_OK)
                return true;
        } else {
            drop_lock(n);
        }
        pthread_mutex_lock(&n->mutex);
        bool give_up = !wait || n->ending;
        pthread_mutex_unlock(&n->mutex);
        if (give_up) {
            drop_lock(n);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = MS * 1000}, NULL);
    }
}

/* A node that starts keeps the lock until the file may be shown: the log takes the file through older states again. */
void rl_unlock_file(struct rl_node *n) {
    pthread_mutex_lock(&n->mutex);
    bool keep = !n->serving && !n->ending;
    pthread_mutex_unlock(&n->mutex);
    if (!keep)
        drop_lock(n);
}

void rl_steady(struct rl_node *n, bool steady) {
    atomic_store(&n->shared->steady, steady && n->serving);
}

/* ---- transactions in parts ---- */

int rl_open_stage(struct rl_node *n, uint64_t first, struct rh_words *why) {
    char path[RL_PATH + 48];
    if (n->stage_fd >= 0)
        close(n->stage_fd);
    snprintf(path, sizeof path, "%s/stage-%llu", n->dir, (unsigned long long)first);
    n->stage_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return n->stage_fd >= 0 ? RH_OK : rh_fail(why, RH_E_IO, "%s cannot be opened: %s", path, strerror(errno));
}

static int stage(struct rl_node *n, const struct rl_entry *e, uint64_t index, struct rh_words *why) {
    struct rl_state *s = &n->state;
    bool begins = e->at == 0 && e->base == s->last;
    bool goes_on = s->stage_first && s->stage_node == e->node && s->stage_number == e->number && s->stage_len == e->at;
    if (!begins && !goes_on)
        return RH_OK;
    if (begins) {
        int code = rl_open_stage(n, index, why);
        if (code != RH_OK)
            return code;
    }
    if (pwrite(n->stage_fd, e->body.ptr, e->body.len, (off_t)e->at) != (ssize_t)e->body.len)
        return rh_fail(why, RH_E_IO, "a part of a transaction cannot be written: %s", strerror(errno));
    pthread_mutex_lock(&n->mutex);
    if (begins) {
        s->stage_first = index;
        s->stage_node = e->node;
        s->stage_number = e->number;
        s->stage_base = e->base;
        s->stage_len = 0;
    }
    s->stage_len += e->body.len;
    pthread_mutex_unlock(&n->mutex);
    return RH_OK;
}

/* Returns whether a LAST takes effect, and the whole body. Equal on every member. */
static bool counts(struct rl_node *n, const struct rl_entry *e, struct rl_body *body, int *code, struct rh_words *why) {
    const struct rl_state *s = &n->state;
    *body = (struct rl_body){.bytes = e->body.ptr, .len = e->body.len};
    if (e->kind != RL_KIND_LAST || e->base != s->last)
        return false;
    if (e->at > 0) {
        if (!s->stage_first || s->stage_node != e->node || s->stage_number != e->number || s->stage_base != e->base ||
            s->stage_len != e->at)
            return false;
        *body = (struct rl_body){.fd = n->stage_fd, .len = e->at + e->body.len};
        if (pwrite(n->stage_fd, e->body.ptr, e->body.len, (off_t)e->at) != (ssize_t)e->body.len) {
            *code = rh_fail(why, RH_E_IO, "the last part of a transaction cannot be written: %s", strerror(errno));
            return false;
        }
    }
    return rl_body_valid(*body);
}

/* ---- to the file ---- */

static int write_file(struct rl_node *n, const struct rl_entry *e, struct rl_body body) {
    sqlite3_file *f = n->file;
    uint64_t offset, size = rl_file_size(f);
    uint32_t len;
    uint8_t *piece = malloc(PIECE);
    int code = piece ? SQLITE_OK : SQLITE_NOMEM;
    if (code == SQLITE_OK && e->low < size) {
        code = rl_keep_old(n, e->low, size - e->low);
        if (code == SQLITE_OK)
            code = f->pMethods->xTruncate(f, (sqlite3_int64)e->low);
    }
    while (code == SQLITE_OK && body.at < body.len && rl_body_record(&body, &offset, &len)) {
        code = rl_keep_old(n, offset, len);
        for (uint32_t done = 0; code == SQLITE_OK && done < len;) {
            uint32_t some = len - done < PIECE ? len - done : PIECE;
            code = rl_body_take(&body, piece, some) ? f->pMethods->xWrite(f, piece, (int)some, (sqlite3_int64)(offset + done))
                                                    : SQLITE_IOERR_READ;
            done += some;
        }
    }
    free(piece);
    if (code == SQLITE_OK && rl_file_size(f) != e->size)
        code = f->pMethods->xTruncate(f, (sqlite3_int64)e->size);
    return code;
}

void rl_settled(struct rl_node *n) {
    struct rl_pending *p = &n->pending;
    if (p->active && p->verdict == RL_OPEN && p->base != n->state.last && !p->applying) {
        p->verdict = RL_VOID;
        p->active = !p->left;
        if (p->left)
            snprintf(n->words, sizeof n->words, "the commit that was in doubt had no effect");
    }
    pthread_cond_broadcast(&n->changed);
}

/* Notes the state after an entry. `own`: the process waits for the transaction, or has given up. */
static void note(struct rl_node *n, const struct rl_entry *e, uint64_t index, bool effect, bool own) {
    struct rl_state *s = &n->state;
    struct rl_pending *p = &n->pending;
    pthread_mutex_lock(&n->mutex);
    s->index = index;
    if (effect || e->kind == RL_KIND_FENCE) {
        s->last = index;
        s->stage_first = s->stage_node = s->stage_number = s->stage_base = s->stage_len = 0;
    }
    if (effect) {
        n->stale = false;
        s->content = index;
        *rl_state_done(s, e->node) = e->number;
    }
    p->applying = false;
    if (own && p->active) {
        p->verdict = effect ? RL_COMMITTED : RL_VOID;
        if (p->left) {
            p->active = false;
            n->epoch += effect;
            snprintf(n->words, sizeof n->words, "the commit that was in doubt %s", effect ? "took effect" : "had no effect");
        }
    }
    rl_settled(n);
    pthread_mutex_unlock(&n->mutex);
}

/* Applies an entry. Returns RH_NONE if the entry must wait for readers. */
static int apply_one(struct rl_node *n, uint64_t index, raftcore_slice bytes, bool wait, struct rh_words *why) {
    struct rl_entry e;
    struct rl_body body;
    int code = RH_OK, written = SQLITE_OK;
    if (!rl_entry_read(bytes, &e))
        return rh_fail(why, RH_E_VERSION, "entry %llu is of a newer raftlite: update this node", (unsigned long long)index);
    if (e.kind == RL_KIND_PART)
        code = stage(n, &e, index, why);
    bool effect = counts(n, &e, &body, &code, why);
    if (code != RH_OK)
        return code;
    pthread_mutex_lock(&n->mutex);
    if (effect && e.at > 0 && !wait && !n->tx.whole) {
        pthread_mutex_unlock(&n->mutex);
        return RH_NONE; /* large: the loop has other work, and the applier has none */
    }
    struct rl_pending *p = &n->pending;
    bool own = e.kind == RL_KIND_LAST && p->active && e.node == n->id && e.number == p->number;
    bool locked = own && !p->left && p->verdict == RL_OPEN; /* by the connection that waits */
    p->applying = locked;
    n->stale = n->stale || (effect && !own);
    if (effect && !own && p->active && !p->left && p->verdict == RL_OPEN)
        p->verdict = RL_VOID; /* the writer gives the lock back */
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->mutex);

    if (effect && !locked && !rl_lock_file(n, wait))
        return RH_NONE;
    pthread_mutex_lock(&n->file_mutex);
    if (effect) {
        rl_steady(n, false);
        written = write_file(n, &e, body);
    }
    if (written == SQLITE_OK) {
        note(n, &e, index, effect, own);
        rl_steady(n, true);
    }
    pthread_mutex_unlock(&n->file_mutex);
    if (effect && !locked)
        rl_unlock_file(n);
    return written == SQLITE_OK ? RH_OK : rh_fail(why, RH_E_IO, "%s cannot be written (SQLite's code %d)", n->path, written);
}

/* The file or the disk failed: the host stops, and a commit that waits has an unknown outcome. */
static void broken(struct rl_node *n, const char *words) {
    pthread_mutex_lock(&n->mutex);
    n->ending = true;
    snprintf(n->words, sizeof n->words, "stopped: %s", words);
    if (n->pending.active && n->pending.verdict == RL_OPEN)
        n->pending.verdict = RL_IN_DOUBT;
    n->pending.applying = false;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->mutex);
    rl_say("%s: %s", n->path, words);
}

static int enqueue(struct rl_node *n, const struct rh_entry *e, struct rh_words *why) {
    struct rl_item *item = malloc(sizeof *item + e->data.len);
    if (!item)
        return rh_fail(why, RH_E_NOMEM, "no memory for an entry that waits for readers");
    *item = (struct rl_item){.index = e->index, .len = e->data.len};
    memcpy(item->bytes, e->data.ptr, e->data.len);
    pthread_mutex_lock(&n->mutex);
    while (n->queued > RL_QUEUE && !n->ending)
        rl_wait_ms(n, &n->changed, 100);
    if (n->last)
        n->last->next = item;
    else
        n->first = item;
    n->last = item;
    n->queued += item->len;
    pthread_cond_signal(&n->work);
    pthread_mutex_unlock(&n->mutex);
    return RH_OK;
}

int rl_apply(void *self, struct rh_entry *entries, size_t count, struct rh_words *why) {
    struct rl_node *n = self;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&n->mutex);
        bool stopped = n->ending && n->has_applier, now = !n->first && !n->busy;
        n->given = entries[i].index;
        n->busy = n->busy || now;
        pthread_mutex_unlock(&n->mutex);
        if (stopped)
            return rh_fail(why, RH_E_DATABASE, "%s", n->words);
        int code = now ? apply_one(n, entries[i].index, entries[i].data, false, why) : RH_NONE;
        if (now) {
            pthread_mutex_lock(&n->mutex);
            n->busy = false;
            pthread_mutex_unlock(&n->mutex);
        }
        if (code == RH_NONE)
            code = enqueue(n, &entries[i], why);
        if (code < 0) {
            broken(n, why->text);
            return code;
        }
    }
    return 0;
}

/* Waits until nothing is in the queue. */
void rl_drain(struct rl_node *n) {
    pthread_mutex_lock(&n->mutex);
    while ((n->first || n->busy) && !n->ending)
        rl_wait_ms(n, &n->changed, 100);
    pthread_mutex_unlock(&n->mutex);
}

/* ---- the applier ---- */

/* Applies the first of the queue. Called and returns with the mutex held. */
static bool apply_first(struct rl_node *n) {
    struct rl_item *item = n->first;
    struct rh_words why = {""};
    n->busy = true;
    pthread_mutex_unlock(&n->mutex);
    int code = apply_one(n, item->index, (raftcore_slice){item->bytes, item->len}, true, &why);
    if (code < 0)
        broken(n, why.text);
    pthread_mutex_lock(&n->mutex);
    n->busy = false;
    if (code == RH_OK) {
        n->first = item->next;
        n->last = n->first ? n->last : NULL;
        n->queued -= item->len;
        free(item);
    }
    pthread_cond_broadcast(&n->changed);
    return code == RH_OK;
}

/* The group has no entry yet that counts. The founder makes the first one. */
static bool begins(const struct rl_node *n) {
    return n->founder && n->serving && n->leader && n->ready && n->state.last == 0;
}

/* Asks the group: for a fence if a commit is unsure or the group is new, for a first read if the node has just started. */
static bool ask(struct rl_node *n) {
    struct rl_entry fence = {.kind = RL_KIND_FENCE, .node = n->id};
    uint8_t head[RL_HEAD];
    struct rl_pending *p = &n->pending;
    bool unsure = p->active && p->unsure && p->verdict == RL_OPEN && !p->applying;
    bool wants_fence = !p->fencing && (unsure || (begins(n) && rl_file_size(n->file) == 0));
    bool wants_start = !n->serving && !n->asking;
    int code = RH_NONE;
    if (!wants_fence && !wants_start)
        return false;
    p->fencing = p->fencing || wants_fence;
    n->asking = n->asking || wants_start;
    pthread_mutex_unlock(&n->mutex);
    rl_entry_write(&fence, head);
    if (wants_fence)
        code = rh_propose(n->host, &(raftcore_slice){head, sizeof head}, 1, NULL, RL_TICKET_FENCE);
    else
        code = rh_read(n->host, RL_TICKET_START);
    pthread_mutex_lock(&n->mutex);
    if (code < 0) {
        p->fencing = p->fencing && !wants_fence;
        n->asking = n->asking && !wants_start;
    }
    rl_wait_ms(n, &n->work, PAUSE_MS);
    return true;
}

void *rl_applier(void *self) {
    struct rl_node *n = self;
    pthread_mutex_lock(&n->mutex);
    while (!n->ending) {
        if (n->first) {
            apply_first(n);
            continue;
        }
        if (n->serve_at && !n->serving && !n->busy && n->state.index >= n->serve_at - 1) {
            n->serving = true;
            rl_steady(n, true);
            drop_lock(n);
            pthread_cond_broadcast(&n->changed);
        }
        if (ask(n))
            continue;
        bool adopts = begins(n);
        if (adopts) {
            pthread_mutex_unlock(&n->mutex);
            rl_adopt(n);
            pthread_mutex_lock(&n->mutex);
        }
        rl_wait_ms(n, &n->work, adopts || (n->serve_at && !n->serving) ? PAUSE_MS : 10 * MS);
    }
    pthread_mutex_unlock(&n->mutex);
    return NULL;
}
