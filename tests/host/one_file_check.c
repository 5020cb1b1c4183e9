/*
 * one_file_check.c: rh-log-check on the one-file store: passes without flaws, and notices each
 * flaw.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "kit.h"
#include "one_file.h"

static void check(enum one_file_flaw flaw, const struct rh_check_options *o)
{
    struct one_file_store store = {.flaw = flaw, .dir = {.fd = -1, .lock = -1}};
    struct rh_check_store s = {.name = "one file", .open = one_file_open, .closed = one_file_closed, .context = &store};

    rh_check_all(&s, o);
}

/* Runs the suite in a child process without output. */
static bool is_noticed(enum one_file_flaw flaw, const struct rh_check_options *o)
{
    int status;

    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 1);
        dup2(nowhere, 2);
        check(flaw, o);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status != 0;
}

int main(int argc, char **argv)
{
    struct random r = random_open("one_file_check");
    struct rh_check_options o = {
        .dir = argc > 1 ? argv[1] : "/dev/shm/rh-one-file",
        .seed = r.state,
        .times = (unsigned)setting("HOST_TIMES", 1),
        .bits = 1,
    };

    mkdir(o.dir, 0777);
    check(NO_FLAW, &o);
    for (enum one_file_flaw flaw = NO_FLAW + 1; flaw < FLAWS; flaw++)
        if (!is_noticed(flaw, &o))
            DIE("a flaw was not noticed: %s", one_file_flaw_name(flaw));
    printf("one file: %d flaws, each noticed\n", FLAWS - 1);
    return 0;
}
