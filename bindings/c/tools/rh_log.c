/*
 * rh_log.c: looks at a data directory of the host library. Changes nothing.
 *
 *     rh-log list DIR                  owner, segments, snapshots, state
 *     rh-log verify DIR                reads every byte; exit status 0: all is whole
 *     rh-log dump DIR [FIRST [LAST]]   records; or entries FIRST to LAST
 *
 * A process that has the directory open is not disturbed. While the process writes, the newest
 * batches may look unfinished.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_file.h"
#include "log_scan.h"
#include "snapshot.h"

enum { SHOWN = 48, PIECE = 1024 * 1024 };       /* bytes of an entry that dump shows; read at a time */

static struct rh_words why;

static int fail(const char *what)
{
    fprintf(stderr, "rh-log: %s: %s\n", what, why.text);
    return 1;
}

static const char *type_name(enum rh_record_type type)
{
    switch (type) {
    case RH_REC_ENTRY: return "entry";
    case RH_REC_STATE: return "state";
    case RH_REC_SNAPSHOT: return "snapshot";
    case RH_REC_CONF: return "membership";
    case RH_REC_BEFORE: return "before";
    case RH_REC_BASE: return "base";
    }
    return "unknown";
}

/* ---- list ---- */

static void print_owner(const struct rh_dir *d)
{
    char founding[2 * RH_ID_BYTES + 1], disk[2 * RH_ID_BYTES + 1];

    rh_hex(d->owner.founding, RH_ID_BYTES, founding);
    rh_hex(d->owner.disk, RH_ID_BYTES, disk);
    printf("directory  %s: node %" PRIu64 " of group %" PRIu64 "\n", d->path, d->owner.id, d->owner.group);
    printf("disk       %s, founding %s\n", disk,
           rh_is_zero(d->owner.founding, RH_ID_BYTES) ? "not known yet" : founding);
    printf("log        of kind %s, closed in order at batch %" PRIu64 " or later\n", d->owner.log, d->owner.reached);
}

struct counts {
    uint64_t batches, entries, first, last;
};

static void count_batch(const struct rh_scan *scan, const struct rh_batch_view *batch, struct counts *c)
{
    struct rh_record r;
    size_t at = 0;

    c->batches++;
    while (rh_batch_record(scan, batch, &at, &r)) {
        if (r.type != RH_REC_ENTRY)
            continue;
        c->first = c->entries == 0 || r.index < c->first ? r.index : c->first;
        c->last = r.index > c->last ? r.index : c->last;
        c->entries++;
    }
}

static int list_segment(const struct rh_dir *d, uint64_t number)
{
    struct rh_scan scan;
    struct rh_base base;
    struct rh_batch_view batch;
    struct counts c = {0};
    int code = rh_scan_open(&scan, d, number, &why);

    if (code == RH_OK)
        code = rh_scan_base(&scan, d, number, &base, &why);
    if (code != RH_OK) {
        rh_scan_close(&scan);
        return fail("list");
    }
    rh_scan_rewind(&scan);
    while ((code = rh_scan_batch(&scan, &batch, &why)) == RH_OK)
        count_batch(&scan, &batch, &c);
    printf("segment    %s  %" PRIu64 " bytes, good up to %" PRIu64 ": %" PRIu64 " batches", scan.name, scan.size,
           scan.offset, c.batches);
    if (c.entries > 0)
        printf(", entries %" PRIu64 " to %" PRIu64, c.first, c.last);
    printf("; begins behind index %" PRIu64 ", term %" PRIu64 "\n", base.last, base.last_term);
    rh_scan_close(&scan);
    return code == RH_NONE ? 0 : fail("list");
}

static int each_segment(const struct rh_dir *d, int (*visit)(const struct rh_dir *d, uint64_t number))
{
    uint64_t *numbers;
    size_t count;
    int result = 0;

    if (rh_segments_list(d, &numbers, &count, &why) != RH_OK)
        return fail("list");
    for (size_t i = 0; i < count && result == 0; i++)
        result = visit(d, numbers[i]);
    free(numbers);
    return result;
}

static void print_boot(const struct rh_boot *b)
{
    printf("state      term %" PRIu64 ", vote %" PRIu64 ", commit %" PRIu64 "\n", b->term, b->vote, b->commit);
    printf("entries    behind index %" PRIu64 ", term %" PRIu64 ", to index %" PRIu64 "\n", b->before, b->before_term,
           b->last);
    for (size_t i = 0; i < b->n_runs; i++)
        printf("term       %" PRIu64 " from index %" PRIu64 "\n", b->runs[i].term, b->runs[i].first);
    for (size_t i = 0; i < b->n_confs; i++)
        printf("members    as of index %" PRIu64 ", %zu bytes\n", b->confs[i].index, b->confs[i].bytes.len);
    if (b->note[0])
        printf("note       %s\n", b->note);
}

static int print_snapshot(void *context, const char *name)
{
    (void)context;
    if (strncmp(name, "snapshot-", 9) == 0)
        printf("file       %s\n", name);
    return RH_OK;
}

static int list(struct rh_dir *d)
{
    struct rh_log log;
    struct rh_boot boot;

    print_owner(d);
    int result = each_segment(d, list_segment);
    if (result == 0 && rh_dir_each(d, print_snapshot, NULL, &why) != RH_OK)
        return fail("list");
    if (result != 0)
        return result;
    if (rh_log_file_look(d, &log, &why) != RH_OK)
        return fail("the log");
    log.ops->boot(log.self, &boot, &why);
    print_boot(&boot);
    if (boot.snapshot.index > 0)
        printf("snapshot   of index %" PRIu64 ", term %" PRIu64 ", %" PRIu64 " bytes, checksum %08x\n",
               boot.snapshot.index, boot.snapshot.term, boot.snapshot.bytes, boot.snapshot.checksum);
    log.ops->close(log.self, &why);
    return 0;
}

/* ---- verify ---- */

static int verify_entries(struct rh_log *log, const struct rh_boot *boot)
{
    size_t cap = PIECE;
    uint8_t *buf = malloc(cap);
    raftcore_entry entries[256];
    int code = buf ? RH_OK : rh_fail(&why, RH_E_NOMEM, "no memory");

    for (uint64_t at = boot->before + 1; code == RH_OK && at <= boot->last;) {
        struct rh_read io = {.buf = buf, .cap = cap, .entries = entries, .max = 256};
        code = log->ops->read(log->self, at, boot->last, &io, &why);
        at += io.count;
        if (code == RH_E_SMALL) {
            free(buf);
            cap = io.need;
            buf = malloc(cap);
            code = buf ? RH_OK : rh_fail(&why, RH_E_NOMEM, "no memory");
        }
    }
    free(buf);
    return code == RH_OK ? 0 : fail("entries");
}

static int verify_snapshot(const struct rh_dir *d, const struct rh_snapshot *s)
{
    struct rh_snapshot_reader *r = NULL;
    size_t got = 1;
    uint64_t all = 0;

    if (s->index == 0 || s->bytes == 0) {
        printf("snapshot   none\n");
        return 0;
    }
    uint8_t *buf = malloc(PIECE);
    int code = buf ? rh_snapshot_open(d, s, &r, &why) : rh_fail(&why, RH_E_NOMEM, "no memory");
    while (code == RH_OK && got > 0) {
        code = rh_snapshot_read(r, buf, PIECE, &got, &why);
        all += got;
    }
    free(buf);
    rh_snapshot_close(r);
    if (code != RH_OK)
        return fail("snapshot");
    printf("snapshot   of index %" PRIu64 ": whole, %" PRIu64 " bytes of data\n", s->index, all);
    return 0;
}

static int verify(struct rh_dir *d)
{
    struct rh_log log;
    struct rh_boot boot;

    if (rh_log_file_look(d, &log, &why) != RH_OK)
        return fail("the log");
    log.ops->boot(log.self, &boot, &why);
    int result = verify_entries(&log, &boot);
    if (result == 0)
        printf("log        entries %" PRIu64 " to %" PRIu64 ": whole\n", boot.before + 1, boot.last);
    if (boot.note[0])
        printf("note       %s\n", boot.note);
    if (result == 0)
        result = verify_snapshot(d, &boot.snapshot);
    log.ops->close(log.self, &why);
    return result;
}

/* ---- dump ---- */

static uint64_t dump_first, dump_last = UINT64_MAX;
static bool dump_all = true;

static void print_bytes(raftcore_slice s)
{
    size_t shown = s.len < SHOWN ? s.len : SHOWN;

    printf("  \"");
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = s.ptr[i];
        if (c >= ' ' && c < 127 && c != '"' && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
    printf(shown < s.len ? "\"…\n" : "\"\n");
}

static void print_record(const struct rh_record *r)
{
    printf("    %10" PRIu64 "  %-13s", r->place, type_name(r->type));
    switch (r->type) {
    case RH_REC_ENTRY:
        printf("  index %" PRIu64 " term %" PRIu64 " kind %u, %zu bytes", r->index, r->term, r->kind, r->data.len);
        print_bytes(r->data);
        return;
    case RH_REC_STATE:
        printf("  term %" PRIu64 " vote %" PRIu64 " commit %" PRIu64 "\n", r->term, rh_get_u64(r->data.ptr),
               rh_get_u64(r->data.ptr + 8));
        return;
    case RH_REC_SNAPSHOT:
        printf("  index %" PRIu64 " term %" PRIu64 ", %" PRIu64 " bytes, checksum %08x%s\n", r->index, r->term,
               rh_get_u64(r->data.ptr), rh_get_u32(r->data.ptr + 8), r->kind == 1 ? ", the log begins anew" : "");
        return;
    default:
        printf("  index %" PRIu64 " term %" PRIu64 ", %zu bytes\n", r->index, r->term, r->data.len);
    }
}

static void dump_batch(const struct rh_scan *scan, const struct rh_batch_view *batch)
{
    struct rh_record r;
    size_t at = 0;

    if (dump_all)
        printf("%s  %10" PRIu64 "  batch %" PRIu64 "  durable %" PRIu64 "  records %u\n", scan->name, batch->place,
               batch->head.number, batch->head.synced, batch->head.count);
    while (rh_batch_record(scan, batch, &at, &r))
        if (dump_all || (r.type == RH_REC_ENTRY && r.index >= dump_first && r.index <= dump_last))
            print_record(&r);
}

static int dump_segment(const struct rh_dir *d, uint64_t number)
{
    struct rh_scan scan;
    struct rh_base base;
    struct rh_batch_view batch;
    struct rh_tail tail;
    int code = rh_scan_open(&scan, d, number, &why);

    if (code == RH_OK)
        code = rh_scan_base(&scan, d, number, &base, &why);
    if (code == RH_OK) {
        rh_scan_rewind(&scan);
        while ((code = rh_scan_batch(&scan, &batch, &why)) == RH_OK)
            dump_batch(&scan, &batch);
    }
    if (code == RH_NONE && rh_scan_tail(&scan, &tail, &why) == RH_OK && !tail.blank)
        printf("%s  %10" PRIu64 "  no batch: %s\n", scan.name, scan.offset, scan.trouble);
    rh_scan_close(&scan);
    return code == RH_NONE ? 0 : fail("dump");
}

static int usage(void)
{
    fputs("rh-log list DIR | verify DIR | dump DIR [FIRST [LAST]]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct rh_dir d;

    if (argc < 3)
        return usage();
    if (rh_dir_look(&d, argv[2], &why) != RH_OK)
        return fail(argv[1]);
    int result = 2;
    if (strcmp(argv[1], "list") == 0) {
        result = list(&d);
    } else if (strcmp(argv[1], "verify") == 0) {
        result = verify(&d);
    } else if (strcmp(argv[1], "dump") == 0) {
        dump_all = argc < 4;
        dump_first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
        dump_last = argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX;
        result = each_segment(&d, dump_segment);
    } else {
        usage();
    }
    rh_dir_close(&d);
    return result;
}
