// The installed library from C++: a group of one elects itself, commits and applies. Answers 0 if it did.
#include <raftcore.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

raftcore_code check(raftcore_code code) {
    if (code < 0)
        throw std::runtime_error(raftcore_strerror(code));
    return code;
}

struct Free {
    void operator()(raftcore_node *node) const { (void)raftcore_free(node); }
};
using Node = std::unique_ptr<raftcore_node, Free>;

Node found() {
    static const std::uint64_t voters[] = {1};
    raftcore_config config{};
    check(raftcore_config_init(&config, sizeof config));
    config.id = config.seed = 1;
    raftcore_node *made = nullptr;
    check(raftcore_new(&config, &made));
    Node node(made);
    raftcore_conf conf{};
    conf.struct_size = sizeof conf;
    conf.voters = voters;
    conf.n_voters = 1;
    raftcore_stored stored{};
    stored.struct_size = sizeof stored;
    stored.commit = stored.applied = stored.before_first = stored.before_first_term = stored.last = 1;
    stored.conf = &conf;
    check(raftcore_boot(made, &stored));
    return node;
}

std::string apply_all(raftcore_node *node) {
    std::string applied;
    raftcore_ready ready{};
    ready.struct_size = sizeof ready;
    while (check(raftcore_get_ready(node, &ready)) == RAFTCORE_OK) {
        for (std::uint32_t i = 0; i < ready.n_committed; i++) {
            auto at = reinterpret_cast<const char *>(ready.committed) + std::size_t{ready.entry_stride} * i;
            auto entry = reinterpret_cast<const raftcore_entry *>(at);
            if (entry->data.len > 0)
                applied.append(reinterpret_cast<const char *>(entry->data.ptr), entry->data.len);
        }
        check(raftcore_advance(node, ready.number));
    }
    return applied;
}

} // namespace

int main() try {
    if (raftcore_abi_version() != RAFTCORE_ABI_VERSION)
        throw std::runtime_error("the header is not the library's");
    const Node node = found();
    check(raftcore_campaign(node.get()));
    apply_all(node.get());
    const std::string text = "from C++";
    const raftcore_slice part = {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
    check(raftcore_propose(node.get(), &part, 1, 7));
    return apply_all(node.get()) == text ? 0 : 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
