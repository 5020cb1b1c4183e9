// raftcore.hpp on a running group: readies, reads, membership, storage modes, looking inside. Answers 0 if all is well.
#include "check.hpp"

#include <string>

using namespace raftcore;

namespace {

// Does all work of a node without peers; returns what it applied.
std::string drain(node &n) {
    std::string applied;
    for (auto rd = *n.get_ready(); rd; rd = *n.get_ready()) {
        for (entry e : rd->committed()) {
            if (e.kind() != entry_kind::normal)
                CHECK(n.apply_conf(e));
            applied += e.data().view();
        }
        CHECK(n.advance(rd->number()));
    }
    return applied;
}

// Takes a ready, and forgets it.
std::uint64_t look(node &n) {
    const auto rd = *n.get_ready();
    CHECK(rd && rd->must_sync());
    return rd->number();
}

void a_ready_ends_only_by_its_number() {
    node n = founder(1);
    CHECK(n.campaign());
    drain(n);
    CHECK(!n.has_ready()->test(has::entries) && n.propose("data", 1) && n.has_ready()->test(has::entries));
    const std::uint64_t number = look(n);
    CHECK(look(n) == number && n.get_status()->raw().n_outstanding == 1);
    {
        const ready copy = **n.view(number);
        const ready other = copy;
        CHECK(other.number() == number && other.flags().test(ready_flag::must_sync) && !other.has_snapshot());
    }
    CHECK(look(n) == number);
    CHECK(n.advance(number) && n.advance(number).error().code() == code::stale);
    CHECK(!*n.view(number) && drain(n) == "data");
    CHECK(n.get_status()->role() == role::leader && n.get_status()->raw().n_outstanding == 0);
}

void requests() {
    node n = founder(1);
    CHECK(n.campaign());
    drain(n);
    const raftcore_slice parts[] = {bytes("a"), bytes("b")};
    const std::uint64_t tokens[] = {8, 9};
    CHECK(n.propose("one ", 7) && n.propose(parts, 2, 0) && n.propose_many(parts, tokens, 2));
    CHECK(n.propose_entry(entry_kind::normal, " two", 0) && n.read_index(5));
    std::uint64_t reads = 0;
    std::string applied, own;
    for (auto rd = *n.get_ready(); rd; rd = *n.get_ready()) {
        for (const raftcore_read &read : rd->reads())
            reads += read.token;
        for (entry e : rd->committed()) {
            applied += e.data().view();
            own += e->token != 0 ? std::to_string(e->token) : "";
        }
        CHECK(rd->role() == role::leader && rd->messages().empty() && rd->dropped().empty() && rd->done().empty());
        CHECK(rd->snapshot_conf().empty() && rd->snapshot_data().empty());
        CHECK(n.advance(rd->number()));
    }
    CHECK(applied == "one abab two");
    CHECK(own == "789" && reads == 5);

    const auto refused = n.propose(std::string(5 << 20, 'x'), 1);
    CHECK(refused.error().code() == code::too_large && refused.error().detail().find("max_entry_bytes") != std::string_view::npos);
}

void a_membership_and_a_fetch() {
    node n = founder(1);
    CHECK(n.campaign());
    drain(n);
    const raftcore_change add = change(change_kind::add_learner, 2);
    CHECK(n.propose_conf(&add, 1, transition::automatic, "address", 3));
    bool applied = false;
    for (auto rd = *n.get_ready(); rd; rd = *n.get_ready()) {
        for (entry e : rd->committed()) {
            if (e.kind() == entry_kind::normal)
                continue;
            const conf now = *n.apply_conf(e);
            CHECK(now.learners().size() == 1 && now.learners()[0] == 2 && now.context().view() == "address");
            CHECK(n.apply_conf(e).error().code() == code::stale && n.skip_conf(e->index).error().code() == code::stale);
            applied = true;
        }
        CHECK(n.advance(rd->number()));
    }
    CHECK(applied);

    // Messages to the learner, as frames.
    bool sent = false;
    CHECK(n.tick(1));
    for (auto rd = *n.get_ready(); rd; rd = *n.get_ready()) {
        for (message m : rd->messages()) {
            std::uint8_t room[4096];
            std::size_t pieces = 0;
            for (bytes piece : m.frame())
                pieces += piece.size();
            CHECK(*m.flatten(room, sizeof room) == pieces && m.flatten(room, 1).error().code() == code::too_small);
            CHECK(m->to == 2 && m.entries().empty() && m.context().size() < 4096 && m.snapshot_conf().size() < 4096);
            CHECK(!m.flags().test(message_flag::reject) || m.kind() == message_kind::app);
            CHECK(!*snapshot_split(bytes(room + frame_header, pieces - frame_header)));
            sent = true;
        }
        CHECK(n.advance(rd->number()));
    }
    CHECK(sent);

    raftcore_peer room[2];
    const auto peers = *n.get_peers(room, 2);
    CHECK(peers.size() == 2 && n.get_peers(room, 1)->size() == 1);
    CHECK(peers[1]->id == 2 && peers[1].flags().test(peer_flag::learner) && peers[1].flow() == flow::probe);
    CHECK(n.report_unreachable(2) && n.report_snapshot(9, snapshot_report::failed).error().code() == code::no_peer);
    CHECK(n.set_window(2, 8, 0) && n.set_window(9, 8, 0).error().code() == code::no_peer);
    CHECK(n.transfer(9).error().code() == code::no_peer);
    CHECK(n.abort_transfer().error().code() == code::state);
    CHECK(!*n.next_fetch());
    CHECK(n.supply_none(77, supply::later).error().code() == code::arg);
    CHECK(!n.supply_entries(77, nullptr, 0) && !n.supply_snapshot(77, 1, *n.get_conf(), ""));
    CHECK(n.compacted(1000).error().code() == code::arg);
    CHECK(n.apply_change(entry_kind::conf_change_v2, "").error().code() == code::state);
}

void settings_and_looks() {
    node n = founder(1);
    CHECK(n.set_electable(false) && n.set_electable(true) && n.set_priority(3) && n.set_commit_broadcast(false));
    CHECK(n.set_election_timeout(12) && n.set_election_timeout(0).error().code() == code::arg && n.forget_leader());
    CHECK(*n.ticks_until_due() >= 1);
    node same = *n.try_clone();
    CHECK(same.digest(true) == n.digest(true));
    CHECK(n.campaign());
    drain(n);
    CHECK(same.digest(false) != n.digest(false));
    bool led = false;
    while (const auto e = *n.next_event())
        led = led || (e->kind() == event_kind::became_leader && e->text()[0] != 0 && reason_text(e->reason()) != nullptr);
    CHECK(led);
    raftcore_node *const all[] = {n.get(), same.get()};
    std::uint32_t busy[2];
    CHECK(tick_many(all, 2, 1, busy, 2) <= 2);
}

void turns() {
    node n = founder(1);
    CHECK(n.campaign());
    std::uint64_t number = 0;
    for (int i = 0; i < 10; i++) {
        input in;
        in.done = number;
        in.ticks = 1;
        const turned t = *n.turn(in);
        CHECK(t.ready.has_value() == (t.code == code::ok || t.code == code::last));
        number = t.ready ? t.ready->number() : 0;
    }
    CHECK(n.get_status()->role() == role::leader);
    input wrong;
    wrong.done = 1000;
    CHECK(n.turn(wrong).error().code() == code::arg);
}

void asynchronous() {
    node n = founder(1, storage::async);
    CHECK(n.campaign());
    for (auto rd = *n.get_ready(); rd; rd = *n.get_ready()) {
        CHECK(n.persisted(rd->number()));
        if (rd->raw().committed_last != 0)
            CHECK(n.applied(rd->raw().committed_last));
        CHECK(n.release(rd->number()) && n.release(rd->number()).error().code() == code::stale);
    }
    CHECK(n.get_status()->role() == role::leader);
    CHECK(n.step_local("").error().code() == code::state);
}

} // namespace

int main() {
    a_ready_ends_only_by_its_number();
    requests();
    a_membership_and_a_fetch();
    settings_and_looks();
    turns();
    asynchronous();
    return 0;
}
