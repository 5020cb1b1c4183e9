/*
 * image.c: the directories that a power cut may leave. See disk.h.
 *
 * The model of a disk is harsher than most file systems:
 *
 *   - The content of the last sync is durable. A sector written since has some version since.
 *   - The size of a file is some size since the last sync.
 *   - A name is durable once the directory was synced. Of names made, renamed and removed since, any subset has taken
 *     effect. A rename is atomic.
 *   - A failed sync loses its bytes on the disk, although the file still shows them, until they are written again. Linux
 *     does so.
 */
#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, MAX_FILES = 1 << 16 };

struct content {
    uint8_t *bytes;
    size_t len, cap;                    /* beyond len, up to cap: zeros */
};

struct pending {
    size_t *ops;
    size_t count, cap;
};

struct file {
    struct content durable;
    struct pending since;               /* writes and sizes since the last sync */
};

struct entry {
    char *name;
    uint32_t file;
};

struct names {
    struct entry *at;
    size_t count;
};

struct disk_image {
    const struct disk_record *record;
    size_t done;
    struct file *files;
    uint32_t n_files;
    struct names names;                 /* durable */
    struct pending dir_ops;
};

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "image.c: no memory\n");
        abort();
    }
    return memory;
}

static void push(struct pending *p, size_t op)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->ops = need(realloc(p->ops, p->cap * sizeof *p->ops));
    }
    p->ops[p->count++] = op;
}

/* ---- contents ---- */

static void reserve(struct content *c, size_t len)
{
    if (len <= c->cap)
        return;
    size_t cap = 2 * len;
    c->bytes = need(realloc(c->bytes, cap));
    memset(c->bytes + c->cap, 0, cap - c->cap);
    c->cap = cap;
}

static void set_size(struct content *c, size_t len)
{
    reserve(c, len);
    if (len < c->len)
        memset(c->bytes + len, 0, c->len - len);
    c->len = len;
}

static void apply(struct content *c, const struct disk_record *r, const struct disk_op *op)
{
    if (op->kind == DISK_SIZE) {
        set_size(c, op->offset);
        return;
    }
    reserve(c, op->offset + op->len);
    if (op->len > 0)
        memcpy(c->bytes + op->offset, r->bytes + op->at, op->len);
}

/* ---- names ---- */

static struct entry *find(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i].name, name) == 0)
            return &n->at[i];
    return NULL;
}

static void put(struct names *n, const char *name, uint32_t file)
{
    struct entry *e = find(n, name);

    if (e) {
        e->file = file;
        return;
    }
    n->at = need(realloc(n->at, (n->count + 1) * sizeof *n->at));
    n->at[n->count++] = (struct entry){need(strdup(name)), file};
}

static void drop(struct names *n, const char *name)
{
    struct entry *e = find(n, name);

    if (!e)
        return;
    free(e->name);
    *e = n->at[--n->count];
}

static void apply_name(struct names *n, const struct disk_op *op)
{
    struct entry *e;

    switch (op->kind) {
    case DISK_CREATE: put(n, op->name, op->file); break;
    case DISK_UNLINK: drop(n, op->name); break;
    case DISK_RENAME:
        put(n, op->name2, op->file);
        e = find(n, op->name);
        if (e && e->file == op->file)
            drop(n, op->name);
        break;
    default: break;
    }
}

static struct names copy_names(const struct names *from)
{
    struct names to = {0};

    for (size_t i = 0; i < from->count; i++)
        put(&to, from->at[i].name, from->at[i].file);
    return to;
}

static void free_names(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->at[i].name);
    free(n->at);
}

/* ---- going on ---- */

struct disk_image *image_open(const struct disk_record *r)
{
    struct disk_image *m = need(calloc(1, sizeof *m));

    m->record = r;
    for (size_t i = 0; i < r->count; i++)
        if (r->ops[i].kind != DISK_NOTE && r->ops[i].file >= m->n_files)
            m->n_files = r->ops[i].file + 1;
    m->files = need(calloc(m->n_files + 1, sizeof *m->files));
    return m;
}

void image_close(struct disk_image *m)
{
    for (uint32_t i = 0; i < m->n_files; i++) {
        free(m->files[i].durable.bytes);
        free(m->files[i].since.ops);
    }
    free_names(&m->names);
    free(m->files);
    free(m->dir_ops.ops);
    free(m);
}

static bool is_in(const char *name, const char *dir)
{
    const char *slash = strrchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : 0;

    return strlen(dir) == len && strncmp(name, dir, len) == 0;
}

static void sync_names(struct disk_image *m, const char *dir)
{
    struct pending *p = &m->dir_ops;
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct disk_op *op = &m->record->ops[p->ops[i]];
        if (is_in(op->name2 ? op->name2 : op->name, dir))
            apply_name(&m->names, op);
        else
            p->ops[kept++] = p->ops[i];
    }
    p->count = kept;
}

static void step(struct disk_image *m, size_t at)
{
    const struct disk_op *op = &m->record->ops[at];
    struct file *f = op->kind == DISK_NOTE ? NULL : &m->files[op->file];

    switch (op->kind) {
    case DISK_WRITE: case DISK_SIZE: push(&f->since, at); break;
    case DISK_SYNC:
        for (size_t i = 0; i < f->since.count; i++)
            apply(&f->durable, m->record, &m->record->ops[f->since.ops[i]]);
        f->since.count = 0;
        break;
    case DISK_SYNC_FAILED: f->since.count = 0; break;
    case DISK_CREATE: case DISK_RENAME: case DISK_UNLINK: push(&m->dir_ops, at); break;
    case DISK_SYNC_DIR: sync_names(m, op->name); break;
    case DISK_NOTE: break;
    }
}

void image_advance(struct disk_image *m, size_t count)
{
    for (; m->done < count && m->done < m->record->count; m->done++)
        step(m, m->done);
}

/* ---- laying down ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Sectors that keep their version from here on. */
struct stopped {
    uint8_t *sector;
    size_t count;
};

/* Applies a write sector by sector. A sector may stop at any version. */
static void apply_sectors(struct content *c, const struct disk_record *r, const struct disk_op *op, struct stopped *s,
                          bool garbage, uint64_t *random)
{
    reserve(c, op->offset + op->len);
    for (size_t at = 0; at < op->len;) {
        size_t sector = (op->offset + at) / SECTOR, len = SECTOR - (op->offset + at) % SECTOR;
        len = len < op->len - at ? len : op->len - at;
        if (!s->sector[sector] && next_random(random) % 3 == 0) {
            s->sector[sector] = 1;
            for (size_t i = 0; garbage && next_random(random) % 2 && i < SECTOR && sector * SECTOR + i < c->cap; i++)
                c->bytes[sector * SECTOR + i] = (uint8_t)next_random(random);
        }
        if (!s->sector[sector])
            memcpy(c->bytes + op->offset + at, r->bytes + op->at + at, len);
        at += len;
    }
}

static struct content content_after(const struct disk_image *m, const struct file *f, enum image_mode mode,
                                    uint64_t *random)
{
    struct content c = {need(malloc(f->durable.cap + 1)), f->durable.len, f->durable.cap};
    size_t end = f->durable.len, size = f->durable.len;
    bool size_stopped = false;

    if (f->durable.cap > 0)
        memcpy(c.bytes, f->durable.bytes, f->durable.cap);
    for (size_t i = 0; i < f->since.count; i++) {
        const struct disk_op *op = &m->record->ops[f->since.ops[i]];
        size_t reach = op->offset + op->len;
        end = reach > end ? reach : end;
    }
    struct stopped s = {need(calloc(end / SECTOR + 1, 1)), end / SECTOR + 1};
    for (size_t i = 0; i < f->since.count && mode != IMAGE_NOTHING && mode != IMAGE_NAMES; i++) {
        const struct disk_op *op = &m->record->ops[f->since.ops[i]];
        if (mode == IMAGE_EVERYTHING) {
            apply(&c, m->record, op);
            size = c.len;
        } else if (op->kind == DISK_SIZE) {
            size_stopped = size_stopped || next_random(random) % 3 == 0;
            size = size_stopped ? size : op->offset;
        } else {
            apply_sectors(&c, m->record, op, &s, mode == IMAGE_GARBAGE, random);
        }
    }
    c.len = c.len < size ? size : c.len;
    set_size(&c, size);
    free(s.sector);
    return c;
}

static void write_file(const char *dir, const char *name, const struct content *c)
{
    char path[8192];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || (c->len > 0 && write(fd, c->bytes, c->len) != (ssize_t)c->len)) {
        fprintf(stderr, "image.c: can't write %s\n", path);
        abort();
    }
    close(fd);
}

void image_empty(const char *dir)
{
    char path[8192];
    struct dirent *e;

    mkdir(dir, 0777);
    DIR *d = need(opendir(dir));
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
}

void image_write(const struct disk_image *m, enum image_mode mode, uint64_t seed, const char *dir)
{
    struct names n = copy_names(&m->names);
    uint64_t random = seed;

    for (size_t i = 0; i < m->dir_ops.count && mode != IMAGE_NOTHING; i++)
        if (mode == IMAGE_EVERYTHING || mode == IMAGE_NAMES || next_random(&random) % 2)
            apply_name(&n, &m->record->ops[m->dir_ops.ops[i]]);
    image_empty(dir);
    for (size_t i = 0; i < n.count; i++) {
        struct content c = content_after(m, &m->files[n.at[i].file], mode, &random);
        write_file(dir, n.at[i].name, &c);
        free(c.bytes);
    }
    free_names(&n);
}
