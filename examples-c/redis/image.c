/*
 * image.c: RDB images of the server, for snapshots. A second replica asks for a full image: the
 * server forks, and goes on. The image's position may lie within an entry, and on the leader behind
 * the committed entries: the image counts once entries up to the position are committed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sidecar.h"

void image_close(struct sidecar *s)
{
    link_close(&s->image);
    if (s->image_fd >= 0)
        close(s->image_fd);
    s->image_fd = -1;
    s->image_busy = s->image_done = s->image_indexed = false;
}

static bool synced(struct link *l, const char *line)
{
    struct sidecar *s = l->s;
    unsigned long long end;

    if (sscanf(line, "+FULLRESYNC %*40s %llu", &end) != 1)
        return false;
    s->image_end = end;
    s->image_left = 0;
    s->image_mark[0] = 0;
    image_resolve(s);
    return true;
}

/* Takes the line before the image: $LENGTH, or $EOF: and the mark at the image's end. */
static bool take_length(struct sidecar *s, struct link *l)
{
    while (l->in.len > 0 && *buf_head(&l->in) == '\n')
        buf_take(&l->in, 1);            /* the server is alive, and forks */
    const char *p = (char *)buf_head(&l->in), *end = l->in.len > 0 ? memchr(p, '\n', l->in.len) : NULL;
    if (!end)
        return l->in.len < 100;
    s->image_eof = strncmp(p, "$EOF:", 5) == 0 && end - p >= 45;
    if (s->image_eof)
        snprintf(s->image_mark, sizeof s->image_mark, "%.40s", p + 5);
    else if (p[0] == '$')
        s->image_left = strtoull(p + 1, NULL, 10);
    if (!s->image_eof && s->image_left == 0)
        return false;
    s->image_known = true;
    buf_take(&l->in, (size_t)(end + 1 - p));
    return true;
}

static bool write_image(struct sidecar *s, const struct buf *b, size_t n)
{
    return write(s->image_fd, buf_head(b), n) == (ssize_t)n;
}

static bool take_bytes(struct link *l)
{
    struct sidecar *s = l->s;

    if (!s->image_known && (!take_length(s, l) || !s->image_known))
        return !s->image_known && l->in.len < 100;
    /* The last 40 bytes stay here: perhaps the mark. */
    bool marked = s->image_eof && l->in.len >= 40 && memcmp(buf_head(&l->in) + l->in.len - 40, s->image_mark, 40) == 0;
    size_t n = !s->image_eof ? l->in.len : l->in.len > 40 ? l->in.len - 40 : 0;
    if (!s->image_eof && n > s->image_left)
        n = (size_t)s->image_left;
    if (n > 0 && !write_image(s, &l->in, n)) {
        say(s, "an image cannot be written to %s: %s", s->dir, strerror(errno));
        return false;
    }
    if (n > 0)
        buf_take(&l->in, n);
    s->image_left -= s->image_eof ? 0 : n;
    if (marked || (!s->image_eof && s->image_left == 0)) {
        s->image_done = true;
        s->image_busy = false;
        link_close(l);
    }
    return true;
}

static void ended(struct link *l)
{
    say(l->s, "the server ended an image too soon");
    image_close(l->s);
}

bool image_start(struct sidecar *s)
{
    if (s->control != CONTROL_READY || (s->stage == FOLLOW && !s->feed_online))
        return false;
    image_close(s);
    s->image_fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    s->image.synced = synced;
    s->image.bytes = take_bytes;
    s->image.ended = ended;
    s->image_known = false;
    s->image_busy = s->image_fd >= 0 && link_open(&s->image, s, NULL, 0);
    if (!s->image_busy)
        image_close(s);
    return s->image_busy;
}

void image_resolve(struct sidecar *s)
{
    bool positioned = s->image_done || (s->image_busy && s->image.step == 3);

    if (!positioned || s->image_indexed || s->log_end < s->image_end)
        return;
    s->image_indexed = entry_at(s, s->image_end, &s->image_entry);
    if (!s->image_indexed) {
        say(s, "an image is too old for a snapshot");
        image_close(s);
    }
}
