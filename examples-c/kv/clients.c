/*
 * clients.c: client connections: bytes in, requests through the line, replies out.
 */
#define _GNU_SOURCE
#include "clients.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "forward.h"

struct clients clients;

static void wake(struct client *c)
{
    if (c->runnable)
        return;
    c->runnable = true;
    c->next_runnable = clients.runnable;
    clients.runnable = c;
}

void request_free(struct request *r)
{
    buf_free(&r->op);
    buf_free(&r->reply);
    free(r);
}

static void request_move(struct request *r, enum request_state state)
{
    r->state = state;
    if (r->client)
        wake(r->client);
    else if (r->origin)
        forward_reply(r);
    else
        request_free(r);
}

void request_finished(struct request *r)
{
    request_move(r, REQUEST_DONE);
}

void request_readable(struct request *r)
{
    request_move(r, REQUEST_READY);
}

static bool is_write(const struct request *r)
{
    return !r->command || r->command->kind == COMMAND_WRITE;
}

static void line_add(struct client *c, struct request *r)
{
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

static void line_take(struct client *c)
{
    struct request *r = c->head;

    if (r == c->unissued)
        c->unissued = r->next;      /* the host has never seen the request */
    else if (!is_write(r))
        c->others--;
    c->head = r->next;
    if (!c->head)
        c->last = NULL;
    c->bytes -= r->size;
    c->count--;
    request_free(r);
}

static void close_client(struct client *c)
{
    if (c->watch.fd < 0)
        return;
    loop_close(&c->watch);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    clients.count--;
    for (struct request *r = c->head, *next; r; r = next) {
        next = r->next;
        r->client = NULL;
        if (r->state != REQUEST_WAITING)
            request_free(r);        /* the host frees a waiting request when the request ends */
    }
    buf_free(&c->in);
    buf_free(&c->out);
    if (!c->runnable)
        loop_free(c);               /* else clients_run() frees the client */
}

static bool may_parse(const struct client *c)
{
    return !c->closing && !clients.host->stopping && c->count < LINE_MAX && c->bytes < LINE_BYTES;
}

/* Requests out of the input, as many as the limits allow. */
static void parse(struct client *c)
{
    static struct resp_args args;

    while (may_parse(c) && buf_len(&c->in) > c->need) {
        struct request *r;
        switch (resp_parse(buf_slice(&c->in), &args)) {
        case RESP_MORE:
            c->need = args.need > buf_len(&c->in) ? args.need - 1 : buf_len(&c->in);
            return;
        case RESP_BAD:
            r = command_refused("ERR Protocol error: %s", args.why);
            c->closing = true;
            break;
        default:
            if (args.n == 0) {
                buf_consume(&c->in, args.used);
                c->need = 0;
                continue;
            }
            r = command_request(args.arg, args.n);
            clients.commands++;
            break;
        }
        line_add(c, r);
        buf_consume(&c->in, args.used);
        c->need = 0;
        if (r->command && r->command->kind == COMMAND_QUIT)
            c->closing = true;      /* the rest of the input is ignored */
    }
}

/* Serves the head of the line if the head has an answer, or can get an answer now. */
static bool serve(struct client *c)
{
    size_t before = c->count;

    while (c->head && buf_len(&c->out) < CLIENT_OUT_MAX) {
        struct request *r = c->head;
        if (r->state == REQUEST_READY || (r->state == REQUEST_NEW && r->command->kind != COMMAND_READ && !is_write(r))) {
            r->state = REQUEST_DONE;
            r->command->run(clients.host, r, &c->out);
        }
        if (r->state != REQUEST_DONE)
            break;                  /* with the host, or to be issued; RAFT.ADD and the like have just begun to wait */
        buf_add(&c->out, r->reply.ptr + r->reply.start, buf_len(&r->reply));
        line_take(c);
    }
    return c->count != before;
}

static void issue(struct client *c)
{
    for (; c->unissued; c->unissued = c->unissued->next) {
        struct request *r = c->unissued;
        if (is_write(r) && c->others > 0)
            return;                 /* an earlier request must not see the write */
        if (!is_write(r))
            c->others++;
        if (r->state != REQUEST_NEW)
            continue;
        if (is_write(r))
            host_write(clients.host, r);
        else if (r->command->kind == COMMAND_READ)
            host_read(clients.host, r);
    }
}

static void run(struct client *c)
{
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

void clients_run(void)
{
    while (clients.runnable) {
        struct client *c = clients.runnable;
        clients.runnable = c->next_runnable;
        c->runnable = false;
        if (c->watch.fd >= 0)
            run(c);
        else
            loop_free(c);
    }
}

static void on_event(struct watch *w, uint32_t events)
{
    struct client *c = container_of(w, struct client, watch);

    if ((events & (EPOLLHUP | EPOLLERR)) || ((events & EPOLLIN) && !net_read(w, &c->in, RESP_REQUEST_MAX))) {
        close_client(c);
        return;
    }
    wake(c);                        /* served after the pump, together with the others */
    parse(c);
    issue(c);
}

static void on_listener(struct watch *w, uint32_t events)
{
    static const char full[] = "-ERR max number of clients reached\r\n";
    int fd;

    (void)events;
    while ((fd = net_accept(w->fd)) >= 0) {
        if (clients.count >= clients.most) {
            if (send(fd, full, sizeof full - 1, MSG_NOSIGNAL) < 0)
                clients.refused++;  /* closing already */
            close(fd);
            continue;
        }
        struct client *c = xcalloc(1, sizeof *c);
        c->watch = (struct watch){.fd = fd, .fn = on_event};
        c->next = clients.first;
        c->link = &clients.first;
        if (c->next)
            c->next->link = &c->next;
        clients.first = c;
        clients.count++;
        clients.accepted++;
        loop_add(&c->watch, EPOLLIN);
    }
}

void clients_open(struct host *h, const char *listen)
{
    struct rlimit files;

    /* accept() that fails for want of a descriptor would leave the listener ready for ever: stay below. */
    clients.most = CLIENTS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < CLIENTS_MAX + OTHER_FILES)
        clients.most = files.rlim_cur > 2 * OTHER_FILES ? files.rlim_cur - OTHER_FILES : OTHER_FILES / 2;
    clients.host = h;
    clients.listener = (struct watch){.fd = net_listen(listen), .fn = on_listener};
    loop_add(&clients.listener, EPOLLIN);
}

void clients_stop(void)
{
    loop_close(&clients.listener);
}

void clients_close(void)
{
    for (struct client *c = clients.first; c; c = c->next)
        wake(c);
    clients_run();
    while (clients.first)
        close_client(clients.first);
}
