/*
 * net_work.c: helper threads. A file thread runs jobs in order; a lookup of a name gets a thread of
 * its own, because a lookup may hang for long.
 *
 * Jobs come back through a list and an eventfd. The struct is shared with threads that nobody waits
 * for, so the last user frees it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net_parts.h"

struct list {
    struct rh_job *first, **end;
};

struct rh_work {
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct list todo, done;
    pthread_t thread;
    bool running, closed;
    int fd;                             /* -1 once closed */
    unsigned users;                     /* the transport, and threads that nobody waits for */
};

static void add(struct list *l, struct rh_job *job)
{
    job->next = NULL;
    *l->end = job;
    l->end = &job->next;
}

static struct rh_job *take_all(struct list *l)
{
    struct rh_job *first = l->first;

    l->first = NULL;
    l->end = &l->first;
    return first;
}

struct rh_work *rh_work_open(struct rh_words *why)
{
    struct rh_work *w = calloc(1, sizeof *w);

    if (!w) {
        rh_fail(why, RH_E_NOMEM, "no memory for a transport");
        return NULL;
    }
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0) {
        rh_fail(why, RH_E_IO, "eventfd: %s", strerror(errno));
        free(w);
        return NULL;
    }
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wanted, NULL);
    w->todo.end = &w->todo.first;
    w->done.end = &w->done.first;
    w->users = 1;
    return w;
}

int rh_work_fd(const struct rh_work *w)
{
    return w->fd;
}

/* Needs the mutex. */
static void hand_back(struct rh_work *w, struct rh_job *job)
{
    uint64_t one = 1;

    add(&w->done, job);
    if (w->fd >= 0 && write(w->fd, &one, sizeof one) < 0)
        return;                         /* full: the loop is awake anyway */
}

/* Passes the finished jobs on. net NULL: only to be freed. */
static void finish_all(struct rh_work *w, struct rh_tcp *net)
{
    pthread_mutex_lock(&w->mutex);
    struct rh_job *job = take_all(&w->done);
    pthread_mutex_unlock(&w->mutex);
    for (struct rh_job *next; job; job = next) {
        next = job->next;
        job->done(net, job);
    }
}

static void leave(struct rh_work *w)
{
    pthread_mutex_lock(&w->mutex);
    bool last = --w->users == 0;
    pthread_mutex_unlock(&w->mutex);
    if (!last)
        return;
    finish_all(w, NULL);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->wanted);
    free(w);
}

static void *file_thread(void *arg)
{
    struct rh_work *w = arg;

    pthread_mutex_lock(&w->mutex);
    for (;;) {
        struct rh_job *job = w->todo.first;
        if (!job && w->closed)
            break;
        if (!job) {
            pthread_cond_wait(&w->wanted, &w->mutex);
            continue;
        }
        w->todo.first = job->next;
        if (!job->next)
            w->todo.end = &w->todo.first;
        pthread_mutex_unlock(&w->mutex);
        job->run(job);
        pthread_mutex_lock(&w->mutex);
        hand_back(w, job);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* Starts a thread that takes no signals: these belong to the caller's threads. */
static int start(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

bool rh_work_file(struct rh_work *w, struct rh_job *job)
{
    if (!w->running && start(&w->thread, NULL, file_thread, w) != 0)
        return false;
    w->running = true;
    pthread_mutex_lock(&w->mutex);
    add(&w->todo, job);
    pthread_cond_signal(&w->wanted);
    pthread_mutex_unlock(&w->mutex);
    return true;
}

struct apart {
    struct rh_work *work;
    struct rh_job *job;
};

static void *apart_thread(void *arg)
{
    struct apart a = *(struct apart *)arg;

    free(arg);
    a.job->run(a.job);
    pthread_mutex_lock(&a.work->mutex);
    hand_back(a.work, a.job);
    pthread_mutex_unlock(&a.work->mutex);
    leave(a.work);
    return NULL;
}

bool rh_work_apart(struct rh_work *w, struct rh_job *job)
{
    pthread_t thread;
    pthread_attr_t attr;
    struct apart *a = malloc(sizeof *a);

    if (!a)
        return false;
    *a = (struct apart){w, job};
    pthread_mutex_lock(&w->mutex);
    w->users++;
    pthread_mutex_unlock(&w->mutex);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int error = start(&thread, &attr, apart_thread, a);
    pthread_attr_destroy(&attr);
    if (error == 0)
        return true;
    free(a);
    leave(w);
    return false;
}

void rh_work_collect(struct rh_tcp *net)
{
    struct rh_work *w = net->work;
    uint64_t count;

    if (read(w->fd, &count, sizeof count) < 0)
        return;                         /* nothing came back */
    finish_all(w, net);
}

void rh_work_close(struct rh_work *w)
{
    pthread_mutex_lock(&w->mutex);
    w->closed = true;
    pthread_cond_signal(&w->wanted);
    pthread_mutex_unlock(&w->mutex);
    if (w->running)
        pthread_join(w->thread, NULL);
    pthread_mutex_lock(&w->mutex);
    close(w->fd);
    w->fd = -1;
    pthread_mutex_unlock(&w->mutex);
    finish_all(w, NULL);
    leave(w);
}
