#include "server/access/user.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/access/password.h"
#include "server/admission.h"
#include "server/resp/commands/registry.h"

namespace forebay::server::access {
namespace {

bool opens_selector(std::string_view word) {
  return word.starts_with('(') && !word.ends_with(')');
}

}  // namespace

std::vector<std::string_view> split_rules(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(kSpaces); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpaces, end);
  }
  return words;
}

User::User(std::string name) : name_(std::move(name)), selectors_(1) {}

User User::unrestricted_default() {
  User user{std::string(kDefaultUser)};
  user.on_ = user.no_password_ = true;
  user.selectors_.front() = Selector::everything();
  return user;
}

// Words from one that begins with ( to one that ends with ) are one rule.
std::optional<WrongRule> User::apply(std::span<const std::string_view> words) {
  const auto wrong = [](std::size_t at, std::string rule, RuleError error) {
    std::string text = fmt::format("Error in ACL SETUSER modifier '{}': {}", rule, text_of(error));
    return WrongRule{at, std::move(rule), std::move(text)};
  };
  struct Rule {
    std::size_t at;
    std::string text;
  };
  std::vector<Rule> rules;
  std::optional<Rule> open;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (open) {
      open->text.append(" ").append(words[at]);
      if (!words[at].ends_with(')')) continue;
      rules.push_back(*std::exchange(open, std::nullopt));
    } else if (opens_selector(words[at])) {
      open = Rule{at, std::string(words[at])};
    } else {
      rules.push_back({at, std::string(words[at])});
    }
  }
  if (open) {
    const std::string word(words[open->at]);
    return WrongRule{open->at, word,
                     fmt::format("Unmatched parenthesis in acl selector starting at '{}'.", word)};
  }
  for (Rule& rule : rules) {
    if (const RuleError error = apply_word(rule.text); error != RuleError::kNone)
      return wrong(rule.at, std::move(rule.text), error);
  }
  return std::nullopt;
}

RuleError User::apply_word(std::string_view word) {
  if (word.empty() || apply_switch(word)) return RuleError::kNone;
  if (std::string_view(">#<!").find(word.front()) != std::string_view::npos) return change_password(word);
  if (word.starts_with('(') && word.ends_with(')')) return add_selector(word.substr(1, word.size() - 2));
  return selectors_.front().apply(word);
}

// False: it is another word.
bool User::apply_switch(std::string_view word) {
  const auto is = [word](std::string_view name) { return equals_ignoring_case(word, name); };
  if (is("on") || is("off")) {
    on_ = is("on");
  } else if (is("nopass") || is("resetpass")) {
    no_password_ = is("nopass");
    passwords_.clear();
  } else if (is("sanitize-payload") || is("skip-sanitize-payload")) {
    sanitizes_ = is("sanitize-payload");
  } else if (is("clearselectors")) {
    selectors_.resize(1);
  } else if (is("reset")) {
    reset();
  } else {
    return false;
  }
  return true;
}

void User::reset() {
  *this = User(std::move(name_));
}

// >password and #hash add one, <password and !hash take one away.
RuleError User::change_password(std::string_view word) {
  const bool hashed = word.front() == '#' || word.front() == '!';
  const std::string_view given = word.substr(1);
  if (hashed && !is_password_hash(given)) return RuleError::kBadHash;
  const std::string hash = hashed ? std::string(given) : hash_of_password(given);
  const auto found = std::ranges::find(passwords_, hash);
  if (word.front() == '>' || word.front() == '#') {
    if (found == passwords_.end()) passwords_.push_back(hash);
    no_password_ = false;
    return RuleError::kNone;
  }
  if (found == passwords_.end()) return RuleError::kNoSuchPassword;
  passwords_.erase(found);
  return RuleError::kNone;
}

RuleError User::add_selector(std::string_view rules) {
  Selector selector;
  for (const std::string_view word : split_rules(rules)) {
    if (const RuleError error = selector.apply(word); error != RuleError::kNone) return error;
  }
  selectors_.push_back(std::move(selector));
  return RuleError::kNone;
}

bool User::unrestricted() const {
  return std::ranges::any_of(selectors_, &Selector::unrestricted);
}

bool User::accepts(std::string_view password) const {
  if (!on_) return false;
  if (no_password_) return true;
  const std::string given = hash_of_password(password);
  bool right = false;
  for (const std::string& hash : passwords_) right = equal_in_constant_time(given, hash) || right;
  return right;
}

Refusal User::check(const Request& request) const {
  Refusal worst;
  for (const Selector& selector : selectors_) {
    const Refusal refusal = selector.check(request);
    if (refusal.what == Refused::kNothing) return refusal;
    if (refusal.what > worst.what || (refusal.what == worst.what && refusal.at > worst.at)) worst = refusal;
  }
  return worst;
}

bool User::allows_channel(std::string_view name, Selector::Channel what) const {
  return std::ranges::any_of(selectors_,
                             [&](const Selector& selector) { return selector.allows_channel(name, what); });
}

bool User::allows_with_all_keys(const Request& request) const {
  return std::ranges::any_of(selectors_, [&](const Selector& selector) {
    return selector.reads_all_keys() && selector.check(request).what == Refused::kNothing;
  });
}

std::vector<std::string_view> User::flags() const {
  std::vector<std::string_view> flags{on_ ? "on" : "off"};
  if (no_password_) flags.emplace_back("nopass");
  flags.emplace_back(sanitizes_ ? "sanitize-payload" : "skip-sanitize-payload");
  return flags;
}

std::string User::describe() const {
  std::string line = "user " + name_;
  for (const std::string_view flag : flags()) line.append(" ").append(flag);
  for (const std::string& hash : passwords_) line.append(" #").append(hash);
  const std::string root_text = root().describe();
  line.append(" ").append(root_text);
  for (std::size_t i = 1; i < selectors_.size(); ++i)
    line.append(" (").append(selectors_[i].describe()).append(")");
  return line;
}

}  // namespace forebay::server::access
