/*
 * raftcore/views.hpp: results with errors, bytes, ranges over arrays with a stride, and views of the
 * records of raftcore.h. Included by raftcore.hpp.
 *
 * A view owns nothing. `operator->` of a view reaches the numbers of the C record, with the names
 * and units of raftcore.h; functions return what C++ has better types for.
 */
#ifndef RAFTCORE_VIEWS_HPP
#define RAFTCORE_VIEWS_HPP

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "numbers.hpp"

namespace raftcore {

/** Why a call failed: its code, and the node's explanation at the time of the failure. */
class error {
public:
    /** Captures a code of a call without a node. */
    explicit error(raftcore_code code) noexcept : code_(code) { detail_[0] = 0; }

    /** Captures a code and raftcore_error_detail of the node. NULL: no explanation. */
    error(raftcore_code code, const raftcore_node *node) noexcept : error(code) {
        if (node != nullptr)
            (void)raftcore_error_detail(node, detail_, sizeof detail_);
    }

    /** Captures a code and raftcore_config_error of the configuration. */
    error(raftcore_code code, const raftcore_config *config) noexcept : error(code) {
        (void)raftcore_config_error(config, detail_, sizeof detail_);
    }

    raftcore::code code() const noexcept { return static_cast<raftcore::code>(code_); }

    /** Returns the text of the code. Lives for ever, with a NUL at the end. */
    const char *text() const noexcept { return raftcore_strerror(code_); }

    /** Returns the value, limit or setting at fault; empty: nothing to add. NUL at the end. */
    std::string_view detail() const noexcept { return detail_; }

private:
    raftcore_code code_;
    char detail_[256];
};

/** A value or an error. Look at it with `if`, before `*` or `->` for the value, or error(). */
template <class T, class E = error> class [[nodiscard]] result {
public:
    result(T value) noexcept : value_(std::move(value)) {}
    result(const E &error) noexcept : error_(error) {}

    bool ok() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }

    T &operator*() & noexcept { return *held(); }
    const T &operator*() const & noexcept { return *const_cast<result *>(this)->held(); }
    T &&operator*() && noexcept { return std::move(*held()); }
    T *operator->() noexcept { return held(); }
    const T *operator->() const noexcept { return const_cast<result *>(this)->held(); }

    /** Returns the error. Only if there is no value. */
    const E &error() const noexcept {
        assert(!ok());
        return *error_;
    }

private:
    T *held() noexcept {
        assert(ok());
        return &*value_;
    }

    std::optional<T> value_;
    std::optional<E> error_;
};

/** Success or information, or an error. */
using status_code = result<code>;

/** Bytes of somebody else, as an argument or as a result. Literals and strings convert. */
class bytes {
public:
    constexpr bytes() noexcept : slice_{nullptr, 0} {}
    constexpr bytes(raftcore_slice slice) noexcept : slice_(slice) {}
    bytes(const void *first, std::size_t size) noexcept
        : slice_{static_cast<const std::uint8_t *>(first), size} {}
    template <class Text, class = std::enable_if_t<std::is_convertible_v<const Text &, std::string_view>>>
    bytes(const Text &text) noexcept
        : bytes(std::string_view(text).data(), std::string_view(text).size()) {}
#if __cplusplus >= 202002L
    bytes(std::span<const std::byte> span) noexcept : bytes(span.data(), span.size()) {}
    std::span<const std::byte> span() const noexcept {
        return {reinterpret_cast<const std::byte *>(slice_.ptr), slice_.len};
    }
#endif

    const std::uint8_t *data() const noexcept { return slice_.ptr; }
    std::size_t size() const noexcept { return slice_.len; }
    bool empty() const noexcept { return slice_.len == 0; }
    std::string_view view() const noexcept {
        return {reinterpret_cast<const char *>(slice_.ptr), slice_.len};
    }
    operator std::string_view() const noexcept { return view(); }
    operator raftcore_slice() const noexcept { return slice_; }

private:
    raftcore_slice slice_;
};

/**
 * A range over records that lie `stride` bytes apart, as Raw itself or as a view of it. The memory
 * belongs to the node or to the caller.
 */
template <class Raw, class View = const Raw &> class strided {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::remove_cv_t<std::remove_reference_t<View>>;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = View;

        iterator() noexcept = default;
        iterator(const Raw *at, std::size_t stride) noexcept
            : at_(reinterpret_cast<const unsigned char *>(at)), stride_(stride) {}
        View operator*() const noexcept { return View(*reinterpret_cast<const Raw *>(at_)); }
        iterator &operator++() noexcept {
            at_ += stride_;
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator old = *this;
            ++*this;
            return old;
        }
        bool operator==(const iterator &other) const noexcept { return at_ == other.at_; }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        const unsigned char *at_ = nullptr;
        std::size_t stride_ = 0;
    };

    strided() noexcept = default;
    strided(const Raw *first, std::size_t count, std::size_t stride = sizeof(Raw)) noexcept
        : first_(first), count_(count), stride_(stride) {}

    iterator begin() const noexcept { return iterator(first_, stride_); }
    iterator end() const noexcept { return iterator(record(count_), stride_); }
    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }

    /** Returns a record. i: below size(). */
    View operator[](std::size_t i) const noexcept {
        assert(i < count_);
        return View(*record(i));
    }

private:
    const Raw *record(std::size_t i) const noexcept {
        if (i == 0)
            return first_;
        const auto *bytes = reinterpret_cast<const unsigned char *>(first_);
        return reinterpret_cast<const Raw *>(bytes + i * stride_);
    }

    const Raw *first_ = nullptr;
    std::size_t count_ = 0;
    std::size_t stride_ = sizeof(Raw);
};

/** What all views of a record in memory of somebody else have. */
template <class Raw> class record_view {
public:
    explicit record_view(const Raw &raw) noexcept : raw_(&raw) {}
    const Raw *operator->() const noexcept { return raw_; }
    const Raw &raw() const noexcept { return *raw_; }

private:
    const Raw *raw_;
};

/** A record that a call fills in: a copy of the numbers. */
template <class Raw> class record {
public:
    const Raw *operator->() const noexcept { return &raw_; }
    const Raw &raw() const noexcept { return raw_; }

protected:
    record() noexcept = default;
    explicit record(const Raw &raw) noexcept : raw_(raw) {}
    Raw raw_{};
};

/** A view of an entry of the log. Lives as long as the memory that it came from. */
class entry : public record_view<raftcore_entry> {
public:
    using record_view::record_view;
    entry_kind kind() const noexcept { return static_cast<entry_kind>(raw().kind); }
    bytes data() const noexcept { return raw().data; }

    /** Returns the bytes beside the data, with dialect::eraftpb; else nothing. */
    bytes context() const noexcept { return raw().context; }
};
using entries = strided<raftcore_entry, entry>;

/** A view of a message to send. Lives as long as its ready. */
class message : public record_view<raftcore_msg> {
public:
    using record_view::record_view;
    message_kind kind() const noexcept { return static_cast<message_kind>(raw().kind); }
    bits<message_flag> flags() const noexcept { return bits<message_flag>(raw().flags); }

    /** Returns the pieces of the frame, in order. raw().frame is an iovec on POSIX systems. */
    strided<raftcore_slice, bytes> frame() const noexcept { return {raw().frame, raw().n_frame}; }

    /** Returns the entries, with flag::decoded_msgs; else nothing. */
    raftcore::entries entries() const noexcept {
        return {raw().entries, raw().n_entries, raw().entry_stride};
    }
    bytes context() const noexcept { return raw().context; }
    bytes snapshot_conf() const noexcept { return raw().snapshot_conf; }

    /** Joins the frame in a buffer of yours with cap bytes, at least raw().frame_bytes. */
    result<std::size_t> flatten(std::uint8_t *buf, std::size_t cap) const noexcept {
        std::size_t size = 0;
        const raftcore_code code = raftcore_flatten(&raw(), buf, cap, &size);
        if (code < 0)
            return error(code);
        return size;
    }
};

/** Returns the text of a reason; empty: no particular one. Lives for ever. */
inline const char *reason_text(reason why) noexcept {
    return raftcore_reason_text(static_cast<std::uint32_t>(why));
}

/** A view of a proposal or read that failed. Lives as long as its ready. */
class drop : public record_view<raftcore_drop> {
public:
    using record_view::record_view;
    drop_what what() const noexcept { return static_cast<drop_what>(raw().what); }
    raftcore::reason reason() const noexcept { return static_cast<raftcore::reason>(raw().reason); }
};

/**
 * A portion of work: node::get_ready.
 *
 * The object holds numbers and pointers, and may be copied. The memory behind it lives until
 * node::advance or node::release of its number, or the end of the node. Neither a destructor nor a
 * copy acknowledges a ready: an early return in your code loses nothing, and the node returns the
 * ready again (storage::sync: get_ready, else view).
 */
class ready : public record<raftcore_ready> {
public:
    ready() noexcept { raw_.struct_size = sizeof raw_; }

    std::uint64_t number() const noexcept { return raw_.number; }
    raftcore::role role() const noexcept { return static_cast<raftcore::role>(raw_.role); }
    bits<ready_flag> flags() const noexcept { return bits<ready_flag>(raw_.flags); }
    bool must_sync() const noexcept { return flags().test(ready_flag::must_sync); }
    bool has_snapshot() const noexcept { return flags().test(ready_flag::snapshot); }
    bytes snapshot_conf() const noexcept { return raw_.snapshot_conf; }
    bytes snapshot_data() const noexcept { return raw_.snapshot_data; }

    /** Returns the entries to store: they replace the log from the first index on. */
    raftcore::entries entries() const noexcept {
        return {raw_.entries, raw_.n_entries, raw_.entry_stride};
    }

    /** Returns the entries to apply. See flag::committed_spans for an empty range. */
    raftcore::entries committed() const noexcept {
        return {raw_.committed, raw_.n_committed, raw_.entry_stride};
    }
    strided<raftcore_msg, message> messages() const noexcept {
        return {raw_.msgs, raw_.n_msgs, raw_.msg_stride};
    }
    strided<raftcore_read> reads() const noexcept {
        return {raw_.reads, raw_.n_reads, raw_.read_stride};
    }
    strided<raftcore_drop, drop> dropped() const noexcept {
        return {raw_.dropped, raw_.n_dropped, raw_.drop_stride};
    }
    strided<raftcore_done> done() const noexcept {
        return {raw_.done, raw_.n_done, raw_.done_stride};
    }

    /** Returns the struct for a C function that fills it in. */
    raftcore_ready *out() noexcept { return &raw_; }
};

/** Ids of nodes, of somebody else. */
using ids = strided<std::uint64_t>;

/** A request for entries or a snapshot: node::next_fetch. Answer it with node::supply_*. */
class fetch : public record<raftcore_fetch> {
public:
    fetch() noexcept { raw_.struct_size = sizeof raw_; }
    fetch_kind kind() const noexcept { return static_cast<fetch_kind>(raw_.kind); }
    raftcore_fetch *out() noexcept { return &raw_; }
};

/** An event: node::next_event. */
class event : public record<raftcore_event> {
public:
    event_kind kind() const noexcept { return static_cast<event_kind>(raw_.kind); }
    raftcore::reason reason() const noexcept { return static_cast<raftcore::reason>(raw_.reason); }

    /** Returns the text of the kind. Lives for ever. */
    const char *text() const noexcept { return raftcore_event_text(raw_.kind); }
    raftcore_event *out() noexcept { return &raw_; }
};

/** The state of a node: node::get_status. */
class status : public record<raftcore_status> {
public:
    status() noexcept { raw_.struct_size = sizeof raw_; }
    raftcore::role role() const noexcept { return static_cast<raftcore::role>(raw_.role); }
    raftcore_status *out() noexcept { return &raw_; }
};

/** A member, as the leader sees it: a view of a record of node::get_peers. */
class peer : public record_view<raftcore_peer> {
public:
    using record_view::record_view;
    raftcore::flow flow() const noexcept { return static_cast<raftcore::flow>(raw().flow); }
    bits<peer_flag> flags() const noexcept { return bits<peer_flag>(raw().flags); }
};

} // namespace raftcore

#endif
