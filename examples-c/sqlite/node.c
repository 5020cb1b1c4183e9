/* node.c: a node is opened with the first connection of the owning process, and closed at the end of the process. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "raftlite.h"

enum { REQUEST_MS = 2000, WAIT_MS = 20000, MAX_ROOM = 512 };

static pthread_mutex_t nodes_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rl_node *nodes;

uint64_t rl_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void rl_wait_ms(struct rl_node *n, pthread_cond_t *c, unsigned ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + ms * 1000000ull;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(c, &n->mutex, &t);
}

bool rl_here(const struct rl_node *n) {
    return n->pid == getpid();
}

/* ---- what the host reports ---- */

static void on_role(void *self, const struct rh_role *r) {
    struct rl_node *n = self;
    pthread_mutex_lock(&n->mutex);
    n->leader = r->role == RAFTCORE_ROLE_LEADER;
    n->ready = r->ready;
    n->leader_id = r->leader;
    snprintf(n->leader_address, sizeof n->leader_address, "%s", r->leader_address);
    pthread_cond_broadcast(&n->changed);
    pthread_cond_signal(&n->work);
    pthread_mutex_unlock(&n->mutex);
}

/* Called with the mutex held. */
static void on_last(struct rl_node *n, uint64_t ticket, const struct rh_outcome *o) {
    struct rl_pending *p = &n->pending;
    if (!p->active || p->ticket != ticket || p->verdict != RL_OPEN || o->what == RH_DONE)
        return;
    if (o->what == RH_UNKNOWN) {
        p->unsure = true;
        pthread_cond_signal(&n->work);
        return;
    }
    p->verdict = RL_REFUSED;
    p->active = !p->left;
    snprintf(n->words, sizeof n->words, "a commit was refused, and had no effect: %.120s", o->words);
}

static void on_outcome(void *self, uint64_t ticket, const struct rh_outcome *o) {
    struct rl_node *n = self;
    pthread_mutex_lock(&n->mutex);
    switch (ticket & 7) {
    case RL_TICKET_LAST:
        on_last(n, ticket, o);
        break;
    case RL_TICKET_FENCE:
        n->pending.fencing = false;
        break;
    case RL_TICKET_START:
        n->asking = false;
        if (o->what == RH_READABLE)
            n->serve_at = n->given + 1;
        pthread_cond_signal(&n->work);
        break;
    default: {
        struct rl_waiter *w = (struct rl_waiter *)(uintptr_t)ticket;
        if (w->abandoned) {
            free(w);
            break;
        }
        w->over = true;
        w->what = o->what;
        snprintf(w->words, sizeof w->words, "%.*s", RL_WORDS - 1, o->what == RH_DONE ? "" : o->words ? o->words : "");
    }
    }
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->mutex);
}

enum rh_what rl_wait(struct rl_node *n, int proposed, struct rl_waiter *w) {
    if (proposed != RH_OK) {
        snprintf(w->words, sizeof w->words, "%s", rh_strerror(proposed));
        return w->what = RH_NOT_COMMITTED;
    }
    pthread_mutex_lock(&n->mutex);
    while (!w->over)
        pthread_cond_wait(&n->changed, &n->mutex);
    pthread_mutex_unlock(&n->mutex);
    return w->what;
}

int rl_barrier(struct rl_node *n, char words[RL_WORDS]) {
    struct rl_waiter w = {.over = false};
    enum rh_what what = rl_wait(n, rh_read(n->host, (uintptr_t)&w), &w);
    snprintf(words, RL_WORDS, "%s", w.words);
    if (what != RH_READABLE)
        return SQLITE_BUSY;
    pthread_mutex_lock(&n->mutex);
    uint64_t at = n->given;
    while (n->state.index < at && !n->ending)
        rl_wait_ms(n, &n->changed, 100);
    pthread_mutex_unlock(&n->mutex);
    return SQLITE_OK;
}

static void on_log(void *context, enum rh_level level, const char *text) {
    const struct rl_node *n = context;
    rl_say("node %llu: %s", (unsigned long long)n->id, text);
    (void)level;
}

/* ---- open ---- */

/* Maps the shared page. The lock on the page's file goes with the process. */
static int share(struct rl_node *n, struct rh_words *why) {
    char path[RL_PATH + 32], boot[sizeof n->shared->boot] = "";
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    snprintf(path, sizeof path, "%s/shared", n->dir);
    if (mkdir(n->dir, 0777) != 0 && errno != EEXIST)
        return rh_fail(why, RH_E_IO, "%s cannot be made: %s", n->dir, strerror(errno));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        return rh_fail(why, RH_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    n->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (n->shared == MAP_FAILED)
        return rh_fail(why, RH_E_IO, "%s cannot be mapped: %s", path, strerror(errno));
    n->owner = fcntl(fd, F_SETLK, &lock) == 0; /* the descriptor stays open as long as the process */
    if (!n->owner)
        return RH_OK;
    int from = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (from >= 0 && read(from, boot, sizeof boot - 1) < 0)
        boot[0] = 0;
    if (from >= 0)
        close(from);
    atomic_store(&n->shared->steady, 0);
    memcpy(n->shared->boot, boot, sizeof boot);
    return RH_OK;
}

/* Refuses a file that does not belong to the state. */
static int check_file(struct rl_node *n, bool first_start, bool founds, struct rh_words *why) {
    uint8_t header[100] = {0};
    char beside[RL_PATH + 16];
    struct stat st;
    uint64_t size = rl_file_size(n->file);
    if (!first_start)
        return size > 0 || n->state.content == 0
                   ? RH_OK
                   : rh_fail(why, RH_E_DAMAGED, "%s is empty or new, but the group's log goes on behind entry %llu. Bring the "
                             "file back, or remove this member and start an empty one under a new id",
                             n->path, (unsigned long long)n->state.index);
    if (size > 0 && !founds)
        return rh_fail(why, RH_E_STATE, "%s exists already: a member that joins gets the file from the group, and a new group from the backup", n->path);
    snprintf(beside, sizeof beside, "%s-journal", n->path);
    bool open_work = stat(beside, &st) == 0 && st.st_size > 0;
    snprintf(beside, sizeof beside, "%s-wal", n->path);
    open_work = open_work || (stat(beside, &st) == 0 && st.st_size > 0);
    if (size >= sizeof header)
        n->file->pMethods->xRead(n->file, header, sizeof header, 0);
    if (open_work || header[18] == 2)
        return rh_fail(why, RH_E_STATE, "%s was left in WAL mode or in mid-transaction: first run  sqlite3 %s 'PRAGMA "
                       "journal_mode=delete'", n->path, n->path);
    return RH_OK;
}

/* A power cut must not take the names of the file and of the folder. */
static int sync_names(const struct rl_node *n, struct rh_words *why) {
    char above[RL_PATH];
    snprintf(above, sizeof above, "%s", n->path);
    char *slash = strrchr(above, '/');
    if (slash)
        slash[slash == above] = 0;
    return rl_sync_folder(slash ? above : ".") ? RH_OK : rh_fail(why, RH_E_IO, "the folder of %s cannot be flushed: %s", n->path, strerror(errno));
}

static int open_file(struct rl_node *n, struct rh_words *why) {
    int out;
    n->file = calloc(1, (size_t)n->base->szOsFile);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB;
    if (!n->file || n->base->xOpen(n->base, n->path, n->file, flags, &out) != SQLITE_OK)
        return rh_fail(why, RH_E_IO, "%s cannot be opened", n->path);
    return sync_names(n, why);
}

/* Keeps the settings of a first start, so that later starts need no settings. */
static int remember(const struct rl_node *n, const char *peer, const char *client, struct rh_words *why) {
    char text[3 * MAX_ROOM];
    int len = snprintf(text, sizeof text, "%llu\n%s\n%s\n%s\n", (unsigned long long)n->id, peer, client, n->founder ? "founder" : "");
    return rl_replace(n->dir, "node", text, (size_t)len, why);
}

static void recall(struct rl_node *n, char id[MAX_ROOM], char peer[MAX_ROOM], char client[MAX_ROOM]) {
    char path[RL_PATH + 32], founder[MAX_ROOM] = "", *to[] = {id, peer, client, founder};
    snprintf(path, sizeof path, "%s/node", n->dir);
    FILE *f = fopen(path, "re");
    for (int i = 0; f && i < 4; i++)
        if (fgets(to[i], MAX_ROOM, f))
            to[i][strcspn(to[i], "\n")] = 0;
    if (f)
        fclose(f);
    n->founder = founder[0] != 0;
}

/* A group of one, for tests, at a free port. */
static void settle_alone(char id[MAX_ROOM], char peer[MAX_ROOM]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        snprintf(peer, MAX_ROOM, "127.0.0.1:%u", ntohs(at.sin_port));
    if (fd >= 0)
        close(fd);
    snprintf(id, MAX_ROOM, "1");
}

/* docs/lost-quorum.md */
static int go_alone(const struct rh_options *o, struct rh_words *why) {
    struct rh_words told = {""};
    int code = rh_recover(o->dir, o->group, o->id, &told, why);
    if (code == RH_OK)
        o->log(o->log_context, RH_LOG_WARNING, told.text);
    return code;
}

static int open_host(struct rl_node *n, const char *uri, struct rh_words *why) {
    static const char *const texts[] = {"listen", "tls_ca", "tls_cert", "tls_key", "metrics", "restore"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    char id[MAX_ROOM] = "", peer[MAX_ROOM] = "", client[MAX_ROOM] = "", join[MAX_ROOM], room[TEXTS][MAX_ROOM], number[MAX_ROOM];
    char log_dir[RL_PATH + 32], owner[RL_PATH + 64];
    const char *text[TEXTS];
    struct rh_options o;
    struct stat st;

    recall(n, id, peer, client);
    rl_setting(uri, "id", id, sizeof id);
    rl_setting(uri, "peer", peer, sizeof peer);
    rl_setting(uri, "client", client, sizeof client);
    for (int i = 0; i < TEXTS; i++)
        text[i] = rl_setting(uri, texts[i], room[i], sizeof room[i]);
    snprintf(log_dir, sizeof log_dir, "%s/log", n->dir);
    snprintf(owner, sizeof owner, "%s/owner", log_dir);
    bool first_start = stat(owner, &st) != 0;
    const char *joins = rl_setting(uri, "join", join, sizeof join);
    n->solo = rl_setting(uri, "solo", number, sizeof number) != NULL;
    bool founds = n->solo || rl_setting(uri, "found", number, sizeof number);
    if (n->solo)
        settle_alone(id, peer);

    n->id = strtoull(id, NULL, 10);
    n->wait_ms = rl_setting(uri, "wait", number, sizeof number) ? (unsigned)strtoul(number, NULL, 10) : WAIT_MS;
    rh_options_init(&o, sizeof o);
    o.dir = log_dir;
    o.id = n->id;
    o.peer = peer;
    o.client = client;
    o.listen = text[0];
    o.tls_ca = text[1];
    o.tls_cert = text[2];
    o.tls_key = text[3];
    o.metrics = text[4];
    o.found = first_start && founds;
    o.join = first_start ? joins : NULL;
    o.restore = o.found ? text[5] : NULL;
    o.request_ms = REQUEST_MS;
    if (rl_setting(uri, "tick", number, sizeof number))
        o.tick_ms = (uint32_t)strtoul(number, NULL, 10);
    if (rl_setting(uri, "log_bytes", number, sizeof number))
        o.segment_bytes = o.compaction_bytes = o.keep_bytes = strtoull(number, NULL, 10);
    o.log = on_log;
    o.log_context = n;
    o.log_level = rl_setting(uri, "verbose", number, sizeof number) ? RH_LOG_INFO : RH_LOG_ERROR;
    if (n->id == 0 || !peer[0] || (first_start && !founds && !joins))
        return rh_fail(why, RH_E_ARG, "a first start needs  id=NUMBER&peer=HOST:PORT  and  found=1  or  join=HOST:PORT  in the "
                       "URI, or RAFTLITE_ID, RAFTLITE_PEER and so on in the environment");

    const struct rh_database db = {.struct_size = sizeof db, .self = n, .apply = rl_apply, .applied = rl_applied,
                                   .flush = rl_flush, .snapshot_open = rl_snapshot_open, .snapshot_read = rl_snapshot_read,
                                   .snapshot_close = rl_snapshot_close, .snapshot_load = rl_snapshot_load,
                                   .role = on_role, .outcome = on_outcome};
    int code = rl_state_load(n->dir, &n->state, why);
    if (code >= 0)
        code = open_file(n, why);
    if (code >= 0 && !rl_lock_file(n, true))
        code = rh_fail(why, RH_E_STATE, "closing");
    if (code >= 0)
        code = rl_finish_load(n, why);
    if (code >= 0)
        code = check_file(n, first_start, founds && !o.restore, why);
    if (code >= 0 && n->state.stage_first)
        code = rl_open_stage(n, n->state.stage_first, why);
    n->given = n->state.index;
    n->founder = first_start ? founds : n->founder;
    if (code >= 0)
        code = remember(n, peer, client, why);
    if (code >= 0 && rl_setting(uri, "alone", number, sizeof number))
        code = go_alone(&o, why);
    if (code >= 0)
        code = rh_open(&o, &db, &n->host, why);
    if (code >= 0)
        code = rh_thread(n->host, why);
    if (code >= 0 && pthread_create(&n->applier, NULL, rl_applier, n) != 0)
        code = rh_fail(why, RH_E_NOMEM, "the system has no thread left");
    n->has_applier = code >= 0;
    return code;
}

/* ---- close ---- */

/* Saves how far the file has come, so that the next start need not apply the log again. */
static void node_end(struct rl_node *n) {
    struct rh_words why;
    pthread_mutex_lock(&n->mutex);
    n->ending = true;
    pthread_cond_broadcast(&n->changed);
    pthread_cond_broadcast(&n->work);
    pthread_mutex_unlock(&n->mutex);
    if (n->has_applier)
        pthread_join(n->applier, NULL);
    n->has_applier = false;
    rh_close(n->host, &why);
    n->host = NULL;
    if (n->file && n->file->pMethods && n->file->pMethods->xSync(n->file, SQLITE_SYNC_NORMAL) == SQLITE_OK)
        rl_state_save(n->dir, &n->state, &why);
}

static void node_free(struct rl_node *n) {
    struct rl_node **at = &nodes;
    while (*at && *at != n)
        at = &(*at)->next;
    if (*at)
        *at = n->next;
    for (struct rl_item *i = n->first; i;) {
        struct rl_item *next = i->next;
        free(i);
        i = next;
    }
    if (n->file && n->file->pMethods)
        n->file->pMethods->xClose(n->file);
    if (n->shared && n->shared != MAP_FAILED)
        munmap(n->shared, 4096);
    if (n->stage_fd >= 0)
        close(n->stage_fd);
    rl_scratch_close(&n->tx.pages);
    free(n->tx.bits);
    free(n->file);
    free(n->part);
    free(n);
}

static void end_all(void) {
    for (struct rl_node *n = nodes; n; n = n->next)
        if (n->owner && n->host && rl_here(n))
            node_end(n);
}

static struct rl_node *node_new(sqlite3_vfs *base, const char *path) {
    struct rl_node *n = calloc(1, sizeof *n);
    pthread_condattr_t monotonic;
    if (!n || !(n->part = malloc(RL_HEAD + RL_PART))) {
        free(n);
        return NULL;
    }
    snprintf(n->path, sizeof n->path, "%s", path);
    snprintf(n->dir, sizeof n->dir, "%s-raft", path);
    n->base = base;
    n->pid = getpid();
    n->opened = rl_now_ms();
    n->stage_fd = n->tx.pages.fd = n->loading.fd = -1;
    pthread_mutex_init(&n->mutex, NULL);
    pthread_mutex_init(&n->file_mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &monotonic);
    pthread_cond_init(&n->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return n;
}

static struct rl_node *node_open(sqlite3_vfs *base, const char *path, struct rh_words *why) {
    static bool at_exit;
    if (strlen(path) >= RL_PATH) {
        rh_fail(why, RH_E_ARG, "the path is too long");
        return NULL;
    }
    struct rl_node *n = node_new(base, path);
    int code = n ? share(n, why) : rh_fail(why, RH_E_NOMEM, "no memory");
    if (code == RH_OK && n->owner)
        code = open_host(n, path, why);
    if (code < 0) {
        if (n && n->owner)
            node_end(n);
        if (n)
            node_free(n);
        return NULL;
    }
    n->next = nodes;
    nodes = n;
    if (!at_exit)
        atexit(end_all);
    at_exit = true;
    return n;
}

struct rl_node *rl_node_get(sqlite3_vfs *base, const char *path, struct rh_words *why) {
    pthread_mutex_lock(&nodes_mutex);
    struct rl_node *n = nodes;
    while (n && (strcmp(n->path, path) != 0 || !rl_here(n)))
        n = n->next;
    if (!n)
        n = node_open(base, path, why);
    if (n)
        n->open_files++;
    pthread_mutex_unlock(&nodes_mutex);
    return n;
}

void rl_node_put(struct rl_node *n) {
    pthread_mutex_lock(&nodes_mutex);
    n->open_files--;
    if (n->open_files == 0 && rl_here(n) && (n->solo || !n->owner)) {
        if (n->owner)
            node_end(n);
        node_free(n);
    }
    pthread_mutex_unlock(&nodes_mutex);
}

struct rl_node *rl_node_of(const char *path, const char *suffix) {
    size_t len = strlen(path), tail = strlen(suffix);
    if (len <= tail || strcmp(path + len - tail, suffix) != 0)
        return NULL;
    pthread_mutex_lock(&nodes_mutex);
    struct rl_node *n = nodes;
    while (n && (strlen(n->path) != len - tail || strncmp(n->path, path, len - tail) != 0 || !rl_here(n)))
        n = n->next;
    pthread_mutex_unlock(&nodes_mutex);
    return n;
}
