/*
 * store.c: a key-value store in memory, replicated. A thread for each client, and the loop of the library.
 *
 *     store DIR ID PEER CLIENT [found | join ADDRESS]      ADDRESS: the PEER of any member
 *
 * A client sends lines to CLIENT and gets a line for each, from any member:
 *
 *     SET KEY VALUE, DEL KEY    OK            GET KEY   the value, or (nil)
 *     PROMOTE, REMOVE, LEAD ID  OK            STATUS    leader, applied, keys, a hash of all of them
 *
 * "not committed" or "unknown" say what became of a request. tests/host/store.py kills members of the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raftcore_host.h"

enum { SLOTS = 1 << 16 };

struct item { struct item *next; uint32_t len[2]; uint8_t bytes[]; }; /* of the key, then of the value */
struct client { int fd; sem_t answered; enum rh_what what; char words[200]; };

static struct item *slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the items: clients read them */
static struct { FILE *file; char *at; size_t len, read; } view, loading; /* of a snapshot */
static struct rh_host *host;
static volatile sig_atomic_t stopped;

/* ---- the items ---- */

static uint64_t hash_of(const void *bytes, size_t len) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return h;
}

/* Returns the place of a key's item. *place is NULL if there is none. */
static struct item **find(const void *key, size_t len) {
    struct item **place = &slots[hash_of(key, len) % SLOTS];
    while (*place && ((*place)->len[0] != len || memcmp((*place)->bytes, key, len) != 0))
        place = &(*place)->next;
    return place;
}

static void drop(struct item **place) {
    struct item *old = *place;
    *place = old ? old->next : NULL;
    free(old);
}

/* bytes: the key, then the value. */
static bool set(const uint8_t *bytes, uint32_t key_len, uint32_t value_len) {
    struct item *it = malloc(sizeof *it + key_len + value_len), **place = find(bytes, key_len);
    if (!it)
        return false;
    drop(place);
    it->next = *place;
    it->len[0] = key_len;
    it->len[1] = value_len;
    memcpy(it->bytes, bytes, (size_t)key_len + value_len);
    *place = it;
    return true;
}

/* ---- the database's functions. An entry: 'S' or 'D', the length of the key, the key, the value ---- */

static bool apply_one(const uint8_t *data, size_t len) {
    size_t key_len = len > 1 ? data[1] : len;
    if (len < 2 + key_len)
        return true; /* not of this program: nothing changes, on any member */
    if (data[0] == 'S')
        return set(data + 2, (uint32_t)key_len, (uint32_t)(len - 2 - key_len));
    drop(find(data + 2, key_len));
    return true;
}

static int apply(void *db, struct rh_entry *e, size_t n, struct rh_words *why) {
    bool ok = true;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; ok && i < n; i++)
        ok = apply_one(e[i].data.ptr, e[i].data.len);
    pthread_mutex_unlock(&lock);
    return ok ? 0 : rh_fail(why, RH_E_NOMEM, "no memory for a value");
}

static int applied(void *db, uint64_t *index, struct rh_words *why) {
    *index = 0; /* in memory: the library brings back a snapshot, and the log behind it */
    return 0;
}

static int snapshot_open(void *db, void **v, uint64_t *index, struct rh_words *why) {
    FILE *f = open_memstream(&view.at, &view.len);
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < SLOTS; i++)
        for (struct item *it = slots[i]; ok && it; it = it->next)
            ok = fwrite(it->len, 8, 1, f) == 1 && fwrite(it->bytes, (size_t)it->len[0] + it->len[1], 1, f) == 1;
    view.read = 0;
    if (f && fclose(f) == 0 && ok)
        return 0;
    free(view.at);
    return rh_fail(why, RH_E_NOMEM, "no memory for a snapshot");
}

static int snapshot_read(void *db, void *v, void *to, size_t cap, size_t *got, struct rh_words *why) {
    *got = view.len - view.read < cap ? view.len - view.read : cap;
    memcpy(to, view.at + view.read, *got);
    view.read += *got;
    return 0;
}

static void snapshot_close(void *db, void *v) {
    free(view.at);
}

static bool load(const uint8_t *bytes, size_t left) {
    for (size_t i = 0; i < SLOTS; i++)
        while (slots[i])
            drop(&slots[i]);
    for (uint32_t len[2]; left >= 8; bytes += 8 + (size_t)len[0] + len[1], left -= 8 + (size_t)len[0] + len[1]) {
        memcpy(len, bytes, 8);
        if ((size_t)len[0] + len[1] > left - 8 || !set(bytes + 8, len[0], len[1]))
            return false;
    }
    return left == 0;
}

static int snapshot_load(void *db, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why) {
    bool ok = true;
    if (what == RH_LOAD_BEGIN)
        ok = (loading.file = open_memstream(&loading.at, &loading.len)) != NULL;
    else if (what == RH_LOAD_DATA)
        ok = fwrite(bytes, len, 1, loading.file) == 1;
    else if (loading.file) {
        ok = fclose(loading.file) == 0;
        pthread_mutex_lock(&lock);
        ok = ok && (what == RH_LOAD_ABORT || load((const uint8_t *)loading.at, loading.len));
        pthread_mutex_unlock(&lock);
        free(loading.at);
        loading.file = NULL;
    }
    return ok ? 0 : rh_fail(why, RH_E_NOMEM, "the snapshot of index %" PRIu64 " cannot be taken", index);
}

static void outcome(void *db, uint64_t ticket, const struct rh_outcome *o) {
    struct client *c = (struct client *)(uintptr_t)ticket;
    c->what = o->what;
    snprintf(c->words, sizeof c->words, "%s", o->words);
    sem_post(&c->answered);
}

/* ---- clients ---- */

static void get(int fd, const char *key) {
    char *text = NULL; /* a copy: a slow client must not hold the lock */
    pthread_mutex_lock(&lock);
    struct item *it = *find(key, strlen(key));
    if (it && asprintf(&text, "%.*s", (int)it->len[1], it->bytes + it->len[0]) < 0)
        text = NULL;
    pthread_mutex_unlock(&lock);
    dprintf(fd, "%s\n", text ? text : it ? "no memory" : "(nil)");
    free(text);
}

static int status(int fd) {
    struct rh_status s = {.struct_size = sizeof s};
    uint64_t keys = 0, hash = 0;
    rh_get_status(host, &s);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SLOTS; i++)
        for (struct item *it = slots[i]; it; it = it->next, keys++)
            hash ^= hash_of(it->bytes, (size_t)it->len[0] + it->len[1]);
    pthread_mutex_unlock(&lock);
    dprintf(fd, "leader %" PRIu64 " voter %d applied %" PRIu64 " keys %" PRIu64 " hash %" PRIu64 " snapshot %" PRIu64 "\n",
            s.core.leader, s.voter, s.core.applied, keys, hash, s.snapshot_index);
    return RH_NONE;
}

static int change(char kind, char *key, uint64_t ticket) {
    char *end = strchrnul(key, ' '), *value = *end ? end + 1 : end;
    const uint8_t head[2] = {(uint8_t)kind, (uint8_t)(end - key)};
    const raftcore_slice parts[] = {{head, 2}, {(uint8_t *)key, head[1]}, {(uint8_t *)value, strlen(value)}};
    return end - key <= UINT8_MAX ? rh_propose(host, parts, 3, NULL, ticket) : RH_E_ARG;
}

/* Starts a request. RH_OK: its outcome comes. RH_NONE: answered. */
static int start(struct client *c, char *line) {
    uint64_t id, ticket = (uintptr_t)c;
    char word[8] = "";
    if (strncmp(line, "SET ", 4) == 0 || strncmp(line, "DEL ", 4) == 0)
        return change(line[0], line + 4, ticket);
    if (strncmp(line, "GET ", 4) == 0)
        return rh_read(host, ticket);
    if (strcmp(line, "STATUS") == 0)
        return status(c->fd);
    if (sscanf(line, "%7s %" SCNu64, word, &id) != 2)
        return RH_E_ARG;
    return strcmp(word, "PROMOTE") == 0 ? rh_promote(host, id, ticket)
         : strcmp(word, "REMOVE") == 0  ? rh_remove(host, id, ticket)
         : strcmp(word, "LEAD") == 0    ? rh_transfer(host, id, ticket) : RH_E_ARG;
}

static void *serve(void *client) {
    struct client *c = client;
    FILE *in = fdopen(c->fd, "r");
    char *line = NULL;
    for (size_t cap = 0; in && getline(&line, &cap, in) > 0;) {
        line[strcspn(line, "\r\n")] = 0;
        int code = start(c, line);
        while (code == RH_OK && sem_wait(&c->answered) != 0)
            ;
        if (code < 0)
            dprintf(c->fd, "not committed: %s\n", rh_strerror(code));
        else if (code == RH_OK && c->what == RH_READABLE)
            get(c->fd, line + 4);
        else if (code == RH_OK)
            dprintf(c->fd, c->what == RH_DONE ? "OK\n" : "%s: %s\n", rh_what_text(c->what), c->words);
    }
    if (in)
        fclose(in);
    free(line);
    free(c);
    return NULL;
}

static void *accept_all(void *listener) {
    pthread_t thread;
    while (!stopped) {
        struct client *c = calloc(1, sizeof *c);
        int fd = accept((int)(intptr_t)listener, NULL, NULL);
        if (c && fd >= 0 && sem_init(&c->answered, 0, 0) == 0 && (c->fd = fd) >= 0 &&
            pthread_create(&thread, NULL, serve, c) == 0) {
            pthread_detach(thread);
            continue;
        }
        free(c);
        close(fd);
        usleep(fd < 0 ? 100000 : 0); /* no descriptor is left */
    }
    return NULL;
}

/* ---- the process ---- */

static int listen_at(const char *address) {
    const char *port = strrchr(address, ':');
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port ? port + 1 : "0"))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

static void stop(int number) {
    stopped = 1;
}

static void say(void *context, enum rh_level level, const char *text) {
    fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv) {
    const struct rh_database db = {.struct_size = sizeof db, .apply = apply, .applied = applied, .outcome = outcome,
                                   .snapshot_open = snapshot_open, .snapshot_read = snapshot_read,
                                   .snapshot_close = snapshot_close, .snapshot_load = snapshot_load};
    struct rh_words why = {"store DIR ID PEER CLIENT [found | join ADDRESS]"};
    struct rh_options o;
    pthread_t thread;
    rh_options_init(&o, sizeof o);
    if (argc > 4) {
        o.dir = argv[1];
        o.id = strtoull(argv[2], NULL, 10);
        o.peer = argv[3];
        o.client = argv[4];
    }
    o.found = argc == 6 && strcmp(argv[5], "found") == 0;
    o.join = argc == 7 && strcmp(argv[5], "join") == 0 ? argv[6] : NULL;
    o.log = say;
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    int listener = o.client ? listen_at(o.client) : -1, code = listener >= 0 ? rh_open(&o, &db, &host, &why) : RH_E_ARG;
    if (code == RH_OK && pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener) != 0)
        stopped = 1;
    while (code == RH_OK && !stopped) {
        poll(&(struct pollfd){.fd = rh_fd(host), .events = POLLIN}, 1, rh_timeout_ms(host));
        code = rh_turn(host, &why);
    }
    if (code < 0)
        fprintf(stderr, "store: %s\n", why.text);
    rh_close(host, &why);
    return code < 0;
}
