/*
 * threads.c: appends, reads and compactions on one thread, syncs on another. Built with ThreadSanitizer.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"
#include "log_file.h"

enum { BATCHES = 6000 };

static struct shared {
    struct rh_log log;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    uint64_t appended, synced;          /* numbers */
    bool end;
    struct rh_words why;                /* of the sync thread */
    int code;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* The sync thread of a host: syncs while there is work, and once more when idle. */
static void *sync_thread(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&shared.mutex);
    while (!shared.end && shared.code >= 0) {
        uint64_t number = 0, wanted = shared.appended;
        pthread_mutex_unlock(&shared.mutex);
        int code = shared.log.ops->sync(shared.log.self, &number, &shared.why);
        pthread_mutex_lock(&shared.mutex);
        shared.code = code;
        if (code >= 0 && number < wanted)
            shared.code = -100;         /* batches appended before the call are not durable afterwards */
        shared.synced = number;
        while (code == RH_NONE && !shared.end && shared.appended == number)
            pthread_cond_wait(&shared.work, &shared.mutex);
    }
    pthread_mutex_unlock(&shared.mutex);
    return NULL;
}

static size_t length_of(uint64_t index)
{
    return (size_t)(index * 37 % 200);
}

static void check_entry(const raftcore_entry *e, uint64_t index)
{
    CHECK(e->index == index && e->data.len == length_of(index));
    for (size_t i = 0; i < e->data.len; i++)
        CHECK(e->data.ptr[i] == (uint8_t)index);
}

static void read_some(uint64_t first, uint64_t last)
{
    static uint8_t buf[8192];
    raftcore_entry entries[16];
    struct rh_read io = {.buf = buf, .cap = sizeof buf, .entries = entries, .max = 16};
    struct rh_words why;

    CHECK_OK(shared.log.ops->read(shared.log.self, first, last, &io, &why), &why);
    for (size_t i = 0; i < io.count; i++)
        check_entry(&entries[i], first + i);
}

static void append_some(uint64_t number, uint64_t *last, struct random *r)
{
    static uint8_t data[8][256];
    raftcore_entry e[8];
    struct rh_words why;
    struct rh_batch b = {.number = number,
                         .entries = e,
                         .n_entries = 1 + (uint32_t)random_below(r, 8),
                         .entry_stride = sizeof *e,
                         .has_state = true,
                         .term = 1,
                         .commit = *last};

    for (uint32_t i = 0; i < b.n_entries; i++) {
        uint64_t index = *last + 1 + i;
        memset(data[i], (uint8_t)index, length_of(index));
        e[i] = (raftcore_entry){.index = index, .term = 1, .data = {data[i], length_of(index)}};
    }
    CHECK_OK(shared.log.ops->append(shared.log.self, &b, &why), &why);
    *last += b.n_entries;
}

static void work(void)
{
    struct random r = random_open("threads");
    uint64_t last = 0, before = 0;
    struct rh_words why;
    struct rh_space space;

    for (uint64_t number = 1; number <= BATCHES; number++) {
        uint64_t committed = last;          /* by the newest batch */
        append_some(number, &last, &r);
        pthread_mutex_lock(&shared.mutex);
        shared.appended = number;
        CHECK(shared.code >= 0);
        pthread_cond_signal(&shared.work);
        pthread_mutex_unlock(&shared.mutex);
        if (random_below(&r, 3) == 0) {
            uint64_t first = before + 1 + random_below(&r, last - before);
            read_some(first, last);
        }
        if (random_below(&r, 50) == 0)
            read_some(last, last);
        if (random_below(&r, 100) == 0)
            CHECK_OK(shared.log.ops->compact(shared.log.self, committed - committed / 8, UINT64_MAX, &before, &why), &why);
        if (random_below(&r, 100) == 0)
            CHECK_OK(shared.log.ops->space(shared.log.self, &space, &why), &why);
        if (random_below(&r, 500) == 0)
            usleep(1000);
    }
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/dev/shm/rh-threads";
    const struct rh_log_file_options o = {.segment_bytes = 65536, .keep_bytes = 100000};
    struct rh_dir d;
    struct rh_words why;
    struct rh_boot boot;
    pthread_t thread;
    char command[512];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
    CHECK_OK(rh_dir_open(&d, dir, 7, 3, &why), &why);
    CHECK_OK(rh_log_file_open(&d, &o, &shared.log, &why), &why);
    CHECK(pthread_create(&thread, NULL, sync_thread, NULL) == 0);
    work();
    pthread_mutex_lock(&shared.mutex);
    shared.end = true;
    pthread_cond_signal(&shared.work);
    pthread_mutex_unlock(&shared.mutex);
    CHECK(pthread_join(thread, NULL) == 0);
    if (shared.code < 0)
        DIE("sync: %d: %s", shared.code, shared.why.text);
    CHECK_OK(shared.log.ops->boot(shared.log.self, &boot, &why), &why);
    uint64_t last = boot.last;
    CHECK_OK(shared.log.ops->close(shared.log.self, &why), &why);
    CHECK_OK(rh_log_file_open(&d, &o, &shared.log, &why), &why);
    CHECK_OK(shared.log.ops->boot(shared.log.self, &boot, &why), &why);
    CHECK(boot.last == last);
    for (uint64_t at = boot.before + 1; at + 20 <= last; at += 20)
        read_some(at, at + 15);
    CHECK_OK(shared.log.ops->close(shared.log.self, &why), &why);
    rh_dir_close(&d);
    printf("threads: %llu entries in %d batches\n", (unsigned long long)last, BATCHES);
    return system(command);
}
