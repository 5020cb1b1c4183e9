/*
 * host_stall.c: a pause of the whole process, as on a machine without a free core. Frames of the peers wait
 * in the sockets meanwhile, so the time is nobody's silence, and the leader goes on leading.
 */
#include <signal.h>
#include <sys/wait.h>

#include "host_kit.h"

enum { MEMBERS = 3, PAUSES = 3, PAUSE_S = 1, TICK_MS = 50 };

/* Stops this process, threads included, for PAUSE_S seconds. */
static void stand_still(void)
{
    pid_t waker = fork();

    CHECK(waker >= 0);
    if (waker == 0) {
        pid_t parent = getppid();
        kill(parent, SIGSTOP);
        sleep(PAUSE_S);
        kill(parent, SIGCONT);
        _exit(0);
    }
    CHECK(waitpid(waker, NULL, 0) == waker);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-stall";
    struct member m[MEMBERS];
    char name[16];

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof name, "m%zu", i + 1);
        member_init(&m[i], root, name, i + 1);
        m[i].o.tick_ms = TICK_MS;
    }
    group_open(m, MEMBERS);
    must_add(&m[0], 1);
    uint64_t term = member_status(&m[0]).core.term;
    for (int i = 0; i < PAUSES; i++) {
        stand_still();
        usleep(1000 * 1000);
        must_add(&m[0], 1);
        CHECK(leads(&m[0]));
        CHECK(member_status(&m[0]).core.term == term);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        must_have(&m[i], PAUSES + 1);
    for (size_t i = 0; i < MEMBERS; i++)
        CHECK(member_close(&m[i]) == RH_OK);
    return 0;
}
