/* A program forks while its other threads make and free nodes. The child makes and frees a node, and waits for no lock that a thread of
 * the parent held. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raftcore.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A child inherits the locks of AddressSanitizer's allocator locked. Under AddressSanitizer no other thread is at work. */
#if defined(__SANITIZE_ADDRESS__)
enum { THREADS = 0 };
#else
enum { THREADS = 2 };
#endif
enum { CHILDREN = 400, CHILD_MS = 5000, ALL_MS = 6000 };

static atomic_int stop;

/* Makes a node, lets the node run and refuse a call, frees the node. */
static int one_life(void) {
    const uint64_t voter = 1;
    raftcore_config c;
    raftcore_node *n = NULL;
    raftcore_conf conf = {0};
    raftcore_stored stored = {0};
    raftcore_ready rd = {0};
    char text[64] = "";
    if (raftcore_config_init(&c, sizeof c) != RAFTCORE_OK)
        return 1;
    c.id = c.seed = 1;
    c.max_messages = 16;
    c.max_reads = c.max_tokens = c.max_entries_per_ready = 16;
    conf.struct_size = sizeof conf;
    conf.voters = &voter;
    conf.n_voters = 1;
    stored.struct_size = sizeof stored;
    stored.commit = stored.applied = stored.before_first = stored.before_first_term = stored.last = 1;
    stored.conf = &conf;
    rd.struct_size = sizeof rd;
    if (raftcore_new(&c, &n) != RAFTCORE_OK)
        return 2;
    if (raftcore_boot(n, &stored) != RAFTCORE_OK || raftcore_campaign(n) != RAFTCORE_OK)
        return 3;
    if (raftcore_get_ready(n, &rd) != RAFTCORE_OK || raftcore_advance(n, rd.number) != RAFTCORE_OK)
        return 4;
    if (raftcore_set_electable(n, 2) != RAFTCORE_E_ARG || raftcore_error_detail(n, text, sizeof text) == 0)
        return 5;
    if (raftcore_strerror(RAFTCORE_E_ARG)[0] == 0 || raftcore_event_text(RAFTCORE_EVENT_POISONED)[0] == 0)
        return 6;
    return raftcore_free(n) == RAFTCORE_OK ? 0 : 7;
}

static void *worker(void *unused) {
    while (!atomic_load(&stop))
        CHECK(one_life() == 0);
    return unused;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Returns the result of a child, 0 if all is well. The child waits to be killed, so that no tool checks its heap. */
static int child_says(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char result = (char)one_life();
        if (write(ends[1], &result, 1) == 1)
            pause();
        _exit(1);
    }
    struct pollfd wait_for = {.fd = ends[0], .events = POLLIN};
    char result = -1;
    close(ends[1]);
    if (poll(&wait_for, 1, CHILD_MS) == 1 && read(ends[0], &result, 1) != 1)
        result = -2;
    close(ends[0]);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    return result;
}

int main(void) {
    pthread_t threads[THREADS + 1];
    int64_t begin = now_ms();
    int children = 0;
    /* After so many nodes the places of freed handles are used again. */
    for (int i = 0; i < 400; i++)
        CHECK(one_life() == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, worker, NULL) == 0);
    while (children < CHILDREN && now_ms() - begin < ALL_MS) {
        int said = child_says();
        if (said != 0)
            fprintf(stderr, "child %d of %d: %s (%d)\n", children + 1, CHILDREN, said == -1 ? "hangs" : "fails", said);
        CHECK(said == 0);
        children++;
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%d children of a process with %d threads at work made and freed nodes\n", children, THREADS);
    return 0;
}
