/*
 * threads.c: three nodes in one process, threads on each, under ThreadSanitizer and under AddressSanitizer.
 *
 * A writer on each node tries small and large transactions and rollbacks; readers run beside them; the leadership is handed
 * over again and again. In the end the three files are equal.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "address.h"

int sqlite3_raftlite_init(sqlite3 *db, char **error, const void *api);

enum { NODES = 3, SECONDS = 8, LONGEST = 60 };

static char folder[64];
static char uri[NODES][512], path[NODES][128];
static atomic_int stopped, written, refused;

static int init(sqlite3 *db, char **error, const void *api) {
    int code = sqlite3_raftlite_init(db, error, api);
    return code == SQLITE_OK_LOAD_PERMANENTLY ? SQLITE_OK : code;
}

static void fail(const char *what, const char *words) {
    fprintf(stderr, "threads: %s: %s\n", what, words);
    _exit(1);
}

static sqlite3 *open_node(int i) {
    sqlite3 *db;
    if (sqlite3_open_v2(uri[i], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
        fail(uri[i], sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 100);
    return db;
}

static int run(sqlite3 *db, const char *sql) {
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

static void *write_some(void *arg) {
    static const char *const work[] = {
        "INSERT INTO t VALUES (randomblob(100))",
        "BEGIN IMMEDIATE; DELETE FROM t WHERE rowid % 7 = 3; INSERT INTO t VALUES (randomblob(5000)); COMMIT",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<200) INSERT INTO t SELECT randomblob(4000) FROM c",
        "BEGIN IMMEDIATE; DELETE FROM t; ROLLBACK",
        "DELETE FROM t WHERE rowid < (SELECT max(rowid) - 200 FROM t)",
        "VACUUM",
    };
    sqlite3 *db = open_node((int)(size_t)arg);
    for (unsigned k = 0; !stopped; k++) {
        int code = run(db, work[k % 6]);
        atomic_fetch_add(code == SQLITE_OK ? &written : &refused, 1);
        if ((code & 0xff) == SQLITE_IOERR) {
            sqlite3_close(db);
            db = open_node((int)(size_t)arg);
        } else if (code != SQLITE_OK) {
            usleep(20000);
        }
    }
    sqlite3_close(db);
    return NULL;
}

static void *read_some(void *arg) {
    size_t which = (size_t)arg;
    sqlite3 *db = open_node((int)which);
    run(db, which == 1 ? "PRAGMA raft_read=linear" : "PRAGMA raft_read=local");
    while (!stopped) {
        run(db, "SELECT count(*), sum(length(a)) FROM t");
        run(db, "PRAGMA raft_status");
        usleep(5000);
    }
    sqlite3_close(db);
    return NULL;
}

static void *hand_over(void *arg) {
    sqlite3 *db = open_node((int)(size_t)arg);
    while (!stopped) {
        usleep(700000);
        run(db, "PRAGMA raft_transfer");
    }
    sqlite3_close(db);
    return NULL;
}

static unsigned free_port(void) {
    char address[32];
    free_address(address);
    return (unsigned)atoi(strchr(address, ':') + 1);
}

static int equal_files(void) {
    char command[600];
    snprintf(command, sizeof command, "cmp -s %s %s && cmp -s %s %s", path[0], path[1], path[0], path[2]);
    return system(command) == 0;
}

/* Runs behind raftlite's own handler, which ends the nodes: it is registered first. */
static void tidy(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command) != 0)
        _exit(1);
}

int main(void) {
    pthread_t threads[7];
    unsigned port[NODES];
    snprintf(folder, sizeof folder, "/tmp/raftlite-threads-%ld", (long)getpid());
    if (mkdir(folder, 0700) != 0)
        fail(folder, "cannot be made");
    atexit(tidy);
    sqlite3_auto_extension((void (*)(void))init);
    sqlite3 *first, *nodes[NODES];
    sqlite3_open(":memory:", &first);
    for (int i = 0; i < NODES; i++) {
        port[i] = free_port();
        snprintf(path[i], sizeof path[i], "%s/%d.db", folder, i + 1);
        snprintf(uri[i], sizeof uri[i], "file:%s?vfs=raft&id=%d&peer=127.0.0.1:%u&tick=50&wait=5000&log_bytes=1048576&%s127.0.0.1:%u",
                 path[i], i + 1, port[i], i ? "join=" : "found=1&x=", port[0]);
        nodes[i] = open_node(i);
    }
    sqlite3_busy_timeout(nodes[0], 20000);
    if (run(nodes[0], "CREATE TABLE t(a)") != SQLITE_OK)
        fail("create", sqlite3_errmsg(nodes[0]));
    for (size_t i = 0; i < NODES; i++) {
        pthread_create(&threads[i], NULL, write_some, (void *)i);
        pthread_create(&threads[NODES + i], NULL, read_some, (void *)i);
    }
    pthread_create(&threads[6], NULL, hand_over, (void *)0);
    sleep(SECONDS);
    stopped = 1;
    for (int i = 0; i < 7; i++)
        pthread_join(threads[i], NULL);
    int waited = 0;
    while (!equal_files() && waited++ < LONGEST * 10)
        usleep(100000);
    for (int i = 0; i < NODES; i++)
        sqlite3_close(nodes[i]);
    sqlite3_close(first);
    if (waited > LONGEST * 10)
        fail("files differ", folder);
    if (written < 5)
        fail("hardly anything was written", folder);
    printf("%d writes, %d refused\n", written, refused);
    return 0;
}
