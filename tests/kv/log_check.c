/*
 * log_check.c: rh-log-check on the log store of bindings/c/lmdb/lmdb_log.c. log_check DIR; SEED=… HOST_TIMES=… as elsewhere.
 *
 * Without rh_check_damage: LMDB has no checksums on its own pages, and a changed meta page shows an earlier state. The
 * entries and the record of this store have checksums: tests/kv/faults.py changes them.
 */
#include <lmdb.h>
#include <sys/stat.h>

#include "check.h"
#include "kit.h"
#include "lmdb_log.h"

static int open_store(void *context, const char *dir, struct rh_log *out, struct rh_words *why)
{
    struct rh_boot boot;
    struct rh_words ignored;

    (void)context;
    mkdir(dir, 0777);
    int code = rh_lmdb_log_make(dir, 64 << 20, 0, MDB_NOLOCK, out, why);
    if (code != RH_OK)
        return code;
    code = out->ops->boot(out->self, &boot, why);
    if (code != RH_OK)
        out->ops->close(out->self, &ignored);
    return code;
}

int main(int argc, char **argv)
{
    struct random r = random_open("kv_log_check");
    const struct rh_check_options o = {
        .dir = argc > 1 ? argv[1] : "/dev/shm/rh-lmdb-log",
        .seed = r.state,
        .times = (unsigned)setting("HOST_TIMES", 1),
        .bits = 1,
    };
    const struct rh_check_store s = {.name = "LMDB", .open = open_store};

    mkdir(o.dir, 0777);
    rh_check_contract(&s, &o);
    rh_check_power_cuts(&s, &o);
    rh_check_faults(&s, &o);
    return 0;
}
