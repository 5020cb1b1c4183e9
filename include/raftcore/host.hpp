/*
 * raftcore/host.hpp: the host library of raftcore_host.h for C++17 and newer. Header-only. Needs
 * neither exceptions nor RTTI, and allocates nothing. Link libraftcore_host.
 *
 *     host_error, host_result   code and words, captured when the call failed
 *     database, view            the classes that you write, with virtual functions
 *     host_options              rh_options with the defaults
 *     host                      a host: move-only; closed by close(), or by the destructor
 *     sessions                  the table of sessions, for retries
 *
 * Names, units, codes and the order of calls are those of raftcore_host.h, which explains each call.
 * examples-c/smallest.cpp is a service.
 *
 * Ownership  The database outlives the host. The handle, get(), stays the same when a host moves, and is
 *            for all threads. The host object is for one thread.
 * Exceptions None leaves a function of yours: the library is C. Catch all exceptions of your code.
 */
#ifndef RAFTCORE_HOST_HPP
#define RAFTCORE_HOST_HPP

#include "../raftcore_host.h"
#include "views.hpp"

namespace raftcore {

/** The code and the words of a failed call, captured at the call. */
class host_error {
public:
    explicit host_error(int code) noexcept : host_error(code, rh_words{}) {}
    host_error(int code, const rh_words &words) noexcept : code_(code), words_(words) {}

    rh_code code() const noexcept { return static_cast<rh_code>(code_); }

    /** Returns the text of the code. Lives for ever, with a NUL at the end. */
    const char *text() const noexcept { return rh_strerror(code_); }

    /** Returns the file, option or peer at fault; empty: nothing to add. NUL at the end. */
    std::string_view words() const noexcept { return words_.text; }

private:
    int code_;
    rh_words words_;
};

template <class T> using host_result = result<T, host_error>;

/** Success or information, or an error. */
using host_status = host_result<rh_code>;

/** Makes a result of a code. */
inline host_status host_checked(int code, const rh_words &words = rh_words{}) noexcept {
    if (code < 0)
        return host_error(code, words);
    return static_cast<rh_code>(code);
}

/** Writes words for a function of a database that fails, and returns the code. */
inline int fail(rh_words &why, rh_code code, const char *text) noexcept {
    return rh_fail(&why, code, "%s", text);
}

/** The frozen state of a snapshot. Deleted by database::close_view. */
class view {
public:
    view() noexcept = default;
    view(const view &) = delete;
    view &operator=(const view &) = delete;
    virtual ~view() = default;

    /** Writes the next bytes. got 0: the end. Returns 0, or a negative number with words. */
    virtual int read(void *to, std::size_t cap, std::size_t &got, rh_words &why) noexcept = 0;
};

/**
 * Your database: struct rh_database as a class. Functions return 0, or a negative number with words,
 * which stops the host. They run on the thread of the loop only.
 */
class database {
public:
    database() noexcept = default;
    database(const database &) = delete;
    database &operator=(const database &) = delete;
    virtual ~database() = default;

    virtual int apply(rh_entry *entries, std::size_t count, rh_words &why) noexcept = 0;

    /** Sets the index of the newest entry in the database. Default: a database in memory. */
    virtual int applied(std::uint64_t &index, rh_words &) noexcept {
        index = 0;
        return 0;
    }

    /** Returns whether the database is on a disk. If so, the library calls flush. */
    virtual bool durable() const noexcept { return false; }
    virtual int flush(std::uint64_t, rh_words &) noexcept { return 0; }

    /** Returns a view, or nullptr with words. Set index only for a view older than the last apply. */
    virtual view *open_view(std::uint64_t &index, rh_words &why) noexcept = 0;
    virtual void close_view(view *old) noexcept { delete old; }

    virtual int load(rh_load what, bytes data, std::uint64_t index, rh_words &why) noexcept = 0;
    virtual void role(const rh_role &) noexcept {}
    virtual void outcome(std::uint64_t ticket, const rh_outcome &outcome) noexcept = 0;

    /** Returns the struct for rh_open. */
    rh_database raw() noexcept {
        rh_database db{};
        db.struct_size = sizeof db;
        db.self = this;
        db.apply = [](void *self, rh_entry *list, std::size_t count, rh_words *why) {
            return of(self).apply(list, count, *why);
        };
        db.applied = [](void *self, std::uint64_t *index, rh_words *why) { return of(self).applied(*index, *why); };
        if (durable())
            db.flush = [](void *self, std::uint64_t index, rh_words *why) { return of(self).flush(index, *why); };
        db.snapshot_open = [](void *self, void **out, std::uint64_t *index, rh_words *why) -> int {
            view *made = of(self).open_view(*index, *why);
            *out = made;
            return made != nullptr ? 0 : RH_E_DATABASE;
        };
        db.snapshot_read = [](void *, void *from, void *to, std::size_t cap, std::size_t *got, rh_words *why) {
            return static_cast<view *>(from)->read(to, cap, *got, *why);
        };
        db.snapshot_close = [](void *self, void *old) { of(self).close_view(static_cast<view *>(old)); };
        db.snapshot_load = [](void *self, rh_load what, const void *data, std::size_t len, std::uint64_t index,
                              rh_words *why) { return of(self).load(what, bytes(data, len), index, *why); };
        db.role = [](void *self, const rh_role *now) { of(self).role(*now); };
        db.outcome = [](void *self, std::uint64_t ticket, const rh_outcome *o) { of(self).outcome(ticket, *o); };
        return db;
    }

private:
    static database &of(void *self) noexcept { return *static_cast<database *>(self); }
};

/** The options of a host: the fields of rh_options, with the defaults. Set dir, id and peer. */
struct host_options : rh_options {
    host_options() noexcept : rh_options{} { rh_options_init(this, sizeof(rh_options)); }
};

/** The table of sessions. Move-only; empty() after a failed allocation. */
class sessions {
public:
    explicit sessions(std::size_t max = RH_SESSIONS) noexcept : raw_(rh_sessions_new(max)) {}
    sessions(sessions &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    sessions &operator=(sessions &&other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    sessions(const sessions &) = delete;
    sessions &operator=(const sessions &) = delete;
    ~sessions() { rh_sessions_free(raw_); }

    bool empty() const noexcept { return raw_ == nullptr; }
    bool seen(rh_entry &entry) noexcept { return rh_sessions_seen(raw_, &entry); }
    host_status done(const rh_entry &entry) noexcept { return host_checked(rh_sessions_done(raw_, &entry)); }
    std::size_t size() const noexcept { return rh_sessions_bytes(raw_); }
    host_status write(std::uint8_t *to) const noexcept { return host_checked(rh_sessions_write(raw_, to)); }

    /** Returns the length of the table at the beginning of `from`; 0: the table goes on behind. */
    static host_result<std::size_t> length(bytes from) noexcept {
        std::size_t whole = 0;
        const int code = rh_sessions_length(from.data(), from.size(), &whole);
        if (code < 0)
            return host_error(code);
        return whole;
    }

    /** Takes the table at the beginning of `from`, and returns its length. */
    host_result<std::size_t> read(bytes from) noexcept {
        std::size_t used = 0;
        const int code = rh_sessions_read(raw_, from.data(), from.size(), &used);
        if (code < 0)
            return host_error(code);
        return used;
    }

private:
    rh_sessions *raw_;
};

/** A host. After a move, destroy the old object, or assign to it. */
class host {
public:
    /** Opens a host. db outlives it. */
    static host_result<host> open(const rh_options &options, database &db) noexcept {
        const rh_database raw = db.raw();
        rh_host *made = nullptr;
        rh_words why{};
        const int code = rh_open(&options, &raw, &made, &why);
        if (code < 0)
            return host_error(code, why);
        return host(made);
    }

    host(host &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    host &operator=(host &&other) noexcept {
        if (this != &other) {
            (void)close();
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    host(const host &) = delete;
    host &operator=(const host &) = delete;
    ~host() { (void)close(); }

    /** Returns the C handle, for calls of raftcore_host.h from any thread. The host still owns it. */
    rh_host *get() const noexcept { return raw_; }

    /** Closes: hands the leadership over, ends the requests, makes the log durable. */
    host_status close() noexcept {
        rh_words why{};
        return host_checked(rh_close(std::exchange(raw_, nullptr), &why), why);
    }

    // ---- the loop

    int fd() const noexcept { return rh_fd(raw_); }
    int timeout_ms() noexcept { return rh_timeout_ms(raw_); }
    host_status turn() noexcept { return worded(rh_turn); }
    host_status thread() noexcept { return worded(rh_thread); }
    host_status reload_tls() noexcept { return worded(rh_reload_tls); }

    // ---- requests: the outcome comes to database::outcome

    host_status propose(bytes data, std::uint64_t ticket, const rh_retry *retry = nullptr) noexcept {
        const raftcore_slice part = data;
        return propose(&part, 1, ticket, retry);
    }
    host_status propose(const raftcore_slice *parts, std::size_t count, std::uint64_t ticket,
                        const rh_retry *retry = nullptr) noexcept {
        return host_checked(rh_propose(raw_, parts, count, retry, ticket));
    }
    host_status read(std::uint64_t ticket) noexcept { return host_checked(rh_read(raw_, ticket)); }

    // ---- members

    host_status add(std::uint64_t id, const char *peer, const char *client, std::uint64_t ticket) noexcept {
        return host_checked(rh_add(raw_, id, peer, client, ticket));
    }
    host_status promote(std::uint64_t id, std::uint64_t ticket) noexcept {
        return host_checked(rh_promote(raw_, id, ticket));
    }
    host_status remove(std::uint64_t id, std::uint64_t ticket) noexcept {
        return host_checked(rh_remove(raw_, id, ticket));
    }
    host_status set_address(std::uint64_t id, const char *peer, const char *client, std::uint64_t ticket) noexcept {
        return host_checked(rh_set_address(raw_, id, peer, client, ticket));
    }
    host_status set_electable(bool electable) noexcept { return host_checked(rh_set_electable(raw_, electable)); }
    host_status transfer(std::uint64_t to, std::uint64_t ticket) noexcept {
        return host_checked(rh_transfer(raw_, to, ticket));
    }

    /** Does a command of words. The error has the usage. */
    host_status command(const raftcore_slice *words, std::size_t count, std::uint64_t ticket) noexcept {
        rh_words why{};
        return host_checked(rh_command(raw_, words, count, ticket, &why), why);
    }

    // ---- looking in

    rh_status status() noexcept {
        rh_status now{};
        now.struct_size = sizeof now;
        (void)rh_get_status(raw_, &now);
        return now;
    }

    /** Fills in up to cap members. Returns how many there are. */
    std::size_t members(rh_member *out, std::size_t cap) noexcept {
        std::size_t count = 0;
        if (cap > 0)
            out[0].struct_size = sizeof *out;
        (void)rh_members(raw_, out, cap, &count);
        return count;
    }
    std::size_t status_text(char *to, std::size_t cap) noexcept { return rh_status_text(raw_, to, cap); }
    std::size_t metrics(char *to, std::size_t cap) noexcept { return rh_metrics(raw_, to, cap); }
    host_status backup(const char *path, std::uint64_t ticket) noexcept {
        return host_checked(rh_backup(raw_, path, ticket));
    }

    /** Opens a listening socket, which you close. */
    static host_result<int> listen(const char *address) noexcept {
        rh_words why{};
        int fd = -1;
        const int code = rh_listen(address, &fd, &why);
        if (code < 0)
            return host_error(code, why);
        return fd;
    }

    /** Makes a survivor of a lost quorum the whole group: rh_recover. told may be NULL. */
    static host_status recover(const char *dir, std::uint64_t group, std::uint64_t id, rh_words *told) noexcept {
        rh_words why{};
        return host_checked(rh_recover(dir, group, id, told, &why), why);
    }

private:
    explicit host(rh_host *owned) noexcept : raw_(owned) {}

    host_status worded(int (*call)(rh_host *, rh_words *)) noexcept {
        rh_words why{};
        return host_checked(call(raw_, &why), why);
    }

    rh_host *raw_;
};

} // namespace raftcore

#endif
