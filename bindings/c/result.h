/*
 * result.h: the codes and words that the functions of the host library return.
 *
 * A function that can fail returns a code, and takes a `struct rh_words *`. On failure the function
 * writes a line for people there: which file, which offset, which index. NULL: no words wanted.
 */
#ifndef RH_RESULT_H
#define RH_RESULT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum rh_code {
    RH_OK = 0,
    RH_NONE = 1,                /* nothing there, nothing to do */
    RH_E_ARG = -1,              /* the caller's mistake: nothing was done */
    RH_E_NOMEM = -2,            /* no memory: nothing was done */
    RH_E_IO = -3,               /* the system refused a call on a file */
    RH_E_SPACE = -4,            /* the disk is full */
    RH_E_DAMAGED = -5,          /* bytes on the disk are not those that were written */
    RH_E_OWNER = -6,            /* the directory belongs to another node, or another process has it open */
    RH_E_FAILED = -7,           /* an earlier write or flush failed: close the handle, boot again from the disk */
    RH_E_RANGE = -8,            /* the log does not reach there */
    RH_E_GONE = -9,             /* the log was compacted beyond there */
    RH_E_SMALL = -10,           /* the caller's buffer is too small: the needed size was written */
    RH_E_VERSION = -11,         /* written by another version of this library */
    RH_E_BUSY = -12,            /* a limit is reached: try again later */
    RH_E_STATE = -13,           /* not possible now: the words say why */
    RH_E_CORE = -14,            /* the core refused a call: the words have its explanation */
    RH_E_DATABASE = -15,        /* a function of struct rh_database failed */
    RH_E_NET = -16,             /* an address, a certificate or a socket: the words say which */
};

enum { RH_WORDS_MAX = 400 };

struct rh_words {
    char text[RH_WORDS_MAX];
};

/* Writes words and returns the code. */
__attribute__((format(printf, 3, 4)))
static inline int rh_fail(struct rh_words *why, int code, const char *format, ...)
{
    va_list args;

    if (why) {
        va_start(args, format);
        vsnprintf(why->text, sizeof why->text, format, args);
        va_end(args);
    }
    return code;
}

#endif
