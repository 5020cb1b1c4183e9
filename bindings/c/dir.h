/*
 * dir.h: a node's data directory: whose it is, and that only one process has it open.
 *
 *   owner        text: format, group, id, founding, disk, the log, checksum. Replaced as a whole, by rename.
 *   lock         locked while a process has the directory open; holds its process id
 *   log-N        segments of the file log (log_file.h)
 *   reserve      disk space that the file log falls back on
 *   snapshot-…   snapshot files (snapshot.h)
 *   *.tmp        left behind by a crash; removed when the directory is opened
 *
 * Each function belongs to the thread that opened the directory, if nothing else is said.
 */
#ifndef RH_DIR_H
#define RH_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "result.h"

enum { RH_ID_BYTES = 16 };

struct rh_owner {
    uint64_t group, id;
    uint8_t founding[RH_ID_BYTES];      /* of the group; zeros: not known yet */
    uint8_t disk[RH_ID_BYTES];          /* drawn at random when the directory was made */
    char log[16];                       /* kind of log store in here: "files"; "none": not made yet */
    uint64_t reached;                   /* the log was closed in order when it had come so far: it must never end before */
};

struct rh_dir {
    int fd, lock;                       /* -1: not open */
    bool fresh;                         /* this call of rh_dir_open has made it */
    struct rh_owner owner;
    char path[256];                     /* for words */
};

/*
 * Opens a directory, makes it if there is none, and locks it.
 *
 * group, id  The node. They must be those of the owner file, if there is one.
 * Returns    RH_OK          *d is open
 *            RH_E_OWNER     it is another node's, or another process has it open
 *            RH_E_DAMAGED   the owner file is not what was written
 *            RH_E_VERSION   the owner file has a format of another version
 *            RH_E_ARG, RH_E_SPACE, RH_E_IO
 */
int rh_dir_open(struct rh_dir *d, const char *path, uint64_t group, uint64_t id, struct rh_words *why);

/* Opens a directory to look at it: no lock, nothing is made, removed or written. */
int rh_dir_look(struct rh_dir *d, const char *path, struct rh_words *why);

/* Closes and unlocks. A directory that is not open is fine. */
void rh_dir_close(struct rh_dir *d);

/*
 * Stores the founding of the group, durably. RH_E_OWNER if the directory has another one.
 */
int rh_dir_set_founding(struct rh_dir *d, const uint8_t founding[RH_ID_BYTES], struct rh_words *why);

/*
 * Stores that a log of this kind was made, durably. From then on its absence is a fault. Called by log stores. kind: up to 15 small
 * letters, digits and hyphens.
 */
int rh_dir_set_log(struct rh_dir *d, const char *kind, struct rh_words *why);

/* Stores how far the log has come, durably. Called by log stores when they are closed. */
int rh_dir_set_reached(struct rh_dir *d, uint64_t reached, struct rh_words *why);

/* Makes all names in the directory durable: files made, renamed, removed. Any thread. */
int rh_dir_sync(const struct rh_dir *d, struct rh_words *why);


/* ---- for the files in a directory ---- */

/* The code for errno: RH_E_SPACE if the disk or a quota is full, RH_E_NOMEM, else RH_E_IO. */
int rh_code_of_errno(int error);

/* Writes all bytes at an offset, in as many pieces as it takes. Any thread. */
int rh_write_all(int fd, const void *bytes, size_t len, uint64_t offset, const char *name, struct rh_words *why);

/* Reads `len` bytes, or fewer at the end of the file: *got says how many. Any thread. */
int rh_read_all(int fd, void *to, size_t len, uint64_t offset, size_t *got, const char *name, struct rh_words *why);

/* Calls `visit` with each name; stops at the first answer that is not RH_OK, and returns it. */
int rh_dir_each(const struct rh_dir *d, int (*visit)(void *context, const char *name), void *context, struct rh_words *why);

bool rh_is_zero(const uint8_t *bytes, size_t len);
void rh_hex(const uint8_t *bytes, size_t len, char *to);        /* 2 * len + 1 characters */

#endif
