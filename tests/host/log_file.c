/*
 * log_file.c: details of the file log: owner and lock, full segments, a full disk, crashes at
 * every start, failing allocations, looking on.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "heap.h"
#include "log_kit.h"

static int commit(struct open_log *l, uint64_t index)
{
    struct rh_batch b = {.has_state = true, .term = 1, .commit = index};

    return l->log.ops->append(l->log.self, &b, &why);
}

static unsigned count_files(const char *beginning)
{
    unsigned count = 0;
    struct dirent *e;
    DIR *d = opendir(scratch);

    while (d && (e = readdir(d)))
        count += strncmp(e->d_name, beginning, strlen(beginning)) == 0;
    closedir(d);
    return count;
}

/* ---- owner and lock ---- */

static void check_owner(void)
{
    struct rh_dir d, other;
    uint8_t founding[RH_ID_BYTES] = {1}, second[RH_ID_BYTES] = {2}, disk[RH_ID_BYTES];

    image_empty(scratch);
    CHECK(rh_dir_open(&d, scratch, 7, 0, &why) == RH_E_ARG);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    CHECK(d.fresh && !rh_is_zero(d.owner.disk, RH_ID_BYTES) && rh_is_zero(d.owner.founding, RH_ID_BYTES));
    memcpy(disk, d.owner.disk, sizeof disk);
    CHECK(rh_dir_open(&other, scratch, 7, 3, &why) == RH_E_OWNER);
    SAYS("has");
    SAYS("open");
    char lock[4096];
    path_of("lock", lock);
    CHECK(unlink(lock) == 0 && rh_dir_open(&other, scratch, 7, 3, &why) == RH_E_OWNER);
    OK(rh_dir_set_founding(&d, founding, &why));
    OK(rh_dir_set_founding(&d, founding, &why));
    CHECK(rh_dir_set_founding(&d, second, &why) == RH_E_OWNER);
    rh_dir_close(&d);
    rh_dir_close(&d);
    CHECK(rh_dir_open(&d, scratch, 7, 4, &why) == RH_E_OWNER);
    SAYS("belongs to node 3 of group 7, not to node 4 of group 7");
    CHECK(rh_dir_open(&d, scratch, 8, 3, &why) == RH_E_OWNER);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    CHECK(!d.fresh && memcmp(d.owner.disk, disk, sizeof disk) == 0 &&
          memcmp(d.owner.founding, founding, sizeof founding) == 0);
    CHECK(rh_dir_set_log(&d, "two words", &why) == RH_E_ARG && rh_dir_set_log(&d, "", &why) == RH_E_ARG);
    OK(rh_dir_set_log(&d, "other", &why));
    CHECK(rh_log_file_open(&d, NULL, &(struct rh_log){0}, &why) == RH_E_OWNER);
    rh_dir_close(&d);
    CHECK(rh_dir_open(&d, "/nowhere/at/all", 7, 3, &why) == RH_E_IO);
}

/* The lock holds across processes, and ends with the process. */
static void check_two_processes(void)
{
    int ready[2], done[2];
    char byte = 0;
    struct rh_dir d;

    image_empty(scratch);
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(done[1]);                 /* else the child would wait for itself, if the test fails */
        if (rh_dir_open(&d, scratch, 7, 3, &why) != RH_OK || write(ready[1], &byte, 1) != 1 ||
            read(done[0], &byte, 1) != 1)
            _exit(1);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(rh_dir_open(&d, scratch, 7, 3, &why) == RH_E_OWNER);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld has", (long)child);
    SAYS(pid);
    CHECK(write(done[1], &byte, 1) == 1);
    waitpid(child, NULL, 0);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    rh_dir_close(&d);
}

/* A child has copies of the descriptors: its end of them leaves the parent the lock, and its life does not prolong the lock. */
static void check_forked(void)
{
    int closed[2], done[2];
    char byte = 0;
    struct rh_dir d, other;

    image_empty(scratch);
    CHECK(pipe(closed) == 0 && pipe(done) == 0);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    pid_t child = fork();
    if (child == 0) {
        close(done[1]);
        other = d;
        other.fd = dup(d.fd);
        other.lock = dup(d.lock);
        rh_dir_close(&other);
        _exit(write(closed[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1);
    }
    CHECK(read(closed[0], &byte, 1) == 1);
    CHECK(rh_dir_open(&other, scratch, 7, 3, &why) == RH_E_OWNER);
    rh_dir_close(&d);
    OK(rh_dir_open(&d, scratch, 7, 3, &why));
    rh_dir_close(&d);
    CHECK(write(done[1], &byte, 1) == 1);
    waitpid(child, NULL, 0);
}

/* Each changed byte of the owner file is found. */
static void check_damaged_owner(void)
{
    char path[4096];
    uint8_t text[512];
    struct rh_dir d;

    path_of("owner", path);
    int fd = open(path, O_RDWR);
    ssize_t len = pread(fd, text, sizeof text, 0);
    CHECK(fd >= 0 && len > 100);
    for (ssize_t at = 0; at < len; at++) {
        uint8_t bad = text[at] ^ 1;
        CHECK(pwrite(fd, &bad, 1, at) == 1);
        int code = rh_dir_open(&d, scratch, 7, 3, &why);
        CHECK((code == RH_E_DAMAGED || code == RH_E_VERSION) && strlen(why.text) > 20);
        CHECK(pwrite(fd, text + at, 1, at) == 1);
    }
    close(fd);
    unlink(path);
    path_of("log-0000000001", path);
    close(open(path, O_CREAT | O_WRONLY, 0666));
    CHECK(rh_dir_open(&d, scratch, 7, 3, &why) == RH_E_DAMAGED);
    SAYS("no owner file");
}

/* ---- segments ---- */

/* Fills segments with entries of many lengths. Without the successor, no log boots. */
static void check_full_segments(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 4096, .no_reserve = true};

    for (size_t len = 2900; len < 3900; len += 8) {
        struct open_log l;
        char path[4096];
        image_empty(scratch);
        OK(try_open(&l, &o));
        OK(append(&l, 1, len));
        OK(sync_log(&l));
        OK(sync_log(&l));               /* the idle call adds a mark, up to the last byte that may be used */
        OK(append(&l, 2, 300));
        OK(append(&l, 3, 9000));
        OK(sync_log(&l));
        abandon(&l);
        OK(try_open(&l, &o));
        CHECK(l.boot.last == 3);
        uint64_t newest = last_segment(&l)->number;
        abandon(&l);
        unsigned files = count_files("log-");
        CHECK(files >= 2);
        for (uint64_t n = newest; files > 1; n--, files--) {
            char name[32];
            rh_segment_name(n, name);
            path_of(name, path);
            CHECK(unlink(path) == 0);
            CHECK(try_open(&l, &o) == RH_E_DAMAGED);
            SAYS("is missing");
        }
    }
}

static void check_options(void)
{
    struct open_log l;

    image_empty(scratch);
    CHECK(try_open(&l, &(struct rh_log_file_options){.segment_bytes = 1000}) == RH_E_ARG);
    CHECK(try_open(&l, &(struct rh_log_file_options){.block_bytes = 700}) == RH_E_ARG);
    CHECK(try_open(&l, &(struct rh_log_file_options){.block_bytes = 1 << 17}) == RH_E_ARG);
    OK(try_open(&l, NULL));
    OK(append(&l, 1, 5));
    close_it(&l);
    /* Different options in the next life. */
    OK(try_open(&l, &(struct rh_log_file_options){.segment_bytes = 8192, .block_bytes = 4096}));
    CHECK(l.boot.last == 1);
    OK(append(&l, 2, 5));
    OK(sync_log(&l));
    OK(append(&l, 3, 5));
    close_it(&l);
    OK(try_open(&l, NULL));
    CHECK(l.boot.last == 3);
    close_it(&l);
}

/* A process that dies at every start leaves few files. */
static void check_many_starts(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 4096};
    struct open_log l;

    image_empty(scratch);
    for (int i = 0; i < 50; i++) {
        OK(try_open(&l, &o));
        CHECK(l.boot.fresh == (i < 20));
        if (i == 19)
            OK(append(&l, 1, 5));
        if (i == 19)
            OK(sync_log(&l));
        abandon(&l);
    }
    CHECK(count_files("log-") <= 3 && count_files("reserve") == 1);
}

/* Nor does a process that writes a little at every start, whether it dies or closes the log. */
static void check_many_short_lives(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 1 << 20, .no_reserve = true};
    enum { LIVES = 400, BYTES = 300 };
    struct open_log l;

    image_empty(scratch);
    for (uint64_t i = 1; i <= LIVES; i++) {
        OK(try_open(&l, &o));
        CHECK(l.boot.last == i - 1 && l.boot.commit == (i > 2 ? i - 2 : 0));
        OK(append(&l, i, BYTES));
        OK(commit(&l, i - 1));
        OK(sync_log(&l));
        (i % 2 ? abandon : close_it)(&l);
    }
    CHECK(count_files("log-") <= 1 + LIVES * (BYTES + 200) / (64 * 1024));
    OK(try_open(&l, &o));
    CHECK(l.boot.last == LIVES);
    close_it(&l);

    /* A start copies the entries, and says so on the disk: damage is refused, and not cut off as a torn write. */
    OK(try_open(&l, &o));
    const struct rh_segment *last = last_segment(&l);
    uint64_t entry = 8 * (uint64_t)last->places[last->count - 1];
    char name[32];
    rh_segment_name(last->number, name);
    abandon(&l);
    overwrite(name, entry + RH_RECORD_HEAD + BYTES / 2, "!", 1);
    CHECK(try_open(&l, &o) == RH_E_DAMAGED);
    SAYS("was durable");
}

static void check_looking(void)
{
    struct open_log l;
    struct rh_dir d;
    struct rh_log on;
    struct rh_boot boot;
    uint8_t buf[1000];
    raftcore_entry entries[4];
    struct rh_read io = {.buf = buf, .cap = sizeof buf, .entries = entries, .max = 4};
    uint64_t number;

    image_empty(scratch);
    CHECK(rh_dir_look(&d, scratch, &why) == RH_E_OWNER);
    OK(try_open(&l, NULL));
    OK(append(&l, 1, 100));
    OK(append(&l, 2, 100));
    OK(sync_log(&l));
    OK(rh_dir_look(&d, scratch, &why));         /* while the log is open */
    OK(rh_log_file_look(&d, &on, &why));
    OK(on.ops->boot(on.self, &boot, &why));
    CHECK(boot.last == 2);
    OK(on.ops->read(on.self, 1, 2, &io, &why));
    CHECK(io.count == 2 && entries[1].data.len == 100);
    CHECK(on.ops->sync(on.self, &number, &why) == RH_E_FAILED);
    SAYS("to look only");
    OK(on.ops->close(on.self, &why));
    rh_dir_close(&d);
    OK(append(&l, 3, 1));
    close_it(&l);
}

/* ---- a full disk ---- */

static enum rh_space_level level(struct open_log *l, uint64_t *free_bytes)
{
    struct rh_space s;

    OK(l->log.ops->space(l->log.self, &s, &why));
    *free_bytes = s.free_bytes;
    return s.level;
}

/*
 * Writes until the disk is full. LOW comes first, RESERVE next, then a failing sync. Synced
 * entries survive, the log boots on the full disk, and a compaction makes room.
 */
static void check_full_disk(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 8192, .keep_bytes = 1, .low_bytes = 3 * 8192};
    struct open_log l;
    uint64_t free_bytes, index = 0, synced = 0;
    enum rh_space_level seen = RH_SPACE_OK;
    int code = RH_OK;

    image_empty(scratch);
    disk_track(scratch);
    disk_set_capacity(20 * 8192);
    OK(try_open(&l, &o));
    while (code == RH_OK) {
        enum rh_space_level now = level(&l, &free_bytes);
        CHECK(now >= seen);
        CHECK(now > RH_SPACE_OK || free_bytes >= o.low_bytes);
        seen = now;
        OK(append(&l, ++index, 500));
        code = sync_log(&l);
        synced = code == RH_OK ? index : synced;
    }
    CHECK(code == RH_E_SPACE && seen == RH_SPACE_RESERVE && synced > 200);
    SAYS("log-00000000");
    CHECK(l.log.ops->close(l.log.self, &why) == RH_E_FAILED);
    SAYS("No space left");
    rh_dir_close(&l.dir);

    /*
     * Restarts on the full disk: the unused end of the last segment gives room, or the start fails
     * with words.
     */
    code = try_open(&l, &o);
    CHECK(code == RH_OK || code == RH_E_SPACE);
    disk_set_capacity(23 * 8192);
    if (code != RH_OK)
        OK(try_open(&l, &o));
    CHECK(l.boot.last == synced || l.boot.last == synced + 1);
    uint64_t last = l.boot.last, before;
    OK(commit(&l, last));
    OK(l.log.ops->compact(l.log.self, last, UINT64_MAX, &before, &why));
    CHECK(before > 200);
    OK(sync_log(&l));
    OK(sync_log(&l));                   /* the idle call sets space aside again */
    OK(append(&l, last + 1, 8000));
    OK(sync_log(&l));
    CHECK(level(&l, &free_bytes) == RH_SPACE_OK);
    close_it(&l);
    struct disk_record r = disk_untrack();
    disk_free(&r);
}

/* Another program fills the disk while the log is down: the unused end of the last segment gives room. */
static void check_start_on_full_disk(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 65536, .no_reserve = true};
    struct open_log l;

    image_empty(scratch);
    disk_track(scratch);
    OK(try_open(&l, &o));
    OK(append(&l, 1, 100));
    OK(sync_log(&l));
    abandon(&l);
    disk_set_capacity(65536 + 4096);
    OK(try_open(&l, &o));
    CHECK(l.boot.last == 1);
    close_it(&l);
    struct disk_record r = disk_untrack();
    disk_free(&r);
}

/* ---- memory ---- */

/* Each allocation fails in turn: a code with words, and the call succeeds afterwards. */
static void check_no_memory(void)
{
    const struct rh_log_file_options o = {.segment_bytes = 4096, .keep_bytes = 1};
    struct open_log l;
    uint64_t before;

    image_empty(scratch);
    OK(try_open(&l, &o));
    for (uint64_t i = 1; i <= 40; i++) {
        int code = RH_E_NOMEM;
        for (unsigned at = 1; code == RH_E_NOMEM; at++) {
            heap_fail_at(at);
            code = append(&l, i, i * 40);
            heap_fail_at(0);
            CHECK(code == RH_OK || strstr(why.text, "no memory"));
        }
        OK(code);
        OK(sync_log(&l));
    }
    OK(commit(&l, 30));
    int code = RH_E_NOMEM;
    for (unsigned at = 1; code == RH_E_NOMEM; at++) {
        heap_fail_at(at);
        code = l.log.ops->compact(l.log.self, 30, UINT64_MAX, &before, &why);
        heap_fail_at(0);
        CHECK(before == (code == RH_OK ? before : 0));
    }
    OK(code);
    close_it(&l);
    unsigned at = 0;
    do {
        heap_fail_at(++at);
        code = try_open(&l, &o);
        heap_fail_at(0);
        CHECK(code == RH_OK || code == RH_E_NOMEM || code == RH_E_IO);
    } while (code != RH_OK);
    CHECK(l.boot.last == 40 && l.boot.before == before && at > 10);
    close_it(&l);
}

int main(int argc, char **argv)
{
    scratch = argc > 1 ? argv[1] : "/dev/shm/rh-log-file";
    check_owner();
    check_two_processes();
    check_forked();
    check_damaged_owner();
    check_full_segments();
    check_options();
    check_many_starts();
    check_many_short_lives();
    check_looking();
    check_full_disk();
    check_start_on_full_disk();
    check_no_memory();
    printf("log_file: all well\n");
    image_empty(scratch);
    rmdir(scratch);
    return 0;
}
