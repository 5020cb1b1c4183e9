/* state.c: the agreed state as bytes, and on the disk beside the file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "raftcore_host/crc32c.h"
#include "raftlite.h"

void rl_state_write(const struct rl_state *s, uint8_t *to) {
    uint64_t words[RL_STATE_WORDS];
    memcpy(words, s, sizeof words);
    for (size_t i = 0; i < RL_STATE_WORDS; i++)
        rl_put(to + 8 * i, words[i], 8);
}

void rl_state_read(struct rl_state *s, const uint8_t *from) {
    uint64_t words[RL_STATE_WORDS];
    for (size_t i = 0; i < RL_STATE_WORDS; i++)
        words[i] = rl_get(from + 8 * i, 8);
    memcpy(s, words, sizeof words);
}

uint64_t *rl_state_done(struct rl_state *s, uint64_t node) {
    for (size_t i = 0; i < RL_DONE; i++)
        if (s->done[i][0] == node)
            return &s->done[i][1];
    size_t i = s->n_done++ % RL_DONE;
    s->done[i][0] = node;
    s->done[i][1] = 0;
    return &s->done[i][1];
}

bool rl_sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

int rl_replace(const char *dir, const char *name, const void *bytes, size_t len, struct rh_words *why) {
    char path[RL_PATH + 32], new[RL_PATH + 36];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(new, sizeof new, "%s.new", path);
    int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (ok && rename(new, path) == 0 && rl_sync_folder(dir))
        return RH_OK;
    return rh_fail(why, RH_E_IO, "%s cannot be written: %s", path, strerror(ok ? errno : error));
}

int rl_state_save(const char *dir, const struct rl_state *s, struct rh_words *why) {
    uint8_t bytes[RL_STATE_BYTES + 4];
    rl_state_write(s, bytes);
    uint32_t sum = rh_crc32c(0, bytes, RL_STATE_BYTES);
    memcpy(bytes + RL_STATE_BYTES, &sum, sizeof sum);
    return rl_replace(dir, "state", bytes, sizeof bytes, why);
}

int rl_state_load(const char *dir, struct rl_state *s, struct rh_words *why) {
    char path[RL_PATH + 32];
    uint8_t bytes[RL_STATE_BYTES + 5];
    snprintf(path, sizeof path, "%s/state", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *s = (struct rl_state){0};
    if (fd < 0)
        return errno == ENOENT ? RH_NONE : rh_fail(why, RH_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    ssize_t got = read(fd, bytes, sizeof bytes);
    close(fd);
    uint32_t sum = rh_crc32c(0, bytes, RL_STATE_BYTES);
    if (got != RL_STATE_BYTES + 4 || memcmp(&sum, bytes + RL_STATE_BYTES, sizeof sum) != 0)
        return rh_fail(why, RH_E_DAMAGED, "%s holds other bytes than were written", path);
    rl_state_read(s, bytes);
    return RH_OK;
}
