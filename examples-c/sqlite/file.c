/*
 * file.c: the functions that SQLite calls on a replicated file, and on its journal.
 *
 * Reads and locks go to SQLite's own VFS. Writes are kept by tx.c. A journal serves rollbacks only, so it is in memory, or
 * large in a file without a name: no crash leaves one behind.
 */
#include <string.h>

#include "raftlite.h"

enum { ELECTION_MS = 2000, AGAIN_MS = 300 };

struct file {
    sqlite3_file base;
    struct rl_node *node;
    int level;
    uint64_t epoch, gave_up; /* when a wait ended without success */
    bool writes, linear;
    sqlite3_file *real; /* behind this struct */
};

struct journal {
    sqlite3_file base;
    struct rl_node *node;
    struct rl_scratch bytes;
};

uint64_t rl_file_size(sqlite3_file *f) {
    sqlite3_int64 size = 0;
    return f->pMethods->xFileSize(f, &size) == SQLITE_OK && size > 0 ? (uint64_t)size : 0;
}

size_t rl_file_bytes(sqlite3_vfs *base) {
    size_t file = sizeof(struct file) + (size_t)base->szOsFile;
    return file > sizeof(struct journal) ? file : sizeof(struct journal);
}

/* ---- locks ---- */

/* May a read begin? Called with the mutex held. */
static int may_read(const struct file *f) {
    const struct rl_node *n = f->node;
    if (f->epoch != n->epoch)
        return SQLITE_IOERR_LOCK; /* a commit that failed here took effect later: close the connection */
    return n->serving && !(n->pending.active && n->pending.left) ? SQLITE_OK : SQLITE_BUSY;
}

/* SQLite's busy handler counts its own pauses, up to a hundred. So a repeated call must not wait once more. */
static bool waits_again(const struct file *f) {
    return rl_now_ms() - f->gave_up < AGAIN_MS;
}

/* Waits for a node that has just started. */
static int begin_read(struct file *f) {
    struct rl_node *n = f->node;
    char words[RL_WORDS];
    pthread_mutex_lock(&n->mutex);
    while (!n->serving && !n->ending && rl_now_ms() - n->opened < n->wait_ms)
        rl_wait_ms(n, &n->changed, 100);
    int code = may_read(f);
    bool asks = code == SQLITE_OK && f->linear, hopeless = n->leader_id == 0 && waits_again(f);
    pthread_mutex_unlock(&n->mutex);
    if (asks)
        code = hopeless ? SQLITE_BUSY : rl_barrier(n, words);
    f->gave_up = asks && code == SQLITE_BUSY ? rl_now_ms() : f->gave_up;
    return code;
}

/* The node's process may have died between two writes. */
static int may_read_beside(const struct rl_node *n) {
    return atomic_load(&n->shared->steady) ? SQLITE_OK : SQLITE_BUSY;
}

/* A leader is chosen, or was chosen just now, or the group is new. */
static bool is_electing(const struct file *f) {
    const struct rl_node *n = f->node;
    bool is_new = n->state.last == 0 && rl_file_size(f->real) == 0;
    bool settled = n->leader ? n->ready && !is_new : n->leader_id != 0;
    return !settled && !n->first && !n->busy && !n->ending;
}

static int begin_write(struct file *f) {
    struct rl_node *n = f->node;
    if (!n->owner)
        return SQLITE_READONLY;
    pthread_mutex_lock(&n->mutex);
    uint64_t end = rl_now_ms() + (waits_again(f) ? 0 : ELECTION_MS);
    bool applying; /* by the loop, which waits for no lock; a commit may return before the loop is done */
    while (((applying = n->busy && !n->first && !n->ending) || is_electing(f)) && rl_now_ms() < end)
        rl_wait_ms(n, &n->changed, applying ? 1 : 20);
    f->gave_up = is_electing(f) ? rl_now_ms() : f->gave_up;
    bool elsewhere = !n->leader && n->leader_id;
    bool can = n->leader && n->ready && !n->first && !n->busy && !n->pending.active && !n->ending &&
               n->state.last > 0;
    pthread_mutex_unlock(&n->mutex);
    return can ? SQLITE_OK : elsewhere ? SQLITE_READONLY : SQLITE_BUSY;
}

static void end_write(struct file *f) {
    if (f->writes)
        rl_tx_end(&f->node->tx);
    f->writes = false;
}

static int on_lock(sqlite3_file *file, int level) {
    struct file *f = (struct file *)file;
    struct rl_node *n = f->node;
    int code = SQLITE_OK, before = f->level;
    if (!rl_here(n))
        return SQLITE_IOERR_LOCK; /* a child of fork must open new connections */
    if (level <= before)
        return SQLITE_OK;
    if (before == SQLITE_LOCK_NONE && n->owner)
        code = begin_read(f);
    if (code == SQLITE_OK && before < SQLITE_LOCK_RESERVED && level >= SQLITE_LOCK_RESERVED)
        code = begin_write(f);
    if (code == SQLITE_OK)
        code = f->real->pMethods->xLock(f->real, level);
    if (code != SQLITE_OK)
        return code;
    f->level = level;
    if (before == SQLITE_LOCK_NONE && n->owner) {
        pthread_mutex_lock(&n->mutex);
        code = may_read(f);
        pthread_mutex_unlock(&n->mutex);
    } else if (before == SQLITE_LOCK_NONE) {
        code = may_read_beside(n);
    }
    if (code == SQLITE_OK && level >= SQLITE_LOCK_RESERVED && !f->writes) {
        f->writes = true;
        pthread_mutex_lock(&n->mutex);
        rl_tx_begin(n, rl_file_size(f->real));
        pthread_mutex_unlock(&n->mutex);
    }
    if (code != SQLITE_OK) {
        f->real->pMethods->xUnlock(f->real, SQLITE_LOCK_NONE);
        f->level = SQLITE_LOCK_NONE;
    }
    return code;
}

static int on_unlock(sqlite3_file *file, int level) {
    struct file *f = (struct file *)file;
    if (!rl_here(f->node))
        return SQLITE_OK;
    if (level <= SQLITE_LOCK_SHARED)
        end_write(f);
    f->level = level < f->level ? level : f->level;
    return f->real->pMethods->xUnlock(f->real, level);
}

static int on_check_reserved(sqlite3_file *file, int *out) {
    struct file *f = (struct file *)file;
    return f->real->pMethods->xCheckReservedLock(f->real, out);
}

/* ---- bytes ---- */

static int on_close(sqlite3_file *file) {
    struct file *f = (struct file *)file;
    if (rl_here(f->node))
        end_write(f);
    int code = f->real->pMethods->xClose(f->real);
    rl_node_put(f->node);
    return code;
}

static int on_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at) {
    struct file *f = (struct file *)file;
    if (f->writes && f->node->tx.stage == RL_TX_OPEN)
        return rl_tx_read(f->node, f->real, to, (size_t)len, (uint64_t)at);
    return f->real->pMethods->xRead(f->real, to, len, at);
}

static int on_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at) {
    struct file *f = (struct file *)file;
    return f->writes && rl_here(f->node) ? rl_tx_write(f->node, from, (size_t)len, (uint64_t)at) : SQLITE_READONLY;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct file *f = (struct file *)file;
    if (!f->writes)
        return SQLITE_READONLY;
    rl_tx_truncate(&f->node->tx, (uint64_t)size);
    return SQLITE_OK;
}

/* The group's log is durable. The file is flushed when the log is cut. */
static int on_sync(sqlite3_file *file, int flags) {
    (void)file, (void)flags;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size) {
    struct file *f = (struct file *)file;
    if (!f->writes || f->node->tx.stage != RL_TX_OPEN)
        return f->real->pMethods->xFileSize(f->real, size);
    *size = (sqlite3_int64)f->node->tx.size;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int what, void *arg) {
    struct file *f = (struct file *)file;
    switch (what) {
    case SQLITE_FCNTL_SYNC:
        return f->writes ? rl_tx_gate(f->node, f->real) : SQLITE_OK;
    case SQLITE_FCNTL_PRAGMA:
        return rl_pragma(f->node, arg, &f->linear);
    case SQLITE_FCNTL_MMAP_SIZE:
    case SQLITE_FCNTL_SIZE_HINT:
    case SQLITE_FCNTL_CHUNK_SIZE:
    case SQLITE_FCNTL_OVERWRITE:
    case SQLITE_FCNTL_COMMIT_PHASETWO:
        return SQLITE_NOTFOUND;
    default:
        return f->real->pMethods->xFileControl(f->real, what, arg);
    }
}

static int on_sector_size(sqlite3_file *file) {
    struct file *f = (struct file *)file;
    return f->real->pMethods->xSectorSize(f->real);
}

static int on_characteristics(sqlite3_file *file) {
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND;
}

/* Version 1: no shared memory, so no WAL; no mapped file. */
static const sqlite3_io_methods file_methods = {
    1, on_close, on_read, on_write, on_truncate, on_sync, on_size, on_lock, on_unlock, on_check_reserved, on_control,
    on_sector_size, on_characteristics, NULL, NULL, NULL, NULL, NULL, NULL};

int rl_file_open(sqlite3_vfs *base, struct rl_node *n, const char *name, sqlite3_file *file, int flags, int *out) {
    struct file *f = (struct file *)file;
    memset(f, 0, sizeof *f);
    f->node = n;
    f->real = (sqlite3_file *)(f + 1);
    pthread_mutex_lock(&n->mutex);
    f->epoch = n->epoch;
    pthread_mutex_unlock(&n->mutex);
    int code = base->xOpen(base, name, f->real, flags, out);
    if (code != SQLITE_OK)
        return code;
    char text[16];
    const char *read = rl_setting(name, "read", text, sizeof text);
    f->linear = read && strcmp(read, "linear") == 0;
    f->base.pMethods = &file_methods;
    return SQLITE_OK;
}

/* ---- journals ---- */

static int journal_close(sqlite3_file *file) {
    rl_scratch_close(&((struct journal *)file)->bytes);
    return SQLITE_OK;
}

static int journal_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at) {
    const struct rl_scratch *s = &((struct journal *)file)->bytes;
    int code = rl_scratch_read(s, to, (size_t)len, (uint64_t)at);
    return code == SQLITE_OK && (uint64_t)at + (uint64_t)len > s->size ? SQLITE_IOERR_SHORT_READ : code;
}

static int journal_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at) {
    struct journal *j = (struct journal *)file;
    return rl_scratch_write(&j->bytes, j->node->dir, from, (size_t)len, (uint64_t)at);
}

static int journal_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return rl_scratch_truncate(&((struct journal *)file)->bytes, (uint64_t)size);
}

static int journal_size(sqlite3_file *file, sqlite3_int64 *size) {
    *size = (sqlite3_int64)((struct journal *)file)->bytes.size;
    return SQLITE_OK;
}

static int journal_lock(sqlite3_file *file, int level) {
    (void)file, (void)level;
    return SQLITE_OK;
}

static int journal_reserved(sqlite3_file *file, int *out) {
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int journal_control(sqlite3_file *file, int what, void *arg) {
    (void)file, (void)what, (void)arg;
    return SQLITE_NOTFOUND;
}

static int journal_sector(sqlite3_file *file) {
    (void)file;
    return 512;
}

static const sqlite3_io_methods journal_methods = {
    1, journal_close, journal_read, journal_write, journal_truncate, on_sync, journal_size, journal_lock, journal_lock,
    journal_reserved, journal_control, journal_sector, on_characteristics, NULL, NULL, NULL, NULL, NULL, NULL};

int rl_journal_open(struct rl_node *n, sqlite3_file *file) {
    struct journal *j = (struct journal *)file;
    *j = (struct journal){.base = {&journal_methods}, .node = n, .bytes = {.fd = -1}};
    return SQLITE_OK;
}
