// A sum, replicated, in C++: the smallest database. smallest DIR HOST:PORT [found]. Run it once with found, then without.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <semaphore.h>

#include "raftcore/host.hpp"

namespace {

// The state of a snapshot, frozen.
class frozen final : public raftcore::view {
public:
    explicit frozen(std::uint64_t sum) noexcept : sum_(sum) {}

    int read(void *to, std::size_t, std::size_t &got, rh_words &) noexcept override {
        got = read_ ? 0 : sizeof sum_;
        std::memcpy(to, &sum_, got);
        read_ = true;
        return 0;
    }

private:
    std::uint64_t sum_;
    bool read_ = false;
};

class adder final : public raftcore::database {
public:
    adder() noexcept { sem_init(&finished_, 0, 0); }

    int apply(rh_entry *entries, std::size_t count, rh_words &) noexcept override {
        for (std::size_t i = 0; i < count; i++)
            sum_ += entries[i].data.ptr[0];
        return 0;
    }

    raftcore::view *open_view(std::uint64_t &, rh_words &why) noexcept override {
        raftcore::view *made = new (std::nothrow) frozen(sum_);
        if (made == nullptr)
            (void)raftcore::fail(why, RH_E_NOMEM, "no memory for a view");
        return made;
    }

    int load(rh_load what, raftcore::bytes data, std::uint64_t, rh_words &why) noexcept override {
        if (what == RH_LOAD_DATA && data.size() != sizeof loading_)
            return raftcore::fail(why, RH_E_DAMAGED, "not a sum");
        if (what == RH_LOAD_DATA)
            std::memcpy(&loading_, data.data(), sizeof loading_);
        if (what == RH_LOAD_COMMIT)
            sum_ = loading_;
        return 0;
    }

    void outcome(std::uint64_t ticket, const rh_outcome &o) noexcept override {
        std::printf("request %" PRIu64 " is %s, the sum is %" PRIu64 "\n", ticket, rh_what_text(o.what), sum_);
        sem_post(&finished_);
    }

    void wait() noexcept { sem_wait(&finished_); }

private:
    std::uint64_t sum_ = 0, loading_ = 0;
    sem_t finished_;
};

// Reports an error, with the words of the library.
int told(const raftcore::host_error &error) {
    std::fprintf(stderr, "%s: %s\n", error.text(), error.words().data());
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    adder db;
    raftcore::host_options options;
    options.dir = argv[1];
    options.id = 1;
    options.peer = argv[2];
    options.found = argc > 3;
    auto host = raftcore::host::open(options, db);
    if (!host)
        return told(host.error());
    if (const auto started = host->thread(); !started)
        return told(started.error());
    for (std::uint64_t ticket = 1; ticket <= 3; ticket++)
        if (host->propose("\x0e", ticket))
            db.wait();
    const auto closed = host->close();
    return closed ? 0 : told(closed.error());
}
