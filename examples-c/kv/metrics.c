/* metrics.c: the metrics of the library and of kv, by HTTP. A connection has a single request, of any kind. */
#include "metrics.h"

#include <stdlib.h>
#include <unistd.h>

#include "host.h"

enum { REQUEST_MAX = 16 * 1024, SCRAPES_MAX = 8 };

struct scrape {
    struct watch watch;
    struct buf in, out;
};

static struct watch listener;
static size_t n_scrapes;

static void answer(struct buf *out) {
    struct buf text = {0};
    const struct { const char *name, *type; uint64_t value; } own[] = {
        {"keys", "gauge", kv.data.now.state.keys}, {"clients", "gauge", clients_count.now},
        {"commands_total", "counter", clients_count.commands}, {"writes_total", "counter", kv.n_writes},
        {"reads_total", "counter", kv.n_reads}, {"unknown_total", "counter", kv.n_unknown},
    };
    size_t len = rh_metrics(kv.host, NULL, 0);
    len = rh_metrics(kv.host, (char *)buf_room(&text, len + 1024), len + 1024);
    text.end += len;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        buf_printf(&text, "# TYPE raftcore_kv_%s %s\nraftcore_kv_%s %llu\n", own[i].name, own[i].type, own[i].name,
                   (ull)own[i].value);
    buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n"
                    "Connection: close\r\n\r\n", buf_len(&text));
    buf_add(out, text.ptr, buf_len(&text));
    buf_free(&text);
}

static void on_scrape(struct watch *w, uint32_t events) {
    struct scrape *s = container_of(w, struct scrape, watch);
    bool alive = !(events & (EPOLLERR | EPOLLHUP)) && (!(events & EPOLLIN) || net_read(w, &s->in, REQUEST_MAX));
    if (alive && buf_len(&s->out) == 0 && buf_len(&s->in) > 3 &&
        memcmp(s->in.ptr + s->in.end - 4, "\r\n\r\n", 4) == 0)
        answer(&s->out);
    bool asked = buf_len(&s->out) > 0;
    if (alive && net_write(w, &s->out) && (!asked || buf_len(&s->out) > 0) && buf_len(&s->in) < REQUEST_MAX) {
        loop_set(w, asked ? EPOLLOUT : EPOLLIN);
        return;
    }
    loop_close(w);
    loop_free(s);
    buf_free(&s->in);
    buf_free(&s->out);
    n_scrapes--;
}

static void on_listener(struct watch *w, uint32_t events) {
    int fd = net_accept(w->fd);
    if (fd < 0)
        return;
    if (n_scrapes >= SCRAPES_MAX) {
        close(fd);
        return;
    }
    struct scrape *s = xcalloc(1, sizeof *s);
    s->watch = (struct watch){.fd = fd, .fn = on_scrape};
    n_scrapes++;
    loop_add(&s->watch, EPOLLIN);
}

void metrics_open(const char *listen) {
    listener = (struct watch){.fd = net_listen(listen), .fn = on_listener};
    loop_add(&listener, EPOLLIN);
}
