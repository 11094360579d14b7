#include "memory/collection/records.h"

#include <algorithm>

namespace forebay::memory {
namespace {

constexpr unsigned kItems = 2;

std::size_t bytes_of(const char* record) {
  return static_cast<std::size_t>(next_record(record, kItems) - record);
}

}  // namespace

Records::Place Records::seek(std::string_view key) const {
  Place place;
  if (size() == 0) return place;
  const Tree tree = all_.tree(which_);
  place.path = tree.to_bytes(key);
  place.leaf = tree.leaf(place.path);
  const char* const end = place.leaf.records + place.leaf.bytes;
  const char* record = place.leaf.records;
  ItemDigits digits;
  for (; record != end && Item(record).text(digits) < key; record = next_record(record, kItems))
    ++place.index;
  place.offset = static_cast<std::size_t>(record - place.leaf.records);
  return place;
}

std::optional<Records::Place> Records::at_key(Place place, std::string_view key) const {
  if (size() == 0) return std::nullopt;
  if (place.at_end()) {  // a place between two leaves is the end of the first one
    const Tree tree = all_.tree(which_);
    if (!tree.next(place.path)) return std::nullopt;
    place.leaf = tree.leaf(place.path);
    place.offset = 0;
    place.index = 0;
  }
  ItemDigits digits;
  if (Item(place.record()).text(digits) != key) return std::nullopt;
  return place;
}

std::optional<std::string_view> Records::find(std::string_view key) const {
  const auto place = seek_key(key);
  if (!place) return std::nullopt;
  ItemDigits digits;
  return Item(Item(place->record()).end()).text(digits);
}

std::uint32_t Records::rank(std::string_view key) const {
  const Place place = seek(key);
  return size() == 0 ? 0 : all_.tree(which_).before(place.path) + place.index;
}

void Records::put(std::string_view key, std::string_view value) {
  const Place place = seek(key);
  if (const auto old = at_key(place, key)) {
    const Item item(Item(old->record()).end());
    const std::size_t offset = static_cast<std::size_t>(item.end() - item.size() - old->leaf.records);
    return all_.splice(which_, old->path, offset, item.size(), all_.record(value), 0);
  }
  all_.splice(which_, place.path, place.offset, 0, all_.record(key, value), 1);
}

void Records::append(std::string_view key, std::string_view value) {
  Tree::Path path;
  std::size_t end = 0;
  if (size() != 0) {
    const Tree tree = all_.tree(which_);
    path = tree.to_bytes(key);
    end = tree.leaf(path).bytes;
  }
  all_.splice(which_, path, end, 0, all_.record(key, value), 1);
}

bool Records::erase(std::string_view key) {
  const auto place = seek_key(key);
  if (!place) return false;
  all_.splice(which_, place->path, place->offset, bytes_of(place->record()), {}, -1);
  return true;
}

void Records::erase_ranks(std::uint32_t from, std::uint32_t count) {
  while (count != 0) {
    const Tree tree = all_.tree(which_);
    std::uint32_t index = from;
    const Tree::Path path = tree.to_position(index);
    const Tree::Leaf leaf = tree.leaf(path);
    const char* first = leaf.records;
    for (std::uint32_t i = 0; i < index; ++i) first = next_record(first, kItems);
    const std::uint32_t here = std::min(count, leaf.count - index);
    const char* end = first;
    for (std::uint32_t i = 0; i < here; ++i) end = next_record(end, kItems);
    all_.splice(which_, path, static_cast<std::size_t>(first - leaf.records),
                static_cast<std::size_t>(end - first), {}, -static_cast<std::int32_t>(here));
    count -= here;
  }
}

void Records::visit(std::uint32_t from, bool backwards,
                    FunctionRef<bool(std::string_view key, std::string_view value)> show) const {
  all_.visit(which_, from, backwards, [&](const char* record) {
    ItemDigits key;
    ItemDigits value;
    return show(Item(record).text(key), Item(Item(record).end()).text(value));
  });
}

}  // namespace forebay::memory
