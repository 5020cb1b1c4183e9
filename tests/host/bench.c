/*
 * bench.c: the file log against the raw disk: make bench-log.
 *
 *     bench DIR [SECONDS]
 *
 * Raw: writes of 300 bytes times the batch's entries, each followed by fdatasync, in a preallocated
 * file. Log: appends of entries of 300 bytes with hard state, each followed by sync. Raw and log
 * run by turns, since disks and neighbours change from minute to minute. On a busy machine, `chrt -f
 * 5` keeps the scheduler out of the figures. The CPU time is that of append() per entry.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"
#include "log_file.h"

enum { DATA = 300, MAX = 200000, ROUNDS = 5 };

static double lat[MAX];
static uint8_t data[64 * 400];
static struct rh_words why;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct result {
    double rate, p50, p99;
};

static struct result result_of(size_t n, double seconds)
{
    qsort(lat, n, sizeof *lat, by_size);
    return (struct result){(double)n / seconds, 1e6 * lat[n / 2], 1e6 * lat[n * 99 / 100]};
}

static struct result raw(const char *dir, size_t bytes, double seconds)
{
    char path[4096];
    const off_t size = 64 << 20;
    size_t n = 0;
    off_t at = 0;

    snprintf(path, sizeof path, "%s/raw", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);
    CHECK(fd >= 0 && posix_fallocate(fd, 0, size) == 0 && fsync(fd) == 0);
    double begin = now_seconds(), end = begin + seconds, last = begin;
    while (last < end && n < MAX) {
        at = at + (off_t)bytes > size ? 0 : at;
        CHECK(pwrite(fd, data, bytes, at) == (ssize_t)bytes && fdatasync(fd) == 0);
        at += (off_t)bytes;
        double now = now_seconds();
        lat[n++] = now - last;
        last = now;
    }
    close(fd);
    unlink(path);
    return result_of(n, last - begin);
}

struct bench {
    struct rh_dir dir;
    struct rh_log log;
    uint64_t last, number;
};

static void open_bench(struct bench *b, const char *dir)
{
    char path[4096], command[4200];

    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(command, sizeof command, "rm -rf %s", path);
    CHECK(system(command) == 0);
    *b = (struct bench){0};
    CHECK_OK(rh_dir_open(&b->dir, path, 7, 3, &why), &why);
    CHECK_OK(rh_log_file_open(&b->dir, NULL, &b->log, &why), &why);
}

static void close_bench(struct bench *b)
{
    CHECK_OK(b->log.ops->close(b->log.self, &why), &why);
    rh_dir_close(&b->dir);
}

static void append(struct bench *b, uint32_t count)
{
    raftcore_entry e[64];
    struct rh_batch batch = {.number = ++b->number,
                             .entries = e,
                             .n_entries = count,
                             .entry_stride = sizeof *e,
                             .has_state = true,
                             .term = 1,
                             .commit = b->last};

    for (uint32_t i = 0; i < count; i++)
        e[i] = (raftcore_entry){.index = ++b->last, .term = 1, .data = {data + i * DATA, DATA}};
    CHECK_OK(b->log.ops->append(b->log.self, &batch, &why), &why);
}

static struct result synced(const char *dir, uint32_t count, double seconds)
{
    struct bench b;
    uint64_t number, before;
    size_t n = 0;

    open_bench(&b, dir);
    double begin = now_seconds(), end = begin + seconds, last = begin;
    while (last < end && n < MAX) {
        append(&b, count);
        CHECK_OK(b.log.ops->sync(b.log.self, &number, &why), &why);
        double now = now_seconds();
        lat[n++] = now - last;
        last = now;
        if (n % 4096 == 0)
            CHECK_OK(b.log.ops->compact(b.log.self, b.last - 64, UINT64_MAX, &before, &why), &why);
    }
    close_bench(&b);
    return result_of(n, last - begin);
}

static double cpu(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_double(const void *a, const void *b)
{
    return by_size(a, b);
}

/* Returns the nanoseconds of append() per entry, the median of runs. */
static double append_cost(const char *dir, uint32_t count)
{
    double runs[31];
    struct bench b;
    uint64_t number, before;

    open_bench(&b, dir);
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        double begin = cpu(CLOCK_THREAD_CPUTIME_ID);
        for (uint32_t i = 0; i < 4096 / count; i++)
            append(&b, count);
        runs[r] = 1e9 * (cpu(CLOCK_THREAD_CPUTIME_ID) - begin) / (4096 / count * count);
        CHECK_OK(b.log.ops->sync(b.log.self, &number, &why), &why);
        CHECK_OK(b.log.ops->compact(b.log.self, b.last - 64, UINT64_MAX, &before, &why), &why);
    }
    close_bench(&b);
    qsort(runs, sizeof runs / sizeof *runs, sizeof *runs, by_double);
    return runs[15];
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {1, 16, 64};
    double seconds = argc > 2 ? atof(argv[2]) : 1;

    CHECK(argc > 1);
    mkdir(argv[1], 0777);
    memset(data, 'x', sizeof data);
    printf(
        "| entries of 300 B in a batch | raw disk: flushes/s, p50, p99 | log: syncs/s, p50, p99 | log to raw | entries/s | append, ns an entry |\n"
        "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct result disk[ROUNDS], log[ROUNDS];
        double ratios[ROUNDS];
        for (int r = 0; r < ROUNDS; r++) {
            disk[r] = raw(argv[1], DATA * counts[i], seconds);
            log[r] = synced(argv[1], counts[i], seconds);
            ratios[r] = log[r].rate / disk[r].rate;
        }
        int middle = 0;
        for (int r = 0; r < ROUNDS; r++) {
            int below = 0;
            for (int s = 0; s < ROUNDS; s++)
                below += ratios[s] < ratios[r] || (ratios[s] <= ratios[r] && s < r);
            middle = below == ROUNDS / 2 ? r : middle;
        }
        printf("| %u | %.0f, %.0f µs, %.0f µs | %.0f, %.0f µs, %.0f µs | %.2f | %.0f | %.0f |\n", counts[i],
               disk[middle].rate, disk[middle].p50, disk[middle].p99, log[middle].rate, log[middle].p50,
               log[middle].p99, ratios[middle], log[middle].rate * counts[i], append_cost(argv[1], counts[i]));
        fflush(stdout);
    }
    return 0;
}
