/* admin.c: RAFT.ADD, ADDRESS, PROMOTE, REMOVE and TRANSFER, which are commands of the library; RAFT.STATUS, INFO, metrics. */
#include <unistd.h>

#include "command.h"
#include "host.h"
#include "resp.h"

enum { WORDS_MAX = 5, SPARE = 512 };

void run_admin(struct request *r, struct buf *out) {
    slice words[WORDS_MAX + 1];
    struct rh_words why = {""};
    size_t n = r->n_args <= WORDS_MAX ? r->n_args : WORDS_MAX + 1;     /* with a word too many the library names the right ones */
    memcpy(words, r->arg, n * sizeof *words);
    words[0] = slice_of(r->arg[0].ptr + 5, r->arg[0].len - 5);          /* without RAFT. */
    if (rh_command(kv.host, words, n, (uint64_t)(uintptr_t)r, &why) == RH_OK)
        r->state = REQUEST_WAITING;
    else
        resp_error(out, "ERR %s", why.text);
}

void admin_outcome(struct request *r, const struct rh_outcome *o) {
    struct rh_status s = {.struct_size = sizeof s};
    rh_get_status(kv.host, &s);
    if (o->what == RH_DONE)
        resp_simple(&r->reply, "OK");
    else
        resp_error(&r->reply, "%s %s", o->what == RH_UNKNOWN ? "UNKNOWN" : s.core.leader == 0 ? "TRYAGAIN" : "ERR", o->words);
    request_done(r, REQUEST_DONE);
}

static void status_text(struct buf *text) {
    struct rh_map_info data = rh_map_info(kv.map);
    size_t room = rh_status_text(kv.host, NULL, 0) + SPARE;     /* numbers may grow meanwhile */
    size_t len = rh_status_text(kv.host, (char *)buf_room(text, room), room);
    text->end += len < room ? len : room - 1;
    buf_printf(text, "keys:%llu\r\ndata_hash:%016llx\r\n", (ull)data.keys, (ull)data.hash);
}

void run_status(struct request *r, struct buf *out) {
    struct buf text = {0};
    status_text(&text);
    resp_bulk(out, buf_slice(&text));
    buf_free(&text);
}

/* Numbers of INFO, and of the metrics where there is a type. */
static const struct count { const char *info, *metric, *type; const uint64_t *value; } counts[] = {
    {"connected_clients", "clients", "gauge", &clients_count.now},
    {"maxclients", "", NULL, &clients_count.most},
    {"total_connections_received", "", NULL, &clients_count.accepted},
    {"rejected_connections", "", NULL, &clients_count.refused},
    {"total_commands_processed", "commands_total", "counter", &clients_count.commands},
    {"writes_proposed", "writes_total", "counter", &kv.n_writes},
    {"reads_asked", "reads_total", "counter", &kv.n_reads},
    {"outcomes_unknown", "unknown_total", "counter", &kv.n_unknown},
    {"entries_applied", "", NULL, &kv.n_applied},
};
enum { COUNTS = sizeof counts / sizeof counts[0], OF_CLIENTS = 2 };

void run_info(struct request *r, struct buf *out) {
    struct buf text = {0};          /* a section may be named; INFO returns the whole */
    uint64_t keys = rh_map_info(kv.map).keys;
    buf_printf(&text, "# Server\r\nserver:raftcore-kv\r\nraftcore_version:%s\r\nprocess_id:%ld\r\n\r\n# Clients\r\n",
               raftcore_version_string(), (long)getpid());
    for (size_t i = 0; i < COUNTS; i++)
        buf_printf(&text, "%s%s:%llu\r\n", i == OF_CLIENTS ? "\r\n# Stats\r\n" : "", counts[i].info, (ull)*counts[i].value);
    buf_printf(&text, "\r\n# Raft\r\n");
    status_text(&text);
    buf_printf(&text, "\r\n# Keyspace\r\n");
    if (keys > 0)
        buf_printf(&text, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (ull)keys);
    resp_bulk(out, buf_slice(&text));
    buf_free(&text);
}

size_t kv_metrics(void *context, char *to, size_t cap) {
    struct buf text = {0};
    buf_printf(&text, "# TYPE raftcore_kv_keys gauge\nraftcore_kv_keys %llu\n", (ull)rh_map_info(kv.map).keys);
    for (const struct count *c = counts; c < counts + COUNTS; c++)
        if (c->type)
            buf_printf(&text, "# TYPE raftcore_kv_%s %s\nraftcore_kv_%s %llu\n", c->metric, c->type, c->metric, (ull)*c->value);
    size_t len = buf_len(&text);
    if (cap > 0)
        snprintf(to, cap, "%.*s", (int)len, (const char *)text.ptr);
    buf_free(&text);
    return len;
}
