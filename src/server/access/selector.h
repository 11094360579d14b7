#pragma once

// One set of permissions of a user: commands, keys and channels that go together. A user has one that its plain rules
// change, and one more for each `(…)`.

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "server/access/catalogue.h"
#include "server/access/key_rights.h"
#include "server/access/rule_error.h"
#include "server/resp/commands/command.h"

namespace forebay::server::access {

// What a selector allows at least. Ordered: of several selectors' refusals that is told which comes furthest.
enum class Refused : std::uint8_t { kNothing, kCommand, kKey, kChannel };

struct Refusal {
  Refused what = Refused::kNothing;
  std::size_t at = 0;  // the argument: a key's or a channel's
};

// A request, as a selector looks at it. Views of what the caller keeps.
struct Request {
  const Command& command;
  const Verb& verb;
  VerbNumber number;
  std::span<const std::string_view> args;
};

// Not thread-safe while it is changed; then any number of threads may ask it.
class Selector {
 public:
  // May nothing.
  Selector() = default;
  // May all that there is.
  static Selector everything();

  // One word of a rule in any case, such as `+get`, `-@write`, `~key:*`, `%R~key:*`, `&channel`, `allkeys`.
  RuleError apply(std::string_view word);

  bool all_commands() const { return all_commands_; }
  bool all_keys() const { return all_keys_; }
  bool all_channels() const { return all_channels_; }
  bool unrestricted() const { return all_commands_ && all_keys_ && all_channels_; }

  // O(keys x patterns).
  Refusal check(const Request& request) const;
  bool allows_verb(VerbNumber number) const { return allowed_.test(number); }
  bool allows_key(std::string_view key, Rights rights) const;
  enum class Channel : bool { kName, kPattern };
  bool allows_channel(std::string_view name, Channel what) const;
  // Whether it may read whatever keys there are.
  bool reads_all_keys() const;

  // As ACL GETUSER has them.
  std::string commands() const;
  std::string keys() const;
  std::string channels() const;
  // As ACL LIST has it, without parentheses.
  std::string describe() const;

 private:
  struct KeyPattern {
    std::string text;
    Glob glob;
    Rights rights;
  };
  struct ChannelPattern {
    std::string text;
    Glob glob;
  };

  RuleError add_keys(std::string_view word);
  RuleError add_channel(std::string_view pattern);
  RuleError change_commands(std::string_view word);
  RuleError allow_first_argument(std::string_view rule, std::size_t bar);
  RuleError change_category(std::string_view category, bool allow);
  void set_all_commands(bool allow);
  void change(VerbNumber number, bool allow);
  void remember_rule(std::string_view rule, bool allow);
  bool allows_command(const Request& request) const;
  std::optional<std::size_t> refused_key(const Request& request) const;
  std::optional<std::size_t> refused_channel(const Request& request) const;

  bool all_commands_ = false;
  bool all_keys_ = false;
  bool all_channels_ = false;
  std::bitset<kMostVerbs> allowed_;
  std::map<VerbNumber, std::vector<std::string>>
      first_arguments_;  // of commands that are not allowed without them
  std::vector<std::string>
      rules_;  // about commands, as they were given, without those that later ones replaced
  std::vector<KeyPattern> keys_;
  std::vector<ChannelPattern> channels_;
};

}  // namespace forebay::server::access
