/*
 * raftcore/structs.hpp: the structs that you fill in for a node (configuration, membership, stored
 * state, input of a turn), and functions on bytes of the wire. Included by raftcore.hpp.
 */
#ifndef RAFTCORE_STRUCTS_HPP
#define RAFTCORE_STRUCTS_HPP

#include "views.hpp"

namespace raftcore {

/** Makes a result of a code: an error with the explanation of `from`, a node or a configuration. */
template <class From> status_code checked(raftcore_code code, const From *from) noexcept {
    if (code < 0)
        return error(code, from);
    return static_cast<raftcore::code>(code);
}
inline status_code checked(raftcore_code code) noexcept {
    if (code < 0)
        return error(code);
    return static_cast<raftcore::code>(code);
}

/** Returns the ABI version of the library that runs; RAFTCORE_ABI_VERSION is the header's. */
inline std::uint32_t abi_version() noexcept { return raftcore_abi_version(); }

/** Returns the version of the library that runs, such as "0.1.0". Lives for ever. */
inline const char *version() noexcept { return raftcore_version_string(); }

/** Returns the abilities of the library that runs. */
inline bits<feature> features() noexcept { return bits<feature>(raftcore_features()); }

/** The configuration of a node: the fields of raftcore_config, with its units and defaults. */
struct config : raftcore_config {
    /**
     * Fills in the defaults. If header and library do not fit, check() and node::make return
     * code::abi.
     *
     * id    1 to 2^64-17.
     * seed  Not 0; another at each start.
     */
    config(std::uint64_t its_id, std::uint64_t its_seed) noexcept : raftcore_config{} {
        if (raftcore_config_init(this, sizeof(raftcore_config)) != RAFTCORE_OK)
            struct_size = abi_version = 0; // check() and node::make see it
        id = its_id;
        seed = its_seed;
    }

    void set(flag one) noexcept { flags |= static_cast<std::uint64_t>(one); }
    void clear(flag one) noexcept { flags &= ~static_cast<std::uint64_t>(one); }
    bool test(flag one) const noexcept { return bits<flag>(flags).test(one); }
    void set_storage(raftcore::storage mode) noexcept { storage = static_cast<std::uint32_t>(mode); }

    void set_dialect(raftcore::dialect its) noexcept { dialect = static_cast<std::uint32_t>(its); }

    /** Sets the fields in which another library differs. */
    status_code set_preset(preset which) noexcept {
        return checked(raftcore_config_preset(this, static_cast<std::uint32_t>(which)), this);
    }

    /** Returns ok if node::make would take the configuration; the error names the field. */
    status_code check() const noexcept {
        if (raftcore_config_error(this, nullptr, 0) == 0)
            return code::ok;
        return error(RAFTCORE_E_ARG, this);
    }

    /** Returns the bytes of the largest frame that a peer with an equal configuration sends. */
    result<std::uint64_t> frame_limit() const noexcept {
        std::uint64_t bytes = 0;
        const raftcore_code code = raftcore_frame_limit(this, &bytes);
        if (code < 0)
            return error(code, this);
        return bytes;
    }

    /** Returns an upper bound for the bytes of memory of a node. */
    result<std::size_t> footprint() const noexcept {
        std::size_t bytes = 0;
        const raftcore_code code = raftcore_footprint(this, &bytes);
        if (code < 0)
            return error(code, this);
        return bytes;
    }
};

/**
 * The membership of a group: a view.
 *
 * As an argument: of ids or bytes of yours. As a result: the memory lives until the next call that
 * returns a membership of the node, or the end of the node.
 */
class conf : public record<raftcore_conf> {
public:
    conf() noexcept { raw_.struct_size = sizeof raw_; }

    /** Makes a view of ids: count voters, for example all founders. index: 0, or as of where. */
    static conf of(const std::uint64_t *voters, std::uint32_t count, std::uint64_t index) noexcept {
        conf made;
        made.raw_.voters = voters;
        made.raw_.n_voters = count;
        made.raw_.index = index;
        return made;
    }

    /** Makes a view of bytes from a disk or a snapshot, as an earlier membership returned them. */
    static conf of(raftcore::bytes encoded) noexcept {
        conf made;
        made.raw_.bytes = encoded;
        return made;
    }

    /** Sets the dialect of the log, for encode(). */
    void set_dialect(raftcore::dialect its) noexcept {
        raw_.dialect = static_cast<std::uint32_t>(its);
    }
    raftcore::dialect dialect() const noexcept { return static_cast<raftcore::dialect>(raw_.dialect); }

    ids voters() const noexcept { return {raw_.voters, raw_.n_voters}; }
    ids outgoing() const noexcept { return {raw_.outgoing, raw_.n_outgoing}; }
    ids learners() const noexcept { return {raw_.learners, raw_.n_learners}; }
    ids learners_next() const noexcept { return {raw_.learners_next, raw_.n_learners_next}; }

    /** Returns the encoding, for your disk. */
    raftcore::bytes bytes() const noexcept { return raw_.bytes; }

    /** Returns the context of the change: node::apply_conf. */
    raftcore::bytes context() const noexcept { return raw_.context; }

    /** Encodes a membership of ids into a buffer of yours; code::too_small: too few bytes. */
    result<std::size_t> encode(std::uint8_t *buf, std::size_t cap) const noexcept {
        std::size_t size = 0;
        const raftcore_code code = raftcore_conf_encode(&raw_, buf, cap, &size);
        if (code < 0)
            return error(code);
        return size;
    }

    /** Returns the size of encode() in bytes; 0 if the membership cannot be encoded. */
    std::size_t encoded_size() const noexcept {
        std::size_t size = 0;
        const raftcore_code code = raftcore_conf_encode(&raw_, nullptr, 0, &size);
        return code == RAFTCORE_E_TOO_SMALL ? size : 0;
    }

    raftcore_conf *out() noexcept { return &raw_; }
};

/**
 * Sets the memory functions of the library, before any other call of it. They must not throw.
 * code::state: the library has memory already, or the functions are set.
 */
inline status_code set_heap(const raftcore_heap &functions) noexcept {
    return checked(raftcore_set_heap(&functions));
}

/** Everything that you have stored of a node: node::boot. Without more: an empty disk. */
struct stored : raftcore_stored {
    stored() noexcept : raftcore_stored{} { struct_size = sizeof(raftcore_stored); }

    /** Returns what a founder stores, then boots from. Borrows `founders` until the boot. */
    static stored founding(const raftcore::conf &founders) noexcept {
        stored made;
        made.commit = made.applied = made.before_first = made.before_first_term = made.last = 1;
        made.conf = &founders.raw();
        return made;
    }
    static stored founding(raftcore::conf &&) = delete;
};

/** What happened since the last turn: node::turn. The results come back in it. */
struct input : raftcore_input {
    input() noexcept : raftcore_input{} { struct_size = sizeof(raftcore_input); }
};

/** A change of one member. */
inline raftcore_change change(change_kind kind, std::uint64_t id) noexcept {
    return {id, static_cast<std::uint32_t>(kind), 0};
}

/** A frame of a receive buffer. The message lives in the buffer. */
struct frame {
    std::uint64_t group; /* pass the message to a node of this group */
    bytes message;       /* for node::step */
    std::uint64_t size;  /* bytes of the whole frame */
};

/**
 * Walks the frames of a receive buffer. Borrows the buffer.
 *
 *     raftcore::frames walk(buffer, limit);
 *     for (;;) {
 *         auto next = walk.next();        // an error: close the connection
 *         if (!next || !*next)            // no value: the rest is not whole yet
 *             break;
 *         … (*next)->message …
 *     }
 *     // drop walk.consumed() bytes from the buffer, and read on
 */
class frames {
public:
    /** limit: the largest frame that you accept, in bytes: config::frame_limit. */
    frames(bytes buffer, std::uint64_t limit) noexcept : buffer_(buffer), limit_(limit) {}

    /** Returns the next whole frame; no value: there is none. code::decode: too large. */
    result<std::optional<frame>> next() noexcept {
        raftcore_frame found{};
        found.struct_size = sizeof found;
        const raftcore_code code = raftcore_frame_next(
            buffer_.data() + consumed_, buffer_.size() - consumed_, limit_, &found);
        if (code < 0)
            return error(code);
        needed_ = found.bytes;
        if (code != RAFTCORE_OK)
            return std::optional<frame>();
        consumed_ += static_cast<std::size_t>(found.bytes);
        needed_ = 0;
        return std::optional<frame>(frame{found.group, found.msg, found.bytes});
    }

    /** Returns the bytes of the frames so far. */
    std::size_t consumed() const noexcept { return consumed_; }

    /** Returns the bytes of the frame that is not whole yet; 0: not known. */
    std::uint64_t needed() const noexcept { return needed_; }

private:
    bytes buffer_;
    std::uint64_t limit_;
    std::size_t consumed_ = 0;
    std::uint64_t needed_ = 0;
};

/** A snapshot within a message. */
struct snapshot_part {
    bytes data; /* inside the message; empty: the data arrive over your own channel */
    std::uint64_t index, term;
};

/** Finds a snapshot in an incoming message, before node::step. No value: another message. */
inline result<std::optional<snapshot_part>> snapshot_split(bytes message) noexcept {
    raftcore_slice data{};
    std::uint64_t index = 0, term = 0;
    const raftcore_code code =
        raftcore_snapshot_split(message.data(), message.size(), &data, &index, &term);
    if (code < 0)
        return error(code);
    if (code != RAFTCORE_OK)
        return std::optional<snapshot_part>();
    return std::optional<snapshot_part>(snapshot_part{data, index, term});
}

/** Reads the frame that opens a connection: node::hello. node::hello_check judges it for you. */
inline result<raftcore_hello_info> hello_read(bytes whole_frame) noexcept {
    raftcore_hello_info info{};
    info.struct_size = sizeof info;
    const raftcore_code code =
        raftcore_hello_read(whole_frame.data(), whole_frame.size(), &info);
    if (code < 0)
        return error(code);
    return info;
}

} // namespace raftcore

#endif
