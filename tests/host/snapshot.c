/*
 * snapshot.c: snapshot files: their bytes, damage to them, transfers that break off, and power cuts together with the log.
 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "crc32c.h"
#include "disk.h"
#include "log_file.h"
#include "vectors.h"

static const char *scratch;
static struct rh_words why;
static const uint8_t conf[] = {8, 1, 8, 2, 8, 3};

#define OK(call) CHECK_OK(call, &why)
#define SLICE(array) ((raftcore_slice){(array), sizeof(array)})

static struct rh_dir open_dir(bool anew)
{
    struct rh_dir d;

    if (anew)
        image_empty(scratch);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    return d;
}

static uint8_t *data_of(uint64_t seed, size_t len)
{
    struct random r = {seed};
    uint8_t *bytes = must(malloc(len + 1));

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i % 64 ? bytes[i - 1] + 1u : random_next(&r));
    return bytes;
}

static int make(const struct rh_dir *d, uint64_t index, const uint8_t *data, size_t len, uint32_t block, struct rh_snapshot *out)
{
    struct rh_snapshot_writer *w;
    struct random r = {len + block};
    int code = rh_snapshot_create(d, index, 4, SLICE(conf), (raftcore_slice){(const uint8_t *)"book", 4}, block, &w, &why);

    for (size_t at = 0; code == RH_OK && at < len;) {
        size_t now = 1 + random_below(&r, len - at < 5000 ? len - at : 5000);
        code = rh_snapshot_write(w, data + at, now, &why);
        at += now;
        if (code != RH_OK) {
            rh_snapshot_cancel(w);
            return code;
        }
    }
    if (code == RH_OK)
        code = rh_snapshot_finish(w, out, &why);
    out->conf = SLICE(conf);
    return code;
}

static uint8_t *file_bytes(const struct rh_snapshot *s, size_t *len)
{
    char name[80], path[4096];
    struct stat st;

    rh_snapshot_name(s, name);
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    *len = (size_t)st.st_size;
    uint8_t *bytes = must(malloc(*len + 1));
    CHECK(pread(fd, bytes, *len, 0) == st.st_size);
    close(fd);
    return bytes;
}

/* Reads all of it. The code, and the data if that is RH_OK. */
static int read_all(const struct rh_dir *d, const struct rh_snapshot *s, const uint8_t *data, size_t len)
{
    struct rh_snapshot_reader *r;
    uint8_t *buf = must(malloc(len + 100));
    size_t done = 0, got = 1;
    int code = rh_snapshot_open(d, s, &r, &why);

    if (code == RH_OK) {
        while (code == RH_OK && got > 0 && done <= len) {
            code = rh_snapshot_read(r, buf + done, len + 100 - done < 777 ? len + 100 - done : 777, &got, &why);
            done += got;
        }
        if (code == RH_OK) {
            CHECK(done == len && (len == 0 || memcmp(buf, data, len) == 0));
            CHECK(rh_snapshot_info(r)->data_bytes == len && rh_snapshot_info(r)->index == s->index);
            CHECK(rh_snapshot_info(r)->conf.len == sizeof conf && memcmp(rh_snapshot_info(r)->conf.ptr, conf, sizeof conf) == 0);
        }
        rh_snapshot_close(r);
    }
    free(buf);
    return code;
}

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

/* The vector of docs/wire.md is what the writer makes. */
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
        uint32_t conf_len = rh_get_u32(v->bytes + 32), book_len = rh_get_u32(v->bytes + 36), block = rh_get_u32(v->bytes + 40);
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

/* Each byte changed, each length: the data, or words; never other data. */
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

/* A transfer that breaks off again and again, whose file is cut and changed in between: it arrives, and never begins anew without need. */
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
    OK(rh_snapshots_clean(&d, &(struct rh_snapshot){0}, true, &why));
    CHECK(read_all(&d, &s, data, 3000) == RH_NONE);

    /* Too little, too much, something else. */
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

    /* What was offered under another index. */
    other = s;
    other.index++;
    OK(rh_snapshot_receive(&d, &other, 512, &to, &offset, &why));
    CHECK(offset == 0);
    OK(rh_snapshot_put(to, 0, bytes, len, &why));
    CHECK(rh_snapshot_arrived(to, &why) == RH_E_DAMAGED && read_all(&d, &other, data, 3000) == RH_NONE);
    other.bytes = 3;
    CHECK(rh_snapshot_receive(&d, &other, 512, &to, &offset, &why) == RH_E_ARG);
    CHECK(rh_snapshot_create(&d, 0, 1, SLICE(conf), (raftcore_slice){0}, 0, &(struct rh_snapshot_writer *){0}, &why) == RH_E_ARG);
    free(bytes);
    free(data);
    rh_dir_close(&d);
}

/* ---- together with the log ---- */

static struct rh_log_file_options options = {.segment_bytes = 4096, .keep_bytes = 1, .no_reserve = true};

/* The size of the data of each snapshot that this life knows. */
static size_t data_len(uint64_t index)
{
    return index == 5 ? 1500 : 2500;
}

static int append(struct rh_log *log, const struct rh_snapshot *s, bool replaces, uint64_t first, uint64_t n, uint64_t commit)
{
    raftcore_entry e[8];
    uint64_t number;

    for (uint64_t i = 0; i < n; i++)
        e[i] = (raftcore_entry){.index = first + i, .term = 4};
    struct rh_batch b = {.snapshot = s, .replaces = replaces, .entries = e, .n_entries = (uint32_t)n, .entry_stride = sizeof *e,
                         .has_state = true, .term = 4, .commit = commit};
    int code = log->ops->append(log->self, &b, &why);
    return code == RH_OK ? log->ops->sync(log->self, &number, &why) : code;
}

static int receive(const struct rh_dir *d, const struct rh_snapshot *s, const uint8_t *bytes)
{
    struct rh_snapshot_receiver *to;
    uint64_t offset;
    int code = rh_snapshot_receive(d, s, 512, &to, &offset, &why);

    if (code != RH_OK)
        return code;
    while (code == RH_OK && offset < s->bytes) {
        size_t now = s->bytes - offset < 512 ? (size_t)(s->bytes - offset) : 512;
        code = rh_snapshot_put(to, offset, bytes + offset, now, &why);
        offset += now;
    }
    if (code == RH_OK)
        return rh_snapshot_arrived(to, &why);
    rh_snapshot_stop(to);
    return code;
}

/* A member's life: founding, a snapshot of its own, one from a leader. Stops at the first call that fails. */
static int live(struct rh_dir *d, const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    struct rh_snapshot founding = {.index = 1, .term = 1, .conf = SLICE(conf)}, own;
    struct rh_log log;
    uint64_t before;
    int code = rh_log_file_open(d, &options, &log, &why);

    if (code != RH_OK)
        return code;
    code = append(&log, &founding, true, 2, 6, 6);
    if (code == RH_OK) {
        uint8_t *data = data_of(5, data_len(5));
        code = make(d, 5, data, data_len(5), 256, &own);
        free(data);
    }
    disk_note(1, 5);
    if (code == RH_OK)
        code = append(&log, &own, false, 8, 0, 7);
    if (code == RH_OK) {
        disk_note(2, 5);
        code = rh_snapshots_clean(d, &own, true, &why);
    }
    if (code == RH_OK)
        code = log.ops->compact(log.self, 5, UINT64_MAX, &before, &why);
    if (code == RH_OK)
        code = receive(d, theirs, their_bytes);
    disk_note(1, theirs->index);
    if (code == RH_OK)
        code = append(&log, theirs, true, theirs->index + 1, 2, theirs->index);
    if (code == RH_OK) {
        disk_note(2, theirs->index);
        code = rh_snapshots_clean(d, theirs, true, &why);
    }
    int closed = log.ops->close(log.self, &why);
    return code != RH_OK ? code : closed;
}

/* The log boots, and the snapshot that it names is whole; it is none older than `least`. */
static void boots(uint64_t least, uint64_t most)
{
    struct rh_dir d;
    struct rh_log log;
    struct rh_boot boot;

    if (rh_dir_open(&d, scratch, 7, 3, &why) != RH_OK || rh_log_file_open(&d, &options, &log, &why) != RH_OK)
        DIE("does not boot: %s", why.text);
    OK(log.ops->boot(log.self, &boot, &why));
    CHECK(boot.snapshot.index >= least && boot.snapshot.index <= most);
    if (boot.snapshot.index > 1) {
        uint64_t index = boot.snapshot.index;
        uint8_t *data = data_of(index == 5 ? 5 : 77, data_len(index));
        OK(read_all(&d, &boot.snapshot, data, data_len(index)));
        OK(rh_snapshots_clean(&d, &boot.snapshot, true, &why));
        OK(read_all(&d, &boot.snapshot, data, data_len(index)));
        free(data);
    }
    OK(log.ops->close(log.self, &why));
    rh_dir_close(&d);
}

static unsigned check_power_cuts(const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    uint64_t least = 0, most = 1;
    unsigned cuts = 0;

    image_empty(scratch);
    disk_track(scratch);
    struct rh_dir d = open_dir(false);
    OK(live(&d, theirs, their_bytes));
    rh_dir_close(&d);
    struct disk_record record = disk_untrack();
    struct disk_image *image = image_open(&record);
    for (size_t at = record.initial; at <= record.count; at++) {
        image_advance(image, at);
        if (at > 0 && record.ops[at - 1].kind == DISK_NOTE) {
            least = record.ops[at - 1].file == 2 ? record.ops[at - 1].offset : least;
            most = record.ops[at - 1].file == 1 ? record.ops[at - 1].offset : most;
        }
        for (unsigned i = 0; i < 10; i++, cuts++) {
            image_write(image, i < 2 ? (enum image_mode)i : IMAGE_SECTORS, i * 1000 + at, scratch);
            boots(least, most);
        }
    }
    image_close(image);
    disk_free(&record);
    return cuts;
}

static unsigned check_faults(const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    static const struct { unsigned calls; int error; } kinds[] = {
        {FAULT_OPEN, EMFILE}, {FAULT_WRITE, ENOSPC}, {FAULT_WRITE, EIO}, {FAULT_WRITE, 0}, {FAULT_SYNC, EIO}, {FAULT_RENAME, EIO},
        {FAULT_READ, EIO}, {FAULT_TRUNCATE, EIO}, {FAULT_UNLINK, EIO},
    };
    unsigned runs = 0;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool came = true;
        for (uint64_t at = 1; came; at++, runs++) {
            struct rh_dir d;
            image_empty(scratch);
            disk_track(scratch);
            disk_set_fault((struct disk_fault){.calls = kinds[k].calls, .at = at, .error = kinds[k].error});
            int code = rh_dir_open(&d, scratch, 7, 3, &why);
            if (code == RH_OK)
                code = live(&d, theirs, their_bytes);
            came = disk_fault_came();
            CHECK(code <= 0 && (code == RH_OK || strlen(why.text) > 10));
            rh_dir_close(&d);
            struct disk_record record = disk_untrack();
            disk_free(&record);
            boots(0, 100);
        }
    }
    return runs;
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

    struct rh_dir d = open_dir(true);
    struct rh_snapshot theirs;
    size_t len;
    uint8_t *data = data_of(77, data_len(40));
    OK(make(&d, 40, data, data_len(40), 300, &theirs));
    uint8_t *bytes = file_bytes(&theirs, &len);
    rh_dir_close(&d);
    unsigned cuts = check_power_cuts(&theirs, bytes), faults = check_faults(&theirs, bytes);
    printf("snapshot: %u power cuts, %u runs with a call that fails\n", cuts, faults);
    free(bytes);
    free(data);
    image_empty(scratch);
    rmdir(scratch);
    return 0;
}
