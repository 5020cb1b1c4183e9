/*
 * snapshot.c: snapshot files: bytes, damage, and broken transfers. snapshot_log.c has power cuts.
 */
#include "snapshot_kit.h"

#include "bytes.h"
#include "crc32c.h"
#include "heap.h"
#include "vectors.h"

static void check_round_trips(void)
{
    static const struct { size_t len; uint32_t block; } cases[] = {
        {0, 0}, {1, 1}, {7, 8}, {8, 8}, {9, 8}, {16, 8}, {70000, 0}, {65536, 0}, {5000, 512}, {100000, 1 << 20},
    };
    struct rh_dir d = open_dir(true);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rh_snapshot s;
        size_t len;
        uint8_t *data = data_of(i, cases[i].len);
        OK(make(&d, 10 + i, data, cases[i].len, cases[i].block, &s));
        uint8_t *bytes = file_bytes(&s, &len);
        CHECK(len == s.bytes && rh_crc32c(0, bytes, len) == s.checksum);
        OK(read_all(&d, &s, data, cases[i].len));

        struct rh_snapshot_reader *r;
        struct random rnd = {i};
        OK(rh_snapshot_open(&d, &s, &r, &why));
        for (int n = 0; n < 200; n++) {
            size_t at = random_below(&rnd, len + 1), count = random_below(&rnd, len - at + 1);
            uint8_t *raw = must(malloc(count + 1));
            OK(rh_snapshot_raw(r, at, raw, count, &why));
            CHECK(memcmp(raw, bytes + at, count) == 0);
            CHECK(rh_snapshot_raw(r, at, raw, len - at + 1, &why) == RH_E_RANGE);
            free(raw);
        }
        rh_snapshot_close(r);
        free(bytes);
        free(data);
    }
    rh_dir_close(&d);
}

/* The writer makes the vector of docs/wire.md. */
static void check_vector(const struct vectors *all)
{
    struct rh_dir d = open_dir(true);

    for (size_t i = 0; i < all->count; i++) {
        const struct vector *v = &all->at[i];
        struct rh_snapshot_writer *w;
        struct rh_snapshot s;
        size_t len;
        if (strcmp(v->kind, "snapshot") != 0)
            continue;
        uint32_t conf_len = rh_get_u32(v->bytes + 32), book_len = rh_get_u32(v->bytes + 36),
                 block = rh_get_u32(v->bytes + 40);
        raftcore_slice c = {v->bytes + 48, conf_len}, b = {v->bytes + 48 + conf_len, book_len};
        OK(rh_snapshot_create(&d, rh_get_u64(v->bytes + 16), rh_get_u64(v->bytes + 24), c, b, block, &w, &why));
        if (block == 8)
            OK(rh_snapshot_write(w, "apple=red;pear=green", 20, &why));
        OK(rh_snapshot_finish(w, &s, &why));
        uint8_t *bytes = file_bytes(&s, &len);
        CHECK(len == v->len && memcmp(bytes, v->bytes, len) == 0);
        char checksum[32];
        snprintf(checksum, sizeof checksum, "checksum=%08x", s.checksum);
        CHECK(strstr(v->fields, checksum) != NULL);
        free(bytes);
    }
    rh_dir_close(&d);
}

static void write_file(const struct rh_snapshot *s, const uint8_t *bytes, size_t len)
{
    char name[80], path[4096];

    rh_snapshot_name(s, name);
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

/* Each changed byte and each cut is found. */
static void check_damage(void)
{
    struct rh_dir d = open_dir(true);
    struct rh_snapshot s;
    size_t len;
    uint8_t *data = data_of(5, 900);

    OK(make(&d, 9, data, 900, 256, &s));
    uint8_t *bytes = file_bytes(&s, &len);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= (uint8_t)(1 << at % 8);
        write_file(&s, bytes, len);
        CHECK(read_all(&d, &s, data, 900) == RH_E_DAMAGED && strlen(why.text) > 10);
        bytes[at] ^= (uint8_t)(1 << at % 8);
        write_file(&s, bytes, at);
        CHECK(read_all(&d, &s, data, 900) == RH_E_DAMAGED);
    }
    write_file(&s, bytes, len);
    OK(read_all(&d, &s, data, 900));
    s.index++;
    CHECK(read_all(&d, &s, data, 900) == RH_NONE);
    free(bytes);
    free(data);
    rh_dir_close(&d);
}

/* ---- receiving ---- */

static char part_path[4096];

static void find_part(const struct rh_snapshot *s)
{
    char name[80];

    rh_snapshot_name(s, name);
    snprintf(part_path, sizeof part_path, "%s/%s-%llu.part", scratch, name, (unsigned long long)s->bytes);
}

/*
 * A transfer breaks off again and again, and its file is cut and changed in between. The snapshot
 * arrives, and good bytes are not sent twice.
 */
static void check_receiving(void)
{
    struct random r = random_open("snapshot");
    struct rh_snapshot s;
    size_t len, chunk = 1000;
    uint8_t *data = data_of(6, 40000);
    struct rh_dir d = open_dir(true);

    OK(make(&d, 9, data, 40000, 512, &s));
    uint8_t *bytes = file_bytes(&s, &len);
    rh_dir_close(&d);
    for (int run = 0; run < 60; run++) {
        struct rh_snapshot_receiver *to;
        uint64_t offset = 0, before = 0;
        int turns = 0;
        d = open_dir(true);
        find_part(&s);
        for (bool arrived = false; !arrived; turns++) {
            OK(rh_snapshot_receive(&d, &s, (uint32_t)chunk, &to, &offset, &why));
            CHECK(offset == len || offset % chunk == 0);
            CHECK(offset + 2 * chunk + 600 > before || turns == 0);
            uint64_t stop_at = offset + random_below(&r, 15000);
            while (offset < len && offset < stop_at) {
                size_t now = len - offset < chunk ? (size_t)(len - offset) : chunk;
                OK(rh_snapshot_put(to, offset, bytes + offset, now, &why));
                CHECK(rh_snapshot_put(to, offset, bytes, 1, &why) == RH_E_ARG);
                offset += now;
            }
            arrived = offset == len;
            if (arrived) {
                OK(rh_snapshot_arrived(to, &why));
                break;
            }
            rh_snapshot_stop(to);
            before = offset;
            int fd = open(part_path, O_RDWR);
            CHECK(fd >= 0);
            if (random_below(&r, 3) == 0 && offset > 0) {
                uint64_t bad = random_below(&r, offset);
                uint8_t b = (uint8_t)~bytes[bad];
                CHECK(pwrite(fd, &b, 1, (off_t)bad) == 1);
                before = bad > chunk + 600 ? bad - chunk - 600 : 0;
            }
            close(fd);
        }
        OK(read_all(&d, &s, data, 40000));
        rh_dir_close(&d);
    }
    free(bytes);
    free(data);
}

static void check_wrong_transfers(void)
{
    struct rh_dir d = open_dir(true);
    struct rh_snapshot s, other;
    struct rh_snapshot_receiver *to;
    uint64_t offset;
    size_t len;
    uint8_t *data = data_of(6, 3000);

    OK(make(&d, 9, data, 3000, 512, &s));
    uint8_t *bytes = file_bytes(&s, &len);
    OK(rh_snapshots_clean(&d, &(struct rh_snapshot){0}, UINT64_MAX, &why));
    CHECK(read_all(&d, &s, data, 3000) == RH_NONE);

    /* Too few bytes, too many, other bytes. */
    OK(rh_snapshot_receive(&d, &s, 512, &to, &offset, &why));
    OK(rh_snapshot_put(to, 0, bytes, 1024, &why));
    CHECK(rh_snapshot_put(to, 1024, bytes, len, &why) == RH_E_ARG);
    CHECK(rh_snapshot_arrived(to, &why) == RH_E_ARG);
    OK(rh_snapshot_receive(&d, &s, 512, &to, &offset, &why));
    CHECK(offset == 512 || offset == 1024);
    bytes[len - 30] ^= 1;
    OK(rh_snapshot_put(to, offset, bytes + offset, len - offset, &why));
    CHECK(rh_snapshot_arrived(to, &why) == RH_E_DAMAGED && strstr(why.text, "checksum"));
    bytes[len - 30] ^= 1;

    /* A file offered under a different index. */
    other = s;
    other.index++;
    OK(rh_snapshot_receive(&d, &other, 512, &to, &offset, &why));
    CHECK(offset == 0);
    OK(rh_snapshot_put(to, 0, bytes, len, &why));
    CHECK(rh_snapshot_arrived(to, &why) == RH_E_DAMAGED && read_all(&d, &other, data, 3000) == RH_NONE);
    other.bytes = 3;
    CHECK(rh_snapshot_receive(&d, &other, 512, &to, &offset, &why) == RH_E_ARG);
    CHECK(rh_snapshot_create(&d, 0, 1, SLICE(conf), (raftcore_slice){0}, 0, &(struct rh_snapshot_writer *){0}, &why) ==
          RH_E_ARG);
    free(bytes);
    free(data);
    rh_dir_close(&d);
}

/* ---- memory ---- */

static int receive_whole(const struct rh_dir *d, const struct rh_snapshot *s, const uint8_t *bytes)
{
    struct rh_snapshot_receiver *to;
    uint64_t offset;
    int code = rh_snapshot_receive(d, s, 512, &to, &offset, &why);

    if (code != RH_OK)
        return code;
    code = rh_snapshot_put(to, offset, bytes + offset, s->bytes - offset, &why);
    if (code == RH_OK)
        return rh_snapshot_arrived(to, &why);
    rh_snapshot_stop(to);
    return code;
}

/* Each allocation fails in turn: a code with words, and the call succeeds afterwards. */
static void check_no_memory(void)
{
    struct rh_dir d = open_dir(true);
    struct rh_snapshot s;
    struct rh_snapshot_reader *r;
    size_t len;
    uint8_t *data = data_of(8, 3000);

    for (int call = 0; call < 3; call++) {
        uint8_t *bytes = call == 2 ? file_bytes(&s, &len) : NULL;
        int code = RH_E_NOMEM;
        for (unsigned at = 1; code != RH_OK; at++) {
            heap_fail_at(at);
            code = call == 0 ? make(&d, 9, data, 3000, 512, &s) :
                   call == 1 ? rh_snapshot_open(&d, &s, &r, &why) : receive_whole(&d, &s, bytes);
            heap_fail_at(0);
            CHECK(code == RH_OK || (code == RH_E_NOMEM && strstr(why.text, "no memory")) || code == RH_E_IO);
            CHECK(at < 20);
        }
        if (call == 1)
            rh_snapshot_close(r);
        free(bytes);
    }
    OK(read_all(&d, &s, data, 3000));
    free(data);
    rh_dir_close(&d);
}

/* A snapshot beyond what is applied may have arrived while old ones are removed: it stays. */
static void check_cleaning(void)
{
    struct rh_dir d = open_dir(true);
    struct rh_snapshot old, log, arrived;
    uint8_t *data = data_of(7, 100);

    OK(make(&d, 5, data, 100, 0, &old));
    OK(make(&d, 9, data, 100, 0, &log));
    OK(make(&d, 20, data, 100, 0, &arrived));
    OK(rh_snapshots_clean(&d, &log, 19, &why));
    CHECK(read_all(&d, &old, data, 100) == RH_NONE);
    OK(read_all(&d, &log, data, 100));
    OK(read_all(&d, &arrived, data, 100));
    OK(rh_snapshots_clean(&d, &log, 20, &why));
    CHECK(read_all(&d, &arrived, data, 100) == RH_NONE);
    OK(read_all(&d, &log, data, 100));
    free(data);
    rh_dir_close(&d);
}

int main(int argc, char **argv)
{
    struct vectors all = vectors_load(argc > 2 ? argv[2] : "tests/wire/vectors.txt");

    scratch = argc > 1 ? argv[1] : "/dev/shm/rh-snapshot";
    check_vector(&all);
    vectors_free(&all);
    check_round_trips();
    check_damage();
    check_receiving();
    check_wrong_transfers();
    check_cleaning();
    check_no_memory();
    printf("snapshot: all well\n");
    return 0;
}
