/*
 * scores.cpp: a replicated table of scores, in C++. Three processes, and logs on files.
 *
 *     scores DIR ID PEER CLIENT found           the first member, once
 *     scores DIR ID PEER CLIENT join ADDRESS    a further member; ADDRESS: the PEER of any member
 *     scores DIR ID PEER CLIENT                 a member, again
 *
 * A client connects to CLIENT, sends a line, and reads a line: "add NAME POINTS", "add NAME POINTS SESSION NUMBER" with
 * 32 hex digits and 1, 2, 3, …, "get NAME", "best", "promote ID", "remove ID", "lead ID", or "status". docs/cpp.md goes
 * through the program and starts it. SCORES_CUT: bytes of log before the log is cut.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "raftcore/host.hpp"

using raftcore::bytes;
using scores = std::map<std::string, std::uint64_t>;

namespace {

volatile std::sig_atomic_t stopped;

// The lines "NAME POINTS" of a table, in the order of the names: equal bytes for equal tables.
std::string to_text(const scores &table) {
    std::string text;
    for (const auto &[name, points] : table)
        text += name + " " + std::to_string(points) + "\n";
    return text;
}

// Adds "NAME POINTS" to a table, and returns the new score. A line of another form changes nothing, on any member.
std::string add(scores &table, const std::string &line) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t points = 0;
    return words >> name >> points ? std::to_string(table[name] += points) : "no score";
}

// ---- the database

// A frozen state: the library reads the bytes in the background of the next writes.
class frozen final : public raftcore::view {
public:
    explicit frozen(std::string text) noexcept : text_(std::move(text)) {}

    int read(void *to, std::size_t cap, std::size_t &got, rh_words &) noexcept override {
        got = text_.copy(static_cast<char *>(to), cap, at_);
        at_ += got;
        return 0;
    }

private:
    std::string text_;
    std::size_t at_ = 0;
};

// A request of a client, until its outcome.
struct request {
    int client = -1;
    std::string name; // of a read: whose score? Empty: the best
};

class scoreboard final : public raftcore::database {
public:
    int apply(rh_entry *entries, std::size_t count, rh_words &why) noexcept override {
        results_.assign(count, {});
        for (std::size_t i = 0; i < count; i++) {
            if (sessions_.seen(entries[i])) // a retry: the answer is the stored result
                continue;
            results_[i] = add(table_, std::string(bytes(entries[i].data).view()));
            entries[i].result = bytes(results_[i]);
            if (!sessions_.done(entries[i]))
                return raftcore::fail(why, RH_E_NOMEM, "no memory for a session");
        }
        return 0;
    }

    raftcore::view *open_view(std::uint64_t &, rh_words &why) noexcept override {
        std::string text(sessions_.size(), '\0');
        raftcore::view *made = nullptr;
        if (sessions_.write(reinterpret_cast<std::uint8_t *>(text.data())))
            made = new (std::nothrow) frozen(text + to_text(table_));
        if (made == nullptr)
            (void)raftcore::fail(why, RH_E_NOMEM, "no memory for a snapshot");
        return made;
    }

    int load(rh_load step, bytes data, std::uint64_t, rh_words &why) noexcept override {
        if (step == RH_LOAD_BEGIN)
            loading_.clear();
        if (step == RH_LOAD_DATA)
            loading_.append(data.view());
        if (step == RH_LOAD_COMMIT) {
            const auto used = sessions_.read(loading_);
            if (!used)
                return raftcore::fail(why, RH_E_DAMAGED, "a snapshot without a table of sessions");
            table_.clear();
            std::istringstream lines(loading_.substr(*used));
            for (std::string line; std::getline(lines, line);)
                (void)add(table_, line);
        }
        return 0;
    }

    void outcome(std::uint64_t ticket, const rh_outcome &o) noexcept override {
        const request r = take(ticket);
        if (o.what == RH_DONE)
            dprintf(r.client, "done %.*s\n", static_cast<int>(o.result.len), reinterpret_cast<const char *>(o.result.ptr));
        else if (o.what == RH_READABLE)
            dprintf(r.client, "%s\n", answer(r.name).c_str());
        else
            dprintf(r.client, "%s: %s\n", rh_what_text(o.what), o.words);
        close(r.client);
    }

    // Keeps a request, and returns its ticket.
    std::uint64_t keep(request r) {
        waiting_[++last_ticket_] = std::move(r);
        return last_ticket_;
    }

    // Returns a request, which waits no longer.
    request take(std::uint64_t ticket) {
        const auto found = waiting_.extract(ticket);
        return found.empty() ? request{} : found.mapped();
    }

private:
    std::string answer(const std::string &name) const {
        auto found = table_.find(name);
        if (name.empty())
            found = std::max_element(table_.begin(), table_.end(), [](auto &a, auto &b) { return a.second < b.second; });
        return found == table_.end() ? "nobody" : found->first + " has " + std::to_string(found->second);
    }

    scores table_;
    raftcore::sessions sessions_;
    std::vector<std::string> results_; // of the last apply: valid until the next
    std::string loading_;
    std::map<std::uint64_t, request> waiting_;
    std::uint64_t last_ticket_ = 0;
};

// ---- clients

// Reads "SESSION NUMBER". Returns false if there is no session.
bool retry_of(std::istream &words, rh_retry &retry) {
    std::string hex;
    if (!(words >> hex >> retry.number) || hex.size() != 2 * RH_SESSION_BYTES)
        return false;
    for (std::size_t i = 0; i < RH_SESSION_BYTES; i++)
        retry.session[i] = static_cast<std::uint8_t>(std::strtoul(hex.substr(2 * i, 2).c_str(), nullptr, 16));
    return true;
}

// Starts a request. The outcome comes to scoreboard::outcome, unless the start fails.
void start(raftcore::host &host, scoreboard &db, int client, const std::string &line) {
    std::istringstream words(line);
    std::string command, name;
    std::uint64_t id = 0, points = 0;
    rh_retry retry{};
    words >> command;
    if (command == "status") {
        const rh_status now = host.status();
        dprintf(client, "leader %" PRIu64 " voter %d snapshot %" PRIu64 "\n", now.core.leader, now.voter, now.snapshot_index);
        close(client);
        return;
    }
    const bool about_member = command == "promote" || command == "remove" || command == "lead";
    if (about_member)
        words >> id;
    else
        words >> name;
    const std::uint64_t ticket = db.keep({client, name});
    raftcore::host_status begun = raftcore::host_error(RH_E_ARG);
    if (command == "add" && words >> points) {
        const std::string entry = name + " " + std::to_string(points);
        const bool named = retry_of(words, retry);
        begun = host.propose(entry, ticket, named ? &retry : nullptr);
    } else if (command == "best" || (command == "get" && !name.empty())) {
        begun = host.read(ticket);
    } else if (about_member) {
        begun = command == "promote" ? host.promote(id, ticket)
                : command == "remove" ? host.remove(id, ticket) : host.transfer(id, ticket);
    }
    if (!begun) {
        dprintf(client, "not committed: %s\n", begun.error().text());
        close(db.take(ticket).client);
    }
}

void serve(raftcore::host &host, scoreboard &db, int listener) {
    char line[200];
    const int client = accept(listener, nullptr, nullptr);
    timeval patience{0, 100000};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const ssize_t got = read(client, line, sizeof line);
    if (got > 0)
        start(host, db, client, std::string(line, static_cast<std::size_t>(got)));
    else
        close(client);
}

// Returns a socket that listens, or -1.
int listen_at(const std::string &address) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, reinterpret_cast<sockaddr *>(&at), sizeof at) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

// ---- the process

// Reports an error with the words of the library.
int told(const raftcore::host_error &error) {
    std::fprintf(stderr, "scores: %s: %s\n", error.text(), error.words().data());
    return 1;
}

int run(const raftcore::host_options &options, int listener) {
    scoreboard db; // outlives the host
    auto host = raftcore::host::open(options, db);
    if (!host)
        return told(host.error());
    while (!stopped) {
        pollfd p[2] = {{host->fd(), POLLIN, 0}, {listener, POLLIN, 0}};
        poll(p, 2, host->timeout_ms());
        if (p[1].revents != 0)
            serve(*host, db, listener);
        if (const auto turned = host->turn(); !turned)
            return told(turned.error());
    }
    const auto closed = host->close();
    return closed ? 0 : told(closed.error());
}

} // namespace

int main(int argc, char **argv) {
    const std::string how = argc > 5 ? argv[5] : "";
    if (argc < 5 || (how != "" && how != "found" && (how != "join" || argc != 7))) {
        std::fprintf(stderr, "scores DIR ID PEER CLIENT [found | join ADDRESS]\n");
        return 2;
    }
    raftcore::host_options options;
    options.dir = argv[1];
    options.id = std::strtoull(argv[2], nullptr, 10);
    options.peer = argv[3];
    options.client = argv[4];
    options.tick_ms = 20;
    options.found = how == "found";
    options.join = how == "join" ? argv[6] : nullptr;
    options.log = [](void *, rh_level, const char *text) { std::fprintf(stderr, "%s\n", text); };
    if (const char *cut = std::getenv("SCORES_CUT"))
        options.compaction_bytes = options.keep_bytes = options.segment_bytes = std::strtoull(cut, nullptr, 10);
    std::signal(SIGTERM, [](int) { stopped = 1; });
    std::signal(SIGPIPE, SIG_IGN);
    const int listener = listen_at(options.client);
    if (listener < 0) {
        std::fprintf(stderr, "scores: nothing can listen at %s\n", options.client);
        return 1;
    }
    return run(options, listener);
}
