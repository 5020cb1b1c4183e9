/*
 * log_kit.h: opens and writes file logs in a scratch directory, for the tests of details of the
 * file log.
 */
#ifndef HOST_LOG_KIT_H
#define HOST_LOG_KIT_H

#include <fcntl.h>
#include <unistd.h>

#include "disk.h"
#include "kit.h"
#include "log_file.h"
#include "log_parts.h"

static const char *scratch;
static struct rh_words why;

#define OK(call) CHECK_OK(call, &why)
#define SAYS(word) \
    do { \
        if (!strstr(why.text, word)) \
            DIE("\"%s\" does not say \"%s\"", why.text, word); \
    } while (0)

static inline void path_of(const char *name, char to[4096])
{
    snprintf(to, 4096, "%s/%s", scratch, name);
}

struct open_log {
    struct rh_dir dir;
    struct rh_log log;
    struct rh_boot boot;
};

static inline int try_open(struct open_log *l, const struct rh_log_file_options *o)
{
    int code = rh_dir_open(&l->dir, scratch, 7, 3, &why);

    if (code == RH_OK)
        code = rh_log_file_open(&l->dir, o, &l->log, &why);
    if (code == RH_OK)
        code = l->log.ops->boot(l->log.self, &l->boot, &why);
    else
        rh_dir_close(&l->dir);
    return code;
}

static inline void close_it(struct open_log *l)
{
    OK(l->log.ops->close(l->log.self, &why));
    rh_dir_close(&l->dir);
}

/* Ends like a killed process: nothing is synced, the lock is free. */
static inline void abandon(struct open_log *l)
{
    ((struct rh_log_file *)l->log.self)->look = true;
    close_it(l);
}

static inline int append(struct open_log *l, uint64_t index, size_t len)
{
    static const uint8_t data[10000];
    raftcore_entry e = {.index = index, .term = 1, .data = {data, len}};
    struct rh_batch b = {.entries = &e, .n_entries = 1, .entry_stride = sizeof e};

    CHECK(len <= sizeof data);
    return l->log.ops->append(l->log.self, &b, &why);
}

static inline int sync_log(struct open_log *l)
{
    uint64_t number;
    int code = l->log.ops->sync(l->log.self, &number, &why);

    return code == RH_NONE ? RH_OK : code;
}

/* Returns the segment that is written to. */
static inline struct rh_segment *last_segment(const struct open_log *l)
{
    return rh_state_last_segment(&((struct rh_log_file *)l->log.self)->state);
}

/* Overwrites bytes of a file in the scratch directory. */
static inline void overwrite(const char *name, uint64_t at, const void *bytes, size_t len)
{
    char path[4096];

    path_of(name, path);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
    close(fd);
}

#endif
