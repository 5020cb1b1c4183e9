/*
 * raftcore/host.hpp: a host for C++, over raftcore_host.h. Included by raftcore.hpp where the host
 * library is installed.
 *
 * You write a database: a class derived from `database`. A `host` owns log, snapshots, connections
 * and loop, and calls your functions on the thread of the loop.
 */
#ifndef RAFTCORE_HOST_HPP
#define RAFTCORE_HOST_HPP

#include <memory>

#include "raftcore_host.h"
#include "structs.hpp"

namespace raftcore {

/** The result of a call of the host library. Below 0: an error. */
enum class host_code : int {
    ok = RH_OK,
    none = RH_NONE,
    arg = RH_E_ARG,
    nomem = RH_E_NOMEM,
    io = RH_E_IO,
    space = RH_E_SPACE,
    damaged = RH_E_DAMAGED,
    owner = RH_E_OWNER,
    failed = RH_E_FAILED,
    range = RH_E_RANGE,
    gone = RH_E_GONE,
    small = RH_E_SMALL,
    version = RH_E_VERSION,
    busy = RH_E_BUSY,
    state = RH_E_STATE,
    core = RH_E_CORE,
    database = RH_E_DATABASE,
    net = RH_E_NET,
};

/** What became of a request. */
enum class what {
    done = RH_DONE,
    not_committed = RH_NOT_COMMITTED,
    unknown = RH_UNKNOWN,
    readable = RH_READABLE,
};

/** The parts of a snapshot on its way into a database: database::snapshot_load. */
enum class load {
    begin = RH_LOAD_BEGIN,
    data = RH_LOAD_DATA,
    commit = RH_LOAD_COMMIT,
    abort = RH_LOAD_ABORT,
};

/** The levels of lines for people: options::log_level. */
enum class log_level {
    error = RH_LOG_ERROR,
    warning = RH_LOG_WARNING,
    info = RH_LOG_INFO,
    debug = RH_LOG_DEBUG,
};

/** Why a call of the host library failed: its code, and its words for people. */
class host_error {
public:
    host_error(int code, const rh_words &why) noexcept : code_(code), why_(why) {}
    host_code code() const noexcept { return static_cast<host_code>(code_); }

    /** Returns the text of the code. Lives for ever. */
    const char *text() const noexcept { return rh_strerror(code_); }

    /** Returns the file, offset, option or index at fault; may be empty. NUL at the end. */
    std::string_view words() const noexcept { return why_.text; }

private:
    int code_;
    rh_words why_;
};

template <class T> using host_result = result<T, host_error>;

/** Success or information, or a host_error. */
using host_status_code = host_result<host_code>;

inline host_status_code host_checked(int code, const rh_words &why = {}) noexcept {
    if (code < 0)
        return host_error(code, why);
    return static_cast<host_code>(code);
}

/** A committed entry to apply: a view, for the call of database::apply. */
class host_entry {
public:
    explicit host_entry(rh_entry &raw) noexcept : raw_(&raw) {}
    const rh_entry *operator->() const noexcept { return raw_; }
    rh_entry &raw() const noexcept { return *raw_; }
    bytes data() const noexcept { return raw_->data; }

    /** Returns the client's session, RH_SESSION_BYTES; empty: none. */
    bytes session() const noexcept {
        return {raw_->session, raw_->session != nullptr ? std::size_t{RH_SESSION_BYTES} : 0};
    }

    /** Sets the answer for the client. Borrows the bytes until the next apply. */
    void set_result(bytes answer) const noexcept { raw_->result = answer; }

private:
    rh_entry *raw_;
};

/** The entries of a call of database::apply. */
class host_entries {
public:
    class iterator {
    public:
        explicit iterator(rh_entry *at) noexcept : at_(at) {}
        host_entry operator*() const noexcept { return host_entry(*at_); }
        iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        rh_entry *at_;
    };

    host_entries(rh_entry *first, std::size_t count) noexcept : first_(first), count_(count) {}
    iterator begin() const noexcept { return iterator(first_); }
    iterator end() const noexcept { return iterator(first_ + count_); }
    std::size_t size() const noexcept { return count_; }

private:
    rh_entry *first_;
    std::size_t count_;
};

/** What became of a request: a view, for the call of database::outcome. */
class outcome : public record_view<rh_outcome> {
public:
    using record_view::record_view;
    raftcore::what what() const noexcept { return static_cast<raftcore::what>(raw().what); }

    /** Returns the answer of the entry; empty unless what::done. */
    bytes result() const noexcept { return raw().result; }

    /** Returns why, unless what::done or what::readable. */
    const char *words() const noexcept { return raw().words; }

    /** Returns the text of what(). Lives for ever. */
    const char *text() const noexcept { return rh_what_text(raw().what); }
};

/** A frozen state, for a snapshot. The host destroys it when it was read. */
class snapshot_view {
public:
    virtual ~snapshot_view() = default;

    /** Writes the next bytes to `to`, at most cap, and their number to got; 0 only at the end. */
    virtual host_code read(void *to, std::size_t cap, std::size_t &got, rh_words &why) noexcept = 0;
};

/**
 * Your database. It must outlive the host, and stay in its place.
 *
 * A function returns host_code::ok. Anything below 0 stops the host; rh_fail writes words to `why`.
 * No function may throw.
 */
class database {
public:
    virtual ~database() = default;

    /** Applies entries, in order. All members must come to equal states. */
    virtual host_code apply(host_entries entries, rh_words &why) noexcept = 0;

    /** Sets index to the last entry with an effect in the database; 0: no data. */
    virtual host_code applied(std::uint64_t &index, rh_words &why) noexcept = 0;

    /** Is the database on disk? Then flush is called, else never. Asked once, at host::open. */
    virtual bool durable() const noexcept { return false; }

    /** Makes the effects of the entries up to index durable. */
    virtual host_code flush(std::uint64_t, rh_words &) noexcept { return host_code::ok; }

    /** Freezes the state; nullptr: failed. Set index only for a view older than the last apply. */
    virtual std::unique_ptr<snapshot_view> snapshot_open(std::uint64_t &index, rh_words &why) noexcept = 0;

    /** Replaces the state by a snapshot, as of index: begin, data…, commit or abort. */
    virtual host_code snapshot_load(load part, bytes data, std::uint64_t index,
                                    rh_words &why) noexcept = 0;

    /** Reports a new role or leader. */
    virtual void role_changed(const rh_role &) noexcept {}

    /** Reports the outcome of a request, once for each ticket other than 0. */
    virtual void finished(std::uint64_t ticket, outcome how) noexcept = 0;

protected:
    database() = default;
    database(const database &) = default;
    database &operator=(const database &) = default;
};

/** The functions of a database, as C calls them. */
class database_calls {
public:
    static rh_database of(database &db) noexcept {
        rh_database made{};
        made.struct_size = sizeof made;
        made.self = &db;
        made.apply = [](void *self, rh_entry *first, std::size_t count, rh_words *why) {
            return code(at(self).apply(host_entries(first, count), words(why).get));
        };
        made.applied = [](void *self, std::uint64_t *index, rh_words *why) {
            return code(at(self).applied(*index, words(why).get));
        };
        if (db.durable())
            made.flush = [](void *self, std::uint64_t index, rh_words *why) {
                return code(at(self).flush(index, words(why).get));
            };
        made.snapshot_open = [](void *self, void **view, std::uint64_t *index, rh_words *why) {
            auto opened = at(self).snapshot_open(*index, words(why).get);
            *view = opened.release();
            return *view != nullptr ? int{RH_OK} : int{RH_E_DATABASE};
        };
        made.snapshot_read = [](void *, void *view, void *to, std::size_t cap, std::size_t *got, rh_words *why) {
            return code(static_cast<snapshot_view *>(view)->read(to, cap, *got, words(why).get));
        };
        made.snapshot_close = [](void *, void *view) { delete static_cast<snapshot_view *>(view); };
        made.snapshot_load = [](void *self, rh_load part, const void *data, std::size_t size, std::uint64_t index, rh_words *why) {
            return code(at(self).snapshot_load(static_cast<load>(part), bytes(data, size), index,
                                               words(why).get));
        };
        made.role = [](void *self, const rh_role *role) { at(self).role_changed(*role); };
        made.outcome = [](void *self, std::uint64_t ticket, const rh_outcome *how) {
            at(self).finished(ticket, outcome(*how));
        };
        return made;
    }

private:
    /* The caller's words, or some that nobody reads. */
    struct words {
        explicit words(rh_words *why) noexcept : get(why != nullptr ? *why : nobody) {}
        rh_words nobody;
        rh_words &get;
    };
    static database &at(void *self) noexcept { return *static_cast<database *>(self); }
    static int code(host_code code) noexcept { return static_cast<int>(code); }
};

/** Options of a host: the fields of rh_options, with its units and defaults. */
struct options : rh_options {
    options() noexcept : rh_options{} { rh_options_init(this, sizeof(rh_options)); }
    void set_log_level(raftcore::log_level least) noexcept {
        log_level = static_cast<rh_level>(least);
    }
};

/**
 * Sessions of clients, as part of a database's state: rh_sessions. Move-only. A table without
 * memory is false.
 */
class sessions {
public:
    /** max: sessions to remember. */
    explicit sessions(std::size_t max) noexcept : raw_(rh_sessions_new(max)) {}
    explicit operator bool() const noexcept { return raw_ != nullptr; }

    /** Returns whether the entry is a retry; then its result is the stored one. */
    bool seen(host_entry e) noexcept { return rh_sessions_seen(raw_.get(), &e.raw()); }
    host_code done(host_entry e) noexcept {
        return static_cast<host_code>(rh_sessions_done(raw_.get(), &e.raw()));
    }
    std::size_t size_bytes() const noexcept { return rh_sessions_bytes(raw_.get()); }

    /** to: size_bytes() of room. */
    void write(std::uint8_t *to) const noexcept { rh_sessions_write(raw_.get(), to); }
    host_code read(bytes written) noexcept {
        return static_cast<host_code>(
            rh_sessions_read(raw_.get(), written.data(), written.size()));
    }

private:
    struct free {
        void operator()(rh_sessions *s) const noexcept { rh_sessions_free(s); }
    };
    std::unique_ptr<rh_sessions, free> raw_;
};

/**
 * A host. Owns the rh_host; move-only. The destructor closes, and so does an assignment: both hand
 * the leadership over, end the requests, and make the log durable. Call close() for the code.
 *
 * Never move, close or destroy a host within a function of its database. A host that was moved from
 * or closed takes no calls except get() and close().
 */
class host {
public:
    /** Opens a host. Copies the options; borrows the database until the host is closed. */
    static host_result<host> open(const rh_options &o, database &db) noexcept {
        rh_host *opened = nullptr;
        rh_words why{};
        const rh_database calls = database_calls::of(db);
        const int code = rh_open(&o, &calls, &opened, &why);
        if (code < 0)
            return host_error(code, why);
        return host(opened);
    }

    /** Takes over a host that C code has opened. */
    explicit host(rh_host *owned) noexcept : raw_(owned) {}

    /** Closes. The host is gone in any case; an error is the failure that stopped it. */
    host_status_code close() noexcept {
        rh_words why{};
        const int code = rh_close(raw_.release(), &why);
        return host_checked(code, why);
    }

    /** Returns the C handle. The host still owns it. */
    rh_host *get() const noexcept { return raw_.get(); }

    /** Returns the descriptor to wait for, until close(). Never read, write or close it. */
    int fd() const noexcept { return rh_fd(raw_.get()); }

    /** Returns the milliseconds that you may wait before the next turn. */
    int timeout_ms() noexcept { return rh_timeout_ms(raw_.get()); }

    /** Does all work that waits. An error: the host has stopped; close it. */
    host_status_code turn() noexcept {
        rh_words why{};
        const int code = rh_turn(raw_.get(), &why);
        return host_checked(code, why);
    }

    /** Starts a thread that turns until close(). */
    host_status_code thread() noexcept {
        rh_words why{};
        const int code = rh_thread(raw_.get(), &why);
        return host_checked(code, why);
    }

    /** Reads the TLS files again. */
    host_status_code reload_tls() noexcept {
        rh_words why{};
        const int code = rh_reload_tls(raw_.get(), &why);
        return host_checked(code, why);
    }

    // Requests. After ok, database::finished reports the ticket, unless it is 0.

    host_status_code propose(bytes data, std::uint64_t ticket, const rh_retry *retry = nullptr) noexcept {
        const raftcore_slice part = data;
        return propose(&part, 1, ticket, retry);
    }
    host_status_code propose(const raftcore_slice *parts, std::size_t count, std::uint64_t ticket,
                             const rh_retry *retry = nullptr) noexcept {
        return host_checked(rh_propose(raw_.get(), parts, count, retry, ticket));
    }
    host_status_code read(std::uint64_t ticket) noexcept {
        return host_checked(rh_read(raw_.get(), ticket));
    }

    /** client_address: may be NULL. */
    host_status_code add(std::uint64_t id, const char *peer_address, const char *client_address,
                         std::uint64_t ticket) noexcept {
        return host_checked(rh_add(raw_.get(), id, peer_address, client_address, ticket));
    }
    host_status_code promote(std::uint64_t id, std::uint64_t ticket) noexcept {
        return host_checked(rh_promote(raw_.get(), id, ticket));
    }
    host_status_code remove(std::uint64_t id, std::uint64_t ticket) noexcept {
        return host_checked(rh_remove(raw_.get(), id, ticket));
    }
    host_status_code transfer(std::uint64_t to, std::uint64_t ticket) noexcept {
        return host_checked(rh_transfer(raw_.get(), to, ticket));
    }
    host_status_code backup(const char *path, std::uint64_t ticket) noexcept {
        return host_checked(rh_backup(raw_.get(), path, ticket));
    }

    // Looking in.

    host_result<struct rh_status> status() const noexcept {
        struct rh_status found{};
        found.struct_size = sizeof found;
        const int code = rh_status(raw_.get(), &found);
        if (code < 0)
            return host_error(code, {});
        return found;
    }

    /** Fills in room for cap members, and returns a range over those that fit. */
    host_result<strided<rh_member>> members(rh_member *room, std::size_t cap) const noexcept {
        std::size_t count = 0;
        if (cap > 0)
            room[0].struct_size = sizeof room[0];
        const int code = rh_members(raw_.get(), room, cap, &count);
        if (code < 0)
            return host_error(code, {});
        return strided<rh_member>(room, count < cap ? count : cap);
    }

    /** Writes metrics for Prometheus with a NUL at the end, and returns the whole text's length. */
    std::size_t metrics(char *buf, std::size_t cap) const noexcept {
        return rh_metrics(raw_.get(), buf, cap);
    }

private:
    struct close_it {
        void operator()(rh_host *h) const noexcept { (void)rh_close(h, nullptr); }
    };
    std::unique_ptr<rh_host, close_it> raw_;
};

/** Declares a survivor of a lost quorum to be the whole group: docs/lost-quorum.md. */
inline host_status_code recover(const char *dir, std::uint64_t group, std::uint64_t id,
                                rh_words &told) noexcept {
    rh_words why{};
    const int code = rh_recover(dir, group, id, &told, &why);
    return host_checked(code, why);
}

} // namespace raftcore

#endif
