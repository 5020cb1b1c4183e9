/*
 * host_parts.h: shared by the files host*.c.
 *
 *   host.c          open, the loop, close
 *   host_workers.c  the sync thread and the job thread
 *   host_calls.c    requests, status, metrics: calls from any thread
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
