/* host_workers.c: the sync thread, which flushes the log, and the job thread, which flushes snapshot files. */
#include <errno.h>
#include <time.h>

#include "host_parts.h"

enum { IDLE_MS = 200 };

static void ask(struct rh_worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->wanted = true;
    pthread_cond_signal(&w->wanted_now);
    pthread_mutex_unlock(&w->mutex);
}

void rh_ask_flush(void *self)
{
    ask(&((struct rh_host *)self)->sync);
}

void rh_ask_job(void *self)
{
    ask(&((struct rh_host *)self)->job);
}

static struct timespec in_ms(long ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Flushes on demand, and once more after an idle moment, so that the log can tidy up. */
void *rh_sync_thread(void *self)
{
    struct rh_worker *w = self;
    bool tidy = false;
    int code = RH_OK;

    pthread_mutex_lock(&w->mutex);
    while (!w->end && code >= 0) {
        const struct timespec until = in_ms(IDLE_MS);
        int waited = 0;
        while (!w->wanted && !w->end && waited != ETIMEDOUT)
            waited = tidy ? pthread_cond_timedwait(&w->wanted_now, &w->mutex, &until)
                          : pthread_cond_wait(&w->wanted_now, &w->mutex);
        if (w->end && !w->wanted)
            break;
        tidy = w->wanted;
        w->wanted = false;
        pthread_mutex_unlock(&w->mutex);
        code = rh_driver_flush(w->host->driver);
        if (code != RH_NONE)
            rh_host_wake(w->host);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

void *rh_job_thread(void *self)
{
    struct rh_worker *w = self;

    pthread_mutex_lock(&w->mutex);
    while (!w->end) {
        while (!w->wanted && !w->end)
            pthread_cond_wait(&w->wanted_now, &w->mutex);
        if (!w->wanted)
            break;
        w->wanted = false;
        pthread_mutex_unlock(&w->mutex);
        rh_driver_job(w->host->driver);
        rh_host_wake(w->host);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

void rh_worker_init(struct rh_host *h, struct rh_worker *w)
{
    pthread_condattr_t monotonic;

    w->host = h;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wanted_now, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int rh_worker_start(struct rh_worker *w, void *(*run)(void *), struct rh_words *why)
{
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return rh_fail(why, RH_E_NOMEM, "the system has no thread left");
    w->started = true;
    return RH_OK;
}

void rh_worker_end(struct rh_worker *w)
{
    if (w->started) {
        pthread_mutex_lock(&w->mutex);
        w->end = true;
        pthread_cond_signal(&w->wanted_now);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->wanted_now);
    pthread_mutex_destroy(&w->mutex);
}
