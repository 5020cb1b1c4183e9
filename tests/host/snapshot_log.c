/*
 * snapshot_log.c: snapshots together with the log: power cuts and failing calls.
 */
#include "snapshot_kit.h"

#include <errno.h>

#include "log_file.h"

static struct rh_log_file_options options = {.segment_bytes = 4096, .keep_bytes = 1, .no_reserve = true};

/* The size of the data of each snapshot here. */
static size_t data_len(uint64_t index)
{
    return index == 5 ? 1500 : 2500;
}

static int append(struct rh_log *log, const struct rh_snapshot *s, bool replaces, uint64_t first, uint64_t n,
                  uint64_t commit)
{
    raftcore_entry e[8];
    uint64_t number;

    for (uint64_t i = 0; i < n; i++)
        e[i] = (raftcore_entry){.index = first + i, .term = 4};
    struct rh_batch b = {.snapshot = s,
                         .replaces = replaces,
                         .entries = e,
                         .n_entries = (uint32_t)n,
                         .entry_stride = sizeof *e,
                         .has_state = true,
                         .term = 4,
                         .commit = commit};
    int code = log->ops->append(log->self, &b, &why);
    return code == RH_OK ? log->ops->sync(log->self, &number, &why) : code;
}

static int receive(const struct rh_dir *d, const struct rh_snapshot *s, const uint8_t *bytes)
{
    struct rh_snapshot_receiver *to;
    uint64_t offset;
    int code = rh_snapshot_receive(d, s, 512, &to, &offset, &why);

    if (code != RH_OK)
        return code;
    while (code == RH_OK && offset < s->bytes) {
        size_t now = s->bytes - offset < 512 ? (size_t)(s->bytes - offset) : 512;
        code = rh_snapshot_put(to, offset, bytes + offset, now, &why);
        offset += now;
    }
    if (code == RH_OK)
        return rh_snapshot_arrived(to, &why);
    rh_snapshot_stop(to);
    return code;
}

/* Lives through a founding, an own snapshot, a leader's snapshot. Stops at the first failing call. */
static int live(struct rh_dir *d, const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    struct rh_snapshot founding = {.index = 1, .term = 1, .conf = SLICE(conf)}, own;
    struct rh_log log;
    uint64_t before;
    int code = rh_log_file_open(d, &options, &log, &why);

    if (code != RH_OK)
        return code;
    code = append(&log, &founding, true, 2, 6, 6);
    if (code == RH_OK) {
        uint8_t *data = data_of(5, data_len(5));
        code = make(d, 5, data, data_len(5), 256, &own);
        free(data);
    }
    disk_note(1, 5);
    if (code == RH_OK)
        code = append(&log, &own, false, 8, 0, 7);
    if (code == RH_OK) {
        disk_note(2, 5);
        code = rh_snapshots_clean(d, &own, UINT64_MAX, &why);
    }
    if (code == RH_OK)
        code = log.ops->compact(log.self, 5, UINT64_MAX, &before, &why);
    if (code == RH_OK)
        code = receive(d, theirs, their_bytes);
    disk_note(1, theirs->index);
    if (code == RH_OK)
        code = append(&log, theirs, true, theirs->index + 1, 2, theirs->index);
    if (code == RH_OK) {
        disk_note(2, theirs->index);
        code = rh_snapshots_clean(d, theirs, UINT64_MAX, &why);
    }
    int closed = log.ops->close(log.self, &why);
    return code != RH_OK ? code : closed;
}

/* Boots: the snapshot in force is whole, and not older than `least`. */
static void boots(uint64_t least, uint64_t most)
{
    struct rh_dir d;
    struct rh_log log;
    struct rh_boot boot;

    if (rh_dir_open(&d, scratch, 7, 3, &why) != RH_OK || rh_log_file_open(&d, &options, &log, &why) != RH_OK)
        DIE("does not boot: %s", why.text);
    OK(log.ops->boot(log.self, &boot, &why));
    CHECK(boot.snapshot.index >= least && boot.snapshot.index <= most);
    if (boot.snapshot.index > 1) {
        uint64_t index = boot.snapshot.index;
        uint8_t *data = data_of(index == 5 ? 5 : 77, data_len(index));
        OK(read_all(&d, &boot.snapshot, data, data_len(index)));
        OK(rh_snapshots_clean(&d, &boot.snapshot, UINT64_MAX, &why));
        OK(read_all(&d, &boot.snapshot, data, data_len(index)));
        free(data);
    }
    OK(log.ops->close(log.self, &why));
    rh_dir_close(&d);
}

static unsigned check_power_cuts(const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    uint64_t least = 0, most = 1;
    unsigned cuts = 0;

    image_empty(scratch);
    disk_track(scratch);
    struct rh_dir d = open_dir(false);
    OK(live(&d, theirs, their_bytes));
    rh_dir_close(&d);
    struct disk_record record = disk_untrack();
    struct disk_image *image = image_open(&record);
    for (size_t at = record.initial; at <= record.count; at++) {
        image_advance(image, at);
        if (at > 0 && record.ops[at - 1].kind == DISK_NOTE) {
            least = record.ops[at - 1].file == 2 ? record.ops[at - 1].offset : least;
            most = record.ops[at - 1].file == 1 ? record.ops[at - 1].offset : most;
        }
        for (unsigned i = 0; i < 10; i++, cuts++) {
            image_write(image, i < IMAGE_SECTORS ? (enum image_mode)i : IMAGE_SECTORS, i * 1000 + at, scratch);
            boots(least, most);
        }
    }
    image_close(image);
    disk_free(&record);
    return cuts;
}

static unsigned check_faults(const struct rh_snapshot *theirs, const uint8_t *their_bytes)
{
    static const struct { unsigned calls; int error;
    } kinds[] = {
        {FAULT_OPEN, EMFILE}, {FAULT_WRITE, ENOSPC}, {FAULT_WRITE, EIO},    {FAULT_WRITE, 0},    {FAULT_SYNC, EIO},
        {FAULT_RENAME, EIO},  {FAULT_READ, EIO},     {FAULT_TRUNCATE, EIO}, {FAULT_UNLINK, EIO},
    };
    unsigned runs = 0;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool came = true;
        for (uint64_t at = 1; came; at++, runs++) {
            struct rh_dir d;
            image_empty(scratch);
            disk_track(scratch);
            disk_set_fault((struct disk_fault){.calls = kinds[k].calls, .at = at, .error = kinds[k].error});
            int code = rh_dir_open(&d, scratch, 7, 3, &why);
            if (code == RH_OK)
                code = live(&d, theirs, their_bytes);
            came = disk_fault_came();
            CHECK(code <= 0 && (code == RH_OK || strlen(why.text) > 10));
            rh_dir_close(&d);
            struct disk_record record = disk_untrack();
            disk_free(&record);
            boots(0, 100);
        }
    }
    return runs;
}

int main(int argc, char **argv)
{
    scratch = argc > 1 ? argv[1] : "/dev/shm/rh-snapshot-log";
    struct rh_dir d = open_dir(true);
    struct rh_snapshot theirs;
    size_t len;
    uint8_t *data = data_of(77, data_len(40));
    OK(make(&d, 40, data, data_len(40), 300, &theirs));
    uint8_t *bytes = file_bytes(&theirs, &len);
    rh_dir_close(&d);
    unsigned cuts = check_power_cuts(&theirs, bytes), faults = check_faults(&theirs, bytes);
    printf("snapshot_log: %u power cuts, %u runs with a call that fails\n", cuts, faults);
    free(bytes);
    free(data);
    return 0;
}
