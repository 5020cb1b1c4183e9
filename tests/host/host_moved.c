/*
 * host_moved.c: members that come back under other addresses, and members that may not lead. tests/kv/moved.py
 * has the same with real processes, TLS, and false addresses.
 */
#include "host_kit.h"

enum { MEMBERS = 3 };

static struct member m[MEMBERS];
static char clients[MEMBERS][32];

static bool knows(struct member *who, struct member *whom, const char *client)
{
    struct rh_member list[8] = {{.struct_size = sizeof list[0]}};
    size_t n = 0;

    CHECK(rh_members(who->h, list, 8, &n) == RH_OK && n <= 8);
    for (size_t i = 0; i < n; i++)
        if (list[i].id == whom->o.id)
            return strcmp(list[i].peer_address, whom->peer) == 0 && strcmp(list[i].client_address, client) == 0;
    return false;
}

static struct answer ask_transfer(struct member *by, uint64_t to)
{
    struct answer a = {.words = ""};

    ANSWER(&a, rh_transfer(by->h, to, ticket));
    return a;
}

static struct answer ask_address(struct member *by, uint64_t id, const char *peer, const char *client)
{
    struct answer a = {.words = ""};

    ANSWER(&a, rh_set_address(by->h, id, peer, client, ticket));
    return a;
}

static void move(size_t i)
{
    CHECK(member_close(&m[i]) == RH_OK);
    free_address(m[i].peer);
    free_address(clients[i]);
    m[i].o.client = clients[i];
    m[i].len = m[i].said[0] = 0;
    member_open(&m[i]);
}

/* A follower, then the leader: all learn both addresses, and so where clients find the leader. */
static void members_move(void)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        move(MEMBERS - 1 - i);
        for (size_t k = 0; k < MEMBERS; k++)
            UNTIL(knows(&m[k], &m[MEMBERS - 1 - i], clients[MEMBERS - 1 - i]));
        must_add(&m[0], 1);
    }
    UNTIL(ask_transfer(&m[0], 2).what == RH_DONE);
    UNTIL(strcmp(member_status(&m[0]).leader_client, clients[1]) == 0);
    for (size_t i = 0; i < MEMBERS; i++)
        must_have(&m[i], MEMBERS);
    CHECK(has_said(&m[2], "the group knows this node at "));
}

static void a_word_from_a_person(void)
{
    CHECK(rh_set_address(m[0].h, 0, m[0].peer, NULL, 0) == RH_E_ARG);
    CHECK(rh_set_address(m[0].h, 2, "nowhere", NULL, 0) == RH_E_ARG);
    CHECK(rh_set_address(m[0].h, 2, NULL, NULL, 0) == RH_E_ARG);
    CHECK(rh_set_address(m[0].h, 2, m[1].peer, "nowhere", 0) == RH_E_ARG);
    struct answer a = ask_address(&m[0], 9, "127.0.0.1:1", NULL);
    CHECK(a.what == RH_NOT_COMMITTED && strstr(a.words, "node 9 is no member"));
    a = ask_address(&m[0], 2, m[1].peer, NULL);
    CHECK(a.what == RH_DONE && knows(&m[0], &m[1], clients[1]));
    /* What a person gets wrong, the member puts right. */
    CHECK(ask_address(&m[2], 1, "127.0.0.1:1", "").what == RH_DONE);
    for (size_t i = 0; i < MEMBERS; i++)
        UNTIL(knows(&m[i], &m[0], clients[0]));
    must_add(&m[0], 1);
    must_have(&m[0], MEMBERS + 1);
}

/* Of two followers, the one that may lead takes over. */
static void some_may_not_lead(void)
{
    UNTIL(ask_transfer(&m[0], 1).what == RH_DONE);
    CHECK(rh_set_electable(m[1].h, false) == RH_OK);
    CHECK(member_status(&m[1]).core.electable == 0 && member_status(&m[2]).core.electable == 1);
    CHECK(ask_transfer(&m[0], 2).what == RH_NOT_COMMITTED);
    CHECK(member_close(&m[0]) == RH_OK);
    UNTIL(leads(&m[2]));
    must_add(&m[1], 1);
    CHECK(rh_set_electable(m[1].h, true) == RH_OK);
    member_open(&m[0]);
    UNTIL(ask_transfer(&m[1], 2).what == RH_DONE && leads(&m[1]));
    CHECK(rh_set_electable(m[1].h, false) == RH_OK);
    must_add(&m[1], 1);
    CHECK(leads(&m[1]));                /* a leader goes on leading */
    for (size_t i = 0; i < MEMBERS; i++)
        must_have(&m[i], MEMBERS + 3);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-moved";
    char name[16];

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof name, "m%zu", i + 1);
        member_init(&m[i], root, name, i + 1);
    }
    group_open(m, MEMBERS);
    members_move();
    a_word_from_a_person();
    some_may_not_lead();
    for (size_t i = 0; i < MEMBERS; i++)
        CHECK(member_close(&m[i]) == RH_OK);
    return 0;
}
