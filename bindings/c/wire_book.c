/* wire_book.c: the address book of membership changes, snapshots and answers to joiners. */
#include "wire.h"

#include <string.h>

#include "bytes.h"

enum { BOOK_HEAD = 8, RECORD = 32 };

static const uint8_t magic[4] = {'r', 'h', 'B', '1'};

int rh_wire_book_open(raftcore_slice bytes, struct rh_wire_book *out)
{
    if (bytes.len < BOOK_HEAD || memcmp(bytes.ptr, magic, sizeof magic) != 0)
        return RH_WIRE_E_MALFORMED;
    *out = (struct rh_wire_book){
        .next = bytes.ptr + BOOK_HEAD,
        .end = bytes.ptr + bytes.len,
        .left = rh_get_u16(bytes.ptr + 4),
        .fixed = rh_get_u16(bytes.ptr + 6),
    };
    return out->fixed >= RECORD && out->left <= RH_WIRE_BOOK_MAX ? RH_WIRE_OK : RH_WIRE_E_MALFORMED;
}

static bool is_good_or_empty(raftcore_slice address)
{
    return address.len == 0 || rh_wire_is_address(address);
}

int rh_wire_book_next(struct rh_wire_book *book, struct rh_wire_member *out)
{
    const uint8_t *p = book->next;

    if (book->left == 0)
        return RH_WIRE_MORE;
    size_t there = (size_t)(book->end - p);
    if (there < book->fixed)
        return RH_WIRE_E_MALFORMED;
    size_t peer = rh_get_u16(p + 24), client = rh_get_u16(p + 26);
    const uint8_t *text = p + book->fixed;
    if (peer + client > there - book->fixed)
        return RH_WIRE_E_MALFORMED;
    struct rh_wire_member m = {
        .id = rh_get_u64(p),
        .peer_address = {.ptr = text, .len = peer},
        .client_address = {.ptr = text + peer, .len = client},
    };
    if (m.id == 0 || !is_good_or_empty(m.peer_address) || !is_good_or_empty(m.client_address))
        return RH_WIRE_E_MALFORMED;
    memcpy(m.disk, p + 8, sizeof m.disk);
    book->next = text + peer + client;
    book->left--;
    *out = m;
    return RH_WIRE_OK;
}

static uint8_t *put_address(uint8_t *p, raftcore_slice address)
{
    if (address.len > 0)
        memcpy(p, address.ptr, address.len);
    return p + address.len;
}

size_t rh_wire_book_write(const struct rh_wire_member *members, size_t count, uint8_t *to, size_t cap)
{
    size_t bytes = BOOK_HEAD;

    if (count > RH_WIRE_BOOK_MAX)
        return 0;
    for (const struct rh_wire_member *m = members; m < members + count; m++) {
        if (m->id == 0 || !is_good_or_empty(m->peer_address) || !is_good_or_empty(m->client_address))
            return 0;
        bytes += RECORD + m->peer_address.len + m->client_address.len;
    }
    if (bytes > cap)
        return bytes;
    memcpy(to, magic, sizeof magic);
    rh_put_u16(to + 4, (uint16_t)count);
    rh_put_u16(to + 6, RECORD);
    uint8_t *p = to + BOOK_HEAD;
    for (const struct rh_wire_member *m = members; m < members + count; m++) {
        rh_put_u64(p, m->id);
        memcpy(p + 8, m->disk, sizeof m->disk);
        rh_put_u16(p + 24, (uint16_t)m->peer_address.len);
        rh_put_u16(p + 26, (uint16_t)m->client_address.len);
        rh_put_u32(p + 28, 0);
        p = put_address(put_address(p + RECORD, m->peer_address), m->client_address);
    }
    return bytes;
}

bool rh_wire_is_address(raftcore_slice text)
{
    size_t colon = 0, port = 0;

    if (text.len == 0 || text.len > RH_WIRE_ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
        if (text.ptr[i] == ':')
            colon = i;
    }
    if (colon == 0 || text.len - colon - 1 > 5)
        return false;
    for (size_t i = colon + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = 10 * port + (size_t)(text.ptr[i] - '0');
    }
    /* An IPv6 address has colons, and needs brackets. */
    bool in_brackets = text.ptr[0] == '[' && text.ptr[colon - 1] == ']';
    return port > 0 && port < 65536 && (in_brackets || memchr(text.ptr, ':', text.len) == text.ptr + colon);
}
