/*
 * map.c: the map of bindings/c/lmdb beside a plain model: changes, restarts, scans, snapshots in pieces, snapshots that
 * are cut or changed, a file that is changed, a file that is full. map DIR; SEED=… HOST_TIMES=… as elsewhere.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"
#include "lmdb_map.h"

enum { KEYS = 400, ROUNDS = 60, MAP = 64 << 20, LONG = 70000, LONG_FILL = 0xa5 };

/* What the map shall hold. */
struct model {
    bool there[KEYS];
    uint8_t fill[KEYS];
    size_t len[KEYS];
    uint64_t keys, index, number;
};

static struct random r;
static struct model model;
static uint8_t room[RH_MAP_VALUE_MAX + 1];
static const uint8_t session[RH_SESSION_BYTES] = {7};

static raftcore_slice key_of(size_t i, char *to)
{
    return (raftcore_slice){(uint8_t *)to, (size_t)snprintf(to, 32, "key %zu%s", i * 7919 % KEYS, i % 3 ? "" : " and more")};
}

static raftcore_slice value_of(uint8_t fill, size_t len)
{
    memset(room, fill, len);
    return (raftcore_slice){room, len};
}

static struct rh_map *map_open(const char *path, uint64_t *index)
{
    struct rh_map *m = must(rh_map_new(path, MAP));
    struct rh_words why = {""};

    CHECK_OK(rh_map_applied(m, index, &why), &why);
    return m;
}

static void map_close(struct rh_map *m)
{
    struct rh_words why = {""};

    CHECK_OK(rh_map_close(m, &why), &why);
}

static void change(struct rh_map *m)
{
    char text[32];
    size_t i = random_below(&r, KEYS);
    raftcore_slice key = key_of(i, text);

    if (random_below(&r, 100) == 0) {
        CHECK(rh_map_clear(m) == RH_OK);
        memset(model.there, 0, sizeof model.there);
        model.keys = 0;
    } else if (random_below(&r, 3) == 0) {
        CHECK(rh_map_del(m, key) == (model.there[i] ? RH_OK : RH_NONE));
        model.keys -= model.there[i];
        model.there[i] = false;
    } else {
        size_t len = random_below(&r, 40) ? random_below(&r, 300) : random_below(&r, 100000);
        uint8_t fill = (uint8_t)random_below(&r, 256);
        CHECK(rh_map_put(m, key, value_of(fill, len)) == RH_OK);
        model.keys += !model.there[i];
        model.there[i] = true;
        model.fill[i] = fill;
        model.len[i] = len;
    }
}

/* An entry with a session: its answer comes back when the entry comes again. */
static void entry(struct rh_map *m)
{
    struct rh_words why = {""};
    struct rh_entry e = {.index = model.index + 1, .session = session, .number = model.number + 1};

    CHECK(!rh_map_seen(m, &e));
    for (size_t n = random_below(&r, 20); n > 0; n--)
        change(m);
    e.result = (raftcore_slice){(uint8_t *)&model.number, sizeof model.number};
    CHECK(rh_map_done(m, &e) == RH_OK);
    model.number++;
    rh_map_index(m, ++model.index);
    CHECK_OK(rh_map_turn(m, &why), &why);
}

struct seen {
    bool at[KEYS];
    size_t n;
};

static void take(void *context, raftcore_slice key)
{
    struct seen *s = context;
    char text[32];

    for (size_t i = 0; i < KEYS; i++) {
        raftcore_slice other = key_of(i, text);
        if (other.len == key.len && memcmp(other.ptr, key.ptr, key.len) == 0) {
            CHECK(model.there[i] && !s->at[i]);
            s->at[i] = true;
            s->n++;
            return;
        }
    }
    DIE("a key of %zu bytes that nobody has set", key.len);
}

static void compare(struct rh_map *m)
{
    struct seen seen = {.n = 0};
    struct rh_map_info info = rh_map_info(m);
    uint8_t last[RH_MAP_KEY_MAX], after[RH_MAP_KEY_MAX];
    size_t len = 0, from = 0;
    char text[32];
    raftcore_slice v;

    CHECK(info.keys == model.keys && info.applied == model.index && info.durable <= model.index);
    for (size_t i = 0; i < KEYS; i++) {
        CHECK(rh_map_get(m, key_of(i, text), &v) == (model.there[i] ? RH_OK : RH_NONE));
        if (model.there[i])
            CHECK(v.len == model.len[i] && (v.len == 0 || memcmp(v.ptr, value_of(model.fill[i], v.len).ptr, v.len) == 0));
    }
    do {
        CHECK(rh_map_scan(m, (raftcore_slice){after, from}, 1 + random_below(&r, 50), take, &seen, last, &len) == RH_OK);
        memcpy(after, last, len);
        from = len;
    } while (len > 0);
    CHECK(seen.n == model.keys);
    if (model.number > 0) {
        struct rh_entry again = {.session = session, .number = model.number};
        uint64_t answer = model.number - 1;
        CHECK(rh_map_seen(m, &again) && again.result.len == sizeof answer && memcmp(again.result.ptr, &answer, sizeof answer) == 0);
    }
}

/* ---- snapshots ---- */

static uint8_t *make_snapshot(struct rh_map *m, size_t *len)
{
    struct rh_words why = {""};
    uint64_t index = model.index;
    uint8_t *bytes = NULL;
    void *view;
    int code;

    while ((code = rh_map_snapshot_open(m, &view, &index, &why)) == RH_NONE)
        usleep(1000);
    CHECK_OK(code, &why);
    *len = 0;
    for (size_t got = 1; got > 0; *len += got) {
        size_t cap = 1 + random_below(&r, 70000);
        bytes = must(realloc(bytes, *len + cap));
        CHECK_OK(rh_map_snapshot_read(m, view, bytes + *len, cap, &got, &why), &why);
        CHECK(got <= cap);
    }
    rh_map_snapshot_close(m, view);
    return bytes;
}

static int load(struct rh_map *m, const uint8_t *bytes, size_t len, struct rh_words *why)
{
    int code = rh_map_snapshot_load(m, RH_LOAD_BEGIN, NULL, 0, model.index, why);

    for (size_t at = 0, n; code == RH_OK && at < len; at += n) {
        n = 1 + random_below(&r, 70000);
        n = n < len - at ? n : len - at;
        code = rh_map_snapshot_load(m, RH_LOAD_DATA, bytes + at, n, model.index, why);
    }
    return code == RH_OK ? rh_map_snapshot_load(m, RH_LOAD_COMMIT, NULL, 0, model.index, why) : code;
}

/* Into another map, which has other pairs, and is opened again. Damage is refused, and the old pairs stay. */
static void carry_over(struct rh_map *from, const char *path)
{
    uint64_t index;
    size_t len;
    uint8_t *bytes = make_snapshot(from, &len);
    struct rh_map *to = map_open(path, &index);
    const uint64_t before = rh_map_info(to).keys;
    struct rh_words why = {""};

    for (int i = 0; i < 5; i++) {
        size_t at = random_below(&r, (uint32_t)len);
        why.text[0] = 0;
        CHECK(load(to, bytes, at, &why) == RH_E_DAMAGED && why.text[0]);
        CHECK(rh_map_snapshot_load(to, RH_LOAD_BEGIN, NULL, 0, 1, &why) == RH_OK);
        CHECK(rh_map_snapshot_load(to, RH_LOAD_DATA, bytes, at, 1, &why) == RH_OK);
        CHECK(rh_map_snapshot_load(to, RH_LOAD_ABORT, NULL, 0, 1, &why) == RH_OK);
    }
    bytes[len - 1] ^= 1;                /* of the sum of all pairs */
    CHECK(load(to, bytes, len, &why) == RH_E_DAMAGED && rh_map_info(to).keys == before);
    bytes[len - 1] ^= 1;
    CHECK_OK(load(to, bytes, len, &why), &why);
    compare(to);
    CHECK(rh_map_info(to).hash == rh_map_info(from).hash);
    map_close(to);
    to = map_open(path, &index);
    CHECK(index == model.index);
    compare(to);
    map_close(to);
    free(bytes);
}

/* ---- the file ---- */

static void lengths(struct rh_map *m)
{
    static uint8_t key[RH_MAP_KEY_MAX + 1];
    raftcore_slice v;

    CHECK(rh_map_put(m, (raftcore_slice){key, 0}, v = value_of(1, 1)) == RH_E_ARG);
    CHECK(rh_map_put(m, (raftcore_slice){key, sizeof key}, v) == RH_E_ARG);
    CHECK(rh_map_put(m, (raftcore_slice){key, 1}, value_of(1, RH_MAP_VALUE_MAX + 1)) == RH_E_ARG);
    CHECK(rh_map_get(m, (raftcore_slice){key, 0}, &v) == RH_NONE && rh_map_del(m, (raftcore_slice){key, sizeof key}) == RH_NONE);
    CHECK(rh_map_failed(m, NULL) == RH_OK);
}

/* A value that is easily found in the file: most of its other bytes are in no use. */
static void put_long_value(struct rh_map *m)
{
    char text[32];
    struct rh_words why = {""};

    CHECK(rh_map_put(m, key_of(0, text), value_of(LONG_FILL, LONG)) == RH_OK);
    model.keys += !model.there[0];
    model.there[0] = true;
    model.fill[0] = LONG_FILL;
    model.len[0] = LONG;
    rh_map_index(m, ++model.index);
    CHECK_OK(rh_map_turn(m, &why), &why);
}

static off_t find_long_value(int fd, size_t size)
{
    uint8_t *file = must(malloc(size));
    size_t run = 0, at = 0;

    CHECK(pread(fd, file, size, 0) == (ssize_t)size);
    while (at < size && run < LONG)
        run = file[at++] == LONG_FILL ? run + 1 : 0;
    CHECK(run == LONG);
    free(file);
    return (off_t)(at - LONG);
}

/* Changes bytes of the file one by one. Each time the map opens with all pairs as they were, or says that it cannot. */
static void damage(const char *path)
{
    struct stat st;
    unsigned refused = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    off_t used = find_long_value(fd, (size_t)st.st_size);
    for (int i = 0; i < 40; i++) {
        struct rh_map *m = must(rh_map_new(path, MAP));
        struct rh_words why = {""};
        uint64_t index;
        uint8_t byte, other;
        off_t at = 8192 + (off_t)random_below(&r, (uint32_t)st.st_size - 8192);  /* behind LMDB's two heads */
        if (i % 2)
            at = used + (off_t)random_below(&r, LONG);
        CHECK(pread(fd, &byte, 1, at) == 1);
        other = byte ^ (uint8_t)(1 << random_below(&r, 8));
        CHECK(pwrite(fd, &other, 1, at) == 1);
        int code = rh_map_applied(m, &index, &why);
        CHECK((code == RH_OK && i % 2 == 0) || (code == RH_E_DAMAGED && strstr(why.text, path)));
        if (code == RH_OK)
            compare(m);
        refused += code != RH_OK;
        rh_map_close(m, NULL);
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
    printf("map: %u of 40 changed bytes were refused, the others were in no use\n", refused);
}

/* A map that is too small fails with words, for good, and keeps what was durable. */
static void full(const char *path)
{
    struct rh_map *m = must(rh_map_new(path, 1 << 20));
    struct rh_words why = {""};
    uint64_t index, durable;
    char text[32];
    raftcore_slice v;
    int code;

    CHECK_OK(rh_map_applied(m, &index, &why), &why);
    CHECK(!rh_map_info(m).full && rh_map_put(m, key_of(0, text), value_of(1, 10)) == RH_OK);
    rh_map_index(m, 1);
    while ((code = rh_map_flush(m, 1, &why)) == RH_NONE)
        usleep(1000);
    CHECK_OK(code, &why);
    for (size_t i = 1; i < 100; i++)
        CHECK(rh_map_put(m, key_of(i, text), value_of(2, 50000)) == RH_OK);
    rh_map_index(m, 2);
    while ((code = rh_map_flush(m, 2, &why)) == RH_NONE)
        usleep(1000);
    CHECK(code == RH_E_SPACE && strstr(why.text, "larger map"));
    CHECK(rh_map_get(m, key_of(0, text), &v) == RH_E_SPACE && rh_map_turn(m, NULL) == RH_E_SPACE);
    CHECK(rh_map_put(m, key_of(0, text), value_of(1, 1)) == RH_E_SPACE && rh_map_clear(m) == RH_E_SPACE);
    CHECK(rh_map_close(m, &why) == RH_E_SPACE);
    m = map_open(path, &durable);
    CHECK(durable == 1 && rh_map_info(m).keys == 1 && rh_map_get(m, key_of(0, text), &v) == RH_OK && v.len == 10);
    map_close(m);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/dev/shm/rh-lmdb-map";
    char path[3][400];
    uint64_t index;

    r = random_open("kv_map");
    mkdir(dir, 0777);
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/data%d.mdb", dir, i);
    struct rh_map *m = map_open(path[0], &index);
    CHECK(index == 0);
    lengths(m);
    for (unsigned i = 0; i < ROUNDS * (unsigned)setting("HOST_TIMES", 1); i++) {
        struct rh_words why = {""};
        for (size_t n = random_below(&r, 10); n > 0; n--)
            entry(m);
        if (i % 3 == 0)
            compare(m);
        if (i % 4 == 0)
            CHECK(rh_map_flush(m, model.index, &why) >= 0);
        if (i % 10 == 9) {
            map_close(m);
            m = map_open(path[0], &index);
            CHECK(index == model.index);
            compare(m);
        }
        if (i % 15 == 14)
            carry_over(m, path[1]);
    }
    put_long_value(m);
    map_close(m);
    damage(path[0]);
    full(path[2]);
    return 0;
}
