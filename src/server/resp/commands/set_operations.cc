#include "server/resp/commands/set_operations.h"

#include <algorithm>
#include <unordered_set>

#include "base/hash.h"
#include "memory/collection/fields.h"
#include "server/resp/commands/collections.h"

namespace forebay::server {
namespace {

using memory::Fields;
using Members = std::vector<std::string>;

// The key's members. A key that is not there is an empty set.
bool members_of(Context& context, std::string_view key, Members& members) {
  return collect(context, key, CollectionKind::kSet, [&](Collection& all) {
    members.reserve(all.size());
    Fields(all).visit([&](Item member) {
      members.push_back(text_of(member));
      return true;
    });
  });
}

// Drops the members that the key's set has, or those that it has not.
bool sift(Context& context, std::string_view key, bool keep_its_own, Members& members) {
  bool there = false;
  const bool done = collect(context, key, CollectionKind::kSet, [&](Collection& all) {
    there = true;
    const Fields fields(all);
    std::erase_if(members, [&](const std::string& member) { return fields.has(member) != keep_its_own; });
  });
  if (!there && keep_its_own) members.clear();
  return done;
}

std::optional<Members> intersect(Context& context, std::span<const std::string_view> keys, std::size_t most) {
  std::size_t smallest = 0;
  std::optional<std::size_t> least;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::size_t size = 0;
    const auto look = [&](Collection& all) { size = all.size(); };
    if (!collect(context, keys[i], CollectionKind::kSet, look)) return std::nullopt;
    if (!least || size < *least) {
      least = size;
      smallest = i;
    }
  }
  Members members;
  if (least == 0u || !members_of(context, keys[smallest], members)) return members;
  for (std::size_t i = 0; i < keys.size() && !members.empty(); ++i) {
    if (i != smallest && !sift(context, keys[i], true, members)) return std::nullopt;
  }
  if (members.size() > most) members.resize(most);
  return members;
}

}  // namespace

std::optional<Members> combine_sets(Context& context, SetOperation operation,
                                    std::span<const std::string_view> keys, std::size_t most) {
  if (operation == SetOperation::kIntersection) return intersect(context, keys, most);
  Members members;
  if (!members_of(context, keys[0], members)) return std::nullopt;
  if (operation == SetOperation::kDifference) {
    for (const std::string_view key : keys.subspan(1)) {
      if (!sift(context, key, false, members)) return std::nullopt;
    }
    return members;
  }
  std::unordered_set<std::string, StringHash, std::equal_to<>> seen(members.begin(), members.end());
  for (const std::string_view key : keys.subspan(1)) {
    Members more;
    if (!members_of(context, key, more)) return std::nullopt;
    for (std::string& member : more) {
      if (seen.insert(member).second) members.push_back(std::move(member));
    }
  }
  return members;
}

}  // namespace forebay::server
