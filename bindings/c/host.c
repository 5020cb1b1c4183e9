/*
 * host.c: all of it together: directory, log, driver, transport, threads.
 *
 *   loop thread     rh_turn: the driver, the transport, the database's functions
 *   sync thread     flushes of the log
 *   job thread      flushes of snapshot files, copies for backups
 *   other threads   put requests into the inbox, and wake the loop by an eventfd
 *
 * A turn holds the lock, so status and metrics work on any thread. The lock is recursive, for calls
 * from the database's functions. The inbox has a mutex of its own.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "host_parts.h"
#include "log_file.h"

enum { TURNS = 16 };

static uint64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void rh_host_wake(struct rh_host *h)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&h->woken, true) && write(h->event, &one, sizeof one) < 0)
        atomic_store(&h->woken, false); /* the counter is full: readable all the same */
}

/* ---- open ---- */

static struct rh_host *host_new(const struct rh_options *o)
{
    struct rh_host *h = calloc(1, sizeof *h);
    pthread_mutexattr_t recursive;

    if (!h)
        return NULL;
    rh_scrapes_init(&h->scrapes);
    h->epoll = h->event = h->dir.fd = h->dir.lock = -1;
    h->max_entry_bytes = o->max_entry_bytes;
    h->max_queue_bytes = o->max_queue_bytes;
    h->log = o->log;
    h->log_context = o->log_context;
    h->log_level = o->log_level;
    h->tick_ms = o->tick_ms;
    h->election_ticks = o->election_ticks;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&h->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&h->inbox_mutex, NULL);
    rh_worker_init(h, &h->sync);
    rh_worker_init(h, &h->job);
    return h;
}

int rh_host_watch(struct rh_host *h, int fd, struct rh_words *why)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        return rh_fail(why, RH_E_IO, "epoll: %s", strerror(errno));
    return RH_OK;
}

static int open_driver(struct rh_host *h, const struct rh_options *o, const struct rh_database *db, struct rh_words *why)
{
    struct rh_driver_setup s = {.options = o, .database = db, .dir = &h->dir, .workers = {h, rh_ask_flush, rh_ask_job}};
    const struct rh_log_file_options files = {
        .segment_bytes = o->segment_bytes, .keep_bytes = o->keep_bytes, .low_bytes = o->low_bytes};
    int code = RH_OK;

    if (o->store)
        s.log = *o->store;
    else
        code = rh_log_file_open(&h->dir, &files, &s.log, why);
    if (code != RH_OK)
        return code;
    if (getrandom(&s.seed, sizeof s.seed, 0) != (ssize_t)sizeof s.seed) {
        struct rh_words ignored;
        s.log.ops->close(s.log.self, &ignored);
        return rh_fail(why, RH_E_IO, "the system gives no random bytes");
    }
    s.now = clock_us();
    return rh_driver_open(&s, &h->driver, why);
}

/* A line of the transport. */
static void say_for_net(void *self, int level, const char *text)
{
    const struct rh_host *h = self;

    if (h->log && (enum rh_level)level <= h->log_level)
        h->log(h->log_context, (enum rh_level)level, text);
}

static struct rh_net_tcp_options net_options(struct rh_host *h, const struct rh_options *o)
{
    return (struct rh_net_tcp_options){.struct_size = sizeof(struct rh_net_tcp_options),
                                       .listen = o->listen ? o->listen : o->peer,
                                       .dir = &h->dir,
                                       .events = &rh_driver_events,
                                       .tls_ca = o->tls_ca,
                                       .tls_cert = o->tls_cert,
                                       .tls_key = o->tls_key,
                                       .log = say_for_net,
                                       .log_context = h};
}

/* A wrong address or certificate leaves no group founded: the same call with the right one founds it. */
static int try_before_founding(struct rh_host *h, const struct rh_options *o, struct rh_words *why)
{
    struct rh_net_tcp_options t = net_options(h, o);

    t.self.group = o->group;
    t.self.id = o->id;
    return o->found && t.listen && t.self.id ? rh_net_tcp_try(&t, why) : RH_OK;
}

static int open_net(struct rh_host *h, const struct rh_options *o, struct rh_words *why)
{
    struct rh_net_tcp_options t = net_options(h, o);

    t.driver = h->driver;
    t.frame_limit = rh_driver_frame_limit(h->driver);
    rh_driver_self(h->driver, &t.self);
    int code = rh_net_tcp_open(&t, &h->net, why);
    if (code != RH_OK)
        return code;
    h->has_net = true;
    rh_driver_connect(h->driver, h->net);
    return rh_host_watch(h, rh_net_tcp_fd(h->net), why);
}

static int open_parts(struct rh_host *h, const struct rh_options *o, const struct rh_database *db, struct rh_words *why)
{
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->epoll < 0 || h->event < 0)
        return rh_fail(why, RH_E_IO, "no descriptor is left: %s", strerror(errno));
    if (!o->dir)
        return rh_fail(why, RH_E_ARG, "dir must be set");
    int code = rh_dir_open(&h->dir, o->dir, o->group, o->id, why);
    if (code == RH_OK)
        code = rh_scrapes_open(h, o, why);
    if (code == RH_OK)
        code = try_before_founding(h, o, why);
    if (code == RH_OK)
        code = open_driver(h, o, db, why);
    if (code == RH_OK)
        code = rh_host_watch(h, h->event, why);
    if (code == RH_OK)
        code = open_net(h, o, why);
    if (code == RH_OK)
        code = rh_worker_start(&h->sync, rh_sync_thread, why);
    if (code == RH_OK)
        code = rh_worker_start(&h->job, rh_job_thread, why);
    return code;
}

int rh_open(const struct rh_options *o, const struct rh_database *db, struct rh_host **out, struct rh_words *why)
{
    struct rh_options whole;
    struct rh_words ignored;

    if (!o || !db || !out || o->struct_size < sizeof(uint32_t) || db->struct_size != sizeof *db)
        return rh_fail(why, RH_E_ARG, "options or database: struct_size is not of this library");
    rh_options_init(&whole, sizeof whole);
    memcpy(&whole, o, o->struct_size < sizeof whole ? o->struct_size : sizeof whole);
    struct rh_host *h = host_new(&whole);
    if (!h)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    int code = open_parts(h, &whole, db, why);
    if (code != RH_OK) {
        rh_close(h, &ignored);
        return code;
    }
    *out = h;
    return RH_OK;
}

/* ---- the loop ---- */

int rh_fd(const struct rh_host *h)
{
    return h->epoll;
}

int rh_timeout_ms(struct rh_host *h)
{
    uint64_t now = clock_us();

    pthread_mutex_lock(&h->inbox_mutex);
    bool work = h->first != NULL;
    pthread_mutex_unlock(&h->inbox_mutex);
    if (work)
        return 0;
    pthread_mutex_lock(&h->lock);
    uint64_t due = rh_driver_due(h->driver, now), net = rh_net_tcp_due(h->net, now);
    uint64_t scrapes = rh_scrapes_due(h);
    pthread_mutex_unlock(&h->lock);
    due = net < due ? net : due;
    due = scrapes < due ? scrapes : due;
    return due <= now ? 0 : (int)((due - now + 999) / 1000);
}

static void empty_inbox(struct rh_host *h)
{
    pthread_mutex_lock(&h->inbox_mutex);
    struct rh_pending *p = h->first;
    h->first = h->last = NULL;
    h->inbox_bytes = 0;
    pthread_mutex_unlock(&h->inbox_mutex);
    while (p) {
        struct rh_pending *next = p->next;
        rh_driver_submit(h->driver, p);
        p = next;
    }
}

static int turn(struct rh_host *h, struct rh_words *why)
{
    uint64_t counter;
    int code = RH_OK;

    atomic_store(&h->woken, false);
    if (read(h->event, &counter, sizeof counter) < 0)
        counter = 0;                    /* nobody woke us */
    for (int i = 0; i < TURNS && code == RH_OK; i++) {
        uint64_t now = clock_us();
        rh_net_tcp_turn(h->net, now);
        empty_inbox(h);
        code = rh_driver_turn(h->driver, now, why);
        if (rh_driver_due(h->driver, now) > now)
            break;
    }
    rh_net_tcp_turn(h->net, clock_us());
    rh_scrapes_turn(h, clock_us());
    atomic_store(&h->driver_bytes, rh_driver_bytes(h->driver));
    atomic_store(&h->failed, code);
    return code;
}

int rh_turn(struct rh_host *h, struct rh_words *why)
{
    pthread_mutex_lock(&h->lock);
    int code = turn(h, why);
    pthread_mutex_unlock(&h->lock);
    return code;
}

/* Waits, and does a turn. */
static int round_of(struct rh_host *h, int most_ms, struct rh_words *why)
{
    struct pollfd p = {.fd = h->epoll, .events = POLLIN};
    int ms = rh_timeout_ms(h);

    if (ms > 0)
        poll(&p, 1, ms < most_ms ? ms : most_ms);
    return rh_turn(h, why);
}

static void *loop_thread(void *self)
{
    struct rh_host *h = self;

    while (!atomic_load(&h->stop) && round_of(h, 1000, &h->words) == RH_OK)
        ;
    /* After a failure, requests still get their outcome. */
    while (!atomic_load(&h->stop)) {
        poll(NULL, 0, 10);
        pthread_mutex_lock(&h->lock);
        empty_inbox(h);
        rh_scrapes_turn(h, clock_us());
        pthread_mutex_unlock(&h->lock);
    }
    return NULL;
}

int rh_thread(struct rh_host *h, struct rh_words *why)
{
    if (h->threaded)
        return rh_fail(why, RH_E_STATE, "a thread runs already");
    if (pthread_create(&h->thread, NULL, loop_thread, h) != 0)
        return rh_fail(why, RH_E_NOMEM, "the system has no thread left");
    h->threaded = true;
    return RH_OK;
}

/* Hands the leadership over, for two election timeouts at most. */
static void leave(struct rh_host *h)
{
    uint64_t end = clock_us() + 2000ull * h->tick_ms * h->election_ticks;
    struct rh_words ignored;

    while (clock_us() < end) {
        pthread_mutex_lock(&h->lock);
        bool left = rh_driver_leave(h->driver);
        pthread_mutex_unlock(&h->lock);
        if (left || round_of(h, 10, &ignored) != RH_OK)
            return;
    }
}

int rh_close(struct rh_host *h, struct rh_words *why)
{
    int code = RH_OK;

    if (!h)
        return RH_OK;
    if (h->threaded) {
        atomic_store(&h->stop, true);
        rh_host_wake(h);
        pthread_join(h->thread, NULL);
    }
    if (h->has_net && h->sync.started)
        leave(h);
    if (h->driver)
        empty_inbox(h);
    rh_worker_end(&h->sync);
    rh_worker_end(&h->job);
    rh_scrapes_close(h);
    if (h->driver)
        code = rh_driver_close(h->driver, why);
    if (h->has_net)
        rh_net_tcp_close(h->net);
    rh_dir_close(&h->dir);
    if (h->epoll >= 0)
        close(h->epoll);
    if (h->event >= 0)
        close(h->event);
    pthread_mutex_destroy(&h->inbox_mutex);
    pthread_mutex_destroy(&h->lock);
    free(h);
    return code;
}
