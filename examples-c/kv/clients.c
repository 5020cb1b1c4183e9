/* clients.c: client connections: bytes in, requests through the line, replies out. */
#define _GNU_SOURCE
#include "clients.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "host.h"
#include "resp.h"

enum {
    CLIENTS_MAX = 10000,            /* or fewer, by the limit on open files */
    OTHER_FILES = 128,              /* peers, the database, the log */
    FILES_LEAST = OTHER_FILES / 2,
    LINE_MAX = 1024,                /* unanswered requests of a client; the server reads no more meanwhile */
    LINE_BYTES = 16 * 1024 * 1024,
    CLIENT_OUT_MAX = 1024 * 1024,   /* unread replies of a client; the server serves no more meanwhile */
};

struct client {
    struct watch watch;
    struct client *next, **link;
    struct client *next_runnable;
    bool runnable;
    bool closing;                   /* once line and buffer are empty */
    struct buf in, out;
    size_t need;                    /* bytes of input before parsing makes sense again */
    struct request *head, *last;    /* the line */
    struct request *unissued;       /* the first request that the library has not seen, or NULL */
    size_t count, bytes;
    size_t writes, others;          /* issued and not answered */
};

struct clients_count clients_count;
static struct watch listener;
static struct client *first, *runnable;
static bool stopping;

static void wake(struct client *c) {
    if (c->runnable)
        return;
    c->runnable = true;
    c->next_runnable = runnable;
    runnable = c;
}

static void request_free(struct request *r) {
    buf_free(&r->op);
    buf_free(&r->reply);
    free(r);
}

void request_done(struct request *r, enum request_state state) {
    r->state = state;
    if (r->client)
        wake(r->client);
    else
        request_free(r);
}

static bool is_write(const struct request *r) {
    return !r->command || r->command->kind == COMMAND_WRITE;
}

static void line_add(struct client *c, struct request *r) {
    r->client = c;
    if (c->last)
        c->last->next = r;
    else
        c->head = r;
    c->last = r;
    if (!c->unissued)
        c->unissued = r;
    c->bytes += r->size;
    c->count++;
}

static void line_take(struct client *c) {
    struct request *r = c->head;
    if (r == c->unissued)
        c->unissued = r->next;
    else if (is_write(r))
        c->writes--;
    else
        c->others--;
    c->head = r->next;
    if (!c->head)
        c->last = NULL;
    c->bytes -= r->size;
    c->count--;
    request_free(r);
}

static void close_client(struct client *c) {
    if (c->watch.fd < 0)
        return;
    loop_close(&c->watch);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    clients_count.now--;
    if (!stopping)
        loop_set(&listener, EPOLLIN);       /* a descriptor is free again */
    for (struct request *r = c->head, *next; r; r = next) {
        next = r->next;
        r->client = NULL;
        if (r->state != REQUEST_WAITING)
            request_free(r);
    }
    buf_free(&c->in);
    buf_free(&c->out);
    if (!c->runnable)
        loop_free(c);               /* else clients_run() frees the client */
}

static bool may_parse(const struct client *c) {
    return !c->closing && !stopping && c->count < LINE_MAX && c->bytes < LINE_BYTES;
}

/* Requests out of the input, as many as the limits allow. */
static void parse(struct client *c) {
    static struct resp_args args;
    while (may_parse(c) && buf_len(&c->in) > c->need) {
        enum resp_result result = resp_parse(buf_slice(&c->in), &args);
        struct request *r = NULL;
        if (result == RESP_MORE) {
            c->need = args.need > buf_len(&c->in) ? args.need - 1 : buf_len(&c->in);
            return;
        }
        if (result == RESP_BAD)
            r = command_refused("ERR Protocol error: %s", args.why);
        else if (args.n > 0)
            r = command_request(args.arg, args.n);
        clients_count.commands += r != NULL;
        if (r)
            line_add(c, r);
        buf_consume(&c->in, args.used);
        c->need = 0;
        c->closing = result == RESP_BAD || (r && r->command && r->command->kind == COMMAND_QUIT);
    }
}

/* Serves the head of the line if the head has an answer, or can get an answer now. */
static bool serve(struct client *c) {
    size_t before = c->count;
    while (c->head && buf_len(&c->out) < CLIENT_OUT_MAX) {
        struct request *r = c->head;
        if (r->state == REQUEST_READY || (r->state == REQUEST_NEW && r->command->kind != COMMAND_READ && !is_write(r))) {
            r->state = REQUEST_DONE;
            r->command->run(r, &c->out);
        }
        if (r->state != REQUEST_DONE)
            break;                  /* with the library, or to be issued; RAFT.ADD and the like have just begun to wait */
        buf_add(&c->out, r->reply.ptr + r->reply.start, buf_len(&r->reply));
        line_take(c);
    }
    return c->count != before;
}

/* A read must not see a later write. And a read asked for before a write is done may miss the write: a follower passes
 * the write on, and applies the entry later than the leader. */
static void issue(struct client *c) {
    for (; c->unissued; c->unissued = c->unissued->next) {
        struct request *r = c->unissued;
        if (is_write(r) ? c->others > 0 : c->writes > 0)
            return;
        if (is_write(r))
            c->writes++;
        else
            c->others++;
        if (r->state != REQUEST_NEW)
            continue;
        if (is_write(r))
            host_write(r);
        else if (r->command->kind == COMMAND_READ)
            host_read(r);
    }
}

static void run(struct client *c) {
    do {
        parse(c);
        issue(c);
    } while (serve(c));
    issue(c);
    if (!net_write(&c->watch, &c->out) || (c->closing && !c->head && buf_len(&c->out) == 0)) {
        close_client(c);
        return;
    }
    bool read = may_parse(c) && buf_len(&c->out) < CLIENT_OUT_MAX;
    loop_set(&c->watch, (read ? EPOLLIN : 0u) | (buf_len(&c->out) > 0 ? EPOLLOUT : 0u));
}

void clients_run(void) {
    while (runnable) {
        struct client *c = runnable;
        runnable = c->next_runnable;
        c->runnable = false;
        if (c->watch.fd >= 0)
            run(c);
        else
            loop_free(c);
    }
}

static void on_event(struct watch *w, uint32_t events) {
    struct client *c = container_of(w, struct client, watch);
    if ((events & (EPOLLHUP | EPOLLERR)) || ((events & EPOLLIN) && !net_read(w, &c->in, RESP_REQUEST_MAX))) {
        close_client(c);
        return;
    }
    wake(c);                        /* served after the turn, together with other clients */
    parse(c);
    issue(c);
}

static void on_listener(struct watch *w, uint32_t events) {
    static const char full[] = "-ERR max number of clients reached\r\n";
    int fd;
    while ((fd = net_accept(w->fd)) >= 0) {
        if (clients_count.now >= clients_count.most) {
            clients_count.refused++;
            if (send(fd, full, sizeof full - 1, MSG_NOSIGNAL) < 0)
                note("a client too many is gone already");
            close(fd);
            continue;
        }
        struct client *c = xcalloc(1, sizeof *c);
        c->watch = (struct watch){.fd = fd, .fn = on_event};
        c->next = first;
        c->link = &first;
        if (c->next)
            c->next->link = &c->next;
        first = c;
        clients_count.now++;
        clients_count.accepted++;
        loop_add(&c->watch, EPOLLIN);
    }
    if (errno == EMFILE || errno == ENFILE) {   /* the waiting client would keep the listener ready for ever */
        note("no descriptor is left for a client: %s", strerror(errno));
        loop_set(w, 0);
    }
}

/* accept() that fails for want of a descriptor would leave the listener ready for ever: stay below. */
void clients_limit(void) {
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < FILES_LEAST)
        die("%llu files may be open, at least %d are needed: ulimit -n", (ull)files.rlim_cur, FILES_LEAST);
    clients_count.most = files.rlim_cur < 2 * OTHER_FILES             ? files.rlim_cur / 4
                         : files.rlim_cur < CLIENTS_MAX + OTHER_FILES ? files.rlim_cur - OTHER_FILES
                                                                      : CLIENTS_MAX;
}

void clients_open(const char *listen) {
    struct rh_words why = {""};
    listener = (struct watch){.fn = on_listener};
    if (rh_listen(listen, &listener.fd, &why) != RH_OK)
        die("%s", why.text);
    loop_add(&listener, EPOLLIN);
}

void clients_stop(void) {
    stopping = true;
    loop_close(&listener);
}

void clients_close(void) {
    for (struct client *c = first; c; c = c->next)
        wake(c);
    clients_run();
    while (first)
        close_client(first);
}
