#include "memory/collection/fields.h"

#include <string>
#include <vector>

#include "memory/collection/ranking.h"

namespace forebay::memory {
namespace {

// Redis's thresholds, as its clients see them in OBJECT ENCODING.
constexpr std::uint32_t kMostInHash = 512;    // hash-max-listpack-entries
constexpr std::uint32_t kMostInSet = 128;     // set-max-listpack-entries
constexpr std::uint32_t kMostIntegers = 512;  // set-max-intset-entries
constexpr std::size_t kLongest = 64;          // hash-max-listpack-value, set-max-listpack-value
constexpr std::size_t kRecordHead = 2 * 9;    // of two items, at most

}  // namespace

Fields::Found Fields::find(std::string_view field) const {
  const Packed wanted(field);
  Found found;
  if (all_.is_large()) {
    const Tree tree = all_.tree();
    if (tree.size() == 0) return found;
    found.path = tree.to_order(wanted.order());
    found.leaf = tree.leaf(found.path);
  } else if (all_.exists()) {
    found.leaf = all_.packed();
  }
  const unsigned items = all_.items();
  const char* const end = found.leaf.records + found.leaf.bytes;
  for (const char* record = found.leaf.records; record != end; record = next_record(record, items)) {
    if (!wanted.is(record)) continue;
    found.record = record;
    break;
  }
  return found;
}

std::optional<Item> Fields::value(std::string_view field) const {
  const Found found = find(field);
  if (found.record == nullptr) return std::nullopt;
  return value_of(Item(found.record));
}

// How Redis would hold it now that this text has come in.
void Fields::note(std::string_view text) {
  using Encoding = Collection::Encoding;
  if (all_.encoding() == Encoding::kFull) return;
  if (all_.kind() == CollectionKind::kHash) {
    if (all_.size() > kMostInHash || text.size() > kLongest) all_.set_encoding(Encoding::kFull);
    return;
  }
  const bool was_empty = all_.size() == 1;
  const bool number = Packed(text).is_number();
  if (number && (was_empty || all_.encoding() == Encoding::kIntegers)) {
    all_.set_encoding(all_.size() > kMostIntegers ? Encoding::kFull : Encoding::kIntegers);
  } else {
    const bool full = all_.size() > kMostInSet || text.size() > kLongest;
    all_.set_encoding(full ? Encoding::kFull : Encoding::kPacked);
  }
}

std::optional<std::int64_t> Fields::until(const Found& found) const {
  if (found.record == nullptr || all_.kind() != CollectionKind::kHash) return std::nullopt;
  const Item value(Item(found.record).end());
  return value.ends() ? std::optional(value.until()) : std::nullopt;
}

void Fields::replace(const Found& found, std::string_view value, std::optional<std::int64_t> until) {
  const Item old(Item(found.record).end());
  const auto offset = static_cast<std::size_t>(old.where() - found.leaf.records);
  all_.splice(0, found.path, offset, old.size(), all_.value_record(value, until), 0);
}

// That it was to end, once it is not to any more.
void Fields::forget_end(std::string_view field, std::int64_t until) {
  if (all_.is_large()) Ranking(all_).erase_score(field, static_cast<double>(until));
}

bool Fields::put(std::string_view field, std::string_view value, Ends ends) {
  all_.prepare(field.size() + value.size() + kRecordHead + (all_.may_end() ? Item::kEndsBytes : 0));
  const Found found = find(field);
  const std::optional<std::int64_t> until = this->until(found);
  const bool stays = ends == Ends::kForgotten;
  if (found.record != nullptr) {
    replace(found, value, stays ? std::nullopt : until);
  } else {
    all_.splice(0, found.path, found.leaf.bytes, 0, all_.record(field, value), 1);
  }
  if (until && stays) forget_end(field, *until);
  note(field);
  note(value);
  return found.record == nullptr;
}

bool Fields::add(std::string_view member) {
  if (has(member)) return false;
  all_.prepare(member.size() + kRecordHead);
  const Found found = find(member);
  all_.splice(0, found.path, found.leaf.bytes, 0, all_.record(member), 1);
  note(member);
  return true;
}

bool Fields::erase(std::string_view field) {
  const Found found = find(field);
  if (found.record == nullptr) return false;
  const std::optional<std::int64_t> until = this->until(found);
  const auto length = static_cast<std::size_t>(next_record(found.record, all_.items()) - found.record);
  all_.splice(0, found.path, found.offset(), length, {}, -1);
  if (until) forget_end(field, *until);
  return true;
}

std::optional<std::int64_t> Fields::until(std::string_view field) const {
  return all_.may_end() ? until(find(field)) : std::nullopt;
}

void Fields::set_until(std::string_view field, std::optional<std::int64_t> until) {
  all_.prepare(Item::kEndsBytes);
  const Found found = find(field);
  const std::optional<std::int64_t> before = this->until(found);
  if (before == until) return;
  const char* const value = Item(found.record).end();
  all_.put_end(found.path, static_cast<std::size_t>(value - found.leaf.records), before.has_value(), until);
  if (before) forget_end(field, *before);
  if (!until) return;
  all_.note_ends(true);
  if (all_.is_large()) Ranking(all_).insert_score(field, static_cast<double>(*until));
}

std::optional<std::int64_t> Fields::first_end() const {
  if (!all_.may_end()) return std::nullopt;
  if (all_.is_large()) return static_cast<std::int64_t>(Item(Item(all_.at(0, 1)).end()).score());
  std::optional<std::int64_t> first;
  visit([&](Item field) {
    const Item value(field.end());
    if (value.ends() && (!first || value.until() < *first)) first = value.until();
    return true;
  });
  return first;
}

std::size_t Fields::erase_ended(std::int64_t now, std::size_t most) {
  std::size_t erased = 0;
  std::vector<std::string> ended;
  ItemDigits digits;
  if (all_.may_end() && !all_.is_large()) {
    bool some_stay_longer = false;
    visit([&](Item field) {
      const Item value(field.end());
      if (value.ends() && value.until() <= now && ended.size() < most) {
        ended.emplace_back(field.text(digits));
      } else {
        some_stay_longer = some_stay_longer || value.ends();
      }
      return true;
    });
    for (const std::string& field : ended) erased += erase(field) ? 1 : 0;
    if (!some_stay_longer) all_.note_ends(false);
    return erased;
  }
  for (; erased < most && all_.may_end(); ++erased) {
    const Item field(all_.at(0, 1));
    if (static_cast<std::int64_t>(Item(field.end()).score()) > now) break;
    erase(std::string(field.text(digits)));
  }
  return erased;
}

void Fields::visit(FunctionRef<bool(Item field)> show, std::uint32_t from) const {
  all_.visit(0, from, false, [&](const char* record) { return show(Item(record)); });
}

std::uint64_t Fields::scan(std::uint64_t cursor, std::size_t count,
                           FunctionRef<void(Item field)> show) const {
  if (all_.size() == 0) return 0;
  if (!all_.is_large()) {
    visit([&](Item field) {
      show(field);
      return true;
    });
    return 0;
  }
  const Tree tree = all_.tree();
  Tree::Path path = tree.to_order(cursor);
  for (std::size_t shown = 0;;) {
    const bool whole = tree.begins(path) >= cursor;
    const Tree::Leaf leaf = tree.leaf(path);
    const char* const end = leaf.records + leaf.bytes;
    for (const char* record = leaf.records; record != end; record = next_record(record, all_.items())) {
      if (!whole && Item(record).order() < cursor) continue;
      show(Item(record));
      ++shown;
    }
    if (!tree.next(path)) return 0;
    if (shown >= count) return tree.begins(path);
  }
}

}  // namespace forebay::memory
