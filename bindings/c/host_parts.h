/*
 * host_parts.h: shared by the files host*.c.
 *
 *   host.c          open, the loop, close
 *   host_workers.c  the sync thread and the job thread
 *   host_calls.c    requests, status, metrics: calls from any thread
 *   host_command.c  commands of words
 *   host_scrape.c   metrics over HTTP
 */
#ifndef RH_HOST_PARTS_H
#define RH_HOST_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "driver.h"
#include "net_tcp.h"

/* A thread that works on demand. */
struct rh_worker {
    struct rh_host *host;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted_now;
    bool started, wanted, end;
};

enum { RH_SCRAPES = 8 };

/* A connection that asks for metrics. */
struct rh_scrape {
    int fd;                             /* below 0: free */
    uint64_t end;                       /* us; then the connection is closed */
    char head[512];                     /* the begin of the request */
    size_t got;                         /* bytes of the request */
    uint32_t tail;                      /* its last four bytes */
    char *answer;                       /* NULL: not asked yet */
    size_t at, len;
};

struct rh_scrapes {
    int epoll, listener;                /* below 0: none */
    uint64_t listen_at;                 /* us, when the listener is looked at again; 0: it is looked at */
    struct rh_scrape at[RH_SCRAPES];
    size_t (*more)(void *context, char *buf, size_t cap);
    void *context;
};

struct rh_host {
    struct rh_dir dir;
    struct rh_driver *driver;
    struct rh_net net;
    bool has_net;
    int epoll, event;
    uint32_t max_entry_bytes, tick_ms, election_ticks;
    uint64_t max_queue_bytes;
    void (*log)(void *context, enum rh_level level, const char *text);
    void *log_context;
    enum rh_level log_level;
    pthread_mutex_t lock;
    struct rh_worker sync, job;
    struct rh_scrapes scrapes;

    pthread_mutex_t inbox_mutex;
    struct rh_pending *first, *last;    /* the inbox */
    uint64_t inbox_bytes;
    atomic_ullong driver_bytes;         /* of requests in the driver */
    atomic_int failed;
    atomic_bool woken;                  /* the eventfd is readable already */

    pthread_t thread;
    bool threaded;
    atomic_bool stop;
    struct rh_words words;              /* of the loop thread's end */
};

/* host.c: wakes the loop. Any thread. */
void rh_host_wake(struct rh_host *h);
/* Makes rh_fd readable whenever a descriptor is. */
int rh_host_watch(struct rh_host *h, int fd, struct rh_words *why);

/* host_calls.c: hands a request to the loop; NULL is RH_E_NOMEM. */
int rh_host_submit(struct rh_host *h, struct rh_pending *p);
/* Adds a learner, which becomes a voter later if that is wanted. RH_E_ARG: an address is none. */
int rh_host_add(struct rh_host *h, uint64_t id, const char *peer, const char *client, bool voter, uint64_t ticket);

/* host_scrape.c */
void rh_scrapes_init(struct rh_scrapes *s);
int rh_scrapes_open(struct rh_host *h, const struct rh_options *o, struct rh_words *why);
void rh_scrapes_turn(struct rh_host *h, uint64_t now);
/* Returns when the next turn is due without any input. */
uint64_t rh_scrapes_due(const struct rh_host *h);
void rh_scrapes_close(struct rh_host *h);

/* host_workers.c */
void rh_worker_init(struct rh_host *h, struct rh_worker *w);
int rh_worker_start(struct rh_worker *w, void *(*run)(void *), struct rh_words *why);
/* Lets a thread finish its work, and ends the thread. */
void rh_worker_end(struct rh_worker *w);
void *rh_sync_thread(void *worker);
void *rh_job_thread(void *worker);
/* For struct rh_workers: `self` is the host. */
void rh_ask_flush(void *self);
void rh_ask_job(void *self);

#endif
