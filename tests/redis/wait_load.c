/* wait_load.c: SET in pipelines, WAIT 1 behind each. wait_load PORT CLIENTS PIPELINE REQUESTS prints requests a second. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int clients = atoi(argv[2]), pipeline = atoi(argv[3]), ep = epoll_create1(0);
    long requests = atol(argv[4]), sent = 0, done = 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char value[65], batch[16384], reply[65536];
    int *left = calloc(65536, sizeof *left), len = 0, on = 1;
    memset(value, 'x', 64);
    value[64] = 0;
    double begin = now();
    for (int i = 0; i < clients; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
        int fd = e.data.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
            return 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
    while (done < requests) {
        struct epoll_event events[256];
        int n = epoll_wait(ep, events, 256, 5000);
        if (n <= 0)
            return 1;
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (events[i].events & EPOLLIN && left[fd] > 0) {   /* a line each: +OK or :1 */
                long got = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
                for (long k = 0; k < got; k++)
                    left[fd] -= reply[k] == '\n';
                done += left[fd] == 0 ? pipeline : 0;
            }
            if (left[fd] > 0 || sent >= requests)
                continue;
            len = 0;
            for (int k = 0; k < pipeline; k++)
                len += snprintf(batch + len, sizeof batch - (size_t)len,
                                "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$64\r\n%s\r\n", rand() % 100000, value);
            len += snprintf(batch + len, sizeof batch - (size_t)len, "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n");
            if (send(fd, batch, (size_t)len, 0) != len)
                return 1;
            left[fd] = pipeline + 1;
            sent += pipeline;
        }
    }
    printf("%.1f\n", (double)done / (now() - begin));
    return 0;
}
