/*
 * dir.h: the data directory of a node. A directory has an owner, and is open in one process.
 *
 *   owner        text: format, group, id, founding, disk, log, checksum. Replaced as a whole, by rename.
 *   lock         locked while a process has the directory open; holds the process id
 *   log-N        segments of the file log (log_file.h)
 *   reserve      disk space for the file log when the disk is full
 *   snapshot-…   snapshot files (snapshot.h)
 *   *.tmp        left behind by a crash; removed when the directory is opened
 *
 * Functions belong to the thread that opened the directory, except where a comment says otherwise.
 */
#ifndef RH_DIR_H
#define RH_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "result.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RH_ID_BYTES = 16 };

struct rh_owner {
    uint64_t group, id;
    uint8_t founding[RH_ID_BYTES];      /* of the group; zeros: not known yet */
    uint8_t disk[RH_ID_BYTES];          /* drawn at random when the directory was made */
    char log[16];                       /* kind of log store in here: "files"; "none": not made yet */
    uint64_t reached;                   /* how far the log had come when last closed in order: a log that ends before has
                                           lost something */
};

struct rh_dir {
    int fd, lock;                       /* -1: not open */
    bool fresh;                         /* made by this call of rh_dir_open */
    long locker;                        /* the process that holds the lock; 0: none */
    struct rh_owner owner;
    char path[256];                     /* for words */
};

/*
 * Opens a directory and locks it. Makes the directory if there is none.
 *
 * group, id  The node. An owner file with another node is refused.
 * Returns    RH_OK          *d is open
 *            RH_E_OWNER     the directory is another node's, or open in another process
 *            RH_E_DAMAGED   the owner file is not what was written
 *            RH_E_VERSION   the owner file has a format of another version
 *            RH_E_ARG, RH_E_SPACE, RH_E_IO
 */
int rh_dir_open(struct rh_dir *d, const char *path, uint64_t group, uint64_t id, struct rh_words *why);

/* Opens a directory to look at: without a lock. Nothing is made, removed or written. */
int rh_dir_look(struct rh_dir *d, const char *path, struct rh_words *why);

/* Closes, and unlocks if the lock is of this process. A directory that is not open is fine. */
void rh_dir_close(struct rh_dir *d);

/* Stores the founding of the group, durably. RH_E_OWNER: the directory has a different founding. */
int rh_dir_set_founding(struct rh_dir *d, const uint8_t founding[RH_ID_BYTES], struct rh_words *why);

/*
 * Stores the kind of log, durably. From then on a missing log is a fault. For log stores.
 *
 * kind  Up to 15 small letters, digits and hyphens.
 */
int rh_dir_set_log(struct rh_dir *d, const char *kind, struct rh_words *why);

/* Stores how far the log has come, durably. For log stores that are being closed. */
int rh_dir_set_reached(struct rh_dir *d, uint64_t reached, struct rh_words *why);

/* Makes the names in the directory durable: files made, renamed, removed. Any thread. */
int rh_dir_sync(const struct rh_dir *d, struct rh_words *why);


/* ---- for the files in a directory ---- */

/*
 * Returns the code for an errno: RH_E_SPACE if the disk or a quota is full, RH_E_NOMEM, else
 * RH_E_IO.
 */
int rh_code_of_errno(int error);

/* Writes `len` bytes at an offset, in several pieces if need be. Any thread. */
int rh_write_all(int fd, const void *bytes, size_t len, uint64_t offset, const char *name, struct rh_words *why);

/* Reads `len` bytes, or fewer at the end of the file. *got is the number read. Any thread. */
int rh_read_all(int fd, void *to, size_t len, uint64_t offset, size_t *got, const char *name, struct rh_words *why);

/* Calls `visit` with each name. Stops at the first code other than RH_OK, and returns the code. */
int rh_dir_each(const struct rh_dir *d, int (*visit)(void *context, const char *name), void *context,
                struct rh_words *why);

bool rh_is_zero(const uint8_t *bytes, size_t len);
void rh_hex(const uint8_t *bytes, size_t len, char *to);        /* 2 * len + 1 characters */

#ifdef __cplusplus
}
#endif

#endif
