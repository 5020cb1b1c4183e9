/* metrics_text.h: Prometheus text, written into a buffer of the caller. Of the library alone. */
#ifndef RH_METRICS_TEXT_H
#define RH_METRICS_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct text {
    char *to;
    size_t cap, len;                    /* len: of the whole text, also where the text is cut off */
};

__attribute__((format(printf, 2, 3)))
static inline void add(struct text *t, const char *format, ...)
{
    va_list args;
    size_t left = t->len < t->cap ? t->cap - t->len : 0;

    va_start(args, format);
    int n = vsnprintf(left ? t->to + t->len : NULL, left, format, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
}

#endif
