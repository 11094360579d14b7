#include "server/access/users.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay::server::access {
namespace {

constexpr std::string_view kPasswordMarks = "><#!";

// A word may be told if it is a rule by its first letter, and no password: those might be mistyped.
bool may_be_told(std::string_view word) {
  constexpr std::string_view kRuleMarks = "+-~%&(@";
  return !word.empty() && kRuleMarks.find(word.front()) != std::string_view::npos;
}

std::string without_secrets(const WrongRule& wrong) {
  if (may_be_told(wrong.rule)) return wrong.text;
  std::string told = wrong.text;
  const std::size_t at = told.find(wrong.rule);
  if (wrong.rule.empty() || at == std::string::npos) return told;
  const bool password = kPasswordMarks.find(wrong.rule.front()) != std::string_view::npos;
  return told.replace(at, wrong.rule.size(), password ? wrong.rule.substr(0, 1) + "..." : "...");
}

// The default user as a configuration has it: with its password, then as its rules say.
User default_of(const config::Server& options) {
  User user = User::unrestricted_default();
  if (!options.password.empty()) {
    const std::string add = ">" + options.password;
    const std::string_view words[] = {"resetpass", add};
    user.apply(words);
  }
  return user;
}

const config::User* find_user(const config::Server& options, std::string_view name) {
  const auto found = std::ranges::find(options.users, name, &config::User::name);
  return found == options.users.end() ? nullptr : &*found;
}

}  // namespace

Users::Users() {
  const MutexLock lock(mutex_);
  users_.emplace(kDefaultUser, std::make_shared<const User>(User::unrestricted_default()));
}

Result<void> Users::take_over(const config::Server& options) {
  const MutexLock lock(mutex_);
  ByName users = users_;
  for (const std::string& name : configured_) {
    if (name != kDefaultUser) users.erase(name);
  }
  std::vector<std::string> configured;
  const bool had_default = std::ranges::find(configured_, kDefaultUser) != configured_.end();
  if (!options.password.empty() || had_default || find_user(options, kDefaultUser) != nullptr) {
    users[std::string(kDefaultUser)] = std::make_shared<const User>(default_of(options));
    configured.emplace_back(kDefaultUser);
  }
  for (const config::User& given : options.users) {
    User user = given.name == kDefaultUser ? default_of(options) : User(given.name);
    if (const auto wrong = user.apply(split_rules(given.acl))) {
      return Error{ErrorCode::kConfig, fmt::format("[user.{}]: {}", given.name, without_secrets(*wrong))};
    }
    users[given.name] = std::make_shared<const User>(std::move(user));
    if (given.name != kDefaultUser) configured.push_back(given.name);
  }
  configured_ = std::move(configured);
  publish(std::move(users));
  return {};
}

// Release: generation().
void Users::publish(ByName users) {
  users_ = std::move(users);
  open_to_all_.store(users_.find(kDefaultUser)->second->open(), std::memory_order_relaxed);
  some_need_no_password_.store(
      std::ranges::any_of(users_, [](const auto& named) { return named.second->open(); }),
      std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
}

UserRef Users::find(std::string_view name) const {
  const MutexLock lock(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second;
}

std::optional<WrongRule> Users::change(std::string_view name, std::span<const std::string_view> rules) {
  const MutexLock lock(mutex_);
  const auto found = users_.find(name);
  User user = found == users_.end() ? User(std::string(name)) : *found->second;
  if (auto wrong = user.apply(rules)) return wrong;
  ByName users = users_;
  users[std::string(name)] = std::make_shared<const User>(std::move(user));
  publish(std::move(users));
  return std::nullopt;
}

bool Users::remove(std::string_view name) {
  if (name == kDefaultUser) return false;
  const MutexLock lock(mutex_);
  ByName users = users_;
  const auto found = users.find(name);
  if (found == users.end()) return false;
  users.erase(found);
  publish(std::move(users));
  return true;
}

std::vector<UserRef> Users::all() const {
  const MutexLock lock(mutex_);
  std::vector<UserRef> all;
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

UserRef Users::log_in(std::string_view name, std::string_view password) const {
  UserRef user = find(name);
  return user != nullptr && user->accepts(password) ? user : nullptr;
}

std::optional<config::WrongRules> check_rules(std::string_view name, std::string_view rules) {
  User user = name == kDefaultUser ? User::unrestricted_default() : User(std::string(name));
  const std::vector<std::string_view> words = split_rules(rules);
  const auto wrong = user.apply(words);
  if (!wrong) return std::nullopt;
  return config::WrongRules{static_cast<std::size_t>(words[wrong->word].data() - rules.data()),
                            without_secrets(*wrong)};
}

bool lets_everybody_in(const config::Server& options) {
  User user = default_of(options);
  if (const config::User* const given = find_user(options, kDefaultUser)) user.apply(split_rules(given->acl));
  return user.open();
}

}  // namespace forebay::server::access
