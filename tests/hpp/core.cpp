// raftcore.hpp over raftcore.h: what needs no running group; that is in group.cpp. Answers 0 if all is well.
#include "check.hpp"

#include <cstring>
#include <iterator>
#include <string>
#include <type_traits>

using namespace raftcore;

static_assert(!std::is_copy_constructible_v<node> && !std::is_copy_assignable_v<node>);
static_assert(std::is_nothrow_move_constructible_v<node> && std::is_nothrow_move_assignable_v<node>);
static_assert(std::is_trivially_destructible_v<ready>, "a ready that ends acknowledges nothing");
static_assert(std::is_trivially_copyable_v<ready> && std::is_trivially_copyable_v<entry>);
static_assert(!std::is_convertible_v<result<code>, bool>);

namespace {

void library() {
    CHECK(abi_version() == RAFTCORE_ABI_VERSION);
    CHECK(std::strlen(version()) > 0);
    CHECK(!features().test(feature::checked));
}

void configuration() {
    config c(7, 9);
    CHECK(c.id == 7 && c.seed == 9 && c.election_ticks == 10 && c.check());
    CHECK(c.test(flag::pre_vote) && !c.test(flag::forwarding));
    c.set(flag::forwarding);
    c.clear(flag::pre_vote);
    CHECK(c.test(flag::forwarding) && !c.test(flag::pre_vote) && c.test(flag::check_quorum));
    c.set_storage(storage::async);
    CHECK(c.storage == RAFTCORE_STORAGE_ASYNC);
    CHECK(*c.frame_limit() > c.max_entry_bytes && *c.footprint() > c.recent_bytes);
    CHECK(c.set_preset(preset::etcd) && !c.test(flag::check_quorum));

    // An error keeps its explanation, although its origin changes.
    c.election_ticks = 0;
    const auto refused = node::make(c);
    CHECK(!refused && refused.error().code() == code::arg);
    c.election_ticks = 10;
    CHECK(refused.error().detail().find("election_ticks") != std::string_view::npos);
    CHECK(std::strlen(refused.error().text()) > 0);
    c.election_ticks = 0;
    CHECK(c.check().error().detail() == refused.error().detail());
    CHECK(c.frame_limit().error().code() == code::arg && c.footprint().error().code() == code::arg);
    c.struct_size = 1;
    CHECK(c.set_preset(preset::etcd).error().code() == code::abi);
}

void byte_views() {
    const std::string text = "text";
    CHECK(bytes().empty() && bytes("literal").size() == 7 && bytes(text).view() == "text");
    CHECK(bytes(text).data() == reinterpret_cast<const std::uint8_t *>(text.data()));
    const raftcore_slice slice = bytes(text);
    const std::string_view view = bytes(slice);
    CHECK(view == text && bytes(text.data(), 2).view() == "te");
#if __cplusplus >= 202002L
    CHECK(bytes(text).span().size() == 4 && bytes(bytes(text).span()).view() == text);
#endif
}

// Records that are longer than the struct of this header, as a newer library has them.
void ranges() {
    struct longer {
        raftcore_read read;
        std::uint64_t unknown;
    };
    const longer list[] = {{{1, 10}, 0}, {{2, 20}, 0}, {{3, 30}, 0}};
    const strided<raftcore_read> reads(&list[0].read, 3, sizeof list[0]);
    std::uint64_t tokens = 0;
    for (const raftcore_read &read : reads)
        tokens = tokens * 10 + read.token;
    CHECK(tokens == 123 && reads.size() == 3 && !reads.empty() && reads[2].index == 30);
    auto at = reads.begin();
    CHECK((*at++).token == 1 && (*at).token == 2 && at != reads.end() && at == std::next(reads.begin()));
    CHECK(strided<raftcore_read>().empty());
    for (const raftcore_read &read : strided<raftcore_read>())
        CHECK(read.token != read.token);
}

void memberships() {
    const std::uint64_t voters[] = {1, 2, 3};
    const conf of_ids = conf::of(voters, 3, 1);
    std::uint8_t room[64];
    CHECK(of_ids.encode(room, 1).error().code() == code::too_small);
    const std::size_t size = *of_ids.encode(room, sizeof room);
    CHECK(size == of_ids.encoded_size() && of_ids.voters()[2] == 3 && of_ids.voters().size() == 3);
    CHECK(conf::of(bytes(room, size)).encoded_size() == 0);

    node joined = make_node(1);
    stored disk = stored::founding(of_ids);
    const conf of_bytes = conf::of(bytes(room, size));
    disk.conf = &of_bytes.raw();
    CHECK(joined.boot(disk));
    const conf found = *joined.get_conf();
    CHECK(found.voters().size() == 3 && found.bytes().view() == bytes(room, size).view());
    CHECK(found.outgoing().empty() && found.learners().empty() && found.learners_next().empty());
    CHECK(found.context().empty());
}

void moves() {
    node one = make_node(1), two = make_node(2);
    raftcore_node *const first = one.get();
    node moved(std::move(one));
    CHECK(moved.get() == first && one.get() == nullptr);
    CHECK(one.tick(1).error().code() == code::null && one.tick(1).error().detail().empty());
    two = std::move(moved); // frees node 2
    CHECK(two.get() == first && moved.get() == nullptr);
    node &same = two;
    two = std::move(same);
    CHECK(two.get() == first);
    raftcore_node *const detached = two.detach();
    CHECK(detached == first && two.get() == nullptr);
    CHECK(node(detached).get() == first); // and frees it
    CHECK(raftcore_free(detached) == RAFTCORE_E_HANDLE);
}

// The detail of an error is that of its call, and not of a later one.
void details() {
    node n = make_node(1);
    stored disk;
    disk.term = 1;
    disk.last = 5;
    const auto refused = n.boot(disk);
    CHECK(!refused);
    const std::string before(refused.error().detail());
    CHECK(n.tick(1).error().code() == code::state);
    CHECK(!before.empty() && refused.error().detail() == before);
}

void boot_in_pieces() {
    const std::uint64_t voters[] = {1};
    const raftcore_run runs[] = {{2, 1}};
    raftcore_entry list[2] = {};
    for (std::uint64_t i = 0; i < 2; i++) {
        list[i].term = 1;
        list[i].index = 2 + i;
        list[i].data = bytes("data");
    }
    node n = make_node(1);
    CHECK(n.boot_state(1, 1, 3) && n.boot_conf(conf::of(voters, 1, 1), 1, 1));
    CHECK(n.boot_terms(runs, 1, 3) && n.boot_entries(list, 2) && n.boot_done(1));
    CHECK(n.get_status()->raw().last_index == 3);
    const auto rd = *n.get_ready();
    CHECK(rd && rd->committed().size() == 2 && rd->committed()[1].data().view() == "data");
}

void wire() {
    node n = founder(1);
    std::uint8_t hello[64];
    CHECK(n.hello(hello, 1).error().code() == code::too_small);
    const std::size_t size = *n.hello(hello, sizeof hello);
    CHECK(hello_read(bytes(hello, size))->id == 1);
    CHECK(hello_read("no hello").error().code() == code::decode);

    std::string two(reinterpret_cast<const char *>(hello), size);
    two += two + two.substr(0, 5);
    frames walk(two, 1000);
    const auto first = *walk.next(), second = *walk.next(), rest = *walk.next();
    CHECK(first && second && !rest && first->size == size && first->message.size() == size - frame_header);
    CHECK(walk.consumed() == 2 * size && walk.needed() == 0 && first->group == n.get_status()->raw().group);
    two = two.substr(0, size + frame_header);
    frames partly(two, 1000);
    CHECK(*partly.next() && !*partly.next() && partly.needed() == size);
    CHECK(frames(two, 1).next().error().code() == code::decode);

    CHECK(snapshot_split("\xff").error().code() == code::decode);
    CHECK(n.step(2, "\xff").error().code() == code::decode);
    const auto done = *n.step_frames(2, std::string_view("\1\0\0\0\0\0\0\0\0\0\0\0\xff", 13));
    CHECK(done.consumed == 13 && done.rejected == 1 && done.first && done.first->code() == code::decode);
    CHECK(n.step_frames(2, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").error().code() == code::decode);
}

// Takes and ends all readies of a sole voter.
void work(node &n) {
    for (;;) {
        const auto rd = *n.get_ready();
        if (!rd)
            return;
        for (const entry e : rd->committed())
            if (e.kind() != entry_kind::normal)
                CHECK(n.apply_conf(e));
        CHECK(n.advance(rd->number()));
    }
}

void contexts() {
    const std::uint64_t self[] = {1};
    conf founders = conf::of(self, 1, 1);
    config c(1, 1);
    c.set_dialect(dialect::eraftpb);
    auto made = node::make(c);
    CHECK(made);
    node n = *std::move(made);
    founders.set_dialect(dialect::eraftpb);
    std::uint8_t encoded[64];
    const std::size_t size = *founders.encode(encoded, sizeof encoded);
    const conf on_disk = conf::of(bytes(encoded, size));
    CHECK(n.boot(stored::founding(on_disk)) && n.get_conf()->dialect() == dialect::eraftpb);
    CHECK(make_node(1).boot(stored::founding(on_disk)).error().code() == code::corrupt);
    CHECK(n.campaign());
    work(n);
    CHECK(n.propose_with_context(entry_kind::normal, "who", "data", 7));
    const auto rd = *n.get_ready();
    CHECK(rd && rd->entries()[0].context().view() == "who" && rd->entries()[0].data().view() == "data");
    work(n);
    const raftcore_change update = change(change_kind::update_node, 1);
    CHECK(n.propose_conf(&update, 1, transition::automatic, {}, 0).error().code() == code::unsupported);

    std::uint8_t hello[64];
    node peer = make_node(2);
    const bytes frame(hello, *peer.hello(hello, sizeof hello));
    const auto judged = n.hello_check(frame);
    CHECK(judged.error().code() == code::not_for_me);
    CHECK(judged.error().detail().find("eraftpb") != std::string_view::npos);
    CHECK(founder(1).hello_check(frame) && n.hello_check("x").error().code() == code::decode);
    CHECK(!bits<hello_feature>(hello_read(frame)->features).test(hello_feature::eraftpb));
    const bytes own(hello, *n.hello(hello, sizeof hello));
    CHECK(bits<hello_feature>(hello_read(own)->features).test(hello_feature::eraftpb));
}

void controls() {
    node n = founder(1);
    CHECK(n.campaign());
    work(n);
    const std::uint64_t term = n.get_status()->raw().term, seen = n.get_conf()->raw().index;
    CHECK(n.propose_in_term(term, "x", 0) && n.propose_in_term(term + 1, "x", 0).error().code() == code::no_leader);
    CHECK(n.propose_with_context(entry_kind::normal, "who", "data", 0).error().code() == code::unsupported);
    const raftcore_change add = change(change_kind::add_learner, 2), more = change(change_kind::add_learner, 3);
    CHECK(n.propose_conf_at(seen, &add, 1, transition::automatic, {}, 0));
    work(n);
    CHECK(n.propose_conf_at(seen, &more, 1, transition::automatic, {}, 0).error().code() == code::stale);

    CHECK(n.set_window(2, 0, 0) && n.set_window(2, 65537, 0).error().code() == code::arg);
    CHECK(n.set_commit_group(2, 9) && n.set_commit_group(5, 9).error().code() == code::no_peer);
    raftcore_peer room[4];
    CHECK((*n.get_peers(room, 4))[1]->group == 9);
    CHECK(n.promote_when_caught_up(2, true) && n.promote_when_caught_up(2, false));
    CHECK(n.request_snapshot().error().code() == code::no_leader);
    CHECK(n.set_flag(flag::check_quorum, false) && n.set_flag(flag::conf_apart, true).error().code() == code::arg);
    CHECK(n.set_flags(bits<flag>(RAFTCORE_FLAG_PRE_VOTE), bits<flag>(0)));
    CHECK(n.ping() && n.has_ready()->test(has::messages));
    work(n);
    CHECK(n.trim());
}

// Other tests have taken memory before: too late. tests/c/set_heap.c has the rest.
void heap_functions() {
    raftcore_heap functions = {};
    functions.struct_size = sizeof functions;
    CHECK(set_heap(functions).error().code() == code::null);
    functions.alloc = [](void *, std::size_t, std::size_t) -> void * { return nullptr; };
    functions.resize = [](void *, void *, std::size_t, std::size_t, std::size_t) -> void * { return nullptr; };
    functions.free = [](void *, void *, std::size_t, std::size_t) {};
    CHECK(set_heap(functions).error().code() == code::state);
}

} // namespace

int main() {
    library();
    configuration();
    byte_views();
    ranges();
    memberships();
    moves();
    details();
    boot_in_pieces();
    wire();
    contexts();
    controls();
    heap_functions();
    return 0;
}
