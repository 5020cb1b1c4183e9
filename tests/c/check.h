/* What the C tests stop with when something does not hold. */
#ifndef CHECK_H
#define CHECK_H
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                              \
    do {                                                                                                                         \
        if (!(what)) {                                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                                           \
            exit(1);                                                                                                             \
        }                                                                                                                        \
    } while (0)

#endif
