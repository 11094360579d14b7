#include "memory/collection/sequence.h"

#include <algorithm>

namespace forebay::memory {
namespace {

constexpr std::size_t kItemHead = 9;

}  // namespace

Sequence::Place Sequence::find(std::uint32_t position) const {
  Place place;
  place.index = position;
  place.leaf = all_.packed();
  if (all_.is_large()) {
    place.leaf = {};
    const Tree tree = all_.tree();
    if (tree.size() == 0) return place;
    place.path = tree.to_position(place.index);
    place.leaf = tree.leaf(place.path);
  }
  if (place.index == place.leaf.count) {
    place.offset = place.leaf.bytes;
    return place;
  }
  const char* record = place.leaf.records;
  for (std::uint32_t i = 0; i < place.index; ++i) record = Item(record).end();
  place.offset = static_cast<std::size_t>(record - place.leaf.records);
  return place;
}

void Sequence::insert(std::uint32_t position, std::string_view text) {
  all_.prepare(text.size() + kItemHead);
  const Place place = find(position);
  all_.splice(0, place.path, place.offset, 0, all_.record(text), 1);
}

void Sequence::set(std::uint32_t position, std::string_view text) {
  all_.prepare(text.size() + kItemHead);
  const Place place = find(position);
  const std::size_t length = Item(place.leaf.records + place.offset).size();
  all_.splice(0, place.path, place.offset, length, all_.record(text), 0);
}

void Sequence::erase(std::uint32_t position, std::uint32_t count) {
  while (count != 0) {
    const Place place = find(position);
    const std::uint32_t here = std::min(count, place.leaf.count - place.index);
    const char* const first = place.leaf.records + place.offset;
    const char* end = first;
    for (std::uint32_t i = 0; i < here; ++i) end = Item(end).end();
    all_.splice(0, place.path, place.offset, static_cast<std::size_t>(end - first), {},
                -static_cast<std::int32_t>(here));
    count -= here;
  }
}

void Sequence::visit(std::uint32_t from, bool backwards, FunctionRef<bool(Item element)> show) const {
  all_.visit(0, from, backwards, [&](const char* record) { return show(Item(record)); });
}

}  // namespace forebay::memory
