/* sim_node.c: starts, stops and crashes the simulator's nodes. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

static void want_flush(void *self)
{
    struct sim_node *n = self;

    if (!n->flush_due)
        n->flush_due = sim.now + 100 + random_below(&sim.random, 10 * MS);
}

static void want_job(void *self)
{
    struct sim_node *n = self;

    n->job_due = sim.now + 100 + random_below(&sim.random, 50 * MS);
}

/* ---- a log store of our own: the file log behind a vtable that can fail ---- */

static int log_boot(void *self, struct rh_boot *out, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->inner.ops->boot(l->inner.self, out, why);
}

static int log_append(void *self, const struct rh_batch *b, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->inner.ops->append(l->inner.self, b, why);
}

static int log_sync(void *self, uint64_t *number, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->fail ? rh_fail(why, RH_E_IO, "the disk fails, says the test") : l->inner.ops->sync(l->inner.self, number, why);
}

static int log_read(void *self, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->inner.ops->read(l->inner.self, first, last, io, why);
}

static int log_compact(void *self, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->inner.ops->compact(l->inner.self, upto, hold, before, why);
}

static int log_space(void *self, struct rh_space *out, struct rh_words *why)
{
    struct sim_log *l = self;
    int code = l->inner.ops->space(l->inner.self, out, why);

    out->level = l->level;
    return code;
}

static int log_close(void *self, struct rh_words *why)
{
    struct sim_log *l = self;

    return l->inner.ops->close(l->inner.self, why);
}

static const struct rh_log_ops log_ops = {
    .struct_size = sizeof log_ops,
    .boot = log_boot,
    .append = log_append,
    .sync = log_sync,
    .read = log_read,
    .compact = log_compact,
    .space = log_space,
    .close = log_close,
};

static void say(void *context, enum rh_level level, const char *text)
{
    struct sim_node *n = context;

    if (level == RH_LOG_ERROR)
        snprintf(n->last_words, sizeof n->last_words, "%s", text);
    if (getenv("SAY"))
        printf("%8.3f node %llu %d: %s\n", (double)sim.now / 1e6, (unsigned long long)n->db.id, level, text);
}

void sim_start(uint64_t id, bool found, const char *join)
{
    struct sim_node *n = &sim.nodes[id];
    struct rh_options o;
    struct rh_words why = {""};
    struct rh_database db = sim_database;
    const struct rh_log_file_options log = {.segment_bytes = 32768, .keep_bytes = 32768, .low_bytes = 1, .no_reserve = true};

    n->db.id = id;
    snprintf(n->path, sizeof n->path, "%s/n%llu", sim.root, (unsigned long long)id);
    snprintf(n->peer, sizeof n->peer, "n%llu:%u", (unsigned long long)id, 1 + n->moves);
    rh_options_init(&o, sizeof o);
    o.id = id;
    o.peer = n->peer;
    o.found = found;
    o.join = join;
    o.tick_ms = 10;
    o.request_ms = 1000;
    o.compaction_bytes = 32768;
    o.keep_bytes = 32768;
    o.log = say;
    o.log_context = n;
    o.log_level = getenv("SAY") ? (enum rh_level)atoi(getenv("SAY")) : RH_LOG_INFO;
    sim_db_forget(&n->db);
    db.self = &n->db;
    if (!n->db.durable)
        db.flush = NULL;
    CHECK_OK(rh_dir_open(&n->dir, n->path, o.group, id, &why), &why);
    struct rh_driver_setup s = {.options = &o, .database = &db, .dir = &n->dir, .seed = random_next(&sim.random),
                                .now = sim.now, .workers = {n, want_flush, want_job}};
    CHECK_OK(rh_log_file_open(&n->dir, &log, &n->log.inner, &why), &why);
    n->log.fail = false;
    s.log = (struct rh_log){&log_ops, &n->log};
    CHECK_OK(rh_driver_open(&s, &n->driver, &why), &why);
    n->joined = true;
    n->flush_due = n->job_due = 0;
    rh_driver_connect(n->driver, sim_net(id));
}

void sim_flushes(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];

    if (n->flush_due && n->flush_due <= sim.now) {
        n->flush_due = 0;
        CHECK((rh_driver_flush(n->driver) < 0) == n->log.fail);
    }
    if (n->job_due && n->job_due <= sim.now) {
        n->job_due = 0;
        rh_driver_job(n->driver);
    }
}

void sim_turn(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];
    struct rh_words why = {""};

    if (n->driver && rh_driver_due(n->driver, sim.now) <= sim.now) {
        int code = rh_driver_turn(n->driver, sim.now, &why);
        if (code < 0 && n->stops) {
            sim_stop(id);
            n->stops = false;
        } else if (code < 0 && n->log.fail) {
            CHECK(strstr(why.text, "the disk fails"));
            sim.n_failures++;
            sim_crash(id);
        } else if (code < 0)
            DIE("node %llu stops: %d: %s", (unsigned long long)id, code, why.text);
    }
}

bool sim_book_is_right(uint64_t id)
{
    struct rh_member m[NODES] = {{.struct_size = sizeof m[0]}};
    size_t n = rh_driver_members(sim.nodes[id].driver, m, NODES), members = 0;

    for (size_t i = 0; i < n && i < NODES; i++) {
        bool member = m[i].voter || m[i].learner;
        members += member;
        if (member && strcmp(m[i].peer_address, sim.nodes[m[i].id].peer) != 0)
            return false;
    }
    return members > 0;
}

/* A node that moves while another one's move is not known yet might find nobody: people must help then. */
void sim_move(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];

    if (n->driver || n->knew != sim.n_moves)
        return;
    n->moves++;
    sim.n_moves++;
}

void sim_stop(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];
    struct rh_words why = {""};
    struct rh_driver *d = n->driver;

    n->knew = sim_book_is_right(id) ? sim.n_moves : UINT64_MAX;
    n->driver = NULL;
    sim_net_down(id);
    int code = rh_driver_close(d, &why);
    if (code < 0 && !n->log.fail && !n->stops)
        DIE("node %llu: close: %d: %s", (unsigned long long)id, code, why.text);
    rh_dir_close(&n->dir);
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t buf[65536];
    FILE *in = must(fopen(from, "rb")), *out = must(fopen(to, "wb"));

    for (size_t got; (got = fread(buf, 1, sizeof buf, in)) > 0;)
        CHECK(fwrite(buf, 1, got, out) == got);
    fclose(in);
    CHECK(fclose(out) == 0);
}

static void copy_dir(const char *from, const char *to)
{
    DIR *d = must(opendir(from));
    char a[700], b[700];

    CHECK(mkdir(to, 0700) == 0);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        copy_file(a, b);
    }
    closedir(d);
}

static void remove_dir(const char *path)
{
    DIR *d = opendir(path);
    char a[700];

    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(a, sizeof a, "%s/%s", path, e->d_name);
        CHECK(unlink(a) == 0);
    }
    closedir(d);
    CHECK(rmdir(path) == 0);
}

void sim_wipe(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];
    bool durable = n->db.durable;

    remove_dir(n->path);
    n->db.durable = false;
    sim_db_forget(&n->db);
    n->db.durable = durable;
}

/* The log keeps unsynced batches in memory, so the files as they are now are what a crash leaves. */
void sim_crash(uint64_t id)
{
    struct sim_node *n = &sim.nodes[id];
    char kept[320];

    snprintf(kept, sizeof kept, "%s.kept", n->path);
    copy_dir(n->path, kept);
    sim_stop(id);
    remove_dir(n->path);
    CHECK(rename(kept, n->path) == 0);
    sim.n_crashes++;
}
