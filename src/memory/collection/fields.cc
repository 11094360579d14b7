#include "memory/collection/fields.h"

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
  return Item(Item(found.record).end());
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

bool Fields::put(std::string_view field, std::string_view value) {
  all_.prepare(field.size() + value.size() + kRecordHead);
  const Found found = find(field);
  if (found.record != nullptr) {
    const Item old(Item(found.record).end());
    const std::size_t offset = static_cast<std::size_t>(old.end() - old.size() - found.leaf.records);
    const std::size_t length = old.size();
    all_.splice(0, found.path, offset, length, all_.record(value), 0);
  } else {
    all_.splice(0, found.path, found.leaf.bytes, 0, all_.record(field, value), 1);
  }
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
  const auto length = static_cast<std::size_t>(next_record(found.record, all_.items()) - found.record);
  all_.splice(0, found.path, found.offset(), length, {}, -1);
  return true;
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
