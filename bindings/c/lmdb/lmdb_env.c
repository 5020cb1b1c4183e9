/* lmdb_env.c: an LMDB environment in one file. */
#include "lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb_bytes.h"

enum { FREE_PAGES, NAMES, OWN_TABLES };     /* LMDB's own tables */

int rh_lmdb_fail(struct rh_words *why, int rc, const char *name, const char *doing)
{
    int code = rc == ENOSPC || rc == MDB_MAP_FULL ? RH_E_SPACE : rc == ENOMEM ? RH_E_NOMEM : RH_E_IO;
    bool damaged = rc == MDB_INVALID || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_BAD_TXN;

    return rh_fail(why, damaged ? RH_E_DAMAGED : code, "%s: %s: %s%s", name, doing, mdb_strerror(rc),
                   damaged              ? ": " RH_LMDB_GIVE_UP
                   : rc == MDB_MAP_FULL ? ": start the server with a larger map"
                                        : "");
}

/* `make` 0 or MDB_CREATE. A file that lacks a table is damaged: files get their names with all tables in them. */
static int open_tables(const char *path, uint64_t map_bytes, unsigned flags, unsigned make, const char *const *tables,
                       MDB_env **env, MDB_dbi *dbi, MDB_txn **txn)
{
    int rc = mdb_env_create(env);

    *txn = NULL;
    if (rc != 0)
        *env = NULL;
    if (rc == 0 && (rc = mdb_env_set_maxdbs(*env, RH_LMDB_TABLES)) == 0 &&
        (rc = mdb_env_set_mapsize(*env, map_bytes)) == 0 &&
        (rc = mdb_env_open(*env, path, MDB_NOSUBDIR | MDB_NOTLS | flags, 0666)) == 0)
        rc = mdb_txn_begin(*env, NULL, flags & MDB_RDONLY, txn);
    for (size_t i = 0; rc == 0 && tables[i]; i++)
        rc = mdb_dbi_open(*txn, tables[i], make, &dbi[i]);
    return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* Reads everything in a table. */
static int touch(MDB_txn *txn, MDB_dbi dbi)
{
    volatile uint64_t sum = 0;
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, dbi, &c);

    if (rc != 0)
        return rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0)
        sum += lmdb_hash(lmdb_slice(k), 0) + lmdb_hash(lmdb_slice(v), 0);
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* LMDB believes its lists of free pages, and ends the process where a write meets a wrong page. */
static int check_free_pages(MDB_env *env, MDB_txn *txn)
{
    MDB_envinfo info;
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_env_info(env, &info);

    if (rc != 0 || (rc = mdb_cursor_open(txn, FREE_PAGES, &c)) != 0)
        return rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        size_t count = SIZE_MAX, page;
        if (k.mv_size == sizeof count && v.mv_size >= sizeof count)
            memcpy(&count, v.mv_data, sizeof count);    /* a list begins with its length */
        if (count >= v.mv_size / sizeof page)
            rc = MDB_CORRUPTED;
        for (size_t i = 1; rc == 0 && i <= count; i++) {
            memcpy(&page, (uint8_t *)v.mv_data + i * sizeof page, sizeof page);
            if (page < 2 || page > info.me_last_pgno)   /* the first two are LMDB's heads */
                rc = MDB_CORRUPTED;
        }
        if (rc != 0)
            break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Makes the name of a file durable. */
static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == path ? 1 : slash ? (int)(slash - path) : 1;

    snprintf(folder, sizeof folder, "%.*s", len, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* LMDB writes a new file under the final name: a power cut in between would leave a file that never opens. */
static int make_file(const char *path, uint64_t map_bytes, const char *const *tables)
{
    char fresh[PATH_MAX];
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi[RH_LMDB_TABLES];

    if (snprintf(fresh, sizeof fresh, "%s.tmp", path) >= (int)sizeof fresh)
        return ENAMETOOLONG;
    if (unlink(fresh) != 0 && errno != ENOENT)
        return errno;
    int rc = open_tables(fresh, map_bytes, MDB_NOLOCK, MDB_CREATE, tables, &env, dbi, &txn);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else if (txn)
        mdb_txn_abort(txn);
    mdb_env_close(env);
    if (rc == 0 && rename(fresh, path) != 0)
        rc = errno;
    return rc == 0 ? sync_folder(path) : rc;
}

int rh_lmdb_open(const char *path, uint64_t map_bytes, unsigned flags, const char *const *tables, MDB_env **env,
                 MDB_dbi *dbi, MDB_txn **txn, struct rh_words *why)
{
    struct stat s;
    bool make = !(flags & MDB_RDONLY) && (stat(path, &s) != 0 || s.st_size == 0);

    *env = NULL;
    *txn = NULL;
    int rc = make ? make_file(path, map_bytes, tables) : 0;
    if (rc == 0)
        rc = open_tables(path, map_bytes, flags, 0, tables, env, dbi, txn);
    for (MDB_dbi i = 0; rc == 0 && flags & MDB_RDONLY && i < OWN_TABLES; i++)
        rc = touch(*txn, i);            /* a write reads the free pages, so a check must */
    if (rc == 0 && flags & MDB_RDONLY)
        rc = check_free_pages(*env, *txn);
    for (size_t i = 0; rc == 0 && flags & MDB_RDONLY && tables[i]; i++)
        rc = touch(*txn, dbi[i]);
    if (rc == 0)
        return RH_OK;
    if (*txn)
        mdb_txn_abort(*txn);
    *txn = NULL;
    return rh_lmdb_fail(why, rc, path, "open");
}

int rh_lmdb_check(const char *path, int (*check)(void *self, struct rh_words *why), void *self, struct rh_words *why)
{
    int status = 0;

    if (access(path, F_OK) != 0)
        return RH_OK;
    pid_t child = fork();
    if (child == 0) {
        struct rh_words ignored;
        _exit(check(self, &ignored) == RH_E_DAMAGED);       /* a signal is a damaged file, too */
    }
    while (child > 0 && waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            child = -1;
    if (child < 0)
        return rh_fail(why, RH_E_NOMEM, "no process to check %s", path);
    return status == 0 ? RH_OK : rh_fail(why, RH_E_DAMAGED, "%s is not what was written: " RH_LMDB_GIVE_UP, path);
}

bool rh_lmdb_is_nearly_full(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    size_t free_pages = 0, here;

    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    size_t pages = info.me_mapsize / stat.ms_psize, limit = pages - pages / 10;
    if (info.me_last_pgno < limit || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return false;
    if (mdb_cursor_open(txn, FREE_PAGES, &c) == 0) {
        for (; mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0; free_pages += here)
            memcpy(&here, v.mv_data, sizeof here);      /* a record begins with a number of pages */
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    return info.me_last_pgno - free_pages >= limit;
}
