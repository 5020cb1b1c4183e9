/*
 * driver_sim.c: drivers under crashes, cuts, joins and removals, and what clients may rely on.
 *
 *   DONE            the number stands where the outcome says, on every member, at the end
 *   NOT_COMMITTED   the number is nowhere, unless an earlier try of it was UNKNOWN
 *   READABLE        the database shows every write that was DONE before the read began
 *   named requests  stand in the list once, however often they were sent
 *
 * SAY=3 prints what the hosts say.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "sim.h"

enum { OPS = 200000, CLIENTS = 8, READ = 1 << 30 };

struct op {
    uint64_t position;                  /* DONE: where */
    bool done, maybe, absent;
};

struct client {
    struct rh_retry retry;
    uint64_t op;                        /* under way; 0: none */
    bool again;                         /* UNKNOWN: send it once more */
    size_t len;
};

struct sim sim;
static struct {
    struct op ops[OPS];
    uint64_t n, floor;                  /* floor: positions below it are acknowledged */
    struct client clients[CLIENTS];
    uint64_t read_floor[4096], n_reads;
    uint64_t done, not_committed, unknown, readable, retried;
} all;

/* ---- clients ---- */

static void done(uint64_t id, const struct rh_outcome *o)
{
    struct op *op = &all.ops[id];

    CHECK(o->result.len == 8);
    memcpy(&op->position, o->result.ptr, 8);
    op->done = true;
    all.done++;
    if (op->position + 1 > all.floor)
        all.floor = op->position + 1;
}

void sim_outcome(uint64_t node, uint64_t ticket, const struct rh_outcome *o)
{
    if (ticket & READ) {
        if (o->what == RH_READABLE && sim.nodes[node].db.n < all.read_floor[ticket % 4096])
            DIE("node %llu has %zu numbers at a read, %llu were acknowledged before", (unsigned long long)node,
                sim.nodes[node].db.n, (unsigned long long)all.read_floor[ticket % 4096]);
        all.readable += o->what == RH_READABLE;
        return;
    }
    uint64_t id = ticket & (READ - 1), number = id % OPS;
    struct op *op = &all.ops[number];
    struct client *c = NULL;

    for (size_t i = 0; i < CLIENTS; i++)
        if (all.clients[i].op == number)
            c = &all.clients[i];
    CHECK(!op->done || !c);
    if (o->what == RH_DONE)
        done(number, o);
    else if (o->what == RH_UNKNOWN)
        op->maybe = true, all.unknown++;
    else
        op->absent = !op->maybe, all.not_committed++;
    if (c && o->what == RH_UNKNOWN)
        c->again = true;
    else if (c && o->what == RH_NOT_COMMITTED && op->maybe)
        c->again = true;
    else if (c)
        c->op = 0;
}

static uint64_t some_node(void)
{
    uint64_t id = 1 + random_below(&sim.random, NODES - 1);

    return sim.nodes[id].driver ? id : 0;
}

static void propose(uint64_t node, uint64_t number, const struct rh_retry *retry, size_t len)
{
    static uint8_t data[4096];
    raftcore_slice part = {data, len};

    rh_put_u64(data, number);
    rh_driver_submit(sim.nodes[node].driver, must(rh_pending_entry(&part, 1, retry, number)));
}

static void client_acts(struct client *c)
{
    uint64_t node = some_node();

    if (!node || (c->op && !c->again))
        return;
    if (c->again) {
        c->again = false;
        all.retried++;
        propose(node, c->op, &c->retry, c->len);
        return;
    }
    c->op = ++all.n;
    CHECK(all.n < OPS);
    c->retry.number++;
    c->len = 8 + random_below(&sim.random, 1000);
    propose(node, c->op, &c->retry, c->len);
}

static void clients_act(void)
{
    uint64_t node = some_node();

    if (random_below(&sim.random, 3) == 0)
        client_acts(&all.clients[random_below(&sim.random, CLIENTS)]);
    if (node && random_below(&sim.random, 8) == 0) {
        CHECK(all.n + 1 < OPS);
        propose(node, ++all.n, NULL, 8 + random_below(&sim.random, 300));
    }
    if (node && random_below(&sim.random, 8) == 0) {
        struct rh_pending *p = must(rh_pending_new(RH_P_READ, 0, READ | (++all.n_reads % 4096)));
        all.read_floor[all.n_reads % 4096] = all.floor;
        rh_driver_submit(sim.nodes[node].driver, p);
    }
}

/* ---- faults ---- */

static uint64_t nodes_up(void)
{
    uint64_t n = 0;

    for (uint64_t i = 1; i < NODES; i++)
        n += sim.nodes[i].driver != NULL;
    return n;
}

static void heal(void)
{
    memset(sim.cut, 0, sizeof sim.cut);
}

static void cut_some(void)
{
    uint64_t a = 1 + random_below(&sim.random, NODES - 1);

    for (uint64_t b = 1; b < NODES; b++)
        if (b != a && random_below(&sim.random, 2))
            sim.cut[a][b] = true, sim_net_break(a, b);
}

/* A node may crash before its JOIN is answered. Later, `join` is ignored. */
static const char *again(uint64_t id)
{
    static char address[32];
    uint64_t by = 1;

    for (uint64_t i = 1; i < NODES; i++)
        if (i != id && sim.nodes[i].driver)
            by = i;
    snprintf(address, sizeof address, "n%llu:1", (unsigned long long)by);
    return address;
}

static void fault(void)
{
    uint64_t id = 1 + random_below(&sim.random, NODES - 1);
    struct sim_node *n = &sim.nodes[id];

    switch (random_below(&sim.random, 9)) {
    case 0:
    case 1:
        if (n->driver && nodes_up() > 1)
            random_below(&sim.random, 4) ? sim_crash(id) : sim_stop(id);
        break;
    case 2:
    case 3:
        if (!n->driver && n->joined && !n->gone) {
            if (random_below(&sim.random, 4) == 0)
                sim_move(id);
            sim_start(id, false, again(id));
        }
        break;
    case 4:
        cut_some();
        break;
    case 5:
        heal();
        break;
    case 6:
        if (n->driver)
            rh_driver_submit(n->driver, must(rh_pending_new(RH_P_TRANSFER, 0, 0)));
        break;
    case 8:
        if (n->driver && nodes_up() > 1)
            n->log.fail = true;         /* the node stops at the next flush */
        break;
    case 7:
        sim_net_break(id, 1 + random_below(&sim.random, NODES - 1));
        break;
    }
}

static void step(bool faults)
{
    sim.now += MS / 2;
    sim_net_turn();
    for (uint64_t i = 1; i < NODES; i++) {
        if (sim.nodes[i].driver)
            sim_flushes(i);
        sim_turn(i);
    }
    clients_act();
    if (faults && random_below(&sim.random, 600) == 0)
        fault();
}

static void run(uint64_t ms, bool faults)
{
    for (uint64_t end = sim.now + ms * MS; sim.now < end;)
        step(faults);
}

/* ---- the end ---- */

static bool settled(void)
{
    struct rh_status first = {0};

    for (size_t i = 0; i < CLIENTS; i++)
        if (all.clients[i].op && all.clients[i].again)
            return false;
    for (uint64_t i = 1; i < NODES; i++) {
        struct rh_status s = {.struct_size = sizeof s};
        if (!sim.nodes[i].driver)
            continue;
        rh_driver_status(sim.nodes[i].driver, &s);
        if (!s.core.leader || s.requests || !s.voter || s.core.applied != s.core.commit || !sim_book_is_right(i))
            return false;
        if (!first.struct_size)
            first = s;
        if (s.core.commit != first.core.commit || s.core.leader != first.core.leader)
            return false;
    }
    return true;
}

static void all_up(void)
{
    heal();
    for (uint64_t i = 1; i < NODES; i++)
        sim.nodes[i].log.fail = false;
    for (uint64_t i = 1; i < NODES; i++)
        if (!sim.nodes[i].driver && sim.nodes[i].joined && !sim.nodes[i].gone)
            sim_start(i, false, again(i));
}

static void settle(void)
{
    all_up();
    uint64_t end = sim.now + 60 * 1000 * MS;
    while (sim.now < end && !settled()) {
        sim.now += MS / 2;
        sim_net_turn();
        for (uint64_t i = 1; i < NODES; i++) {
            if (sim.nodes[i].driver)
                sim_flushes(i);
            sim_turn(i);
        }
        for (size_t i = 0; i < CLIENTS; i++)
            if (all.clients[i].again)
                client_acts(&all.clients[i]);
    }
    if (!settled())
        for (uint64_t i = 1; i < NODES; i++) {
            struct rh_status s = {.struct_size = sizeof s};
            if (!sim.nodes[i].driver)
                continue;
            rh_driver_status(sim.nodes[i].driver, &s);
            printf("node %llu: role %u leader %llu term %llu commit %llu applied %llu requests %llu voter %d\n",
                   (unsigned long long)i, s.core.role, (unsigned long long)s.core.leader,
                   (unsigned long long)s.core.term, (unsigned long long)s.core.commit,
                   (unsigned long long)s.core.applied, (unsigned long long)s.requests, s.voter);
        }
    CHECK(settled());
}

static void check(void)
{
    static uint8_t times[OPS];
    const struct sim_db *db = NULL;

    memset(times, 0, sizeof times);
    for (uint64_t i = 1; i < NODES; i++) {
        if (!sim.nodes[i].driver)
            continue;
        db = db ? db : &sim.nodes[i].db;
        CHECK(sim.nodes[i].db.n == db->n);
        CHECK(memcmp(sim.nodes[i].db.ids, db->ids, db->n * sizeof *db->ids) == 0);
    }
    CHECK(db);
    for (size_t i = 0; i < db->n; i++)
        times[db->ids[i]]++;
    for (uint64_t i = 1; i <= all.n; i++) {
        const struct op *op = &all.ops[i];
        if (times[i] > 1)
            DIE("number %llu stands in the list %d times", (unsigned long long)i, times[i]);
        if (op->done && (op->position >= db->n || db->ids[op->position] != i))
            DIE("number %llu was acknowledged at %llu, and is not there", (unsigned long long)i,
                (unsigned long long)op->position);
        if (op->absent && !op->done && times[i] > 0)
            DIE("number %llu was said to be not committed, and is there", (unsigned long long)i);
    }
}

/* Of all members one is left: it leads alone, with everything. */
static void lose_quorum(void)
{
    uint64_t id = 0;

    while (!id)
        id = some_node();
    struct sim_node *n = &sim.nodes[id];
    uint64_t before = n->db.n, end = sim.now + 10000 * MS;
    struct rh_status s = {.struct_size = sizeof s};
    struct rh_words told = {""}, why = {""};

    for (uint64_t i = 1; i < NODES; i++)
        if (sim.nodes[i].driver)
            sim_stop(i);
    CHECK_OK(rh_recover(n->path, 1, id, &told, &why), &why);
    CHECK(strstr(told.text, "the whole group"));
    memset(all.clients, 0, sizeof all.clients);
    for (int restarts = 0; restarts < 3; restarts++) {
        sim_start(id, false, NULL);
        while (sim.now < end && !s.ready) {
            sim.now += MS;
            sim_flushes(id);
            sim_turn(id);
            rh_driver_status(n->driver, &s);
        }
        CHECK(s.ready && s.core.n_peers == 1 && n->db.n >= before);
        propose(id, ++all.n, NULL, 500);
        for (uint64_t until = sim.now + 500 * MS; sim.now < until; sim.now += MS) {
            sim_flushes(id);
            sim_turn(id);
        }
        CHECK(all.ops[all.n].done);
        sim_stop(id);
        s.ready = false;
    }
}

static uint64_t leader(void)
{
    for (uint64_t i = 1; i < NODES; i++) {
        struct rh_status s = {.struct_size = sizeof s};
        if (!sim.nodes[i].driver)
            continue;
        rh_driver_status(sim.nodes[i].driver, &s);
        if (s.core.role == RAFTCORE_ROLE_LEADER && s.ready)
            return i;
    }
    return 0;
}

/* An entry that no member can read changes nothing, and its request is answered at once. */
static void unknown_form(void)
{
    uint64_t number = ++all.n, by = leader();
    struct rh_pending *p = must(rh_pending_new(RH_P_ENTRY, 9, number));

    CHECK(by);
    memset(p->data, 0xee, p->len);
    rh_driver_submit(sim.nodes[by].driver, p);
    for (uint64_t end = sim.now + 200 * MS; sim.now < end && !all.ops[number].absent;)
        step(false);
    CHECK(all.ops[number].absent && strstr(sim.nodes[by].last_words, "no known form"));
}

/* A change that names another directory of a member is refused: the address book keeps the right one. */
static void false_record(void)
{
    const uint8_t disk[RH_ID_BYTES] = {0xee};
    uint64_t number = ++all.n, by = leader();

    CHECK(by);
    rh_driver_submit(sim.nodes[by].driver,
                     must(rh_pending_change(RAFTCORE_CHANGE_UPDATE_NODE, 1 + by % 3, disk, "elsewhere:1", "", number)));
    for (uint64_t end = sim.now + 200 * MS; sim.now < end && !all.ops[number].absent;)
        step(false);
    CHECK(all.ops[number].absent && sim_book_is_right(by));
}

/* Little space on the leader's disk: another leads. On all: writes are refused, reads go on. */
static void low_space(void)
{
    uint64_t full = leader(), n;

    CHECK(full);
    sim.nodes[full].log.level = RH_SPACE_LOW;
    run(3000, false);
    CHECK(leader() && leader() != full);
    CHECK(strstr(sim.nodes[full].last_words, "no writes are taken"));
    n = all.done;
    run(500, false);
    CHECK(all.done > n);
    for (uint64_t i = 1; i < NODES; i++)
        sim.nodes[i].log.level = RH_SPACE_LOW;
    run(3000, false);
    n = all.done;
    uint64_t refused = all.not_committed, reads = all.readable;
    run(500, false);
    CHECK(all.done == n && all.not_committed > refused && all.readable > reads);
    for (uint64_t i = 1; i < NODES; i++)
        sim.nodes[i].log.level = RH_SPACE_OK;
    run(2500, false);
    CHECK(all.done > n);
}

static void wait_until_stopped(uint64_t id, const char *words)
{
    struct sim_node *n = &sim.nodes[id];

    n->stops = true;
    for (uint64_t end = sim.now + 20000 * MS; n->driver && sim.now < end;)
        step(false);
    if (n->driver || !strstr(n->last_words, words))
        DIE("node %llu should stop, saying %s: %s", (unsigned long long)id, words, n->last_words);
}

static bool is_voter(uint64_t at, uint64_t id)
{
    struct rh_member m[NODES] = {{.struct_size = sizeof m[0]}};
    size_t n = rh_driver_members(sim.nodes[at].driver, m, NODES);

    for (size_t i = 0; i < n && i < NODES; i++)
        if (m[i].id == id)
            return m[i].voter;
    return false;
}

static void remove_member(uint64_t id)
{
    uint64_t asked = 0, end = sim.now + 20000 * MS, at = leader();

    while (sim.now < end && (!at || is_voter(at, id))) {
        uint64_t by = some_node();
        if (by && sim.now - asked > 500 * MS) {
            asked = sim.now;
            rh_driver_submit(sim.nodes[by].driver,
                             must(rh_pending_change(RAFTCORE_CHANGE_REMOVE_NODE, id, NULL, NULL, NULL, 0)));
        }
        step(false);
        at = leader();
    }
    CHECK(at && !is_voter(at, id));
    sim.nodes[id].gone = true;
    if (sim.nodes[id].driver)
        sim_stop(id);
}

/* Members leave and come. Used ids and emptied directories are refused, with words. */
static void change_members(void)
{
    uint64_t gone = leader(), wiped = 0;

    CHECK(gone);
    remove_member(gone);
    sim_wipe(gone);
    sim_start(gone, false, again(gone));
    wait_until_stopped(gone, "another directory");
    sim_start(6, false, again(6));
    run(1000, true);
    all_up();
    for (uint64_t end = sim.now + 20000 * MS; sim.now < end && !(leader() && is_voter(leader(), 6));)
        step(false);
    CHECK(is_voter(leader(), 6));
    while (!wiped || wiped == leader() || wiped == gone)
        wiped = some_node();
    sim_stop(wiped);
    sim_wipe(wiped);
    sim_start(wiped, false, again(wiped));
    wait_until_stopped(wiped, "another directory");
    remove_member(wiped);
}

static void scenario(uint64_t seed, const char *root)
{
    char join[32];

    memset(&sim, 0, sizeof sim);
    memset(&all, 0, sizeof all);
    sim.random.state = seed;
    sim.root = root;
    sim.now = 1000 * MS;
    for (uint64_t i = 1; i < NODES; i++)
        sim.nodes[i].db.durable = random_below(&sim.random, 2);
    for (size_t i = 0; i < CLIENTS; i++)
        all.clients[i].retry.session[0] = (uint8_t)(i + 1);
    sim_start(1, true, NULL);
    run(300, false);
    for (uint64_t i = 2; i <= FIRST; i++) {
        snprintf(join, sizeof join, "n%llu:1", (unsigned long long)(1 + random_below(&sim.random, i - 1)));
        sim_start(i, false, join);
        run(300 + random_below(&sim.random, 1500), i > 3);
        heal();
        for (uint64_t k = 1; k < i; k++)
            if (!sim.nodes[k].driver)
                sim_start(k, false, again(k));
    }
    run(setting("HOST_SIM_MS", 20000), true);
    settle();
    check();
    unknown_form();
    false_record();
    low_space();
    settle();
    check();
    change_members();
    settle();
    check();
    lose_quorum();
    for (uint64_t i = 1; i < NODES; i++) {
        sim_db_free(&sim.nodes[i].db);
    }
    sim_net_free();
    printf("  done %llu, not committed %llu, unknown %llu, retried %llu, reads %llu; crashes %llu, breaks %llu, "
           "snapshots sent %llu, failed disks %llu, moves %llu\n",
           (unsigned long long)all.done, (unsigned long long)all.not_committed, (unsigned long long)all.unknown,
           (unsigned long long)all.retried, (unsigned long long)all.readable, (unsigned long long)sim.n_crashes,
           (unsigned long long)sim.n_breaks, (unsigned long long)sim.n_streams, (unsigned long long)sim.n_failures,
           (unsigned long long)sim.n_moves);
    CHECK(all.done > 100 && all.readable > 10);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-sim";
    struct random r = random_open("driver_sim");
    uint64_t runs = setting("HOST_TIMES", 1) * 3;
    char dir[400], command[900];

    for (uint64_t i = 0; i < runs; i++) {
        uint64_t seed = i == 0 ? r.state : random_next(&r);
        printf("SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
        snprintf(dir, sizeof dir, "%s/run", root);
        snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", dir, dir);
        CHECK(system(command) == 0);
        scenario(seed, dir);
    }
    return 0;
}
