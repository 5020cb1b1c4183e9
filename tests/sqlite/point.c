/*
 * point.c: LD_PRELOAD for tests: kills the process with SIGKILL in front of its n-th call to the system.
 *
 * POINT names a file of two 64-bit numbers. The test writes n into the first one: the process counts down, and dies at 1.
 * The second number counts the calls while the first is not 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct { _Atomic uint64_t left, seen; } *point;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("POINT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    point = map == MAP_FAILED ? NULL : map;
}

static void pass(void) {
    if (!point || atomic_load(&point->left) == 0)
        return;
    atomic_fetch_add(&point->seen, 1);
    if (atomic_fetch_sub(&point->left, 1) == 1)
        kill(getpid(), SIGKILL);
}

#define CALL(type, name, params, args)                        \
    type name params {                                        \
        static type(*real) params;                            \
        if (!real)                                            \
            *(void **)&real = dlsym(RTLD_NEXT, #name);        \
        pass();                                               \
        return real args;                                     \
    }

CALL(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
CALL(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
CALL(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
CALL(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
CALL(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
CALL(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
CALL(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
CALL(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
CALL(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, fsync, (int fd), (fd))
CALL(int, ftruncate, (int fd, off_t n), (fd, n))
CALL(int, ftruncate64, (int fd, off64_t n), (fd, n))
CALL(int, rename, (const char *a, const char *b), (a, b))
CALL(int, unlink, (const char *a), (a))
CALL(int, memfd_create, (const char *name, unsigned flags), (name, flags))

int fcntl64(int fd, int command, ...) {
    static int (*real)(int, int, ...);
    va_list args;
    va_start(args, command);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fcntl64");
    pass();
    return real(fd, command, arg);
}
