/*
 * host_command.c: commands of words, the status in words, metrics over HTTP, listening sockets, and the length of a
 * table of sessions that comes in pieces.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "host_kit.h"

enum { WORDS_MAX = 8, TEXT = 200 * 1024 };

static struct member m[4];
static char metrics[32];

/* ---- commands ---- */

static size_t split(const char *line, raftcore_slice *word)
{
    size_t n = 0;

    while (*line && n < WORDS_MAX) {
        size_t len = strcspn(line, " ");
        word[n++] = (raftcore_slice){(const uint8_t *)line, len};
        line += len + (line[len] == ' ');
    }
    return n;
}

static struct answer ask(struct member *by, const char *line)
{
    raftcore_slice word[WORDS_MAX];
    size_t n = split(line, word);
    struct answer a = {.words = ""};
    struct rh_words why = {""};

    ANSWER(&a, rh_command(by->h, word, n, ticket, &why));
    return a;
}

static void done_as(struct member *by, const char *line, enum rh_what what, const char *words)
{
    struct answer a = ask(by, line);

    if (a.what != what || !strstr(a.words, words))
        DIE("%s: %s: %s", line, rh_what_text(a.what), a.words);
}

static void refused(const char *line, const char *words)
{
    raftcore_slice word[WORDS_MAX];
    size_t n = split(line, word);
    struct rh_words why = {""};

    CHECK(rh_command(m[0].h, word, n, 1, &why) == RH_E_ARG);
    if (!strstr(why.text, words))
        DIE("%s: %s", line, why.text);
}

static void words_at_fault(void)
{
    raftcore_slice nul[3] = {{(const uint8_t *)"add", 3}, {(const uint8_t *)"9", 1}, {(const uint8_t *)"h:1\0x", 5}};
    struct rh_words why = {""};

    refused("", "not understood");
    refused("nonsense", "not understood");
    refused("add 2", "add ID HOST:PORT");
    refused("add 2 a:1 b:1 c:1", "add ID HOST:PORT");
    refused("add 2 learner", "add ID HOST:PORT");
    refused("add x a:1", "decimal");
    refused("add 0 a:1", "decimal");
    refused("add 02 a:1", "decimal");
    refused("add 18446744073709551616 a:1", "decimal");
    refused("promote 2 3", "promote ID");
    refused("add 2 nowhere", "HOST:PORT");
    refused("address 1 nowhere", "HOST:PORT");
    refused("transfer -1", "decimal");
    refused("status now", "status");
    refused("backup ", "backup PATH");
    CHECK(rh_command(m[0].h, nul, 3, 1, &why) == RH_E_ARG && strstr(why.text, "HOST:PORT"));
    CHECK(rh_command(m[0].h, nul, 0, 1, NULL) == RH_E_ARG);
}

static bool knows(struct member *who, uint64_t id, bool voter)
{
    struct rh_member list[8] = {{.struct_size = sizeof list[0]}};
    size_t n = 0;

    CHECK(rh_members(who->h, list, 8, &n) == RH_OK && n <= 8);
    for (size_t i = 0; i < n; i++)
        if (list[i].id == id)
            return voter ? list[i].voter : list[i].learner;
    return false;
}

/* A member that waits becomes a voter in a single command; another stays a learner until it is promoted. */
static void members_come(const char *root)
{
    char line[600];

    for (size_t i = 1; i < 3; i++) {
        m[i].o.join = "";
        m[i].o.learner = true;          /* else the member would ask for a vote itself */
        member_open(&m[i]);
    }
    snprintf(line, sizeof line, "ADD 2 %s", m[1].peer);
    done_as(&m[0], line, RH_DONE, "");
    CHECK(knows(&m[0], 2, true));
    done_as(&m[0], line, RH_NOT_COMMITTED, "member already");
    snprintf(line, sizeof line, "Add 3 %s 127.0.0.1:9 Learner", m[2].peer);
    UNTIL(leads(&m[0]) && member_status(&m[1]).core.leader == 1);
    done_as(&m[1], line, RH_DONE, "");     /* passed on to the leader */
    CHECK(knows(&m[0], 3, false));
    struct answer a;
    UNTIL((a = ask(&m[0], "promote 3")).what == RH_DONE);
    done_as(&m[0], "promote 3", RH_NOT_COMMITTED, "");
    done_as(&m[0], "remove 9", RH_NOT_COMMITTED, "");
    snprintf(line, sizeof line, "address 3 %s", m[2].peer);
    done_as(&m[0], line, RH_DONE, "");
    done_as(&m[0], "transfer 1", RH_DONE, "");
    snprintf(line, sizeof line, "backup %s/backup", root);
    done_as(&m[0], line, RH_DONE, "");
    done_as(&m[0], line, RH_NOT_COMMITTED, "File exists");
}

/* A node that is nowhere is added, and is never caught up: the answer says what it is now. */
static void a_voter_that_never_comes(void)
{
    done_as(&m[0], "add 4 127.0.0.1:1", RH_UNKNOWN, "is a learner now");
    CHECK(knows(&m[0], 4, false));
    done_as(&m[0], "remove 4", RH_DONE, "");
}

/* ---- the status ---- */

static bool has_line(const char *text, const char *begin)
{
    size_t len = strlen(begin);

    for (; text; text = strchr(text, '\n'), text += text != NULL)
        if (strncmp(text, begin, len) == 0)
            return true;
    return false;
}

static void status_in_words(void)
{
    char text[8192], cut[10];
    size_t len = rh_status_text(m[0].h, text, sizeof text);

    CHECK(len < sizeof text && text[len] == 0 && strlen(text) == len);
    CHECK(has_line(text, "id:1\nrole:leader\n") && has_line(text, "leader:1\n") && has_line(text, "voters:1,2,3\n"));
    CHECK(has_line(text, "failed:\n") && has_line(text, "space:enough\n") && has_line(text, "member_1:voter,peer="));
    CHECK(has_line(text, "member_2:voter,peer=") && strstr(text, ",flow=replicate,active\n"));
    CHECK(has_line(text, "member_4:removed,"));
    CHECK(rh_status_text(m[0].h, cut, sizeof cut) + 400 > len && memcmp(cut, text, 9) == 0 && cut[9] == 0);
    CHECK(rh_status_text(m[1].h, text, sizeof text) > 0 && has_line(text, "role:follower\n") && !strstr(text, "flow="));
    done_as(&m[1], "status", RH_DONE, "");
}

/* ---- metrics ---- */

static int dial(const char *to)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(to, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};

    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    UNTIL(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

/* Reads up to the end. Returns the bytes read; below 0: the other side was silent, or broke off. */
static ssize_t drain(int fd, char *to, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, to + len, cap - 1 - len, 0)) > 0)
        len += (size_t)n;
    to[len] = 0;
    close(fd);
    return n < 0 ? -1 : (ssize_t)len;
}

static ssize_t get(const char *request, char *to)
{
    int fd = dial(metrics);

    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    return drain(fd, to, TEXT);
}

static size_t more(void *context, char *buf, size_t cap)
{
    CHECK(context == &m[0]);
    int n = snprintf(cap > 0 ? buf : NULL, cap, "# TYPE kit_sum gauge\nkit_sum %d\n%0*d", 7, cap > 0 ? 2000 : 1, 0);
    return (size_t)n;                   /* longer the second time, as numbers may be */
}

static void metrics_over_http(void)
{
    char *text = calloc(1, TEXT);
    int silent[12];

    CHECK(text && get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", text) > 0);
    char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0 && strstr(text, "Content-Type: text/plain") && body && length);
    CHECK(strlen(body + 4) == strtoul(length + 16, NULL, 10));
    CHECK(has_line(body, "raftcore_term ") && has_line(body, "raftcore_net_connections ") && has_line(body, "kit_sum 7\n"));
    CHECK(get("GET /other HTTP/1.1\r\n\r\n", text) > 0 && strstr(text, " 404 "));
    CHECK(get("POST /metrics HTTP/1.1\r\n\r\n", text) > 0 && strstr(text, " 405 "));
    CHECK(get("\r\n\r\n", text) > 0 && strstr(text, " 405 "));
    /* Silent strangers keep nobody out, and go after a while. */
    for (size_t i = 0; i < 12; i++)
        silent[i] = dial(metrics);
    CHECK(get("GET /metrics HTTP/1.1\r\n\r\n", text) > 0 && strstr(text, " 200 "));
    for (size_t i = 0; i < 12; i++) {
        char nothing[10];
        CHECK(drain(silent[i], nothing, sizeof nothing) <= 0);
    }
    /* A request without an end. */
    int fd = dial(metrics);
    memset(text, 'x', 20000);
    for (size_t sent = 0; sent < 20000;) {
        ssize_t n = send(fd, text + sent, 20000 - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    CHECK(drain(fd, text, TEXT) <= 0);
    free(text);
}

/* Without a descriptor the loop rests, and answers once there is one again. */
static void metrics_without_descriptors(void)
{
    struct rlimit old, low;
    char *text = calloc(1, TEXT);
    int fd = dial(metrics), other = dial(metrics);

    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    close(fd);
    close(other);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = old.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(metrics, ':') + 1))};
    struct timeval patience = {.tv_sec = 20};
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CHECK(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(send(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL) == 25);
    must_add(&m[0], 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    CHECK(drain(fd, text, TEXT) > 0 && strstr(text, " 200 "));
    free(text);
}

/* ---- sockets, sessions ---- */

static void listening(void)
{
    struct rh_words why = {""};
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    int fd, second;

    CHECK_OK(rh_listen("127.0.0.1:0", &fd, &why), &why);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.ss_family == AF_INET);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", ntohs(((struct sockaddr_in *)&at)->sin_port));
    CHECK(rh_listen(taken, &second, &why) == RH_E_NET && second == -1 && strstr(why.text, taken));
    close(fd);
    CHECK_OK(rh_listen("localhost:0", &fd, &why), &why);
    len = sizeof at;
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.ss_family == AF_INET);
    close(fd);
    CHECK_OK(rh_listen(":0", &fd, &why), &why);
    close(fd);
    CHECK(rh_listen("nowhere", &fd, &why) == RH_E_NET && strstr(why.text, "nowhere"));
    CHECK(rh_listen("", &fd, NULL) == RH_E_NET && fd == -1);
}

static void a_table_in_pieces(void)
{
    static uint8_t bytes[40000], big[20000];
    struct rh_sessions *s = rh_sessions_new(8);
    size_t length = 1;

    CHECK(s);
    for (uint8_t i = 1; i < 5; i++) {
        uint8_t id[RH_SESSION_BYTES] = {i};
        struct rh_entry e = {.session = id, .number = i, .result = {big, i == 3 ? sizeof big : i}};
        CHECK(rh_sessions_done(s, &e) == RH_OK);
    }
    size_t whole = rh_sessions_bytes(s);
    CHECK(whole < sizeof bytes && rh_sessions_write(s, bytes) == RH_OK);
    for (size_t len = 0; len < whole; len++)
        CHECK(rh_sessions_length(bytes, len, &length) == RH_NONE && length == 0);
    for (size_t len = whole; len < whole + 3; len++)
        CHECK(rh_sessions_length(bytes, len, &length) == RH_OK && length == whole);
    bytes[8 + RH_SESSION_BYTES + 8 + 3] = 1;    /* a result that no table keeps */
    CHECK(rh_sessions_length(bytes, whole, &length) == RH_E_DAMAGED && length == 0);
    bytes[0] ^= 1;
    CHECK(rh_sessions_length(bytes, 1, &length) == RH_E_DAMAGED && rh_sessions_length(bytes, whole, &length) == RH_E_DAMAGED);
    rh_sessions_free(s);
}

/* What fails before the group is founded can be mended: the same call with the right option founds the group. */
static void wrong_options_found_no_group(const char *root)
{
    struct rh_words why = {""};

    member_init(&m[3], root, "m4", 4);
    m[3].o.found = true;
    m[3].o.metrics = "nowhere";
    CHECK(member_try(&m[3], &why) == RH_E_NET && strstr(why.text, "nowhere"));
    m[3].o.metrics = metrics;           /* of member 1 */
    CHECK(member_try(&m[3], &why) == RH_E_NET && strstr(why.text, metrics));
    m[3].o.metrics = NULL;
    m[3].o.listen = "nowhere";
    CHECK(member_try(&m[3], &why) == RH_E_NET && strstr(why.text, "nowhere"));
    m[3].o.listen = m[0].o.peer;        /* in use */
    CHECK(member_try(&m[3], &why) == RH_E_NET && strstr(why.text, m[0].o.peer));
    m[3].o.listen = NULL;
    m[3].o.tls_ca = m[3].o.tls_cert = m[3].o.tls_key = "/nowhere.pem";
    CHECK(member_try(&m[3], &why) == RH_E_NET);
    m[3].o.tls_ca = m[3].o.tls_cert = m[3].o.tls_key = NULL;
    CHECK_OK(member_try(&m[3], &why), &why);
    UNTIL(leads(&m[3]));
    CHECK(member_close(&m[3]) == RH_OK);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-command";
    char name[16];

    setvbuf(stdout, NULL, _IOLBF, 0);
    listening();
    a_table_in_pieces();
    free_address(metrics);
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "m%zu", i + 1);
        member_init(&m[i], root, name, i + 1);
    }
    m[0].o.metrics = metrics;
    m[0].o.more_metrics = more;
    m[0].o.metrics_context = &m[0];
    m[0].o.found = true;
    member_open(&m[0]);
    UNTIL(leads(&m[0]));
    must_add(&m[0], 1);
    words_at_fault();
    members_come(root);
    a_voter_that_never_comes();
    status_in_words();
    metrics_over_http();
    metrics_without_descriptors();
    wrong_options_found_no_group(root);
    for (size_t i = 3; i-- > 0;)
        CHECK(member_close(&m[i]) == RH_OK);
    return 0;
}
