/*
 * raftcore.hpp: raftcore for C++17 and newer, over raftcore.h. Header-only. Needs neither exceptions nor RTTI, and allocates nothing.
 *
 *     namespace raftcore
 *     raftcore/numbers.hpp  enumerations: role, entry_kind, message_kind, flag, code, reason, …
 *     raftcore/views.hpp    result, error, bytes, ranges, ready, entry, message, drop, event, status
 *     raftcore/structs.hpp  config, conf, stored, input, frames, hello, snapshot_split
 *     raftcore.hpp          node
 *
 * Names, units, codes and the order of calls are those of raftcore.h, which explains each call.
 * examples-c/minimal.cpp has the loop of a host.
 *
 * Errors     A call that can fail returns a result: a value or an error. The error holds the code
 *            and the node's explanation at the time of the call.
 * Ownership  A node owns its raftcore_node, and moves. All else is a view: its memory belongs to the
 *            node or to you. Arguments are borrowed for the call, and copied where they are kept.
 * Readies    Only advance and release end a ready, and never a destructor.
 * Threads    As in raftcore.h: a node is for one thread at a time. A second gets code::busy.
 * Not here   The flat form of a ready, for languages without pointers.
 */
#ifndef RAFTCORE_HPP
#define RAFTCORE_HPP

#include "raftcore/structs.hpp"

namespace raftcore {

/**
 * What node::turn returns: how it ended, and the ready of code::ok and code::last.
 */
struct turned {
    raftcore::code code; /* ok, last, none or fetch_first */
    std::optional<raftcore::ready> ready;
};

/** What node::step_frames has done. */
struct stepped {
    std::size_t consumed;   /* bytes of whole frames: keep the rest */
    std::uint32_t rejected; /* frames that the node refused and skipped */
    std::optional<error> first; /* why the first of them was refused */
};

/**
 * A node. Owns the raftcore_node; move-only. A node that was moved from refuses each call with
 * code::null. No other thread may be in the node when it is destroyed.
 */
class node {
public:
    // ---- 1  Make and free

    /** Makes a node. Boot it next. */
    static result<node> make(const raftcore_config &config) noexcept {
        raftcore_node *made = nullptr;
        const raftcore_code code = raftcore_new(&config, &made);
        if (code < 0)
            return error(code, &config);
        return node(made);
    }

    /** Takes over a node that C code has made. */
    explicit node(raftcore_node *owned) noexcept : raw_(owned) {}
    node(node &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    node &operator=(node &&other) noexcept {
        if (this != &other) {
            (void)raftcore_free(raw_);
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    node(const node &) = delete;
    node &operator=(const node &) = delete;
    ~node() { (void)raftcore_free(raw_); }

    /** Returns the C handle, for calls of raftcore.h. The node still owns it. */
    raftcore_node *get() const noexcept { return raw_; }

    /** Gives the C handle away: call raftcore_free. */
    raftcore_node *detach() noexcept { return std::exchange(raw_, nullptr); }

    status_code boot(const raftcore_stored &stored) noexcept {
        return check(raftcore_boot(raw_, &stored));
    }
    status_code boot_state(std::uint64_t term, std::uint64_t vote, std::uint64_t commit) noexcept {
        return check(raftcore_boot_state(raw_, term, vote, commit));
    }
    status_code boot_conf(const conf &membership, std::uint64_t before_first,
                          std::uint64_t before_first_term) noexcept {
        return check(raftcore_boot_conf(raw_, &membership.raw(), before_first, before_first_term));
    }
    status_code boot_terms(const raftcore_run *runs, std::size_t count, std::uint64_t last) noexcept {
        return check(raftcore_boot_terms(raw_, runs, count, last));
    }
    status_code boot_entries(const raftcore_entry *list, std::size_t count) noexcept {
        return check(raftcore_boot_entries(raw_, list, count));
    }
    status_code boot_done(std::uint64_t applied) noexcept {
        return check(raftcore_boot_done(raw_, applied));
    }

    /** Copies the node, for tests and explorers. */
    result<node> try_clone() const noexcept {
        raftcore_node *made = nullptr;
        const raftcore_code code = raftcore_try_clone(raw_, &made);
        if (code < 0)
            return error(code, raw_);
        return node(made);
    }

    // ---- 2  The loop

    status_code tick(std::uint32_t ticks) noexcept { return check(raftcore_tick(raw_, ticks)); }

    /** peer: the authenticated sender; 0: unchecked. */
    status_code step(std::uint64_t peer, bytes message) noexcept {
        return check(raftcore_step(raw_, peer, message.data(), message.size()));
    }

    /** Takes all whole frames. A refused frame is no error of the call: see stepped. */
    result<stepped> step_frames(std::uint64_t peer, bytes buffer) noexcept {
        stepped done{};
        raftcore_code first = RAFTCORE_OK;
        const raftcore_code code = raftcore_step_frames(
            raw_, peer, buffer.data(), buffer.size(), &done.consumed, &done.rejected, &first);
        if (code < 0)
            return error(code, raw_);
        if (first < 0)
            done.first = error(first, raw_);
        return done;
    }

    status_code propose(bytes data, std::uint64_t token) noexcept {
        const raftcore_slice part = data;
        return propose(&part, 1, token);
    }

    /** Proposes an entry in pieces. `bytes` converts to raftcore_slice. */
    status_code propose(const raftcore_slice *parts, std::size_t count, std::uint64_t token) noexcept {
        return check(raftcore_propose(raw_, parts, count, token));
    }

    /** data: a slice per entry. tokens: as many, or NULL. */
    status_code propose_many(const raftcore_slice *data, const std::uint64_t *tokens,
                             std::size_t count) noexcept {
        return check(raftcore_propose_many(raw_, data, tokens, count));
    }
    status_code propose_entry(entry_kind kind, bytes data, std::uint64_t token) noexcept {
        return check(
            raftcore_propose_entry(raw_, static_cast<std::uint32_t>(kind), data, token));
    }

    /** Proposes only if this node leads in the term, and never forwards. status: the term. */
    status_code propose_in_term(std::uint64_t term, bytes data, std::uint64_t token) noexcept {
        const raftcore_slice part = data;
        return propose_in_term(term, &part, 1, token);
    }
    status_code propose_in_term(std::uint64_t term, const raftcore_slice *parts, std::size_t count,
                                std::uint64_t token) noexcept {
        return check(raftcore_propose_in_term(raw_, term, parts, count, token));
    }

    /** Proposes with bytes beside the data. code::unsupported: not in dialect::eraftpb. */
    status_code propose_with_context(entry_kind kind, bytes context, bytes data,
                                     std::uint64_t token) noexcept {
        return check(raftcore_propose_with_context(raw_, static_cast<std::uint32_t>(kind), context,
                                                   data, token));
    }

    /** Returns the work that waits. */
    result<bits<has>> has_ready() const noexcept {
        const std::int32_t found = raftcore_has_ready(raw_);
        if (found < 0)
            return error(found, raw_);
        return bits<has>(static_cast<std::uint64_t>(found));
    }

    /** Returns the next ready; no value: nothing to do. */
    result<std::optional<ready>> get_ready() noexcept {
        return filled<ready>([this](raftcore_ready *out) { return raftcore_get_ready(raw_, out); });
    }

    /** Returns an outstanding ready again; no value: none with the number. */
    result<std::optional<ready>> view(std::uint64_t number) noexcept {
        return filled<ready>(
            [&](raftcore_ready *out) { return raftcore_view(raw_, number, out); });
    }

    /** Ends the readies up to number, and their memory. */
    status_code advance(std::uint64_t number) noexcept {
        return check(raftcore_advance(raw_, number));
    }

    /** Returns the next fetch; no value: none. */
    result<std::optional<fetch>> next_fetch() noexcept {
        return filled<fetch>(
            [this](raftcore_fetch *out) { return raftcore_next_fetch(raw_, out); });
    }

    /** id: fetch::raw().id. So in the next two calls. */
    status_code supply_entries(std::uint64_t id, const raftcore_entry *list,
                               std::size_t count) noexcept {
        return check(raftcore_supply_entries(raw_, id, list, count));
    }
    status_code supply_snapshot(std::uint64_t id, std::uint64_t index, const conf &membership,
                                bytes data) noexcept {
        return check(raftcore_supply_snapshot(raw_, id, index, &membership.raw(), data));
    }
    status_code supply_none(std::uint64_t id, supply why) noexcept {
        return check(raftcore_supply_none(raw_, id, static_cast<std::uint32_t>(why)));
    }
    status_code compacted(std::uint64_t index) noexcept {
        return check(raftcore_compacted(raw_, index));
    }
    status_code report_unreachable(std::uint64_t peer) noexcept {
        return check(raftcore_report_unreachable(raw_, peer));
    }
    status_code report_snapshot(std::uint64_t peer, snapshot_report how) noexcept {
        return check(raftcore_report_snapshot(raw_, peer, static_cast<std::uint32_t>(how)));
    }

    /** Returns how many ticks you may sleep if nothing arrives. */
    result<std::uint32_t> ticks_until_due() const noexcept {
        std::uint32_t ticks = 0;
        const raftcore_code code = raftcore_ticks_until_due(raw_, &ticks);
        if (code < 0)
            return error(code, raw_);
        return ticks;
    }

    /** Writes the frame that opens a connection, and returns its bytes. */
    result<std::size_t> hello(std::uint8_t *buf, std::size_t cap) const noexcept {
        std::size_t size = 0;
        const raftcore_code code = raftcore_hello(raw_, buf, cap, &size);
        if (code < 0)
            return error(code, raw_);
        return size;
    }

    /** Judges a peer's opening frame. code::not_for_me: close the connection; detail() says why. */
    status_code hello_check(bytes whole_frame) noexcept {
        return check(raftcore_hello_check(raw_, whole_frame.data(), whole_frame.size()));
    }

    /** Does a turn of the loop. `in` receives what became of the frames. */
    result<turned> turn(raftcore_input &in) noexcept {
        raftcore::ready taken;
        const raftcore_code code = raftcore_turn(raw_, &in, taken.out());
        if (code < 0)
            return error(code, raw_);
        turned done{static_cast<raftcore::code>(code), std::nullopt};
        if (code == RAFTCORE_OK || code == RAFTCORE_LAST)
            done.ready = taken;
        return done;
    }

    // ---- 3  Reads and membership

    status_code read_index(std::uint64_t token) noexcept {
        return check(raftcore_read_index(raw_, token));
    }
    status_code propose_conf(const raftcore_change *changes, std::size_t count, transition way,
                             bytes context, std::uint64_t token) noexcept {
        return check(raftcore_propose_conf(raw_, changes, count, static_cast<std::uint32_t>(way),
                                           context, token));
    }

    /** As propose_conf, if the membership is as of index. code::stale: another one is in force. */
    status_code propose_conf_at(std::uint64_t index, const raftcore_change *changes,
                                std::size_t count, transition way, bytes context,
                                std::uint64_t token) noexcept {
        return check(raftcore_propose_conf_at(raw_, index, changes, count,
                                              static_cast<std::uint32_t>(way), context, token));
    }

    /** Applies a committed change, and returns the new membership. code::stale: was done before. */
    result<conf> apply_conf(entry change) noexcept {
        return filled_conf(
            [&](raftcore_conf *out) { return raftcore_apply_conf(raw_, &change.raw(), out); });
    }
    result<conf> skip_conf(std::uint64_t index) noexcept {
        return filled_conf([&](raftcore_conf *out) { return raftcore_skip_conf(raw_, index, out); });
    }
    result<conf> apply_change(entry_kind kind, bytes data) noexcept {
        return filled_conf([&](raftcore_conf *out) {
            return raftcore_apply_change(raw_, static_cast<std::uint32_t>(kind), data, out);
        });
    }
    result<conf> get_conf() noexcept {
        return filled_conf([this](raftcore_conf *out) { return raftcore_get_conf(raw_, out); });
    }
    status_code campaign() noexcept { return check(raftcore_campaign(raw_)); }
    status_code transfer(std::uint64_t to) noexcept { return check(raftcore_transfer(raw_, to)); }
    status_code abort_transfer() noexcept { return check(raftcore_abort_transfer(raw_)); }
    status_code forget_leader() noexcept { return check(raftcore_forget_leader(raw_)); }
    status_code set_electable(bool on) noexcept {
        return check(raftcore_set_electable(raw_, on ? 1 : 0));
    }
    status_code set_priority(std::int32_t priority) noexcept {
        return check(raftcore_set_priority(raw_, priority));
    }
    /** max_inflight_msgs: appends, 0 to 65536; 0 pauses the peer. */
    status_code set_window(std::uint64_t peer, std::uint32_t max_inflight_msgs,
                           std::uint64_t max_inflight_bytes) noexcept {
        return check(raftcore_set_window(raw_, peer, max_inflight_msgs, max_inflight_bytes));
    }
    /** Puts a peer into a commit group, such as a data centre; 0: none. */
    status_code set_commit_group(std::uint64_t peer, std::uint64_t group) noexcept {
        return check(raftcore_set_commit_group(raw_, peer, group));
    }

    /** Lets the leader make a learner a voter by itself, once the learner has caught up. */
    status_code promote_when_caught_up(std::uint64_t peer, bool on) noexcept {
        return check(raftcore_promote_when_caught_up(raw_, peer, on ? 1 : 0));
    }

    /** Asks the leader for a snapshot that replaces state and log of this follower. */
    status_code request_snapshot() noexcept { return check(raftcore_request_snapshot(raw_)); }

    /** Sends a heartbeat to every peer now, at the leader. */
    status_code ping() noexcept { return check(raftcore_ping(raw_)); }

    /** Changes flags of a running node: those in mask become as in values. */
    status_code set_flags(bits<flag> mask, bits<flag> values) noexcept {
        return check(raftcore_set_flags(raw_, mask.raw(), values.raw()));
    }

    /** Switches one flag of a running node. */
    status_code set_flag(flag one, bool on) noexcept {
        const bits<flag> mask(static_cast<std::uint64_t>(one));
        return set_flags(mask, on ? mask : bits<flag>(0));
    }

    /** Gives back memory that the node does not need now. */
    status_code trim() noexcept { return check(raftcore_trim(raw_)); }
    status_code set_commit_broadcast(bool at_once) noexcept {
        return check(raftcore_set_commit_broadcast(raw_, at_once ? 1 : 0));
    }
    status_code set_election_timeout(std::uint32_t ticks) noexcept {
        return check(raftcore_set_election_timeout(raw_, ticks));
    }

    // ---- 4  Asynchronous storage

    status_code persisted(std::uint64_t number) noexcept {
        return check(raftcore_persisted(raw_, number));
    }
    status_code applied(std::uint64_t index) noexcept { return check(raftcore_applied(raw_, index)); }

    /** Ends the memory of the readies up to number. */
    status_code release(std::uint64_t number) noexcept {
        return check(raftcore_release(raw_, number));
    }
    status_code step_local(bytes message) noexcept {
        return check(raftcore_step_local(raw_, message.data(), message.size()));
    }

    // ---- 6  Looking inside

    result<status> get_status() const noexcept {
        status found;
        const raftcore_code code = raftcore_get_status(raw_, found.out());
        if (code < 0)
            return error(code, raw_);
        return found;
    }

    /** Fills in room for cap peers, and returns a range over those that fit. config::max_peers. */
    result<strided<raftcore_peer, peer>> get_peers(raftcore_peer *room, std::size_t cap) const noexcept {
        std::size_t count = 0;
        const raftcore_code code = raftcore_get_peers(raw_, room, cap, &count);
        if (code < 0)
            return error(code, raw_);
        return strided<raftcore_peer, peer>(room, count < cap ? count : cap);
    }

    /** Returns the oldest event; no value: none. */
    result<std::optional<event>> next_event() noexcept {
        return filled<event>(
            [this](raftcore_event *out) { return raftcore_next_event(raw_, out); });
    }
    std::uint64_t digest(bool with_random) const noexcept {
        return raftcore_digest(raw_, with_random ? 1 : 0);
    }

private:
    status_code check(raftcore_code code) const noexcept { return checked(code, raw_); }

    template <class Record, class Call> result<std::optional<Record>> filled(Call call) const noexcept {
        Record taken;
        const raftcore_code code = call(taken.out());
        if (code < 0)
            return error(code, raw_);
        return code == RAFTCORE_OK ? std::optional<Record>(taken) : std::optional<Record>();
    }

    template <class Call> result<conf> filled_conf(Call call) const noexcept {
        conf taken;
        const raftcore_code code = call(taken.out());
        if (code < 0)
            return error(code, raw_);
        return taken;
    }

    raftcore_node *raw_;
};

// ---- 5  Many nodes

/**
 * Advances the clocks of many nodes: handles of node::get. Writes the positions of those with work
 * to `ready`, at most cap, and returns their number.
 */
inline std::size_t tick_many(raftcore_node *const *nodes, std::size_t count, std::uint32_t ticks,
                             std::uint32_t *ready, std::size_t cap) noexcept {
    return raftcore_tick_many(nodes, count, ticks, ready, cap);
}

} // namespace raftcore

#endif
