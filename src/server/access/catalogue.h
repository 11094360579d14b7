#pragma once

// All commands and subcommands, numbered, as access rules name them: `get`, `config|get`. Immutable, made of the
// registry when it is asked for first.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/category.h"
#include "server/access/key_rights.h"
#include "server/resp/commands/command.h"

namespace forebay::server::access {

using VerbNumber = std::uint16_t;
inline constexpr std::size_t kMostVerbs = 512;

struct Verb {
  std::string name;        // lower case; of a subcommand `container|subcommand`
  const Command* command;  // of a subcommand its container
  Categories categories;
  KeyRule keys;
  VerbNumber first_child = 0;  // of a container: its subcommands' numbers follow one another
  VerbNumber children = 0;
  bool subcommand = false;
};

class Catalogue {
 public:
  static const Catalogue& instance();

  // By name in any case, with | before a subcommand.
  std::optional<VerbNumber> find(std::string_view name) const;
  // What a request asks for; none: a subcommand that there is not, which its handler refuses. `args` has at least the
  // command's name. O(subcommands).
  std::optional<VerbNumber> verb_of(const Command& command, std::span<const std::string_view> args) const;
  const Verb& operator[](VerbNumber number) const { return verbs_[number]; }
  std::span<const Verb> verbs() const { return verbs_; }

 private:
  Catalogue();
  void add_subcommands(VerbNumber container);

  std::vector<Verb> verbs_;  // the commands by their number in the registry, then the subcommands
};

}  // namespace forebay::server::access
