/*
 * snapshot_kit.h: makes and reads snapshots, for the tests of snapshot files.
 */
#ifndef HOST_SNAPSHOT_KIT_H
#define HOST_SNAPSHOT_KIT_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "kit.h"
#include "snapshot.h"

static const char *scratch;
static struct rh_words why;
static const uint8_t conf[] = {8, 1, 8, 2, 8, 3};

#define OK(call) CHECK_OK(call, &why)
#define SLICE(array) ((raftcore_slice){(array), sizeof(array)})

static inline struct rh_dir open_dir(bool anew)
{
    struct rh_dir d;

    if (anew)
        image_empty(scratch);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    return d;
}

static inline uint8_t *data_of(uint64_t seed, size_t len)
{
    struct random r = {seed};
    uint8_t *bytes = must(malloc(len + 1));

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i % 64 ? bytes[i - 1] + 1u : random_next(&r));
    return bytes;
}

static inline int make(const struct rh_dir *d, uint64_t index, const uint8_t *data, size_t len, uint32_t block,
                struct rh_snapshot *out)
{
    struct rh_snapshot_writer *w;
    struct random r = {len + block};
    int code =
        rh_snapshot_create(d, index, 4, SLICE(conf), (raftcore_slice){(const uint8_t *)"book", 4}, block, &w, &why);

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

static inline uint8_t *file_bytes(const struct rh_snapshot *s, size_t *len)
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

/* Reads a snapshot and compares the data. */
static inline int read_all(const struct rh_dir *d, const struct rh_snapshot *s, const uint8_t *data, size_t len)
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
            CHECK(rh_snapshot_get_info(r)->data_bytes == len && rh_snapshot_get_info(r)->index == s->index);
            CHECK(rh_snapshot_get_info(r)->conf.len == sizeof conf &&
                  memcmp(rh_snapshot_get_info(r)->conf.ptr, conf, sizeof conf) == 0);
        }
        rh_snapshot_close(r);
    }
    free(buf);
    return code;
}

#endif
