/* vectors.h: reads tests/wire/vectors.txt. */
#ifndef HOST_VECTORS_H
#define HOST_VECTORS_H

#include "kit.h"

struct vector {
    char name[64], kind[16];
    char *fields;
    bool rewrite;                       /* a writer of version 1 makes the same bytes */
    uint8_t *bytes;
    size_t len;
};

struct vectors {
    struct vector *at;
    size_t count;
};

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline void vector_add_hex(struct vector *v, const char *text)
{
    for (; hex_digit(text[0]) >= 0; text += 2) {
        CHECK(hex_digit(text[1]) >= 0);
        v->bytes = must(realloc(v->bytes, v->len + 1));
        v->bytes[v->len++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
    }
}

/* Takes "key: value"; lines of other keys are for people. */
static inline void vector_add_line(struct vector *v, const char *line)
{
    const char *value = strstr(line, ": ");

    if (strncmp(line, "     ", 5) == 0)
        vector_add_hex(v, line + 5);
    else if (value && strncmp(line, "name", 4) == 0)
        snprintf(v->name, sizeof v->name, "%s", value + 2);
    else if (value && strncmp(line, "kind", 4) == 0)
        snprintf(v->kind, sizeof v->kind, "%s", value + 2);
    else if (value && strncmp(line, "fields", 6) == 0)
        v->fields = must(strdup(value + 2));
    else if (value && strncmp(line, "rewrite", 7) == 0)
        v->rewrite = false;
    else if (value && strncmp(line, "hex", 3) == 0)
        vector_add_hex(v, value + 2);
}

static inline struct vectors vectors_load(const char *path)
{
    struct vectors all = {0};
    static char line[1 << 16];
    FILE *f = fopen(path, "r");
    bool open = false;

    if (!f)
        DIE("can't open %s", path);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#')
            continue;
        if (line[0] == 0) {
            open = false;
            continue;
        }
        if (!open) {
            all.at = must(realloc(all.at, (all.count + 1) * sizeof *all.at));
            all.at[all.count++] = (struct vector){.rewrite = true};
            open = true;
        }
        vector_add_line(&all.at[all.count - 1], line);
    }
    fclose(f);
    CHECK(all.count > 30);
    return all;
}

static inline void vectors_free(struct vectors *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->at[i].fields);
        free(all->at[i].bytes);
    }
    free(all->at);
}

#endif
