/* certs.h: certificates for tests, made by the openssl program in the folder `certs`. */
#ifndef HOST_CERTS_H
#define HOST_CERTS_H

#include <stdarg.h>

#include "kit.h"

static const char *certs;

__attribute__((format(printf, 1, 2))) static inline void shell(const char *format, ...)
{
    char command[2000], whole[2100];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(whole, sizeof whole, "cd %s && { %s; } >>log 2>&1", certs, command);
    if (system(whole) != 0)
        DIE("%s", whole);
}

#define KEY "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

static inline void make_ca(const char *name)
{
    shell("openssl req -x509 " KEY " -keyout %s.key -out %s.pem -subj /CN=%s -days 2", name, name, name);
}

/* Makes NAME.pem and NAME.key, signed by `ca`. names: of the subject alternative names. */
static inline void make_cert(const char *name, const char *ca, const char *names)
{
    shell("openssl req " KEY " -keyout %s.key -out %s.csr -subj /CN=%s && echo 'subjectAltName=%s' >%s.ext && "
          "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 -extfile %s.ext -out %s.pem",
          name, name, name, names, name, name, ca, ca, name, name);
}

#endif
