/*
 * preload.c: LD_PRELOAD=raftlite.so. The first sqlite3_open of the program registers the VFS.
 *
 * Only then, since a program may configure SQLite before its first connection, and not after.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

#include <sqlite3.h>

int sqlite3_raftlite_init(sqlite3 *db, char **error, const void *api);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int (*real_open)(const char *, sqlite3 **);
static int (*real_open16)(const void *, sqlite3 **);
static int (*real_open_v2)(const char *, sqlite3 **, int, const char *);

/* From an automatic extension, SQLITE_OK_LOAD_PERMANENTLY would be an error. */
static int init(sqlite3 *db, char **error, const void *api) {
    int code = sqlite3_raftlite_init(db, error, api);
    return code == SQLITE_OK_LOAD_PERMANENTLY ? SQLITE_OK : code;
}

static void *find(void *library, const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    return symbol || !library ? symbol : dlsym(library, name);
}

static void set_up(void) {
    void *library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_NOLOAD);
    int (*auto_extension)(void (*)(void)), (*cancel)(void (*)(void)), (*end)(sqlite3 *);
    sqlite3 *db = NULL;
    *(void **)&real_open = find(library, "sqlite3_open");
    *(void **)&real_open16 = find(library, "sqlite3_open16");
    *(void **)&real_open_v2 = find(library, "sqlite3_open_v2");
    *(void **)&auto_extension = find(library, "sqlite3_auto_extension");
    *(void **)&cancel = find(library, "sqlite3_cancel_auto_extension");
    *(void **)&end = find(library, "sqlite3_close");
    if (!real_open || !auto_extension || !cancel || !end)
        return;
    auto_extension((void (*)(void))init);
    real_open(":memory:", &db);
    end(db);
    cancel((void (*)(void))init);
}

int sqlite3_open(const char *name, sqlite3 **db) {
    pthread_once(&once, set_up);
    return real_open ? real_open(name, db) : SQLITE_ERROR;
}

int sqlite3_open16(const void *name, sqlite3 **db) {
    pthread_once(&once, set_up);
    return real_open16 ? real_open16(name, db) : SQLITE_ERROR;
}

int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *with) {
    pthread_once(&once, set_up);
    return real_open_v2 ? real_open_v2(name, db, flags, with) : SQLITE_ERROR;
}
