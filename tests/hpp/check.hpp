// What the tests of raftcore.hpp share: a check, and nodes.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>
#include <cstdlib>

#include "raftcore.hpp"

#define CHECK(condition)                                                                                                 \
    do {                                                                                                                 \
        if (!(condition)) {                                                                                              \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                         \
            std::abort();                                                                                                \
        }                                                                                                                \
    } while (0)

// A node that was not booted.
inline raftcore::node make_node(std::uint64_t id, raftcore::storage mode = raftcore::storage::sync, std::uint64_t flags = 0) {
    raftcore::config c(id, id);
    c.set_storage(mode);
    c.flags |= flags;
    auto made = raftcore::node::make(c);
    CHECK(made);
    return *std::move(made);
}

// The only member of a group, with what `make_node` takes.
inline raftcore::node founder(std::uint64_t id, raftcore::storage mode = raftcore::storage::sync, std::uint64_t flags = 0) {
    raftcore::node n = make_node(id, mode, flags);
    const raftcore::conf self = raftcore::conf::of(&id, 1, 1);
    CHECK(n.boot(raftcore::stored::founding(self)));
    return n;
}

#endif
