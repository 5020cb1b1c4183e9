/*
 * driver_found.c: founds a group, once, empty or with the state of a backup.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "driver_parts.h"

enum { PIECE = 64 * 1024 };

/* The origin of the new log: this node is the only member. */
struct first {
    struct rh_snapshot origin;
    uint8_t conf[64], book[1024];
    size_t conf_len, book_len;
};

/* Sets membership and address book as of origin.index. */
static int describe(struct rh_driver *d, struct first *f, struct rh_words *why)
{
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = &d->o.id, .n_voters = 1, .index = f->origin.index};
    struct rh_wire_member own = {.id = d->o.id};

    memcpy(own.disk, d->dir->owner.disk, sizeof own.disk);
    own.peer_address = (raftcore_slice){(const uint8_t *)d->peer_address, strlen(d->peer_address)};
    own.client_address = (raftcore_slice){(const uint8_t *)d->client_address, strlen(d->client_address)};
    f->book_len = rh_wire_book_write(&own, 1, f->book, sizeof f->book);
    raftcore_code code = raftcore_conf_encode(&conf, f->conf, sizeof f->conf, &f->conf_len);
    if (code != RAFTCORE_OK)
        return rh_core_fail(NULL, code, "conf_encode", why);
    if (f->book_len == 0 || rh_take_book(d, (raftcore_slice){f->book, f->book_len}) < 0)
        return rh_fail(why, RH_E_ARG, "%s or %s is no address", d->peer_address, d->client_address);
    return RH_OK;
}

/* ---- the state of a backup ---- */

static int copy_data(struct rh_snapshot_reader *r, struct rh_snapshot_writer *w, struct rh_words *why)
{
    uint8_t *buf = malloc(PIECE);
    size_t got = PIECE;
    int code = buf ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory to restore");

    while (code == RH_OK && got == PIECE) {
        code = rh_snapshot_read(r, buf, PIECE, &got, why);
        if (code == RH_OK && got > 0)
            code = rh_snapshot_write(w, buf, got, why);
    }
    free(buf);
    return code;
}

static int restore(struct rh_driver *d, struct rh_snapshot_reader *r, struct first *f, struct rh_words *why)
{
    const struct rh_snapshot_info *info = rh_snapshot_get_info(r);
    struct rh_snapshot_writer *w;

    f->origin.index = info->index;
    f->origin.term = info->term;
    int code = describe(d, f, why);
    if (code == RH_OK)
        code = rh_snapshot_create(d->dir, info->index, info->term, (raftcore_slice){f->conf, f->conf_len},
                                  (raftcore_slice){f->book, f->book_len}, 0, &w, why);
    if (code != RH_OK)
        return code;
    code = copy_data(r, w, why);
    if (code == RH_OK)
        return rh_snapshot_finish(w, &f->origin, why);
    rh_snapshot_cancel(w);
    return code;
}

/* Puts a backup into the directory as a snapshot of the new group. */
static int restore_backup(struct rh_driver *d, struct first *f, struct rh_words *why)
{
    struct rh_snapshot_reader *r;
    uint64_t has = 0;

    if (d->db.applied(d->db.self, &has, why) < 0)
        return RH_E_DATABASE;
    if (has > 0)
        return rh_fail(why, RH_E_DATABASE, "the database has entries up to %llu: restore into an empty one", (ull)has);
    int code = rh_snapshot_open_file(d->o.restore, &r, why);
    if (code != RH_OK)
        return code == RH_NONE ? RH_E_IO : code;
    code = restore(d, r, f, why);
    rh_snapshot_close(r);
    return code;
}

/* ---- the first log ---- */

static int found_log(struct rh_driver *d, struct rh_words *why)
{
    struct first f = {.origin = {.index = 1, .term = 1}};
    size_t blob_len = 0;
    int code = d->o.restore ? restore_backup(d, &f, why) : describe(d, &f, why);

    if (code != RH_OK)
        return code;
    uint8_t *blob = rh_blob_make(d, (raftcore_slice){f.conf, f.conf_len}, false, &blob_len);
    if (!blob)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    f.origin.conf = (raftcore_slice){blob, blob_len};
    struct rh_batch b = {.number = ++d->batch, .snapshot = &f.origin, .replaces = true, .has_state = true,
                         .term = f.origin.term, .commit = f.origin.index};
    uint64_t number = 0;
    code = d->log.ops->append(d->log.self, &b, why);
    if (code == RH_OK)
        code = d->log.ops->sync(d->log.self, &number, why);
    free(blob);
    return code < 0 ? code : RH_OK;
}

static int draw_founding(struct rh_driver *d, struct rh_words *why)
{
    uint8_t founding[RH_ID_BYTES];

    if (getrandom(founding, sizeof founding, 0) != (ssize_t)sizeof founding)
        return rh_fail(why, RH_E_IO, "the system gives no random bytes");
    return rh_dir_set_founding(d->dir, founding, why);
}

/*
 * First the log, then the founding: a crash in between leaves a log without a founding, which the
 * next start completes. Nobody has heard of the group before.
 */
int rh_found_if_asked(struct rh_driver *d, struct rh_words *why)
{
    struct rh_boot boot;
    int code = d->log.ops->boot(d->log.self, &boot, why);
    bool named = !rh_is_zero(d->dir->owner.founding, RH_ID_BYTES);

    if (code != RH_OK)
        return code;
    if (!boot.fresh || named) {
        if (d->o.found && named)
            return rh_fail(why, RH_E_OWNER, "%s belongs to a group already: a group is founded once. Start without found",
                           d->dir->path);
        return named ? RH_OK : draw_founding(d, why);
    }
    if (d->o.found) {
        code = found_log(d, why);
        return code == RH_OK ? draw_founding(d, why) : code;
    }
    if (!d->o.join)
        return rh_fail(why, RH_E_STATE, "%s is empty: found a group, or join one", d->dir->path);
    return RH_OK;
}
