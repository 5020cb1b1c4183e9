/*
 * log_end.c: the end of the last segment: torn writes are cut off, damage is not. Marks tell both
 * apart.
 */
#include "log_kit.h"

/*
 * An unfinished write is cut off with a note, and does not come back behind a write of equal
 * length.
 */
static void check_torn_end(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 8192};
    struct open_log l;
    char name[32];

    image_empty(scratch);
    OK(try_open(&l, &o));
    OK(append(&l, 1, 100));
    OK(sync_log(&l));
    OK(append(&l, 2, 100));
    OK(append(&l, 3, 100));
    uint64_t second = 8 * (uint64_t)last_segment(&l)->places[1];
    OK(sync_log(&l));
    rh_segment_name(last_segment(&l)->number, name);
    abandon(&l);
    overwrite(name, second + 40, "torn", 4);
    OK(try_open(&l, &o));
    CHECK(l.boot.last == 1 && strstr(l.boot.note, "unfinished write") && strstr(l.boot.note, name));
    OK(append(&l, 2, 100));
    OK(sync_log(&l));
    abandon(&l);
    OK(try_open(&l, &o));
    CHECK(l.boot.last == 2 && l.boot.note[0] == 0);
    close_it(&l);
}

/* Writes an entry of that length, lets an idle moment pass, and changes a byte of the entry. */
static void damage_after_idle(const struct rh_log_file_options *o, size_t len, bool damaged)
{
    struct open_log l;
    char name[32];

    image_empty(scratch);
    OK(try_open(&l, o));
    OK(append(&l, 1, len));
    OK(sync_log(&l));
    OK(sync_log(&l));
    rh_segment_name(last_segment(&l)->number, name);
    uint64_t entry = 8 * (uint64_t)last_segment(&l)->places[0];
    abandon(&l);
    if (damaged)
        overwrite(name, entry + RH_RECORD_HEAD + len / 2, "!", 1);
    int code = try_open(&l, o);
    if (damaged) {
        if (code != RH_E_DAMAGED)
            DIE("an entry of %zu bytes, damaged after an idle moment: the log boots with code %d and ends at %llu", len,
                code, (unsigned long long)l.boot.last);
        SAYS("was durable");
        return;
    }
    OK(code);
    CHECK(l.boot.last == 1 && l.boot.note[0] == 0);
    abandon(&l);
}

/* However full a segment is, damage in the last sync is found once an idle moment has passed. */
static void check_damage_in_full_segments(uint64_t segment_bytes, uint32_t block_bytes)
{
    const struct rh_log_file_options o = {
        .segment_bytes = segment_bytes, .block_bytes = block_bytes, .no_reserve = true};

    for (size_t len = segment_bytes - 1200; len < segment_bytes; len += 24) {
        damage_after_idle(&o, len, false);
        damage_after_idle(&o, len, true);
    }
}

/*
 * After a close, the mark alone is lost. The next boots have no proof of the last batch, and must
 * not take the batch for lost.
 */
static void check_lost_mark(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 4096, .no_reserve = true};
    const uint8_t zeros[RH_BATCH_HEAD] = {0};
    struct open_log l;

    image_empty(scratch);
    OK(try_open(&l, &o));
    OK(sync_log(&l));                           /* a mark in between */
    OK(append(&l, 1, 100));
    uint64_t mark = last_segment(&l)->tail;
    close_it(&l);
    overwrite("log-0000000001", mark, zeros, sizeof zeros);
    for (int i = 0; i < 3; i++) {
        OK(try_open(&l, &o));
        CHECK(l.boot.last == 1);
        abandon(&l);
    }
}

int main(int argc, char **argv)
{
    scratch = argc > 1 ? argv[1] : "/dev/shm/rh-log-end";
    check_torn_end();
    check_damage_in_full_segments(4096, 0);
    check_damage_in_full_segments(8192, 512);
    check_lost_mark();
    printf("log_end: all well\n");
    image_empty(scratch);
    rmdir(scratch);
    return 0;
}
