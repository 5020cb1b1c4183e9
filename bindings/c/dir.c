/*
 * dir.c: the data directory: lock, owner file, and calls on files for the rest of the library.
 */
#define _GNU_SOURCE
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"

enum { OWNER_MAX = 512, FORMAT = 1 };

typedef unsigned long long ull;

_Static_assert(sizeof(off_t) == 8, "files above 2 GiB: compile with -D_FILE_OFFSET_BITS=64");

int rh_code_of_errno(int error)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return RH_E_SPACE;
    return error == ENOMEM ? RH_E_NOMEM : RH_E_IO;
}

/* Returns the code of errno, with words for the failed call. */
static int fail_call(struct rh_words *why, const char *call, const char *name)
{
    int error = errno;

    return rh_fail(why, rh_code_of_errno(error), "%s of %s: %s", call, name, strerror(error));
}

int rh_write_all(int fd, const void *bytes, size_t len, uint64_t offset, const char *name, struct rh_words *why)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0) {
            int error = errno;
            return rh_fail(why, rh_code_of_errno(error), "write of %zu bytes at offset %llu of %s: %s", len,
                           (ull)offset, name, strerror(error));
        }
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return RH_OK;
}

int rh_read_all(int fd, void *to, size_t len, uint64_t offset, size_t *got, const char *name, struct rh_words *why)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rh_fail(why, RH_E_IO, "read of %zu bytes at offset %llu of %s: %s", len, (ull)offset, name,
                           strerror(errno));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return RH_OK;
}

int rh_dir_sync(const struct rh_dir *d, struct rh_words *why)
{
    return fsync(d->fd) == 0 ? RH_OK : fail_call(why, "fsync", d->path);
}

int rh_dir_each(const struct rh_dir *d, int (*visit)(void *context, const char *name), void *context,
                struct rh_words *why)
{
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = RH_OK;
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (!names) {
        code = fail_call(why, "list", d->path);
        if (fd >= 0)
            close(fd);
        return code;
    }
    while (code == RH_OK && (errno = 0, e = readdir(names)))
        code = visit(context, e->d_name);
    if (code == RH_OK && errno != 0)
        code = fail_call(why, "list", d->path);
    closedir(names);
    return code;
}

bool rh_is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

void rh_hex(const uint8_t *bytes, size_t len, char *to)
{
    for (size_t i = 0; i < len; i++)
        sprintf(to + 2 * i, "%02x", bytes[i]);
    to[2 * len] = 0;
}

static bool unhex(const char *text, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char pair[3] = {text[2 * i], text[2 * i] ? text[2 * i + 1] : 0, 0}, *end;
        to[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            return false;
    }
    return text[2 * len] == 0;
}

/* ---- the owner file ---- */

static size_t owner_text(const struct rh_owner *o, char *to, size_t cap)
{
    char founding[2 * RH_ID_BYTES + 1], disk[2 * RH_ID_BYTES + 1];

    rh_hex(o->founding, RH_ID_BYTES, founding);
    rh_hex(o->disk, RH_ID_BYTES, disk);
    int n = snprintf(to, cap, "raftcore host directory %d\ngroup %llu\nid %llu\nfounding %s\ndisk %s\nlog %s %llu\n",
                     FORMAT, (ull)o->group, (ull)o->id, founding, disk, o->log, (ull)o->reached);
    n += snprintf(to + n, cap - (size_t)n, "crc32c %08x\n", rh_crc32c(0, to, (size_t)n));
    return (size_t)n;
}

static int parse_owner(const struct rh_dir *d, const char *text, struct rh_owner *o, struct rh_words *why)
{
    char founding[33], disk[33], again[OWNER_MAX];
    ull group, id, reached;
    int format = 0;
    int fields =
        sscanf(text, "raftcore host directory %d\ngroup %llu\nid %llu\nfounding %32s\ndisk %32s\nlog %15s %llu\n",
               &format, &group, &id, founding, disk, o->log, &reached);

    if (fields >= 1 && format != FORMAT)
        return rh_fail(why, RH_E_VERSION, "%s/owner has format %d, this library knows %d", d->path, format, FORMAT);
    if (fields == 7 && unhex(founding, o->founding, RH_ID_BYTES) && unhex(disk, o->disk, RH_ID_BYTES)) {
        o->group = group;
        o->id = id;
        o->reached = reached;
        owner_text(o, again, sizeof again);
        if (strcmp(text, again) == 0)
            return RH_OK;
    }
    return rh_fail(why, RH_E_DAMAGED,
                   "%s/owner is not what was written: restore it from a copy, or start this member anew under a new id",
                   d->path);
}

/* RH_NONE: there is no owner file. */
static int read_owner(struct rh_dir *d, struct rh_words *why)
{
    char text[OWNER_MAX];
    size_t got = 0;
    int fd = openat(d->fd, "owner", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? RH_NONE : fail_call(why, "open", "owner");
    int code = rh_read_all(fd, text, sizeof text - 1, 0, &got, "owner", why);
    close(fd);
    if (code != RH_OK)
        return code;
    text[got] = 0;
    return parse_owner(d, text, &d->owner, why);
}

/* Replaces the owner file, durably. A crash leaves the old file or the new file. */
static int write_owner(struct rh_dir *d, const struct rh_owner *o, struct rh_words *why)
{
    char text[OWNER_MAX];
    size_t len = owner_text(o, text, sizeof text);
    int fd = openat(d->fd, "owner.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return fail_call(why, "open", "owner.tmp");
    int code = rh_write_all(fd, text, len, 0, "owner.tmp", why);
    if (code == RH_OK && fsync(fd) != 0)
        code = fail_call(why, "fsync", "owner.tmp");
    close(fd);
    if (code == RH_OK && renameat(d->fd, "owner.tmp", d->fd, "owner") != 0)
        code = fail_call(why, "rename", "owner.tmp");
    if (code == RH_OK)
        code = rh_dir_sync(d, why);
    if (code == RH_OK)
        d->owner = *o;
    return code;
}

int rh_dir_set_founding(struct rh_dir *d, const uint8_t founding[RH_ID_BYTES], struct rh_words *why)
{
    struct rh_owner o = d->owner;
    char own[2 * RH_ID_BYTES + 1], other[2 * RH_ID_BYTES + 1];

    if (memcmp(o.founding, founding, RH_ID_BYTES) == 0)
        return RH_OK;
    if (!rh_is_zero(o.founding, RH_ID_BYTES)) {
        rh_hex(o.founding, RH_ID_BYTES, own);
        rh_hex(founding, RH_ID_BYTES, other);
        return rh_fail(why, RH_E_OWNER, "%s belongs to the founding %s, not to %s", d->path, own, other);
    }
    memcpy(o.founding, founding, RH_ID_BYTES);
    return write_owner(d, &o, why);
}

int rh_dir_set_log(struct rh_dir *d, const char *kind, struct rh_words *why)
{
    struct rh_owner o = d->owner;
    size_t len = strlen(kind);

    if (len == 0 || len >= sizeof o.log || strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return rh_fail(why, RH_E_ARG, "a kind of log is a word of up to %zu small letters, digits and hyphens",
                       sizeof o.log - 1);
    if (strcmp(o.log, kind) == 0)
        return RH_OK;
    if (strcmp(o.log, "none") != 0)
        return rh_fail(why, RH_E_OWNER, "%s has a log of kind %s, not %s", d->path, o.log, kind);
    snprintf(o.log, sizeof o.log, "%s", kind);
    return write_owner(d, &o, why);
}

int rh_dir_set_reached(struct rh_dir *d, uint64_t reached, struct rh_words *why)
{
    struct rh_owner o = d->owner;

    o.reached = reached;
    return o.reached == d->owner.reached ? RH_OK : write_owner(d, &o, why);
}

/* ---- open and close ---- */

/* Two processes on one directory would overwrite each other's segments. */
static int lock(struct rh_dir *d, struct rh_words *why)
{
    char holder[32] = "";
    size_t got = 0;

    d->lock = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->lock < 0)
        return fail_call(why, "open", "lock");
    /* The directory itself is locked as well, since somebody may remove the lock file. */
    bool taken = flock(d->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (taken || flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
        if (!taken && errno != EWOULDBLOCK)
            return fail_call(why, "flock", "lock");
        rh_read_all(d->lock, holder, sizeof holder - 1, 0, &got, "lock", NULL);
        holder[strspn(holder, "0123456789")] = 0;
        return rh_fail(why, RH_E_OWNER, "process %s has %s open", holder[0] ? holder : "(unknown)", d->path);
    }
    d->locker = getpid();
    int len = snprintf(holder, sizeof holder, "%ld\n", d->locker);
    /* For people only. Without the number the lock is as good. */
    if (ftruncate(d->lock, 0) == 0)
        (void)rh_write_all(d->lock, holder, (size_t)len, 0, "lock", NULL);
    return RH_OK;
}

static int check_owner(struct rh_dir *d, uint64_t group, uint64_t id, struct rh_words *why)
{
    if (d->owner.group != group || d->owner.id != id)
        return rh_fail(why, RH_E_OWNER, "%s belongs to node %llu of group %llu, not to node %llu of group %llu",
                       d->path, (ull)d->owner.id, (ull)d->owner.group, (ull)id, (ull)group);
    return RH_OK;
}

static int make_owner(struct rh_dir *d, uint64_t group, uint64_t id, struct rh_words *why)
{
    struct rh_owner o = {.group = group, .id = id, .log = "none"};

    if (getrandom(o.disk, sizeof o.disk, 0) != (ssize_t)sizeof o.disk)
        return fail_call(why, "getrandom for", d->path);
    d->fresh = true;
    return write_owner(d, &o, why);
}

static bool has_ending(const char *name, const char *ending)
{
    size_t len = strlen(name), tail = strlen(ending);

    return len > tail && strcmp(name + len - tail, ending) == 0;
}

static int remove_if_tmp(void *context, const char *name)
{
    const struct rh_dir *d = context;

    if (has_ending(name, ".tmp"))
        unlinkat(d->fd, name, 0);       /* a file that stays is overwritten when the name is needed */
    return RH_OK;
}

static int refuse_if_log(void *context, const char *name)
{
    (void)context;
    return strncmp(name, "log-", 4) == 0 || strncmp(name, "snapshot-", 9) == 0 ? RH_E_DAMAGED : RH_OK;
}

/* The name of the directory must be durable before a promise on its content. */
static int sync_parent(const struct rh_dir *d, struct rh_words *why)
{
    int above = openat(d->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = above >= 0 && fsync(above) == 0 ? RH_OK : fail_call(why, "fsync of the directory above", d->path);

    if (above >= 0)
        close(above);
    return code;
}

/* A directory without an owner file is new, unless a log or a snapshot lies there. */
static int adopt(struct rh_dir *d, uint64_t group, uint64_t id, struct rh_words *why)
{
    int code = rh_dir_each(d, refuse_if_log, NULL, why);

    if (code == RH_E_DAMAGED)
        return rh_fail(why, code,
                       "%s has a log and no owner file: restore the owner file from a copy, or start this member anew "
                       "under a new id",
                       d->path);
    if (code == RH_OK)
        code = sync_parent(d, why);
    return code == RH_OK ? make_owner(d, group, id, why) : code;
}

static int open_fd(struct rh_dir *d, const char *path, struct rh_words *why)
{
    *d = (struct rh_dir){.fd = -1, .lock = -1};
    size_t len = strlen(path);
    if (len >= sizeof d->path)
        return rh_fail(why, RH_E_ARG, "the directory's path is longer than %zu bytes", sizeof d->path - 1);
    memcpy(d->path, path, len + 1);
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return d->fd >= 0 ? RH_OK : fail_call(why, "open", path);
}

int rh_dir_open(struct rh_dir *d, const char *path, uint64_t group, uint64_t id, struct rh_words *why)
{
    *d = (struct rh_dir){.fd = -1, .lock = -1};
    if (id == 0)
        return rh_fail(why, RH_E_ARG, "a node's id is not 0");
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return fail_call(why, "mkdir", path);
    int code = open_fd(d, path, why);
    if (code == RH_OK)
        code = lock(d, why);
    if (code == RH_OK)
        code = read_owner(d, why);
    if (code == RH_NONE)
        code = adopt(d, group, id, why);
    else if (code == RH_OK)
        code = check_owner(d, group, id, why);
    if (code == RH_OK)
        code = rh_dir_each(d, remove_if_tmp, d, why);
    if (code != RH_OK)
        rh_dir_close(d);
    return code;
}

int rh_dir_look(struct rh_dir *d, const char *path, struct rh_words *why)
{
    int code = open_fd(d, path, why);

    if (code == RH_OK)
        code = read_owner(d, why);
    if (code == RH_NONE)
        code = rh_fail(why, RH_E_OWNER, "%s has no owner file: it is no node's directory", path);
    if (code != RH_OK)
        rh_dir_close(d);
    return code;
}

void rh_dir_close(struct rh_dir *d)
{
    /* A child that the process has forked holds copies of the descriptors until it calls exec, or ends. Without these calls
       the child would keep the directory locked. A child must not unlock what its parent uses. */
    if (d->lock >= 0 && d->locker == getpid()) {
        flock(d->lock, LOCK_UN);
        flock(d->fd, LOCK_UN);
    }
    if (d->lock >= 0)
        close(d->lock);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = d->lock = -1;
}
