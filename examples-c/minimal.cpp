// Three nodes in one process, in C++: they elect a leader, replicate two proposals and apply them. Build and run: make
// minimal-cpp. The function work() is the loop of a host; examples-c/minimal.c has a fourth node and snapshots, too.
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raftcore.hpp"

namespace {

// Ends the program if a call failed that fails only in a broken program. The error has the node's explanation.
template <class T> T must(raftcore::result<T> result, const char *what) {
    if (!result) {
        std::fprintf(stderr, "%s: %s: %s\n", what, result.error().text(), result.error().detail().data());
        std::exit(1);
    }
    return *std::move(result);
}

// A record of the log, with data of its own. Views of a ready end when the ready is advanced.
struct stored_entry {
    std::uint64_t term;
    raftcore::entry_kind kind;
    std::string data;
};

struct member {
    raftcore::node node;
    std::map<std::uint64_t, stored_entry> log; // the disk, here only as long as the process lives
    std::uint64_t term = 0, vote = 0, commit = 1;
    std::vector<std::uint8_t> inbox; // the network
    std::string text;                // the state machine: all applied texts
};

constexpr std::array<std::uint64_t, 3> founders{1, 2, 3};
std::map<std::uint64_t, member> members;
std::uint64_t leader = 0;

// Makes a founder. A real one stores raftcore::stored::founding first, once, and boots from its disk ever after.
raftcore::node found(std::uint64_t id) {
    const raftcore::config config(id, id); // in a real host: a new random seed at each start
    const auto conf = raftcore::conf::of(founders.data(), founders.size(), 1);
    raftcore::node node = must(raftcore::node::make(config), "make");
    must(node.boot(raftcore::stored::founding(conf)), "boot");
    return node;
}

// Stores a ready: on a real disk in one transaction, durable if ready.must_sync().
void store(member &m, const raftcore::ready &rd) {
    if (!rd.entries().empty())
        m.log.erase(m.log.lower_bound(rd.entries()[0]->index), m.log.end());
    for (raftcore::entry e : rd.entries())
        m.log[e->index] = {e->term, e.kind(), std::string(e.data().view())};
    m.term = rd->term;
    m.vote = rd->vote;
    m.commit = rd->commit;
}

void send(const raftcore::message &message) {
    for (raftcore::bytes piece : message.frame())
        members.at(message->to).inbox.insert(members.at(message->to).inbox.end(), piece.data(), piece.data() + piece.size());
}

void apply(std::uint64_t id, member &m, const raftcore::entry &e) {
    if (e.kind() != raftcore::entry_kind::normal) {
        must(m.node.apply_conf(e), "apply_conf");
    } else if (!e.data().empty()) { // an empty entry is a leader's own
        m.text.append(" ").append(e.data().view());
        std::printf("node %" PRIu64 " applies entry %" PRIu64 ": %s%s\n", id, e->index, std::string(e.data().view()).c_str(),
                    e->token != 0 ? "   <- its own proposal" : "");
    }
}

// Does all work of a node, after each tick, step and proposal. The order is the contract.
void work(std::uint64_t id, member &m) {
    while (auto f = must(m.node.next_fetch(), "next_fetch")) // a peer far behind: none of these is
        must(m.node.supply_none(f->raw().id, raftcore::supply::later), "supply_none");
    while (const auto rd = must(m.node.get_ready(), "get_ready")) {
        store(m, *rd);
        for (raftcore::message message : rd->messages())
            send(message);
        for (raftcore::entry e : rd->committed())
            apply(id, m, e);
        for (raftcore::drop d : rd->dropped())
            std::printf("proposal %" PRIu64 ": %s\n", d->token, raftcore::reason_text(d.reason()));
        leader = rd->raw().leader;
        must(m.node.advance(rd->number()), "advance");
    }
    while (auto e = must(m.node.next_event(), "next_event")) // log all events; this kind needs a person
        if (e->kind() == raftcore::event_kind::alarm)
            std::printf("node %" PRIu64 ": %s\n", id, e->text());
}

// Delivers and works until nobody has work.
void work_all() {
    for (bool again = true; again;) {
        again = false;
        for (auto &[id, m] : members) {
            const std::vector<std::uint8_t> in = std::move(m.inbox);
            m.inbox.clear();
            must(m.node.step_frames(0, raftcore::bytes(in.data(), in.size())), "step_frames");
            again = again || must(m.node.has_ready(), "has_ready").any();
            work(id, m);
        }
    }
}

} // namespace

int main() {
    for (const std::uint64_t id : founders)
        members.emplace(id, member{found(id), {}, 0, 0, 1, {}, {}});
    while (leader == 0) {
        for (auto &[id, m] : members)
            must(m.node.tick(1), "tick");
        work_all();
    }
    std::printf("node %" PRIu64 " leads\n", leader);
    raftcore::node &first = members.at(leader).node;
    must(first.propose("hello", 1), "propose");
    must(first.propose("world", 2), "propose");
    work_all();

    // A follower refuses a proposal, and says why.
    raftcore::node &follower = members.at(leader % founders.size() + 1).node;
    if (const auto refused = follower.propose("again", 3); !refused)
        std::printf("a follower: %s\n", refused.error().text());
    bool equal = true;
    for (auto &[id, m] : members) {
        std::printf("node %" PRIu64 " has%s\n", id, m.text.c_str());
        equal = equal && m.text == " hello world";
    }
    return equal ? 0 : 1;
}
