/* address.h: addresses for members of tests. */
#ifndef HOST_ADDRESS_H
#define HOST_ADDRESS_H

#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit.h"

/* Marks a port as this program's, as tests/ports.py does: an abstract socket, until the program ends. */
static inline bool mark_port(unsigned port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "raftcore-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    if (bind(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
        return true;
    close(fd);
    return false;
}

/*
 * A port that nobody has, below those that connections take: one of these could be taken before the
 * member listens, or while it is down.
 */
static inline void free_address(char to[32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct random r = {(uint64_t)(now_seconds() * 1e9) ^ (uint64_t)getpid() << 40};
    bool mine = false;

    while (!mine) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fd >= 0);
        at.sin_port = htons((uint16_t)(10000 + random_below(&r, 22000)));
        mine = mark_port(ntohs(at.sin_port)) && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
        close(fd);
    }
    snprintf(to, 32, "127.0.0.1:%d", ntohs(at.sin_port));
}

#endif
