#include "server/pubsub/key_notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/database_key.h"
#include "forebay/layer.h"
#include "server/log.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kKeyspace = 1u << 0;
constexpr std::uint32_t kKeyevent = 1u << 1;
constexpr std::uint32_t kGeneric = 1u << 2;
constexpr std::uint32_t kString = 1u << 3;
constexpr std::uint32_t kExpired = 1u << 4;
constexpr std::uint32_t kEvicted = 1u << 5;

struct Letter {
  char letter;
  std::uint32_t event;
  std::string_view group;  // of commands whose events it is
};

// In the order in which CONFIG GET shows them.
constexpr std::array kLetters{
    Letter{'g', kGeneric, "generic"}, Letter{'$', kString, "string"}, Letter{'l', 1u << 6, "list"},
    Letter{'s', 1u << 7, "set"},      Letter{'h', 1u << 8, "hash"},   Letter{'z', 1u << 9, "sorted-set"},
    Letter{'x', kExpired, ""},        Letter{'e', kEvicted, ""},      Letter{'t', 1u << 10, "stream"},
    Letter{'d', 1u << 11, "module"},
};

constexpr std::uint32_t all_events() {
  std::uint32_t all = 0;
  for (const Letter& letter : kLetters) all |= letter.event;
  return all;
}

// Groups of commands whose values are of another one's type.
struct SameAs {
  std::string_view group;
  std::string_view as;
};
constexpr std::array kSame{SameAs{"hyperloglog", "string"}, SameAs{"geo", "sorted-set"}};

// Events that are not called as the command is.
struct Called {
  std::string_view command;
  std::string_view event;
};
constexpr std::array kCalled{
    Called{"incr", "incrby"},
    Called{"decr", "decrby"},
    Called{"getset", "set"},
    Called{"mset", "set"},
    Called{"msetnx", "set"},
    Called{"setnx", "set"},
    Called{"setex", "set"},
    Called{"psetex", "set"},
    Called{"rename", "rename_to"},
    Called{"renamenx", "rename_to"},
    Called{"copy", "copy_to"},
    Called{"zincrby", "zincr"},
    Called{"hmset", "hset"},
    Called{"decrby", "incrby"},
    Called{"hsetnx", "hset"},
    Called{"sort", "sortstore"},
    Called{"lpushx", "lpush"},
    Called{"rpushx", "rpush"},
    Called{"blpop", "lpop"},
    Called{"brpop", "rpop"},
    Called{"bzpopmin", "zpopmin"},
    Called{"bzpopmax", "zpopmax"},
    Called{"pfmerge", "pfadd"},
    Called{"geoadd", "zadd"},
    Called{"georadius", "georadiusstore"},
    Called{"georadiusbymember", "georadiusstore"},
    // What consumers have got is nobody's event.
    Called{"xreadgroup", ""},
    Called{"xack", ""},
    Called{"xclaim", ""},
    Called{"xautoclaim", ""},
};

bool is_said(const CurrentClient& current, std::string_view word, std::size_t from = 1) {
  return std::ranges::any_of(current.args.subspan(std::min(from, current.args.size())),
                             [&](std::string_view arg) { return equals_ignoring_case(arg, word); });
}

// What a command did that moves an element, or takes some from one of several keys: a pop at one key, perhaps a push
// at another. Nothing: the command is none of these.
struct Moves {
  std::string_view pop = {};
  std::string_view push = {};
};
Moves moves_of(const CurrentClient& current) {
  std::string_view name = current.command->name;
  if (name.starts_with('b')) name.remove_prefix(1);
  if (name == "rpoplpush") return {"rpop", "lpush"};
  if (name == "lmove") {
    return {equals_ignoring_case(current.args[3], "left") ? "lpop" : "rpop",
            equals_ignoring_case(current.args[4], "left") ? "lpush" : "rpush"};
  }
  if (name == "smove") return {"srem", "sadd"};
  // Behind the keys, of which one may be called so.
  const auto where = [&](std::string_view word) {
    const std::size_t at = name == current.command->name ? 1 : 2;
    const auto keys = parse_integer(current.args[at]);
    return keys && equals_ignoring_case(current.args[at + 1 + static_cast<std::size_t>(*keys)], word);
  };
  if (name == "lmpop") return {.pop = where("left") ? "lpop" : "rpop"};
  if (name == "zmpop") return {.pop = where("min") ? "zpopmin" : "zpopmax"};
  return {};
}

// Of XGROUP.
std::string_view group_event_of(std::string_view subcommand) {
  constexpr std::array<std::string_view, 5> kEvents{"xgroup-create", "xgroup-createconsumer",
                                                    "xgroup-delconsumer", "xgroup-destroy", "xgroup-setid"};
  constexpr std::size_t kPrefix = std::string_view("xgroup-").size();
  const auto event = std::ranges::find_if(
      kEvents, [&](std::string_view one) { return equals_ignoring_case(subcommand, one.substr(kPrefix)); });
  return event == kEvents.end() ? std::string_view() : *event;
}

std::string_view event_of(const CurrentClient& current, std::string_view key) {
  const std::string_view name = current.command->name;
  if (const Moves moves = moves_of(current); !moves.pop.empty())
    return moves.push.empty() || key == current.args[1] ? moves.pop : moves.push;
  if (name.starts_with("hexpire") || name.starts_with("hpexpire"))
    return name == "hexpired" ? name : "hexpire";
  if (name == "zadd" && is_said(current, "incr", 2)) return "zincr";
  if (name == "xgroup") return group_event_of(current.args[1]);
  const auto called = std::ranges::find(kCalled, name, &Called::command);
  return called == kCalled.end() ? name : called->event;
}

// Whether a key goes because a command has taken the last of what it held, which is an event of its own.
bool took_the_last(const Command& command) {
  return (command.group == "list" || command.group == "hash" || command.group == "set" ||
          command.group == "sorted-set") &&
         !command.name.ends_with("store");
}

std::uint32_t kind_of(const Command& command) {
  const auto same = std::ranges::find(kSame, command.group, &SameAs::group);
  const std::string_view named = same == kSame.end() ? command.group : same->as;
  const std::string_view group = command.name == "sort" ? "list" : named;
  const auto letter = std::ranges::find(kLetters, group, &Letter::group);
  return letter == kLetters.end() ? kGeneric : letter->event;
}

bool gives_a_time(const CurrentClient& current) {
  const std::string_view name = current.command->name;
  if (name == "setex" || name == "psetex") return true;
  if (name != "set") return false;
  return std::ranges::any_of(
      current.args.subspan(std::min<std::size_t>(3, current.args.size())), [](std::string_view option) {
        return equals_ignoring_case(option, "ex") || equals_ignoring_case(option, "px") ||
               equals_ignoring_case(option, "exat") || equals_ignoring_case(option, "pxat");
      });
}

}  // namespace

void KeyNotifier::open(Broker& broker, const Databases& databases, std::shared_ptr<Mailbox> mailbox) {
  broker_ = &broker;
  databases_ = &databases;
  mailbox_ = std::move(mailbox);
}

std::optional<std::uint32_t> KeyNotifier::parse(std::string_view letters) {
  std::uint32_t events = 0;
  for (const char letter : letters) {
    const auto known = std::ranges::find(kLetters, letter, &Letter::letter);
    if (known != kLetters.end()) {
      events |= known->event;
    } else if (letter == 'A') {
      events |= all_events();
    } else if (letter == 'K') {
      events |= kKeyspace;
    } else if (letter == 'E') {
      events |= kKeyevent;
    } else {
      return std::nullopt;
    }
  }
  return events;
}

std::string KeyNotifier::letters(std::uint32_t events) {
  std::string text;
  if ((events & all_events()) == all_events()) {
    text += 'A';
  } else {
    for (const Letter& letter : kLetters) {
      if ((events & letter.event) != 0) text += letter.letter;
    }
  }
  if ((events & kKeyspace) != 0) text += 'K';
  if ((events & kKeyevent) != 0) text += 'E';
  return text;
}

void KeyNotifier::changed(const NamespaceInfo& space, std::string_view key, KeyChange how) {
  if (space.bound) return;
  const CurrentClient& current = CurrentClient::of_this_thread();
  switch (how) {
    case KeyChange::kStored:
      if (current.command == nullptr) return add(kString, "set", key);
      // Redis tells of a list that is turned as of two.
      if (const Moves moves = moves_of(current); !moves.push.empty() && current.args[1] == current.args[2])
        add(kind_of(*current.command), moves.push, key);
      add(kind_of(*current.command), event_of(current, key), key);
      if (gives_a_time(current)) add(kGeneric, "expire", key);
      return;
    case KeyChange::kRetimed:
      return add(kGeneric, "expire", key);
    case KeyChange::kPersisted:
      return add(kGeneric, "persist", key);
    case KeyChange::kDropped: {
      if (current.command != nullptr && took_the_last(*current.command))
        add(kind_of(*current.command), event_of(current, key), key);
      const bool renamed = current.command != nullptr && current.command->name.starts_with("rename");
      return add(kGeneric, renamed ? "rename_from" : "del", key);
    }
    case KeyChange::kExpired:
      return add(kExpired, "expired", key);
    case KeyChange::kEvicted:
      return add(kEvicted, "evicted", key);
    case KeyChange::kChanged:
    case KeyChange::kDoubtful:
      return;
  }
}

void KeyNotifier::add(std::uint32_t kind, std::string_view name, std::string_view key) {
  if ((events() & kind) == 0 || name.empty()) return;
  const MutexLock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    static LogLimit limit;
    log_warning(limit, "resp: keyspace notifications are lost: they come faster than they can be published");
    return;
  }
  waiting_.push_back({std::string(key), name});
  if (!std::exchange(woken_, true)) mailbox_->post([this] { publish(); });
}

void KeyNotifier::publish() {
  std::vector<Event> events;
  {
    const MutexLock lock(mutex_);
    events.swap(waiting_);
    woken_ = false;
  }
  const std::uint32_t wanted = this->events();
  for (const Event& event : events) {
    const unsigned database = databases_->database_at(database_of(event.key));
    const std::string key(without_database(event.key));
    if ((wanted & kKeyspace) != 0)
      broker_->publish(Topic::kChannel, fmt::format("__keyspace@{}__:{}", database, key), event.name);
    if ((wanted & kKeyevent) != 0)
      broker_->publish(Topic::kChannel, fmt::format("__keyevent@{}__:{}", database, event.name), key);
  }
}

}  // namespace forebay::server
