/*
 * host_threads.c: three hosts with threads of their own, clients on other threads. Built with ThreadSanitizer.
 *
 * Each client adds at any host, waits for the outcome, reads, and looks at status and metrics meanwhile. In the end all
 * hosts have equal sums. Then a backup, refused changes, a transfer, and refused starts.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "kit.h"
#include "raftcore_host.h"

enum { HOSTS = 3, CLIENTS = 4, ADDS = 300, WAITERS = 64, OTHER = CLIENTS + 1 };

struct db {
    _Atomic uint64_t sum;
    _Atomic uint32_t role;
};

struct waiter {
    sem_t done;
    enum rh_what what;
    char words[200];
};

static struct db dbs[HOSTS];
static struct rh_host *hosts[HOSTS];
static struct waiter waiters[WAITERS];
static char addresses[HOSTS][32];

static int apply(void *self, struct rh_entry *e, size_t n, struct rh_words *why)
{
    struct db *db = self;

    (void)why;
    for (size_t i = 0; i < n; i++)
        db->sum += e[i].data.ptr[0];
    return 0;
}

static int applied(void *self, uint64_t *index, struct rh_words *why)
{
    (void)self;
    (void)why;
    *index = 0;
    return 0;
}

static int snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why)
{
    uint64_t *copy = must(malloc(2 * sizeof *copy));

    (void)index;
    (void)why;
    copy[0] = ((struct db *)self)->sum;
    copy[1] = sizeof *copy;
    *view = copy;
    return 0;
}

static int snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    uint64_t *copy = view;

    (void)self;
    (void)why;
    CHECK(cap >= sizeof *copy);
    *got = (size_t)copy[1];
    memcpy(to, copy, *got);
    copy[1] = 0;
    return 0;
}

static void snapshot_close(void *self, void *view)
{
    (void)self;
    free(view);
}

static int snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why)
{
    static _Thread_local uint64_t loading;

    (void)index;
    (void)why;
    if (what == RH_LOAD_DATA) {
        CHECK(len == sizeof loading);
        memcpy(&loading, bytes, len);
    }
    if (what == RH_LOAD_COMMIT)
        ((struct db *)self)->sum = loading;
    return 0;
}

static void role(void *self, const struct rh_role *r)
{
    ((struct db *)self)->role = r->role;
}

static void outcome(void *self, uint64_t ticket, const struct rh_outcome *o)
{
    struct waiter *w = &waiters[ticket % WAITERS];

    (void)self;
    w->what = o->what;
    snprintf(w->words, sizeof w->words, "%s", o->words);
    sem_post(&w->done);
}

static struct waiter *wait_for(uint64_t ticket)
{
    struct waiter *w = &waiters[ticket % WAITERS];

    while (sem_wait(&w->done) != 0)
        ;
    return w;
}

static void add(uint64_t client, uint8_t number)
{
    static _Atomic uint64_t turn;
    raftcore_slice part = {&number, 1};

    for (;;) {
        struct rh_host *h = hosts[turn++ % HOSTS];
        CHECK(rh_propose(h, &part, 1, NULL, client) == RH_OK);
        struct waiter *w = wait_for(client);
        if (w->what == RH_DONE)
            return;
        if (w->what != RH_NOT_COMMITTED)
            DIE("client %llu: %s: %s", (unsigned long long)client, rh_what_text(w->what), w->words);
    }
}

static void *client(void *number)
{
    uint64_t id = (uint64_t)(uintptr_t)number;
    static _Atomic uint64_t sum;
    struct rh_status s = {.struct_size = sizeof s};
    char text[200];

    for (int i = 0; i < ADDS; i++) {
        add(id, (uint8_t)id);
        sum += id;
        uint64_t now = sum, before = now > CLIENTS * CLIENTS ? now - CLIENTS * CLIENTS : 0; /* other clients may have an addition under way */
        if (i % 10 == 0 && i > 0) {
            CHECK(rh_read(hosts[(size_t)i / 10 % HOSTS], id) == RH_OK);
            if (wait_for(id)->what == RH_READABLE)
                CHECK(dbs[(size_t)i / 10 % HOSTS].sum >= before);
            CHECK(rh_get_status(hosts[id % HOSTS], &s) == RH_OK && s.voter);
            CHECK(rh_metrics(hosts[id % HOSTS], text, sizeof text) > sizeof text);
        }
    }
    return NULL;
}

static void say(void *context, enum rh_level level, const char *text)
{
    if (level <= RH_LOG_ERROR || getenv("SAY"))
        printf("host %d: %s\n", (int)(uintptr_t)context, text);
}

static void start(size_t i, const char *root)
{
    const struct rh_database db = {sizeof db,     &dbs[i],       apply,          applied,       NULL,
                                   snapshot_open, snapshot_read, snapshot_close, snapshot_load, role, outcome};
    struct rh_options o;
    struct rh_words why = {""};
    char dir[400];
    struct rh_status s = {.struct_size = sizeof s};

    snprintf(dir, sizeof dir, "%s/%zu", root, i);
    rh_options_init(&o, sizeof o);
    o.dir = dir;
    o.id = i + 1;
    o.peer = addresses[i];
    o.found = i == 0;
    o.join = i > 0 ? addresses[0] : NULL;
    o.segment_bytes = o.keep_bytes = o.compaction_bytes = 65536;
    o.tick_ms = 20;
    o.log = say;
    o.log_context = (void *)(uintptr_t)(i + 1);
    CHECK_OK(rh_open(&o, &db, &hosts[i], &why), &why);
    CHECK_OK(rh_thread(hosts[i], &why), &why);
    CHECK(rh_thread(hosts[i], &why) == RH_E_STATE);
    for (double end = now_seconds() + 30; !s.voter || !s.core.leader;) {
        CHECK(now_seconds() < end);
        usleep(5000);
        CHECK(rh_get_status(hosts[i], &s) == RH_OK);
    }
}

static void check_found_again(const char *root)
{
    const struct rh_database db = {sizeof db,     &dbs[0],       apply,          applied,       NULL,
                                   snapshot_open, snapshot_read, snapshot_close, snapshot_load, NULL, outcome};
    struct rh_options o;
    struct rh_words why = {""};
    struct rh_host *h;
    char dir[400];

    snprintf(dir, sizeof dir, "%s/0", root);
    rh_options_init(&o, sizeof o);
    o.dir = dir;
    o.id = 1;
    o.peer = addresses[0];
    o.found = true;
    CHECK(rh_open(&o, &db, &h, &why) == RH_E_OWNER && strstr(why.text, "founded once"));
    o.found = false;
    snprintf(dir, sizeof dir, "%s/empty", root);
    CHECK(rh_open(&o, &db, &h, &why) == RH_E_STATE && strstr(why.text, "is empty"));
    o.tls_ca = o.tls_cert = o.tls_key = "/nowhere";
    o.join = "";
    CHECK(rh_open(&o, &db, &h, &why) == RH_E_NET);
}

static void check_backup(const char *root)
{
    char path[400];
    struct stat st;

    snprintf(path, sizeof path, "%s/backup", root);
    CHECK(rh_backup(hosts[0], path, OTHER) == RH_OK);
    struct waiter *w = wait_for(OTHER);
    if (w->what != RH_DONE)
        DIE("backup: %s", w->words);
    CHECK(stat(path, &st) == 0 && st.st_size > 100);
    CHECK(rh_backup(hosts[0], path, OTHER) == RH_OK && wait_for(OTHER)->what == RH_NOT_COMMITTED);
}

static void check_members(void)
{
    struct rh_member m[8] = {{.struct_size = sizeof m[0]}};
    size_t n = 0;

    CHECK(rh_members(hosts[1], m, 8, &n) == RH_OK && n == HOSTS);
    for (size_t i = 0; i < n; i++)
        CHECK(m[i].voter && strcmp(m[i].peer_address, addresses[m[i].id - 1]) == 0);
    CHECK(rh_promote(hosts[0], 9, OTHER) == RH_OK);
    CHECK(wait_for(OTHER)->what == RH_NOT_COMMITTED && strstr(waiters[OTHER].words, "learner first"));
    CHECK(rh_add(hosts[0], 9, "no address", NULL, OTHER) == RH_E_ARG);
    CHECK(rh_propose(hosts[0], NULL, 0, NULL, OTHER) == RH_E_ARG);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-host";
    pthread_t threads[CLIENTS];
    struct rh_words why = {""};
    uint64_t sum = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < WAITERS; i++)
        CHECK(sem_init(&waiters[i].done, 0, 0) == 0);
    for (size_t i = 0; i < HOSTS; i++)
        free_address(addresses[i]);
    for (size_t i = 0; i < HOSTS; i++)
        start(i, root);
    double begin = now_seconds();
    for (size_t i = 0; i < CLIENTS; i++)
        CHECK(pthread_create(&threads[i], NULL, client, (void *)(uintptr_t)(i + 1)) == 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        sum += ADDS * (i + 1);
    }
    double seconds = now_seconds() - begin;
    for (size_t i = 0; i < HOSTS; i++) {
        CHECK(rh_read(hosts[i], OTHER) == RH_OK && wait_for(OTHER)->what == RH_READABLE);
        CHECK(dbs[i].sum == sum);
    }
    check_backup(root);
    check_members();
    for (uint64_t to = 1; to <= 12; to++) {
        CHECK(rh_transfer(hosts[to / 2 % HOSTS], to % HOSTS + 1, OTHER) == RH_OK);
        if (wait_for(OTHER)->what != RH_DONE)
            DIE("no transfer to node %d: %s", (int)(to % HOSTS + 1), waiters[OTHER].words);
    }
    for (size_t i = 0; i < HOSTS; i++)
        CHECK_OK(rh_close(hosts[i], &why), &why);
    check_found_again(root);
    printf("host_threads: %d additions in %.1f s, sum %llu\n", CLIENTS * ADDS, seconds, (unsigned long long)sum);
    return 0;
}
