/*
 * log_check.c: rh-log-check on the file log.
 */
#include <sys/stat.h>

#include "check.h"

#include "dir.h"
#include "kit.h"
#include "log_file.h"

struct on_files {
    struct rh_dir dir;
    struct rh_log_file_options options;
};

static int open_on_files(void *context, const char *dir, struct rh_log *out, struct rh_words *why)
{
    struct on_files *f = context;
    int code = rh_dir_open(&f->dir, dir, 7, 3, why);

    return code == RH_OK ? rh_log_file_open(&f->dir, &f->options, out, why) : code;
}

static void closed_on_files(void *context)
{
    rh_dir_close(&((struct on_files *)context)->dir);
}

int main(int argc, char **argv)
{
    struct random r = random_open("log_check");
    struct rh_check_options o = {.dir = argc > 1 ? argv[1] : "/dev/shm/rh-log-check",
                                 .seed = r.state,
                                 .times = (unsigned)(2 * setting("HOST_TIMES", 1)),
                                 .bits = setting("HOST_TIMES", 1) < 8 ? 1 : 8};
    struct on_files plain = {.dir = {.fd = -1, .lock = -1}, .options = {.segment_bytes = 4096, .keep_bytes = 1}};
    struct on_files blocks = {
        .dir = {.fd = -1, .lock = -1},
        .options = {.segment_bytes = 8192, .keep_bytes = 4096, .block_bytes = 512, .no_reserve = true}};
    struct rh_check_store store = {"file log", open_on_files, closed_on_files, &plain, .notices_cuts = true};
    struct rh_check_store store2 = {"file log in blocks", open_on_files, closed_on_files, &blocks, true, true};

    mkdir(o.dir, 0777);
    rh_check_all(&store, &o);
    rh_check_all(&store2, &o);
    return 0;
}
