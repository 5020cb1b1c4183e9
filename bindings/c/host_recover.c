/*
 * host_recover.c: a survivor of a lost quorum becomes the whole group. docs/lost-quorum.md.
 *
 * The edited membership is stored as of the log's end, marked as forced. The boot then uses it in
 * place of older ones, and membership changes up to there are skipped: driver_boot.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "driver_parts.h"
#include "log_file.h"

/* Takes over the addresses and disks of all members that the log knows. */
static int take_books(struct rh_driver *scratch, const struct rh_boot *boot, struct rh_words *why)
{
    raftcore_slice conf, book;
    bool forced;

    for (size_t i = 0; i < boot->n_confs; i++) {
        if (!rh_blob_open(boot->confs[i].bytes, &conf, &book, &forced))
            return rh_fail(why, RH_E_DAMAGED, "the membership as of entry %" PRIu64 " has no known form",
                           boot->confs[i].index);
        if (rh_take_book(scratch, book) < 0)
            return rh_fail(why, RH_E_NOMEM, "no memory");
    }
    return RH_OK;
}

static int store_alone(struct rh_log log, uint64_t id, const struct rh_boot *boot, struct rh_words *why)
{
    struct rh_driver *scratch = calloc(1, sizeof *scratch);
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = &id, .n_voters = 1, .index = boot->last};
    struct rh_conf stored = {.index = boot->last};
    uint8_t bytes[64];
    size_t len = 0;
    uint64_t number;

    if (!scratch)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    int code = take_books(scratch, boot, why);
    if (code == RH_OK && raftcore_conf_encode(&conf, bytes, sizeof bytes, &len) != RAFTCORE_OK)
        code = rh_fail(why, RH_E_CORE, "the membership cannot be encoded");
    uint8_t *blob = code == RH_OK ? rh_blob_make(scratch, (raftcore_slice){bytes, len}, true, &stored.bytes.len) : NULL;
    if (code == RH_OK && !blob)
        code = rh_fail(why, RH_E_NOMEM, "no memory");
    stored.bytes.ptr = blob;
    const struct rh_batch b = {.number = 1, .confs = &stored, .n_confs = 1};
    if (code == RH_OK)
        code = log.ops->append(log.self, &b, why);
    if (code == RH_OK)
        code = log.ops->sync(log.self, &number, why);
    free(blob);
    free(scratch->records);
    free(scratch);
    return code < 0 ? code : RH_OK;
}

static int recover(struct rh_log log, uint64_t id, struct rh_words *told, struct rh_words *why)
{
    struct rh_boot boot;
    int code = log.ops->boot(log.self, &boot, why);

    if (code != RH_OK)
        return code;
    if (boot.n_confs == 0 || boot.last == 0)
        return rh_fail(why, RH_E_STATE, "the directory holds no membership");
    rh_fail(told, 0,
            "node %" PRIu64 " is now the whole group. Its log ends at index %" PRIu64 ", term %" PRIu64
            "; %" PRIu64 " was known to be committed. All of it counts as committed from now on",
            id, boot.last, boot.n_runs > 0 ? boot.runs[boot.n_runs - 1].term : boot.before_term, boot.commit);
    return store_alone(log, id, &boot, why);
}

static int recover_and_close(struct rh_log log, uint64_t id, struct rh_words *told, struct rh_words *why)
{
    struct rh_words ignored;
    int code = recover(log, id, told, why);
    int closed = log.ops->close(log.self, code == RH_OK ? why : &ignored);

    return code == RH_OK ? closed : code;
}

int rh_recover_log(const char *dir, uint64_t group, uint64_t id, const struct rh_log *store, struct rh_words *told,
                   struct rh_words *why)
{
    struct rh_dir d;
    struct rh_log log = {0};
    struct rh_words ignored;
    int code = rh_dir_open(&d, dir, group, id, why);

    if (code != RH_OK) {
        if (store)
            store->ops->close(store->self, &ignored);
        return code;
    }
    if (store)
        log = *store;
    else
        code = d.fresh ? rh_fail(why, RH_E_STATE, "%s is empty", dir) : rh_log_file_open(&d, NULL, &log, why);
    if (code == RH_OK)
        code = recover_and_close(log, id, told, why);
    rh_dir_close(&d);
    return code;
}

int rh_recover(const char *dir, uint64_t group, uint64_t id, struct rh_words *told, struct rh_words *why)
{
    return rh_recover_log(dir, group, id, NULL, told, why);
}
