#include "server/access/catalogue.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server::access {

const Catalogue& Catalogue::instance() {
  static const Catalogue all;
  return all;
}

Catalogue::Catalogue() {
  for (const Command* const command : all_commands()) {
    verbs_.push_back({std::string(command->name), command, categories_of(*command), key_rule(*command, {})});
  }
  const auto commands = static_cast<VerbNumber>(verbs_.size());
  for (VerbNumber number = 0; number < commands; ++number) add_subcommands(number);
  assert(verbs_.size() <= kMostVerbs);
}

void Catalogue::add_subcommands(VerbNumber container) {
  const Command& command = *verbs_[container].command;
  if (command.subcommands == nullptr) return;
  verbs_[container].first_child = static_cast<VerbNumber>(verbs_.size());
  const auto add = [&](std::string_view name) {
    verbs_.push_back({std::string(command.name).append("|").append(name), &command,
                      categories_of(command, name), key_rule(command, name), 0, 0, true});
  };
  for (const Subcommand& subcommand : command.subcommands()) add(subcommand.name);
  add("help");
  verbs_[container].children = static_cast<VerbNumber>(verbs_.size() - verbs_[container].first_child);
}

std::optional<VerbNumber> Catalogue::find(std::string_view name) const {
  const std::size_t bar = name.find('|');
  const std::uint32_t index = find_registered(name.substr(0, bar)).index;
  if (find_registered(name.substr(0, bar)).command == nullptr) return std::nullopt;
  if (bar == std::string_view::npos) return static_cast<VerbNumber>(index);
  const std::string_view args[] = {name.substr(0, bar), name.substr(bar + 1)};
  const Verb& container = verbs_[index];
  return container.children == 0 ? std::nullopt : verb_of(*container.command, args);
}

std::optional<VerbNumber> Catalogue::verb_of(const Command& command,
                                             std::span<const std::string_view> args) const {
  const auto number = static_cast<VerbNumber>(find_registered(command.name).index);
  const Verb& verb = verbs_[number];
  if (verb.children == 0 || args.size() < 2) return number;
  const std::size_t prefix = command.name.size() + 1;
  for (VerbNumber child = verb.first_child; child < verb.first_child + verb.children; ++child) {
    if (equals_ignoring_case(args[1], std::string_view(verbs_[child].name).substr(prefix))) return child;
  }
  return std::nullopt;
}

}  // namespace forebay::server::access
