/* The boot of a node by the steps of docs/snapshots.md, and what a node must still know at each boot. */
#include "host.h"

static const char *place; /* the directory of all */

/* ---- errors of the library */

void refused(raftcore_node *n, raftcore_code code) {
    char detail[256] = "";
    raftcore_error_detail(n, detail, sizeof detail);
    fprintf(stderr, "node %" PRIu64 ": %s %s\n", me->id, raftcore_strerror(code), detail);
    exit(1);
}

static void checked(raftcore_code code) {
    if (code < 0)
        refused(me->node, code);
}

/* ---- what a node has promised to others, beside its disk: it must know it after each power cut */

struct promise {
    uint64_t term, vote, applied;
};

static int promise_file(void) {
    char name[512];
    CHECK(snprintf(name, sizeof name, "%s/promise-%" PRIu64, place, me->id) < (int)sizeof name);
    int fd = open(name, O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    return fd;
}

static void promise(void) {
    struct promise p = {me->d.term, me->d.vote, me->d.applied};
    int fd = promise_file();
    CHECK(pwrite(fd, &p, sizeof p, 0) == (ssize_t)sizeof p);
    close(fd);
}

static void check_promise(void) {
    struct promise p = {0, 0, 0};
    int fd = promise_file();
    ssize_t n = pread(fd, &p, sizeof p, 0);
    CHECK(n == 0 || n == (ssize_t)sizeof p);
    CHECK(me->d.term >= p.term);
    CHECK(me->d.term > p.term || p.vote == 0 || me->d.vote == p.vote);
    CHECK(me->last >= p.applied);
    close(fd);
}

/* ---- the boot, by the steps of the page */

static int unfinished(const char *name) {
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* Node 1 founds the group. Node 2 joins: its log says that there is no snapshot yet. */
static void write_first_log(int dir) {
    struct bytes conf = {NULL, 0};
    uint64_t begin = me->id == 1;
    if (begin) {
        uint8_t buf[64];
        uint64_t founder = me->id;
        raftcore_conf c = {.struct_size = sizeof c, .voters = &founder, .n_voters = 1, .index = 1};
        size_t len;
        CHECK(raftcore_conf_encode(&c, buf, sizeof buf, &len) == RAFTCORE_OK);
        set(&conf, buf, len);
        me->d.applied = 1;
        int snap = create(dir, "snap.tmp");
        write_snapshot(snap);
        put_in_place(dir, snap, "snap.tmp", "snap-1");
        close(snap);
    }
    int log = create(dir, "log.tmp");
    write_head(log, begin, begin, begin, (raftcore_slice){conf.ptr, conf.len});
    write_state(log, 0, 0, begin);
    put_in_place(dir, log, "log.tmp", "log");
    close(log);
    empty(&conf);
}

static void read_record(uint32_t type, struct cursor content) {
    uint64_t a = take_number(&content), b = take_number(&content), c = take_number(&content);
    if (type == ENTRY) {
        remember(a, b, (uint32_t)c, content.at, content.left);
    } else {
        CHECK(type == HARD_STATE);
        me->d.term = a;
        me->d.vote = b;
        me->d.commit = c;
    }
}

static void read_log(void) {
    struct bytes file = disk_read(me->d.log);
    struct cursor records = {file.ptr, file.len}, content;
    read_head(&records);
    me->last = me->d.before_first;
    if (me->d.snapshot > 0)
        load(&me->d);
    for (uint32_t type = next_record(&records, &content); type != 0; type = next_record(&records, &content))
        read_record(type, content);
    CHECK(ftruncate(me->d.log, (off_t)(file.len - records.left)) == 0); /* a torn record at the end */
    disk_flush(me->d.log);
    empty(&file);
}

static void boot_node(uint64_t seed) {
    raftcore_config c;
    CHECK(raftcore_config_init(&c, sizeof c) == RAFTCORE_OK);
    c.id = me->id;
    c.group = group;
    c.seed = seed * (HOSTS + 1) + me->id;
    c.snapshot_timeout_ticks = 40;
    c.recent_bytes = 16 << 10;
    c.block_bytes = 4 << 10;
    CHECK(raftcore_frame_limit(&c, &frame_limit) == RAFTCORE_OK);
    CHECK(raftcore_new(&c, &me->node) == RAFTCORE_OK);

    static raftcore_entry entries[LOG];
    raftcore_conf conf = {.struct_size = sizeof conf, .bytes = me->d.conf};
    raftcore_stored s = {
        .struct_size = sizeof s, .term = me->d.term, .vote = me->d.vote, .commit = me->d.commit,
        .applied = me->d.applied, .before_first = me->d.before_first, .before_first_term = me->before_first_term,
        .last = me->last, .conf = me->d.snapshot > 0 ? &conf : NULL, .entries = entries,
    };
    for (uint64_t i = me->d.before_first + 1; i <= me->last; i++) {
        const struct record *r = record_at(i);
        entries[s.n_entries++] = (raftcore_entry){.term = r->term, .index = i, .kind = r->kind, .data = {r->data.ptr, r->data.len}};
    }
    checked(raftcore_boot(me->node, &s));
}

static void boot(uint64_t id, uint64_t seed) {
    char dir[512];
    me = &hosts[id];
    me->id = id;
    me->data = -1;
    CHECK(snprintf(dir, sizeof dir, "%s/node-%" PRIu64, place, id) < (int)sizeof dir);
    CHECK(mkdir(dir, 0755) == 0 || errno == EEXIST);
    me->d.dir = open(dir, O_RDONLY);
    CHECK(me->d.dir >= 0);
    disk_unlink_if(me->d.dir, unfinished);
    me->d.log = disk_open(me->d.dir, "log");
    if (me->d.log < 0) {
        write_first_log(me->d.dir);
        me->d.log = disk_open(me->d.dir, "log");
    }
    read_log();
    check_promise();
    boot_node(seed);
    clean(&me->d);
}
