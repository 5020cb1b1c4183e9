/*
 * tx.c: a transaction's writes are kept beside the file; at the commit point the changes are proposed.
 *
 * Until the group has committed, nothing of a transaction is in the file. So the file needs no journal for crashes, and a
 * rollback of SQLite leaves nothing to propose. README.md lists the ends of a commit.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "raftlite.h"

enum { CHUNK = 64 * 1024, GAP = 16, TRIES = 20, HEADER = 100 };

static uint64_t bytes_at(const uint8_t *p, int n) {
    uint64_t x = 0;
    while (n-- > 0)
        x = x << 8 | *p++;
    return x;
}

/* ---- writes ---- */

void rl_tx_begin(struct rl_node *n, uint64_t file_size) {
    struct rl_tx *t = &n->tx;
    t->stage = RL_TX_OPEN;
    t->low = t->size = t->file_size = file_size;
    t->content = n->state.content;
    t->from = UINT64_MAX;
    t->to = 0;
}

void rl_tx_end(struct rl_tx *t) {
    if (t->from < t->to)
        memset(t->bits + t->from / 64, 0, 8 * ((t->to + 63) / 64 - t->from / 64));
    rl_scratch_truncate(&t->pages, 0);
    t->stage = RL_TX_NONE;
    t->whole = false;
}

static bool is_written(const struct rl_tx *t, uint64_t block) {
    return block / 64 < t->n_words && t->bits[block / 64] >> block % 64 & 1;
}

static int mark(struct rl_tx *t, uint64_t at, uint64_t len) {
    uint64_t first = at / RL_BLOCK, end = (at + len + RL_BLOCK - 1) / RL_BLOCK;
    if (end > t->n_words * 64) {
        uint64_t words = end / 64 + end / 512 + 64, *more = realloc(t->bits, 8 * words);
        if (!more)
            return SQLITE_NOMEM;
        memset(more + t->n_words, 0, 8 * (words - t->n_words));
        t->bits = more;
        t->n_words = words;
    }
    for (uint64_t b = first; b < end; b++)
        t->bits[b / 64] |= 1ull << b % 64;
    t->from = first < t->from ? first : t->from;
    t->to = end > t->to ? end : t->to;
    return SQLITE_OK;
}

int rl_tx_write(struct rl_node *n, const void *from, size_t len, uint64_t at) {
    struct rl_tx *t = &n->tx;
    if (t->stage == RL_TX_OVER)
        return SQLITE_OK; /* SQLite rolls back what was refused */
    if (t->stage == RL_TX_NONE || at % RL_BLOCK || len % RL_BLOCK)
        return SQLITE_IOERR_WRITE;
    int code = mark(t, at, len);
    if (code == SQLITE_OK)
        code = rl_scratch_write(&t->pages, n->dir, from, len, at);
    if (code == SQLITE_OK && at + len > t->size)
        t->size = at + len;
    return code;
}

void rl_tx_truncate(struct rl_tx *t, uint64_t size) {
    if (t->stage != RL_TX_OPEN)
        return;
    for (uint64_t b = (size + RL_BLOCK - 1) / RL_BLOCK; b < t->to; b++)
        t->bits[b / 64] &= ~(1ull << b % 64);
    t->size = size;
    t->low = size < t->low ? size : t->low;
}

/* Reads the file as it was, as far as the transaction has not cut it. Zeros behind. */
static int read_old(const struct rl_tx *t, sqlite3_file *below, void *to, size_t len, uint64_t at) {
    uint64_t end = t->whole ? 0 : t->low < t->file_size ? t->low : t->file_size;
    size_t some = at >= end ? 0 : end - at < len ? (size_t)(end - at) : len;
    memset((char *)to + some, 0, len - some);
    return some ? below->pMethods->xRead(below, to, (int)some, (sqlite3_int64)at) : SQLITE_OK;
}

int rl_tx_read(struct rl_node *n, sqlite3_file *below, void *to, size_t len, uint64_t at) {
    struct rl_tx *t = &n->tx;
    size_t some = at >= t->size ? 0 : t->size - at < len ? (size_t)(t->size - at) : len;
    int code = SQLITE_OK;
    for (size_t done = 0; code == SQLITE_OK && done < some;) {
        uint64_t block = (at + done) / RL_BLOCK;
        bool written = is_written(t, block);
        size_t run = RL_BLOCK - (at + done) % RL_BLOCK;
        for (block++; run < some - done && is_written(t, block) == written; block++)
            run += RL_BLOCK;
        run = run < some - done ? run : some - done;
        code = written ? rl_scratch_read(&t->pages, (char *)to + done, run, at + done)
                       : read_old(t, below, (char *)to + done, run, at + done);
        done += run;
    }
    memset((char *)to + some, 0, len - some);
    return code != SQLITE_OK ? code : some < len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

/* ---- a proposal ---- */

/* A transaction on its way into entries. */
struct proposal {
    struct rl_node *n;
    struct rl_entry e;
    size_t len; /* body bytes in n->part */
    char words[RL_WORDS];
};

static int propose(struct proposal *p, uint64_t kind, uint64_t ticket) {
    p->e.kind = kind;
    p->e.body = (raftcore_slice){p->n->part + RL_HEAD, p->len};
    rl_entry_write(&p->e, p->n->part);
    return rh_propose(p->n->host, &(raftcore_slice){p->n->part, RL_HEAD + p->len}, 1, NULL, ticket);
}

/*
 * Sends a part, and waits for the commit. A part alone never has an effect. The wait ends early once the transaction is
 * void: the host may wait for the applier, and the applier for the writer's lock.
 */
static bool send_part(struct proposal *p) {
    struct rl_node *n = p->n;
    struct rl_waiter *w = calloc(1, sizeof *w);
    if (!w || propose(p, RL_KIND_PART, (uintptr_t)w) != RH_OK) {
        free(w);
        return false;
    }
    pthread_mutex_lock(&n->mutex);
    while (!w->over && !n->stale)
        pthread_cond_wait(&n->changed, &n->mutex);
    bool over = w->over, done = over && w->what == RH_DONE;
    if (over)
        snprintf(p->words, sizeof p->words, "%s", w->words);
    w->abandoned = !over;
    pthread_mutex_unlock(&n->mutex);
    if (over)
        free(w);
    p->e.at += p->len;
    p->len = 0;
    return done;
}

static bool put(struct proposal *p, const void *bytes, size_t len) {
    for (size_t done = 0; done < len;) {
        size_t room = RL_PART - p->len, some = len - done < room ? len - done : room;
        memcpy(p->n->part + RL_HEAD + p->len, (const char *)bytes + done, some);
        p->len += some;
        done += some;
        if (p->len == RL_PART && !send_part(p))
            return false;
    }
    return true;
}

static bool put_record(struct proposal *p, uint64_t offset, const uint8_t *bytes, size_t len) {
    uint8_t head[RL_RECORD];
    rl_put(head, offset, 8);
    rl_put(head + 8, len, 4);
    return put(p, head, sizeof head) && put(p, bytes, len);
}

/* Adds the ranges in which two runs of bytes differ. */
static bool put_changes(struct proposal *p, uint64_t offset, const uint8_t *new, const uint8_t *old, size_t len) {
    for (size_t i = 0; i < len;) {
        while (i + 8 <= len && memcmp(new + i, old + i, 8) == 0)
            i += 8;
        while (i < len && new[i] == old[i])
            i++;
        size_t begin = i, end = i;
        for (size_t same = 0; i < len && same < GAP; i++) {
            same = new[i] == old[i] ? same + 1 : 0;
            end = same ? end : i + 1;
        }
        if (end > begin && !put_record(p, offset + begin, new + begin, end - begin))
            return false;
    }
    return true;
}

/* Adds all changes. Returns an SQLite code, or SQLITE_READONLY if a part was refused. */
static int put_all(struct proposal *p, sqlite3_file *below) {
    struct rl_tx *t = &p->n->tx;
    uint8_t *new = malloc(CHUNK), *old = malloc(CHUNK);
    int code = new && old ? SQLITE_OK : SQLITE_NOMEM;
    uint64_t end = t->whole ? (t->size + RL_BLOCK - 1) / RL_BLOCK : t->to;
    for (uint64_t b = t->whole ? 0 : t->from; code == SQLITE_OK && b < end;) {
        if (!t->whole && t->bits[b / 64] == 0) {
            b = (b / 64 + 1) * 64;
            continue;
        }
        size_t len = 0;
        for (; len < CHUNK && b + len / RL_BLOCK < end && (t->whole || is_written(t, b + len / RL_BLOCK)); len += RL_BLOCK)
            ;
        if (len == 0) {
            b++;
            continue;
        }
        uint64_t at = b * RL_BLOCK;
        code = t->whole ? below->pMethods->xRead(below, new, (int)len, (sqlite3_int64)at)
                        : rl_scratch_read(&t->pages, new, len, at);
        if (code == SQLITE_IOERR_SHORT_READ)
            code = SQLITE_OK;
        if (code == SQLITE_OK)
            code = read_old(t, below, old, len, at);
        if (code == SQLITE_OK && !put_changes(p, at, new, old, len))
            code = SQLITE_READONLY;
        b += len / RL_BLOCK;
    }
    free(new);
    free(old);
    return code;
}

/* The size after the commit, at which SQLite cuts the file once the transaction is over: the header knows it. */
static uint64_t size_at_end(struct rl_node *n, sqlite3_file *below) {
    struct rl_tx *t = &n->tx;
    uint8_t header[HEADER];
    if (t->whole || rl_tx_read(n, below, header, sizeof header, 0) != SQLITE_OK)
        return t->size;
    uint64_t page = bytes_at(header + 16, 2), pages = bytes_at(header + 28, 4);
    page = page == 1 ? 65536 : page;
    return pages > 0 && page >= RL_BLOCK && memcmp(header + 24, header + 92, 4) == 0 ? pages * page : t->size;
}

/* ---- the gate ---- */

/* Waits for the word of the log. After wait_ms with an unknown outcome: RL_IN_DOUBT. */
static enum rl_verdict verdict_of(struct rl_node *n) {
    struct rl_pending *p = &n->pending;
    uint64_t end = rl_now_ms() + n->wait_ms;
    pthread_mutex_lock(&n->mutex);
    while (p->applying || (p->verdict == RL_OPEN && !(p->unsure && rl_now_ms() >= end))) {
        if (p->unsure && !p->fencing)
            pthread_cond_signal(&n->work); /* the applier proposes a fence */
        rl_wait_ms(n, &n->changed, 100);
    }
    enum rl_verdict v = p->verdict;
    if (v == RL_OPEN) {
        v = RL_IN_DOUBT;
        p->left = true;
    }
    p->active = p->left;
    pthread_mutex_unlock(&n->mutex);
    return v;
}

/* Returns whether the node leads and may propose on top of the writer's view of the file. */
static bool claim(struct rl_node *n, struct proposal *p) {
    pthread_mutex_lock(&n->mutex);
    bool may = n->leader && n->ready && !n->ending && !n->stale && !n->pending.active && n->state.content == n->tx.content;
    if (may) {
        getrandom(&p->e.number, sizeof p->e.number, 0);
        p->e.base = n->state.last;
        n->pending = (struct rl_pending){.number = p->e.number, .base = p->e.base, .ticket = ++n->tickets << 3 | RL_TICKET_LAST};
    } else {
        snprintf(p->words, sizeof p->words, n->stale ? "another node has led meanwhile" : "this node does not lead any more");
    }
    pthread_mutex_unlock(&n->mutex);
    return may;
}

/*
 * A commit counts up the header's change counter. So an equal counter is the end of a rollback: the pages that SQLite has
 * put back may differ from the file, in free pages only.
 */
static bool is_commit(struct rl_node *n, sqlite3_file *below) {
    struct rl_tx *t = &n->tx;
    uint8_t new[HEADER], old[HEADER];
    if (t->whole || t->file_size < HEADER)
        return t->whole || t->size > 0;
    return t->size < HEADER || rl_tx_read(n, below, new, sizeof new, 0) != SQLITE_OK ||
           below->pMethods->xRead(below, old, sizeof old, 0) != SQLITE_OK || memcmp(new + 24, old + 24, 4) != 0;
}

static enum rl_verdict propose_once(struct proposal *p, sqlite3_file *below, int *code) {
    struct rl_node *n = p->n;
    struct rl_tx *t = &n->tx;
    p->len = 0;
    p->e = (struct rl_entry){.node = n->id, .size = size_at_end(n, below)};
    p->e.low = t->whole ? 0 : t->low < p->e.size ? t->low : p->e.size;
    if (!claim(n, p))
        return RL_REFUSED;
    *code = put_all(p, below);
    if (*code != SQLITE_OK)
        return RL_REFUSED;
    pthread_mutex_lock(&n->mutex);
    bool stale = n->stale; /* the applier waits for this writer's lock, and for no word of a later entry */
    n->pending.active = !stale;
    uint64_t ticket = n->pending.ticket;
    rl_settled(n);
    pthread_mutex_unlock(&n->mutex);
    if (stale)
        return RL_VOID;
    int proposed = propose(p, RL_KIND_LAST, ticket);
    if (proposed != RH_OK) {
        pthread_mutex_lock(&n->mutex);
        n->pending.active = false;
        pthread_mutex_unlock(&n->mutex);
        snprintf(p->words, sizeof p->words, "%s", rh_strerror(proposed));
        return RL_REFUSED;
    }
    return verdict_of(n);
}

/* Why nothing was committed: the leader's disk has no space, or another node leads. */
static int refusal(struct rl_node *n) {
    struct rh_status s = {.struct_size = sizeof s};
    return rh_get_status(n->host, &s) == RH_OK && s.space != 0 && s.core.role == RAFTCORE_ROLE_LEADER ? SQLITE_FULL : SQLITE_READONLY;
}

int rl_tx_gate(struct rl_node *n, sqlite3_file *below) {
    struct proposal p = {.n = n};
    enum rl_verdict v = RL_VOID;
    int code = SQLITE_OK;
    if (n->tx.stage != RL_TX_OPEN || !is_commit(n, below))
        return SQLITE_OK;
    for (int i = 0; v == RL_VOID && i < TRIES; i++)
        v = propose_once(&p, below, &code); /* a fence makes a transaction void and changes no file: again */
    n->tx.stage = RL_TX_OVER;
    pthread_mutex_lock(&n->mutex);
    if (v == RL_IN_DOUBT)
        snprintf(n->words, sizeof n->words, "a commit is in doubt: the group was not reached in %u ms", n->wait_ms);
    else if (v == RL_VOID || p.words[0]) /* refused by the host: on_outcome has noted the words */
        snprintf(n->words, sizeof n->words, "a commit was refused, and had no effect: %.120s", p.words[0] ? p.words : "another node leads");
    pthread_mutex_unlock(&n->mutex);
    if (v == RL_COMMITTED)
        return SQLITE_OK;
    return v == RL_IN_DOUBT ? SQLITE_IOERR : code != SQLITE_OK && code != SQLITE_READONLY ? code : refusal(n);
}

/* Proposes a database that was there before the group was founded, as the first transaction. */
void rl_adopt(struct rl_node *n) {
    uint64_t size = rl_file_size(n->file);
    if (size == 0 || !rl_lock_file(n, true))
        return;
    pthread_mutex_lock(&n->mutex);
    bool still = n->state.last == 0 && n->tx.stage == RL_TX_NONE;
    if (still) {
        rl_tx_begin(n, size);
        n->tx.whole = true;
    }
    pthread_mutex_unlock(&n->mutex);
    if (still) {
        if (rl_tx_gate(n, n->file) != SQLITE_OK)
            rl_say("%s: the database could not be given to the group yet: %s", n->path, n->words);
        rl_tx_end(&n->tx);
    }
    rl_unlock_file(n);
}
