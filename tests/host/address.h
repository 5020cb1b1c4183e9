/* address.h: addresses for members of tests. */
#ifndef HOST_ADDRESS_H
#define HOST_ADDRESS_H

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"

/*
 * A port that nobody has, below those that connections take: one of these could be taken before the
 * member listens, or while it is down.
 */
static inline void free_address(char to[32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct random r = {(uint64_t)(now_seconds() * 1e9) ^ (uint64_t)getpid() << 40};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0);
    do
        at.sin_port = htons((uint16_t)(10000 + random_below(&r, 20000)));
    while (bind(fd, (struct sockaddr *)&at, sizeof at) != 0);
    snprintf(to, 32, "127.0.0.1:%d", ntohs(at.sin_port));
    close(fd);
}

#endif
