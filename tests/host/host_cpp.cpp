// raftcore/host.hpp: hosts that move, errors that keep their words, a durable database, sessions, and what C has.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <semaphore.h>
#include <string>
#include <type_traits>
#include <unistd.h>

#include "raftcore.hpp"
#include "raftcore/host.hpp"

using raftcore::bytes;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1); \
        } \
    } while (0)

static_assert(!std::is_copy_constructible_v<raftcore::host> && !std::is_copy_assignable_v<raftcore::host>);
static_assert(std::is_nothrow_move_constructible_v<raftcore::host> && std::is_nothrow_move_assignable_v<raftcore::host>);
static_assert(!std::is_copy_constructible_v<raftcore::sessions>);
static_assert(!std::is_convertible_v<raftcore::host_status, bool>);

namespace {

class text_view final : public raftcore::view {
public:
    explicit text_view(const std::string &text) : text_(text) { open++; }
    ~text_view() override { open--; }

    int read(void *to, std::size_t cap, std::size_t &got, rh_words &) noexcept override {
        got = text_.copy(static_cast<char *>(to), cap < 7 ? cap : 7, at_);
        at_ += got;
        return 0;
    }
    static int open;

private:
    std::string text_;
    std::size_t at_ = 0;
};
int text_view::open = 0;

// Sessions and a text. Kept in the object: durable, as far as the library can tell.
class texts final : public raftcore::database {
public:
    texts() { sem_init(&came_, 0, 0); }

    int apply(rh_entry *entries, std::size_t count, rh_words &why) noexcept override {
        for (std::size_t i = 0; i < count; i++) {
            if (!table_.seen(entries[i])) {
                text_.append(bytes(entries[i].data).view());
                entries[i].result = bytes("added");
                if (!table_.done(entries[i]))
                    return raftcore::fail(why, RH_E_NOMEM, "no memory");
            }
            index_ = entries[i].index;
        }
        return refuse ? raftcore::fail(why, RH_E_DATABASE, "not today") : 0;
    }
    int applied(std::uint64_t &index, rh_words &) noexcept override {
        index = index_;
        return 0;
    }
    bool durable() const noexcept override { return true; }
    raftcore::view *open_view(std::uint64_t &, rh_words &) noexcept override {
        std::string all(table_.size(), 0);
        CHECK(table_.write(reinterpret_cast<std::uint8_t *>(all.data())));
        return new text_view(all + text_);
    }
    int load(rh_load step, bytes data, std::uint64_t index, rh_words &) noexcept override {
        if (step == RH_LOAD_BEGIN)
            loading_.clear();
        if (step == RH_LOAD_DATA)
            loading_.append(data.view());
        if (step == RH_LOAD_COMMIT) {
            const auto used = table_.read(loading_);
            CHECK(used);
            text_ = loading_.substr(*used);
            index_ = index;
        }
        return 0;
    }
    void role(const rh_role &now) noexcept override { leads = now.role == RAFTCORE_ROLE_LEADER && now.ready; }
    void outcome(std::uint64_t, const rh_outcome &o) noexcept override {
        what = o.what;
        words = o.words;
        result = bytes(o.result).view();
        sem_post(&came_);
    }
    void wait() { sem_wait(&came_); }

    const std::string &text() const { return text_; }
    bool refuse = false, leads = false;
    rh_what what{};
    std::string words, result;

private:
    std::string text_, loading_;
    std::uint64_t index_ = 0;
    raftcore::sessions table_;
    sem_t came_;
};

raftcore::host_options options_for(const std::string &dir, const char *peer) {
    raftcore::host_options o;
    CHECK(o.struct_size == sizeof(rh_options) && o.tick_ms == 50 && o.group == 1);
    o.dir = dir.c_str();
    o.id = 7;
    o.peer = peer;
    o.tick_ms = 10;
    return o;
}

// An error keeps its words, although later calls fail otherwise.
void errors(const std::string &dir, const char *peer) {
    texts db;
    raftcore::host_options o = options_for(dir, peer);
    const auto empty = raftcore::host::open(o, db);
    CHECK(!empty && empty.error().code() == RH_E_STATE);
    o.peer = "nowhere";
    const auto wrong = raftcore::host::open(o, db);
    CHECK(!wrong && wrong.error().code() == RH_E_ARG && wrong.error().words().find("nowhere") != std::string_view::npos);
    CHECK(empty.error().words().find("is empty") != std::string_view::npos && std::strlen(empty.error().text()) > 0);
    CHECK(raftcore::host::recover("/nowhere/at/all", 1, 7, nullptr).error().words().size() > 0);
}

void life(const std::string &dir, const char *peer) {
    texts db;
    raftcore::host_options o = options_for(dir, peer);
    o.found = true;
    auto opened = raftcore::host::open(o, db);
    CHECK(opened);
    raftcore::host first = *std::move(opened), host = std::move(first);
    CHECK(first.get() == nullptr && host.get() != nullptr && host.fd() >= 0);
    while (!db.leads)
        CHECK(host.turn());
    CHECK(host.thread() && host.thread().error().code() == RH_E_STATE);

    rh_retry retry{};
    retry.session[0] = 1;
    retry.number = 1;
    const raftcore_slice parts[] = {bytes("he"), bytes("llo")};
    for (int times = 0; times < 2; times++) {
        CHECK(host.propose(parts, 2, 1, &retry));
        db.wait();
        CHECK(db.what == RH_DONE && db.result == "added" && db.text() == "hello");
    }
    CHECK(host.read(2));
    db.wait();
    CHECK(db.what == RH_READABLE);
    CHECK(host.propose("", 3).error().code() == RH_E_ARG);
    CHECK(host.promote(99, 4));
    db.wait();
    CHECK(db.what == RH_NOT_COMMITTED && !db.words.empty());
    CHECK(host.add(8, "no address", nullptr, 5).error().code() == RH_E_ARG);
    CHECK(host.remove(99, 5));
    db.wait();
    CHECK(host.transfer(7, 6));
    db.wait();
    CHECK(db.what == RH_DONE);
    CHECK(host.set_electable(false) && host.status().core.electable == 0 && host.set_electable(true));
    CHECK(host.set_address(7, peer, nullptr, 7));
    db.wait();
    CHECK(db.what == RH_DONE && host.set_address(7, "nowhere", nullptr, 7).error().code() == RH_E_ARG);
    const raftcore_slice words[] = {bytes("Status"), bytes("x")};
    CHECK(host.command(words, 1, 8));
    db.wait();
    CHECK(db.what == RH_DONE && db.result.find("role:leader") != std::string::npos);
    CHECK(host.command(words, 2, 9).error().words() == "not understood: status");
    CHECK(host.status_text(nullptr, 0) >= db.result.size() / 2);
    const auto socket = raftcore::host::listen("127.0.0.1:0");
    CHECK(socket && *socket >= 0 && close(*socket) == 0);
    CHECK(raftcore::host::listen("nowhere").error().code() == RH_E_NET);
    CHECK(*raftcore::sessions::length("rhS") == 0 && !raftcore::sessions::length("no table"));
    rh_member members[4]{};
    CHECK(host.members(members, 4) == 1 && members[0].id == 7 && members[0].voter);
    CHECK(host.status().core.leader == 7 && host.metrics(nullptr, 0) > 1000);
    CHECK(host.reload_tls().error().code() == RH_E_STATE);
    const std::string backup = dir + "-backup";
    CHECK(host.backup(backup.c_str(), 8));
    db.wait();
    CHECK(db.what == RH_DONE && text_view::open == 0);

    // A database that fails stops the host, and the words are its own.
    db.refuse = true;
    CHECK(host.propose("x", 9));
    db.wait();
    CHECK(db.what == RH_UNKNOWN);
    const auto closed = host.close();
    CHECK(!closed && closed.error().code() == RH_E_DATABASE);
    CHECK(closed.error().words().find("not today") != std::string_view::npos);
    CHECK(host.close());

    texts restored;
    const std::string other = dir + "-restored";
    o = options_for(other, peer);
    o.found = true;
    o.restore = backup.c_str();
    CHECK(raftcore::host::open(o, restored));
    CHECK(restored.text() == "hello");
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    const std::string dir = std::string(argv[1]) + "/member";
    errors(dir, argv[2]);
    life(dir, argv[2]);
    return 0;
}
