#include "server/access/selector.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "server/resp/commands/registry.h"

namespace forebay::server::access {
namespace {

bool has_spaces(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return std::isspace(c) != 0 || c == '\0'; });
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

// Where the pattern of `%R~…` begins and what it is for; none: that is no such word.
struct KeyWord {
  Rights rights;
  std::string_view pattern;
};
std::optional<KeyWord> parse_key_word(std::string_view word) {
  if (word.front() == '~') return KeyWord{kReadAndWrite, word.substr(1)};
  Rights rights = kNoRights;
  std::size_t at = 1;
  for (; at < word.size(); ++at) {
    const char letter = word[at];
    if (letter == '~') {
      ++at;
      break;
    }
    const Rights right = letter == 'R' || letter == 'r' ? kRead : letter == 'W' || letter == 'w' ? kWrite : 0;
    if (right == 0 || (rights & right) != 0) return std::nullopt;
    rights |= right;
  }
  if (rights == kNoRights) return std::nullopt;
  return KeyWord{rights, word.substr(at)};
}

// Which arguments of a command are channels: from this one on to the last; 0: none.
struct Channels {
  std::size_t first = 0;
  bool all = true;  // false: that one only
  Selector::Channel what = Selector::Channel::kName;
};
Channels channels_of(const Command& command) {
  if (command.group != "pubsub") return {};
  if (command.name == "publish" || command.name == "spublish") return {1, false};
  if (command.name == "subscribe" || command.name == "ssubscribe") return {1};
  if (command.name == "psubscribe") return {1, true, Selector::Channel::kPattern};
  return {};  // whoever leaves a channel needs no permission
}

std::string joined(std::string first, std::string_view more) {
  if (!first.empty()) first += ' ';
  return first.append(more);
}

}  // namespace

std::string_view text_of(RuleError error) {
  switch (error) {
    case RuleError::kUnknownCommand:
      return "Unknown command or category name in ACL";
    case RuleError::kKeysAfterAll:
      return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
             "any "
             "effect. Try 'resetkeys' to start with an empty list of patterns";
    case RuleError::kChannelsAfterAll:
      return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
             "have "
             "any effect. Try 'resetchannels' to start with an empty list of channels";
    case RuleError::kNoSuchPassword:
      return "The password you are trying to remove from the user does not exist";
    case RuleError::kBadHash:
      return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
             "characters";
    case RuleError::kFirstArgumentOfSubcommand:
      return "Allowing first-arg of a subcommand is not supported";
    case RuleError::kPatternTooLong:
      return "A pattern has at most 1024 bytes";
    case RuleError::kNone:
    case RuleError::kSyntax:
      break;
  }
  return "Syntax error";
}

Selector Selector::everything() {
  Selector selector;
  selector.set_all_commands(true);
  selector.all_keys_ = selector.all_channels_ = true;
  return selector;
}

RuleError Selector::apply(std::string_view word) {
  if (word.empty()) return RuleError::kNone;
  const auto is = [word](std::string_view name) { return equals_ignoring_case(word, name); };
  if (is("allkeys") || word == "~*" || is("resetkeys")) {
    all_keys_ = !is("resetkeys");
    keys_.clear();
  } else if (is("allchannels") || word == "&*" || is("resetchannels")) {
    all_channels_ = !is("resetchannels");
    channels_.clear();
  } else if (is("allcommands") || is("+@all")) {
    set_all_commands(true);
  } else if (is("nocommands") || is("-@all")) {
    set_all_commands(false);
  } else if (word.front() == '~' || word.front() == '%') {
    return add_keys(word);
  } else if (word.front() == '&') {
    return add_channel(word.substr(1));
  } else if (word.front() == '+' || word.front() == '-') {
    return change_commands(word);
  } else {
    return RuleError::kSyntax;
  }
  return RuleError::kNone;
}

RuleError Selector::add_keys(std::string_view word) {
  if (all_keys_) return RuleError::kKeysAfterAll;
  const auto parsed = parse_key_word(word);
  if (!parsed || has_spaces(parsed->pattern)) return RuleError::kSyntax;
  const auto found = std::ranges::find(keys_, parsed->pattern, &KeyPattern::text);
  if (found != keys_.end()) {
    found->rights |= parsed->rights;
    return RuleError::kNone;
  }
  Result<Glob> glob = Glob::compile(parsed->pattern);
  if (!glob) return RuleError::kPatternTooLong;
  keys_.push_back({std::string(parsed->pattern), std::move(*glob), parsed->rights});
  return RuleError::kNone;
}

RuleError Selector::add_channel(std::string_view pattern) {
  if (all_channels_) return RuleError::kChannelsAfterAll;
  if (has_spaces(pattern)) return RuleError::kSyntax;
  if (std::ranges::find(channels_, pattern, &ChannelPattern::text) != channels_.end())
    return RuleError::kNone;
  Result<Glob> glob = Glob::compile(pattern);
  if (!glob) return RuleError::kPatternTooLong;
  channels_.push_back({std::string(pattern), std::move(*glob)});
  return RuleError::kNone;
}

RuleError Selector::change_commands(std::string_view word) {
  const bool allow = word.front() == '+';
  const std::string_view rule = word.substr(1);
  if (rule.starts_with('@')) return change_category(rule, allow);
  const std::size_t bar = rule.rfind('|');
  if (allow && bar != std::string_view::npos) return allow_first_argument(rule, bar);
  const auto number = Catalogue::instance().find(rule);
  if (!number) return RuleError::kUnknownCommand;
  change(*number, allow);
  remember_rule(Catalogue::instance()[*number].name, allow);
  return RuleError::kNone;
}

// `+config|get`, or of a command without subcommands the one first argument that it may have: `+select|0`.
RuleError Selector::allow_first_argument(std::string_view rule, std::size_t bar) {
  const Catalogue& catalogue = Catalogue::instance();
  const auto command = catalogue.find(rule.substr(0, bar));
  if (!command) return RuleError::kUnknownCommand;
  if (catalogue[*command].subcommand) return RuleError::kFirstArgumentOfSubcommand;
  const std::string argument(rule.substr(bar + 1));
  if (argument.empty()) return RuleError::kSyntax;
  if (catalogue[*command].children != 0) {
    const auto number = catalogue.find(rule);
    if (!number) return RuleError::kUnknownCommand;
    change(*number, true);
  } else {
    std::vector<std::string>& arguments = first_arguments_[*command];
    const bool known = std::ranges::any_of(
        arguments, [&](const std::string& other) { return lower(other) == lower(argument); });
    if (!known) arguments.push_back(argument);
  }
  remember_rule(rule, true);
  return RuleError::kNone;
}

RuleError Selector::change_category(std::string_view category, bool allow) {
  const auto wanted = find_category(category.substr(1));
  if (!wanted) return RuleError::kUnknownCommand;
  remember_rule(category, allow);
  const std::span<const Verb> verbs = Catalogue::instance().verbs();
  for (std::size_t number = 0; number < verbs.size(); ++number) {
    if ((verbs[number].categories & *wanted) != 0) change(static_cast<VerbNumber>(number), allow);
  }
  return RuleError::kNone;
}

void Selector::set_all_commands(bool allow) {
  if (allow) {
    allowed_.set();
  } else {
    allowed_.reset();
  }
  all_commands_ = allow;
  first_arguments_.clear();
  rules_.clear();
}

// With its subcommands, if it has any.
void Selector::change(VerbNumber number, bool allow) {
  const Verb& verb = Catalogue::instance()[number];
  allowed_.set(number, allow);
  first_arguments_.erase(number);
  for (std::size_t child = 0; child < verb.children; ++child) allowed_.set(verb.first_child + child, allow);
  if (!allow) all_commands_ = false;
}

// What a rule says replaces what earlier ones said of the same command or category, or of its subcommands.
void Selector::remember_rule(std::string_view rule, bool allow) {
  const std::string name = lower(rule);
  std::erase_if(rules_, [&](const std::string& earlier) {
    const std::string_view other = std::string_view(earlier).substr(1);
    return other.starts_with(name) && (other.size() == name.size() || other[name.size()] == '|');
  });
  rules_.push_back((allow ? "+" : "-") + name);
}

Refusal Selector::check(const Request& request) const {
  if (!all_commands_ && !allows_command(request)) return {Refused::kCommand, 0};
  if (!all_keys_) {
    if (const auto at = refused_key(request)) return {Refused::kKey, *at};
  }
  if (!all_channels_) {
    if (const auto at = refused_channel(request)) return {Refused::kChannel, *at};
  }
  return {};
}

bool Selector::allows_command(const Request& request) const {
  if (allowed_.test(request.number) || (request.command.flags & kNoAuth) != 0) return true;
  const auto found = first_arguments_.find(request.number);
  if (found == first_arguments_.end() || request.args.size() < 2) return false;
  return std::ranges::any_of(found->second, [&](const std::string& argument) {
    return equals_ignoring_case(request.args[1], lower(argument));
  });
}

std::optional<std::size_t> Selector::refused_key(const Request& request) const {
  std::optional<std::size_t> refused;
  visit_key_rights(request.command, request.verb.keys, request.args, [&](std::size_t at, Rights rights) {
    if (!refused && !allows_key(request.args[at], rights)) refused = at;
  });
  return refused;
}

std::optional<std::size_t> Selector::refused_channel(const Request& request) const {
  const Channels channels = channels_of(request.command);
  if (channels.first == 0) return std::nullopt;
  const std::size_t end = channels.all ? request.args.size() : std::min<std::size_t>(2, request.args.size());
  for (std::size_t at = channels.first; at < end; ++at) {
    if (!allows_channel(request.args[at], channels.what)) return at;
  }
  return std::nullopt;
}

bool Selector::allows_key(std::string_view key, Rights rights) const {
  return all_keys_ || std::ranges::any_of(keys_, [&](const KeyPattern& pattern) {
           return (pattern.rights & rights) == rights && pattern.glob.matches(key);
         });
}

// A pattern must be one of those allowed, letter by letter: what another one matches cannot be told from it.
bool Selector::allows_channel(std::string_view name, Channel what) const {
  return all_channels_ || std::ranges::any_of(channels_, [&](const ChannelPattern& pattern) {
           return what == Channel::kPattern ? pattern.text == name : pattern.glob.matches(name);
         });
}

bool Selector::reads_all_keys() const {
  return all_keys_ || std::ranges::any_of(keys_, [](const KeyPattern& pattern) {
           return (pattern.rights & kRead) != 0 && pattern.text == "*";
         });
}

std::string Selector::commands() const {
  // Whether a command that came into being later would be allowed: it has a number that none has yet.
  std::string text = allowed_.test(kMostVerbs - 1) ? "+@all" : "-@all";
  for (const std::string& rule : rules_) text = joined(std::move(text), rule);
  return text;
}

std::string Selector::keys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& pattern : keys_) {
    const std::string_view mark = pattern.rights == kReadAndWrite ? "~"
                                  : pattern.rights == kRead       ? "%R~"
                                                                  : "%W~";
    text = joined(std::move(text), mark).append(pattern.text);
  }
  return text;
}

std::string Selector::channels() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const ChannelPattern& pattern : channels_) text = joined(std::move(text), "&").append(pattern.text);
  return text;
}

std::string Selector::describe() const {
  std::string text = keys();
  if (!all_channels_) text = joined(std::move(text), "resetchannels");
  if (const std::string all = channels(); !all.empty()) text = joined(std::move(text), all);
  return joined(std::move(text), commands());
}

}  // namespace forebay::server::access
