/*
 * host_kit.h: members of a group by rh_open, with threads of their own, for tests. The database is a
 * sum of the first bytes of all entries.
 */
#ifndef HOST_HOST_KIT_H
#define HOST_HOST_KIT_H

#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "kit.h"
#include "raftcore_host.h"

/* Waits for a condition, up to 30 seconds. */
#define UNTIL(condition) \
    do { \
        for (double end_ = now_seconds() + 30; !(condition); usleep(2000)) \
            if (now_seconds() > end_) \
                DIE("not within 30 s: %s", #condition); \
    } while (0)

struct member {
    struct rh_host *h;
    struct rh_options o;
    struct rh_database db;
    char dir[400], peer[32];
    _Atomic uint64_t sum;
    uint64_t loading;
    pthread_mutex_t mutex;              /* of `said` */
    char said[1 << 16];                 /* what the host logged, cut at the end */
    size_t len;
};

/* The outcome of a request. */
struct answer {
    sem_t came;
    enum rh_what what;
    char words[300];
};

static int kit_apply(void *self, struct rh_entry *e, size_t n, struct rh_words *why)
{
    struct member *m = self;

    (void)why;
    for (size_t i = 0; i < n; i++)
        m->sum += e[i].data.ptr[0];
    return 0;
}

static int kit_applied(void *self, uint64_t *index, struct rh_words *why)
{
    (void)why;
    ((struct member *)self)->sum = 0;
    *index = 0;
    return 0;
}

struct kit_view {
    uint64_t sum;
    bool read;
};

static int kit_snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why)
{
    struct kit_view *v = malloc(sizeof *v);

    (void)index;
    if (!v)
        return rh_fail(why, RH_E_NOMEM, "no memory for a view");
    *v = (struct kit_view){.sum = ((struct member *)self)->sum};
    *view = v;
    return 0;
}

static int kit_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    struct kit_view *v = view;

    (void)self;
    (void)why;
    CHECK(cap >= sizeof v->sum);
    *got = v->read ? 0 : sizeof v->sum;
    memcpy(to, &v->sum, *got);
    v->read = true;
    return 0;
}

static void kit_snapshot_close(void *self, void *view)
{
    (void)self;
    free(view);
}

static int kit_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                             struct rh_words *why)
{
    struct member *m = self;

    (void)index;
    (void)why;
    if (what == RH_LOAD_DATA) {
        CHECK(len == sizeof m->loading);
        memcpy(&m->loading, bytes, len);
    }
    if (what == RH_LOAD_COMMIT)
        m->sum = m->loading;
    return 0;
}

static void kit_outcome(void *self, uint64_t ticket, const struct rh_outcome *o)
{
    struct answer *a = (struct answer *)(uintptr_t)ticket;

    (void)self;
    a->what = o->what;
    snprintf(a->words, sizeof a->words, "%s", o->words);
    sem_post(&a->came);
}

static void kit_say(void *context, enum rh_level level, const char *text)
{
    struct member *m = context;

    if (getenv("SAY"))
        printf("member %llu, level %d: %s\n", (unsigned long long)m->o.id, (int)level, text);
    pthread_mutex_lock(&m->mutex);
    int n = snprintf(m->said + m->len, sizeof m->said - m->len, "%s\n", text);
    if (m->len + (size_t)n < sizeof m->said)
        m->len += (size_t)n;
    pthread_mutex_unlock(&m->mutex);
}

static inline bool has_said(struct member *m, const char *words)
{
    pthread_mutex_lock(&m->mutex);
    bool yes = strstr(m->said, words) != NULL;
    pthread_mutex_unlock(&m->mutex);
    return yes;
}

/* Sets up a member with a directory ROOT/NAME. Set found or join, then open. */
static inline void member_init(struct member *m, const char *root, const char *name, uint64_t id)
{
    memset(m, 0, sizeof *m);
    pthread_mutex_init(&m->mutex, NULL);
    snprintf(m->dir, sizeof m->dir, "%s/%s", root, name);
    free_address(m->peer);
    m->db = (struct rh_database){sizeof m->db,      m,                 kit_apply,          kit_applied,       NULL,
                                 kit_snapshot_open, kit_snapshot_read, kit_snapshot_close, kit_snapshot_load, NULL,
                                 kit_outcome};
    rh_options_init(&m->o, sizeof m->o);
    m->o.dir = m->dir;
    m->o.id = id;
    m->o.peer = m->peer;
    m->o.tick_ms = 20;
    m->o.segment_bytes = m->o.keep_bytes = m->o.compaction_bytes = 65536;
    m->o.log = kit_say;
    m->o.log_context = m;
    m->o.log_level = RH_LOG_DEBUG;
}

/* Opens a member. Returns the code. */
static inline int member_try(struct member *m, struct rh_words *why)
{
    int code = rh_open(&m->o, &m->db, &m->h, why);

    if (code == RH_OK && rh_thread(m->h, why) != RH_OK)
        DIE("no thread: %s", why->text);
    return code;
}

static inline void member_open(struct member *m)
{
    struct rh_words why = {""};

    CHECK_OK(member_try(m, &why), &why);
}

static inline int member_close(struct member *m)
{
    struct rh_words why = {""};
    int code = rh_close(m->h, &why);

    m->h = NULL;
    return code;
}

static inline struct rh_status member_status(struct member *m)
{
    struct rh_status s = {.struct_size = sizeof s};

    CHECK(rh_get_status(m->h, &s) == RH_OK);
    return s;
}

static inline bool leads(struct member *m)
{
    struct rh_status s = member_status(m);

    return s.core.role == RAFTCORE_ROLE_LEADER && s.ready;
}

/* Waits for the outcome of a call that takes a ticket. */
#define ANSWER(to, call) \
    do { \
        CHECK(sem_init(&(to)->came, 0, 0) == 0); \
        uint64_t ticket = (uint64_t)(uintptr_t)(to); \
        CHECK((call) == RH_OK); \
        while (sem_wait(&(to)->came) != 0) \
            ; \
    } while (0)

/* Proposes `len` bytes that add `number`. */
static inline struct answer add(struct member *m, uint8_t number, size_t len)
{
    uint8_t *bytes = must(calloc(1, len));
    raftcore_slice part = {bytes, len};
    struct answer a = {.words = ""};

    bytes[0] = number;
    ANSWER(&a, rh_propose(m->h, &part, 1, NULL, ticket));
    free(bytes);
    return a;
}

/* Adds, at any cost of time. For numbers that may count once only if the outcomes allow a retry. */
static inline void must_add(struct member *m, uint8_t number)
{
    struct answer a;

    UNTIL((a = add(m, number, 1)).what != RH_NOT_COMMITTED);
    if (a.what != RH_DONE)
        DIE("%s: %s", rh_what_text(a.what), a.words);
}

static inline struct answer ask_read(struct member *m)
{
    struct answer a = {.words = ""};

    ANSWER(&a, rh_read(m->h, ticket));
    return a;
}

static inline void must_have(struct member *m, uint64_t sum)
{
    struct answer a;

    UNTIL((a = ask_read(m)).what == RH_READABLE);
    if (m->sum != sum)
        DIE("member %llu has %llu, not %llu", (unsigned long long)m->o.id, (unsigned long long)m->sum,
            (unsigned long long)sum);
}

/* Founds a group of so many members, all voters. m[0] leads. */
static inline void group_open(struct member *m, size_t n)
{
    m[0].o.found = true;
    member_open(&m[0]);
    UNTIL(leads(&m[0]));
    m[0].o.found = false;
    for (size_t i = 1; i < n; i++) {
        m[i].o.join = m[0].peer;
        member_open(&m[i]);
        UNTIL(member_status(&m[i]).voter);
    }
}

#endif
