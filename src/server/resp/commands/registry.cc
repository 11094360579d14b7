#include "server/resp/commands/registry.h"

#include <array>
#include <cassert>
#include <cstring>
#include <vector>

#include "server/stats.h"

namespace forebay::server {

// One declaration and one row a family.
Family connection_commands();
Family client_commands();
Family server_commands();
Family string_commands();
Family bitmap_commands();
Family hyperloglog_commands();
Family geo_commands();
Family counter_commands();
Family generic_commands();
Family sort_commands();
Family expiry_commands();
Family hash_commands();
Family hash_expiry_commands();
Family list_commands();
Family list_blocking_commands();
Family set_commands();
Family stream_commands();
Family sorted_set_commands();
Family sorted_set_blocking_commands();
Family transaction_commands();
Family scripting_commands();
Family pubsub_commands();
Family forebay_commands();
Family standalone_commands();
Family watching_commands();

namespace {

constexpr Family (*kFamilies[])() = {
    connection_commands,
    client_commands,
    server_commands,
    string_commands,
    bitmap_commands,
    hyperloglog_commands,
    geo_commands,
    stream_commands,
    counter_commands,
    generic_commands,
    expiry_commands,
    hash_commands,
    hash_expiry_commands,
    list_commands,
    set_commands,
    sorted_set_commands,
    sort_commands,
    list_blocking_commands,
    sorted_set_blocking_commands,
    transaction_commands,
    scripting_commands,
    pubsub_commands,
    forebay_commands,
    standalone_commands,
    watching_commands,
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Open addressing over a table much larger than the number of commands, keyed by length and up to sixteen
// bytes of the name with the bit set that tells lower case from upper: two loads and a multiplication, no
// allocation.
class Table {
 public:
  Table() {
    for (const auto family : kFamilies) {
      for (const Command& command : family()) {
        assert(all_.size() < LoopTallies::kMaxCommands);
        std::size_t slot = hash(command.name);
        while (slots_[slot].command != nullptr) slot = (slot + 1) % kSlots;
        slots_[slot] = {&command, static_cast<std::uint32_t>(all_.size())};
        all_.push_back(&command);
      }
    }
  }

  Registered find(std::string_view name) const {
    if (name.empty() || name.size() > kLongest) return {};
    for (std::size_t slot = hash(name); slots_[slot].command != nullptr; slot = (slot + 1) % kSlots) {
      if (equals_ignoring_case(name, slots_[slot].command->name)) return slots_[slot];
    }
    return {};
  }

  const std::vector<const Command*>& all() const { return all_; }

 private:
  static constexpr std::size_t kSlots = 2048;
  static constexpr std::size_t kLongest = 32;

  static std::size_t hash(std::string_view name) {
    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    if (name.size() >= 8) {
      std::memcpy(&head, name.data(), 8);
      std::memcpy(&tail, name.data() + name.size() - 8, 8);
    } else {
      std::memcpy(&head, name.data(), name.size());
    }
    constexpr std::uint64_t kCase = 0x2020202020202020;
    std::uint64_t mixed =
        ((head | kCase) * 0x9e3779b97f4a7c15) ^ ((tail | kCase) * 0xc2b2ae3d27d4eb4f) ^ name.size();
    mixed *= 0xff51afd7ed558ccd;
    return (mixed >> 40) % kSlots;
  }

  std::array<Registered, kSlots> slots_{};
  std::vector<const Command*> all_;
};

const Table& table() {
  static const Table instance;
  return instance;
}

}  // namespace

bool equals_ignoring_case(std::string_view text, std::string_view lower_text) {
  if (text.size() != lower_text.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_text[i]) return false;
  }
  return true;
}

Registered find_registered(std::string_view name) {
  return table().find(name);
}
const Command* find_command(std::string_view name) {
  return table().find(name).command;
}
std::span<const Command* const> all_commands() {
  return table().all();
}

}  // namespace forebay::server
