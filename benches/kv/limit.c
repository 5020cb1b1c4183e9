/*
 * limit.c: what the machine allows: limit FILE SECONDS BYTES
 *
 * In turn: a round trip of BYTES over loopback, then a write of BYTES into a preallocated file and its fdatasync. So no
 * replicated or durable server can answer a single client faster. Prints answers a second and the 50th and 99th percentile
 * of both together in milliseconds, then of the flush alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 64 << 20, MOST = 1 << 20 };

static double both[MOST], flush[MOST];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stop(const char *what) {
    perror(what);
    exit(1);
}

static void *echo(void *listener) {
    char buf[4096];
    int fd = accept(*(int *)listener, NULL, NULL), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;)
        if (write(fd, buf, (size_t)n) != n)
            stop("echo");
    return NULL;
}

static int connected(void) {
    static int listener;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 1) || getsockname(listener, (void *)&at, &len) ||
        pthread_create(&thread, NULL, echo, &listener) || connect(fd, (void *)&at, sizeof at))
        stop("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    char buf[4096] = "limit";
    static char zeros[1 << 20];
    size_t n = 0, len = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (len == 0 || len > sizeof buf) {
        fprintf(stderr, "limit FILE SECONDS BYTES\n");
        return 1;
    }
    int file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0666), link = connected();
    for (off_t at = 0; at < FILE_BYTES; at += sizeof zeros)
        if (pwrite(file, zeros, sizeof zeros, at) != sizeof zeros)
            stop(argv[1]);
    if (fdatasync(file))
        stop("fdatasync");
    double end = now() + atof(argv[2]), began = now(), t = began;
    for (off_t at = 0; t < end && n < MOST; at = (at + (off_t)len) % (FILE_BYTES - (off_t)len), n++) {
        for (size_t got = (size_t)(write(link, buf, len) * 0); got < len;) {
            ssize_t part = read(link, buf, len - got);
            if (part <= 0)
                stop("read");
            got += (size_t)part;
        }
        double between = now();
        if (pwrite(file, buf, len, at) != (ssize_t)len || fdatasync(file))
            stop("fdatasync");
        double after = now();
        both[n] = after - t;
        flush[n] = after - between;
        t = after;
    }
    double rate = (double)n / (now() - began);
    qsort(both, n, sizeof *both, by_size);
    qsort(flush, n, sizeof *flush, by_size);
    printf("%.1f %.3f %.3f %.3f %.3f\n", rate, 1000 * both[n / 2], 1000 * both[n * 99 / 100], 1000 * flush[n / 2],
           1000 * flush[n * 99 / 100]);
    return 0;
}
