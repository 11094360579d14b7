// SORT and SORT_RO: the elements of a list, a set or a sorted set in another order, or what other keys say of them.

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/database_key.h"
#include "base/sort_stably.h"
#include "memory/collection/fields.h"
#include "memory/collection/ranking.h"
#include "memory/collection/sequence.h"
#include "server/access/permission.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/registry.h"
#include "server/resp/session.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

// From this many elements, each with what other keys say of it, on it is done on the slow lane, and is no longer one step for others.
constexpr std::size_t kMany = 10'000;
constexpr std::string_view kNoNumber = "ERR One or more scores can't be converted into double";

struct Sorting {
  std::string key;
  std::string database;  // what the names of its keys begin with
  std::optional<std::string> by;
  std::vector<std::string> get;
  std::optional<std::string> store;
  std::int64_t from = 0;
  std::int64_t count = -1;  // negative: all
  bool descending = false;
  bool by_text = false;
  bool in_order = true;  // false: as they are, BY a pattern without `*`
  bool in_exec = false;
};

struct Element {
  std::string text;
  double number = 0;
  std::optional<std::string> weight = {};  // BY ... ALPHA: what the other key says; nothing: there is none
};

// What SORT has found. Nothing of a part: there is no such key.
struct Sorted {
  std::string error;  // not empty: of the reply
  std::vector<std::optional<std::string>> parts;
  bool stored = false;
};

Sorted failed(std::string_view error) {
  Sorted sorted;
  sorted.error = error;
  return sorted;
}

// One run, on an event loop or on the slow lane. Everything that it is given outlives it.
class Sort {
 public:
  Sort(Layer& layer, Instant now, const Sorting& sorting) : layer_(layer), now_(now), sorting_(sorting) {}

  Sorted run();

 private:
  bool load();
  void load_all(Collection& all, CollectionKind kind);
  bool weigh();
  void order();
  std::optional<std::string> look_up(std::string_view pattern, const std::string& element);
  Sorted answer();
  Sorted store(Sorted found);

  Layer& layer_;
  const Instant now_;
  const Sorting& sorting_;
  std::vector<Element> elements_;
  bool by_members_ = false;  // in the order of the members' bytes, though no order was asked for
  std::string error_;
};

// [from, end) of so many.
std::pair<std::size_t, std::size_t> limits(const Sorting& sorting, std::size_t size) {
  const auto most = static_cast<std::int64_t>(size);
  const std::int64_t from = std::clamp<std::int64_t>(sorting.from, 0, most);
  const std::int64_t count = sorting.count < 0 ? most - from : std::min(sorting.count, most - from);
  return {static_cast<std::size_t>(from), static_cast<std::size_t>(from + count)};
}

// As strtod() reads the whole text; an empty one is 0.
std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const double number = std::strtod(text.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(number)) return std::nullopt;
  return number;
}

void Sort::load_all(Collection& all, CollectionKind kind) {
  const bool backwards = !sorting_.in_order && sorting_.descending;
  const auto add = [&](Item element) {
    elements_.push_back({.text = text_of(element)});
    return true;
  };
  elements_.reserve(all.size());
  const std::uint32_t first = backwards ? all.size() - 1 : 0;
  if (kind == CollectionKind::kList) {
    memory::Sequence(all).visit(first, backwards, add);
  } else if (kind == CollectionKind::kSortedSet) {
    memory::Ranking(all).visit(first, backwards, [&](Item member, double) { return add(member); });
  } else {
    memory::Fields(all).visit(add);
    // So that what is stored does not depend on where the members lie.
    by_members_ = !sorting_.in_order && (sorting_.store || sorting_.in_exec);
  }
}

// False: error_ says why.
bool Sort::load() {
  layer_.look_up(sorting_.key, now_, [&](const EntryView& entry) {
    const CollectionKind kind =
        is_collection(entry) ? Collection::kind_of(entry.bytes()) : CollectionKind::kHash;
    if (kind != CollectionKind::kList && kind != CollectionKind::kSet && kind != CollectionKind::kSortedSet) {
      error_ = kWrongType;
    } else {
      Collection all(entry.bytes());
      load_all(all, kind);
    }
  });
  return error_.empty();
}

// The value of the key, or of a hash's field, that the pattern names for this element.
std::optional<std::string> Sort::look_up(std::string_view pattern, const std::string& element) {
  if (pattern == "#") return element;
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::nullopt;
  std::size_t arrow = pattern.find("->", star + 1);
  if (arrow != std::string_view::npos && arrow + 2 == pattern.size()) arrow = std::string_view::npos;
  std::string key = sorting_.database;
  key.append(pattern.substr(0, star))
      .append(element)
      .append(pattern.substr(star + 1, arrow == std::string_view::npos ? arrow : arrow - star - 1));
  if (const NamespaceInfo& space = layer_.route(key); space.bound) {
    error_ = "ERR SORT is not available on keys of namespace '" + space.name + "', which have a source";
    return std::nullopt;
  }
  std::optional<std::string> value;
  layer_.look_up(key, now_, [&](const EntryView& entry) {
    if (arrow == std::string_view::npos) {
      if (!is_collection(entry)) value = payload(entry);
    } else if (is_collection(entry, CollectionKind::kHash)) {
      Collection all(entry.bytes());
      const memory::Fields fields(all);
      const std::string_view field = pattern.substr(arrow + 2);
      const auto until = fields.until(field);
      if (until && *until <= layer_.clock().to_wall_ms(now_)) return;
      if (const auto item = fields.value(field)) value = text_of(*item);
    }
  });
  return value;
}

// What each element is compared by. False: error_ says why not.
bool Sort::weigh() {
  if (by_members_ || (sorting_.by_text && !sorting_.by)) return true;
  for (Element& element : elements_) {
    std::optional<std::string> weight = sorting_.by ? look_up(*sorting_.by, element.text) : element.text;
    if (!error_.empty()) return false;
    if (sorting_.by_text) {
      element.weight = std::move(weight);
      continue;
    }
    if (!weight) continue;
    const auto number = number_of(*weight);
    if (!number) {
      error_ = kNoNumber;
      return false;
    }
    element.number = *number;
  }
  return true;
}

void Sort::order() {
  const bool by_weight = sorting_.by_text && sorting_.by && !by_members_;
  const bool by_number = !sorting_.by_text && !by_members_;
  // Less in the order upwards.
  const auto less = [&](const Element& a, const Element& b) {
    if (by_weight) return a.weight < b.weight;  // nothing is before everything
    if (by_number && a.number != b.number) return a.number < b.number;
    return a.text < b.text;
  };
  sort_stably(elements_, [&](const Element& a, const Element& b) {
    return sorting_.descending ? less(b, a) : less(a, b);
  });
}

Sorted Sort::answer() {
  const auto [from, end] = limits(sorting_, elements_.size());
  constexpr std::size_t kMostParts = 4'000'000;
  if ((end - from) * std::max<std::size_t>(1, sorting_.get.size()) > kMostParts)
    return failed("ERR SORT would have more than 4000000 parts: use LIMIT");
  Sorted found;
  for (std::size_t i = from; i < end; ++i) {
    if (sorting_.get.empty()) found.parts.emplace_back(std::move(elements_[i].text));
    for (const std::string& pattern : sorting_.get) {
      found.parts.push_back(look_up(pattern, elements_[i].text));
      if (!error_.empty()) return failed(error_);
    }
  }
  return found;
}

Sorted Sort::store(Sorted found) {
  Growth growth{found.parts.size(), 0};
  for (const auto& part : found.parts) growth.bytes += part ? part->size() : 0;
  const PutOutcome outcome =
      store_collection(layer_, now_, *sorting_.store, CollectionKind::kList, growth, [&](Collection& all) {
        memory::Sequence list(all);
        for (const auto& part : found.parts)
          list.insert(list.size(), part ? std::string_view(*part) : std::string_view());
      });
  if (const std::string_view error = error_of(outcome); !error.empty()) return failed(error);
  found.stored = true;
  return found;
}

Sorted Sort::run() {
  if (!load()) return failed(error_);
  if (sorting_.in_order || by_members_) {
    if (!weigh()) return failed(error_);
    order();
  }
  Sorted found = answer();
  return sorting_.store && found.error.empty() ? store(std::move(found)) : found;
}

enum class Writes : bool { kNo, kYes };

// One option from args[at] on; `at` is moved to its last argument. False: there is none.
bool parse_option(Context& context, Writes writes, std::size_t& at, Sorting& sorting,
                  std::string_view& error) {
  const auto args = context.args;
  const std::string_view word = args[at];
  const std::size_t left = args.size() - at - 1;
  if (equals_ignoring_case(word, "asc") || equals_ignoring_case(word, "desc")) {
    sorting.descending = equals_ignoring_case(word, "desc");
  } else if (equals_ignoring_case(word, "alpha")) {
    sorting.by_text = true;
  } else if (equals_ignoring_case(word, "limit") && left >= 2) {
    const auto from = parse_integer(args[at + 1]);
    const auto count = parse_integer(args[at + 2]);
    if (!from || !count) error = kNotAnInteger;
    sorting.from = from.value_or(0);
    sorting.count = count.value_or(0);
    at += 2;
  } else if (equals_ignoring_case(word, "store") && left >= 1 && writes == Writes::kYes) {
    sorting.store = args[++at];
  } else if (equals_ignoring_case(word, "by") && left >= 1) {
    sorting.by = args[++at];
    // Redis takes no order as soon as one of several patterns names no key.
    if (sorting.by->find('*') == std::string::npos) sorting.in_order = false;
  } else if (equals_ignoring_case(word, "get") && left >= 1) {
    sorting.get.emplace_back(args[++at]);
  } else {
    return false;
  }
  return error.empty();
}

// What the patterns of BY and GET name is known only once it is read.
bool may_read_all_keys(Context& context) {
  return !context.session.restricted() || access::may_read_all_keys(context, *find_command(context.args[0]));
}

// Of the option that was parsed last, for who may not read all keys; empty: none.
std::string_view refusal_of_pattern(std::string_view option, const Sorting& sorting) {
  if (equals_ignoring_case(option, "by") && sorting.by && sorting.by->find('*') != std::string::npos)
    return "ERR BY option of SORT denied due to insufficient ACL permissions.";
  if (equals_ignoring_case(option, "get"))
    return "ERR GET option of SORT denied due to insufficient ACL permissions.";
  return {};
}

// Nothing: an error has been answered.
std::optional<Sorting> parse(Context& context, Writes writes) {
  Sorting sorting;
  sorting.key = context.args[1];
  sorting.database = database_prefix(place_of(context));
  sorting.in_exec = in_exec(context);
  std::string_view error;
  const bool free = may_read_all_keys(context);
  for (std::size_t at = 2; at < context.args.size(); ++at) {
    const std::size_t option = at;
    if (parse_option(context, writes, at, sorting, error)) {
      if (free) continue;
      error = refusal_of_pattern(context.args[option], sorting);
      if (error.empty()) continue;
    }
    context.reply.error(error.empty() ? kSyntaxError : error);
    return std::nullopt;
  }
  return sorting;
}

void write(resp::Writer& reply, const Sorted& sorted) {
  if (!sorted.error.empty()) return reply.error(sorted.error);
  if (sorted.stored) return reply.integer(static_cast<std::int64_t>(sorted.parts.size()));
  reply.array(sorted.parts.size());
  for (const auto& part : sorted.parts) {
    if (part) {
      reply.bulk(std::string_view(*part));
    } else {
      reply.null();
    }
  }
}

void sort_slowly(Context& context, Sorting sorting) {
  answer_slowly(context, [&layer = context.layer, now = context.now, client = context.session.id(),
                          command = find_command(context.args[0]), sorting = std::move(sorting)] {
    const std::string_view args[] = {command->name, sorting.key};
    const CommandScope scope(client, *command, args);
    Sorted sorted = Sort(layer, now, sorting).run();
    std::size_t bytes = 0;
    for (const auto& part : sorted.parts) bytes += part ? part->size() : 0;
    return Prepared{[sorted = std::move(sorted)](resp::Writer& reply) { write(reply, sorted); }, bytes};
  });
}

template <Writes writes>
void sort(Context& context) {
  auto sorting = parse(context, writes);
  if (!sorting || refuse_other_than_plain(context, sorting->key)) return;
  if (sorting->store && refuse_other_than_plain(context, *sorting->store)) return;
  std::size_t size = 0;
  context.layer.peek(sorting->key, context.now, [&](const EntryView& entry) {
    if (is_collection(entry)) size = Collection(entry.bytes()).size();
  });
  const std::size_t looks = size * (1 + sorting->get.size() + (sorting->by ? 1 : 0));
  if (looks >= kMany && !sorting->in_exec) return sort_slowly(context, std::move(*sorting));
  // Of which keys it will ask nobody knows before.
  std::optional<Layer::Guard> guard;
  if (!sorting->in_exec && (sorting->by || !sorting->get.empty() || sorting->store))
    guard.emplace(context.layer.lock({}, true));
  write(context.reply, Sort(context.layer, context.now, *sorting).run());
}

// Where SORT stores.
void visit_stored_key(std::span<const std::string_view> args, FunctionRef<void(std::size_t at)> visit) {
  for (std::size_t at = 2; at + 1 < args.size(); ++at) {
    const auto is = [&](std::string_view word) { return equals_ignoring_case(args[at], word); };
    if (is("store")) {
      visit(++at);
    } else if (is("limit")) {
      at += 2;
    } else if (is("by") || is("get")) {
      ++at;
    }
  }
}

constexpr Command kCommands[] = {
    {"sort", -2, kWrite | kDenyOom | kOtherKeys, 1, 1, 1, sort<Writes::kYes>,
     "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.", "1.0.0",
     "generic", 0, visit_stored_key},
    {"sort_ro", -2, kReadonly | kConcurrent | kOtherKeys, 1, 1, 1, sort<Writes::kNo>,
     "Returns the sorted elements of a list, a set, or a sorted set.", "7.0.0", "generic"},
};

}  // namespace

Family sort_commands() {
  return kCommands;
}

}  // namespace forebay::server
