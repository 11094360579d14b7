#pragma once

// A user: who may log in as it, and what it may do then. Rules are Redis 7.2's (docs/security.md).

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/rule_error.h"
#include "server/access/selector.h"

namespace forebay::server::access {

inline constexpr std::string_view kDefaultUser = "default";

// What is wrong with a user's rules.
struct WrongRule {
  std::size_t word = 0;  // which of those given
  std::string rule;      // it; of a selector all of it
  std::string text;      // why, as Redis has it
};

// Where the words of a text of rules are, split at spaces.
std::vector<std::string_view> split_rules(std::string_view text);

// A value: changed by its owner alone, then shared and not changed any more.
class User {
 public:
  // Off, without a password, and may nothing.
  explicit User(std::string name);
  // As `default` is before anybody has changed it: on, without a password, and may all.
  static User unrestricted_default();

  // Words of rules, in their order. Where one is wrong the user may have been changed by those before.
  std::optional<WrongRule> apply(std::span<const std::string_view> words);

  const std::string& name() const { return name_; }
  bool on() const { return on_; }
  // Any password is right.
  bool needs_no_password() const { return no_password_; }
  // Whether everybody gets in.
  bool open() const { return on_ && no_password_; }
  // Whether it may do whatever there is: its requests need no look.
  bool unrestricted() const;
  // Not told by how long it takes which of the passwords is nearly right.
  bool accepts(std::string_view password) const;
  // SHA-256, in hexadecimal.
  const std::vector<std::string>& passwords() const { return passwords_; }
  // The first is changed by plain rules.
  const std::vector<Selector>& selectors() const { return selectors_; }
  const Selector& root() const { return selectors_.front(); }

  // Whether it may execute this; the refusal of the selector that comes furthest.
  Refusal check(const Request& request) const;
  bool allows_channel(std::string_view name, Selector::Channel what) const;
  // Whether a selector that allows the request may read whatever keys there are: what SORT's patterns need.
  bool allows_with_all_keys(const Request& request) const;

  // As ACL GETUSER names them.
  std::vector<std::string_view> flags() const;
  // The line of ACL LIST.
  std::string describe() const;

 private:
  RuleError apply_word(std::string_view word);
  bool apply_switch(std::string_view word);
  RuleError change_password(std::string_view word);
  RuleError add_selector(std::string_view rules);
  void reset();

  std::string name_;
  bool on_ = false;
  bool no_password_ = false;
  // Kept and told, without effect: no command restores payloads.
  bool sanitizes_ = true;
  std::vector<std::string> passwords_;
  std::vector<Selector> selectors_;
};

}  // namespace forebay::server::access
