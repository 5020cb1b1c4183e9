/*
 * vfs.c: the VFS "raft", and how it comes into a program: as an extension, or by LD_PRELOAD (preload.c).
 *
 * A database opened with vfs=raft is replicated. If RAFTLITE_FILE names a file, the VFS is the default, the named file is
 * replicated, and further files are SQLite's own. RAFTLITE_FILE=* means every file, for tests.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raftlite.h"
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

static sqlite3_vfs vfs, *base; /* base: of SQLite, below */

void rl_say(const char *format, ...) {
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "raftlite: %s\n", text);
}

const char *rl_setting(const char *uri, const char *name, char *room, size_t len) {
    char variable[40] = "RAFTLITE_";
    const char *value = sqlite3_uri_parameter(uri, name);
    size_t at = strlen(variable);
    for (; *name && at < sizeof variable - 1; name++)
        variable[at++] = (char)(*name >= 'a' && *name <= 'z' ? *name - 32 : *name);
    variable[at] = 0;
    if (!value)
        value = getenv(variable);
    if (!value || !*value)
        return NULL;
    snprintf(room, len, "%s", value);
    return room;
}

/* As the default VFS, is this the replicated file? */
static bool is_meant(const char *path) {
    const char *file = getenv("RAFTLITE_FILE");
    char full[PATH_MAX];
    const char *asked = sqlite3_uri_parameter(path, "vfs");
    if (!file || (asked && strcmp(asked, vfs.zName) == 0))
        return true;
    return strcmp(file, "*") == 0 || strcmp(file, path) == 0 || (realpath(file, full) && strcmp(full, path) == 0);
}

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *out) {
    (void)self;
    struct rh_words why = {""};
    struct rl_node *n;
    f->pMethods = NULL;
    if (name && flags & SQLITE_OPEN_MAIN_JOURNAL && (n = rl_node_of(name, "-journal"))) {
        if (out)
            *out = flags;
        return rl_journal_open(n, f);
    }
    if (name && flags & SQLITE_OPEN_WAL && rl_node_of(name, "-wal"))
        return SQLITE_CANTOPEN;
    bool may_make = flags & SQLITE_OPEN_CREATE || (name && access(name, F_OK) == 0);
    if (!name || !(flags & SQLITE_OPEN_MAIN_DB) || !may_make || !is_meant(name))
        return base->xOpen(base, name, f, flags, out);
    n = rl_node_get(base, name, &why);
    if (!n) {
        rl_say("%s: %s", name, why.text);
        return SQLITE_CANTOPEN;
    }
    int code = rl_file_open(base, n, name, f, flags, out);
    if (code != SQLITE_OK)
        rl_node_put(n);
    return code;
}

static int on_delete(sqlite3_vfs *self, const char *name, int sync) {
    (void)self;
    return rl_node_of(name, "-journal") ? SQLITE_OK : base->xDelete(base, name, sync);
}

static int on_access(sqlite3_vfs *self, const char *name, int flags, int *out) {
    (void)self;
    if (!rl_node_of(name, "-journal") && !rl_node_of(name, "-wal"))
        return base->xAccess(base, name, flags, out);
    *out = 0;
    return SQLITE_OK;
}

static int register_once(const sqlite3_api_routines *api) {
    if (sqlite3_api)
        return SQLITE_OK;
    SQLITE_EXTENSION_INIT2(api);
    base = sqlite3_vfs_find("unix");
    if (!base)
        return SQLITE_ERROR;
    vfs = *base; /* the functions of "unix" for time, libraries and the like serve as they are */
    vfs.zName = "raft";
    vfs.szOsFile = (int)rl_file_bytes(base);
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    vfs.xAccess = on_access;
    return sqlite3_vfs_register(&vfs, getenv("RAFTLITE_FILE") != NULL);
}

/* Called by SQLite, with the addresses of SQLite's functions: once, or for every connection. */
int sqlite3_raftlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);
int sqlite3_raftlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    (void)db, (void)error;
    pthread_mutex_lock(&mutex);
    int code = register_once(api);
    pthread_mutex_unlock(&mutex);
    return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
}
