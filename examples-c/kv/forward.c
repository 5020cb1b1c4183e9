/*
 * forward.c: forwarding a command to the leader, running a forwarded command, and returning the
 * reply.
 */
#include "forward.h"

#include "command.h"
#include "resp.h"

enum { WORDS_MAX = 8 };

static bool send_frame(struct host *h, uint64_t to, const struct buf *payload)
{
    struct buf head = {0};

    buf_add_u32(&head, (uint32_t)buf_len(payload));
    buf_add_u64(&head, h->group ^ HOST_GROUP);
    slice parts[] = {buf_slice(&head), buf_slice(payload)};
    bool sent = peers_send(&h->peers, to, parts, 2, parts[0].len + parts[1].len);
    buf_free(&head);
    return sent;
}

void forward_to_leader(struct host *h, struct request *r, struct buf *out)
{
    struct buf frame = {0};

    r->seq = ++h->forward_seq;
    buf_add(&frame, "A", 1);
    buf_add_u64(&frame, r->seq);
    for (size_t i = 0; i < r->n_args; i++) {
        buf_add_u32(&frame, (uint32_t)r->arg[i].len);
        buf_add(&frame, r->arg[i].ptr, r->arg[i].len);
    }
    if (send_frame(h, h->leader, &frame)) {
        r->state = REQUEST_WAITING;
        r->deadline = now_ms() + 2 * ANSWER_MS;     /* the leader answers within half the time, or is gone */
        requests_add(&h->forwards, r);
    } else {
        resp_error(out, "TRYAGAIN node %llu leads and can't be reached from here just now", (ull)h->leader);
    }
    buf_free(&frame);
}

static void run(struct host *h, uint64_t from, uint64_t number, const slice *word, size_t n)
{
    struct request *r = command_request(word, n);

    r->host = h;
    r->origin = from;
    r->origin_seq = number;
    if (r->state == REQUEST_NEW && r->command->kind == COMMAND_LEADER) {
        r->state = REQUEST_DONE;
        r->command->run(h, r, &r->reply);
    }
    if (r->state != REQUEST_WAITING)
        request_finished(r);
}

static bool on_command(struct host *h, uint64_t from, uint64_t number, slice body)
{
    slice word[WORDS_MAX];
    size_t n = 0;

    while (body.len > 0) {
        if (n == WORDS_MAX || body.len < 4 || get_u32(body.ptr) > body.len - 4)
            return false;
        word[n] = slice_of(body.ptr + 4, get_u32(body.ptr));
        body = slice_of(word[n].ptr + word[n].len, body.len - 4 - word[n].len);
        n++;
    }
    if (n == 0)
        return false;
    run(h, from, number, word, n);
    return true;
}

static void on_reply(struct host *h, uint64_t number, slice reply)
{
    struct request_list rest = {0};

    for (struct request *r; (r = requests_take(&h->forwards));) {
        if (r->seq != number) {
            requests_add(&rest, r);
            continue;
        }
        buf_add(&r->reply, reply.ptr, reply.len);
        request_finished(r);
    }
    h->forwards = rest;
}

bool forward_frame(struct host *h, uint64_t from, slice payload)
{
    if (payload.len < 9)
        return false;
    uint64_t number = get_u64(payload.ptr + 1);
    slice body = slice_of(payload.ptr + 9, payload.len - 9);
    if (payload.ptr[0] == 'A')
        return on_command(h, from, number, body);
    on_reply(h, number, body);
    return true;
}

void forward_reply(struct request *r)
{
    struct buf frame = {0};

    if (buf_len(&r->reply) == 0)        /* nobody forwards the command: no reply of ours */
        resp_error(&r->reply, "ERR not a command for the leader");
    buf_add(&frame, "R", 1);
    buf_add_u64(&frame, r->origin_seq);
    buf_add(&frame, r->reply.ptr + r->reply.start, buf_len(&r->reply));
    if (!send_frame(r->host, r->origin, &frame))
        note("the answer to a command that node %llu passed on is lost", (ull)r->origin);
    buf_free(&frame);
    request_free(r);
}

void forward_tick(struct host *h)
{
    while (h->forwards.head && h->forwards.head->deadline <= now_ms()) {
        struct request *r = requests_take(&h->forwards);
        resp_error(&r->reply, "UNKNOWN outcome unknown: the leader has not answered, RAFT.STATUS shows what the configuration is");
        request_finished(r);
    }
}
