#include "memory/collection/ranking.h"

#include <string>

#include "memory/collection/fields.h"

namespace forebay::memory {
namespace {

// Redis's zset-max-listpack-entries and zset-max-listpack-value.
constexpr std::uint32_t kMostPacked = 128;
constexpr std::size_t kLongest = 64;
constexpr std::size_t kRecordHead = 2 * 9;  // of two items, at most

}  // namespace

std::optional<double> Ranking::score(std::string_view member) const {
  const auto found = Fields(all_).value(member);
  return found ? std::optional(found->score()) : std::nullopt;
}

Ranking::Found Ranking::seek(const ScoreKey& key) const {
  Found found;
  Tree::Leaf leaf;
  if (all_.is_large()) {
    const Tree tree = all_.tree(1);
    if (tree.size() == 0) return found;
    found.path = tree.to_score(key);
    found.rank = tree.before(found.path);
    leaf = tree.leaf(found.path);
  } else if (all_.exists()) {
    leaf = all_.packed();
  }
  const char* const end = leaf.records + leaf.bytes;
  const char* record = leaf.records;
  for (; record != end && is_before(record, key); record = next_record(record, 2)) ++found.rank;
  found.offset = static_cast<std::size_t>(record - leaf.records);
  return found;
}

std::uint32_t Ranking::rank(const ScoreKey& key) const {
  return seek(key).rank;
}

// Requires that it is large.
void Ranking::insert_score(std::string_view member, double score) {
  const Found place = seek({score, member});
  all_.splice(1, place.path, place.offset, 0, all_.record(member, score), 1);
}

void Ranking::insert(std::string_view member, double score) {
  if (!all_.is_large()) {
    const Found place = seek({score, member});
    return all_.splice(0, {}, place.offset, 0, all_.record(member, score), 1);
  }
  insert_score(member, score);
  Tree members = all_.tree(0);
  Tree::Path path;
  std::size_t end = 0;
  if (members.size() != 0) {
    path = members.to_order(Packed(member).order());
    end = members.leaf(path).bytes;
  }
  all_.splice(0, path, end, 0, all_.record(member, score), 1);
}

void Ranking::put(std::string_view member, double score) {
  all_.prepare(member.size() + kRecordHead);
  erase(member);
  insert(member, score);
  if (all_.size() > kMostPacked || member.size() > kLongest) all_.set_encoding(Collection::Encoding::kFull);
}

void Ranking::erase_from(unsigned which, const Tree::Path& path, std::size_t offset, const char* record) {
  all_.splice(which, path, offset, static_cast<std::size_t>(next_record(record, 2) - record), {}, -1);
}

// Requires that it is large, and that the member has this score.
void Ranking::erase_score(std::string_view member, double score) {
  Found place = seek({score, member});
  const Tree order = all_.tree(1);
  Tree::Leaf leaf = order.leaf(place.path);
  if (place.offset == leaf.bytes) {  // a place between two leaves is the end of the first one
    order.next(place.path);
    leaf = order.leaf(place.path);
    place.offset = 0;
  }
  erase_from(1, place.path, place.offset, leaf.records + place.offset);
}

bool Ranking::erase(std::string_view member) {
  const auto score = this->score(member);
  if (!score) return false;
  if (!all_.is_large()) {
    const Found place = seek({*score, member});
    erase_from(0, {}, place.offset, all_.packed().records + place.offset);
    return true;
  }
  erase_score(member, *score);
  Fields(all_).erase(member);
  return true;
}

void Ranking::erase_ranks(std::uint32_t from, std::uint32_t count) {
  for (; count != 0; --count) {
    ItemDigits digits;
    const std::string member(Item(all_.at(from, 1)).text(digits));
    erase(member);
  }
}

void Ranking::visit(std::uint32_t from, bool downwards,
                    FunctionRef<bool(Item member, double score)> show) const {
  all_.visit(1, from, downwards, [&](const char* record) {
    const Item member(record);
    return show(member, Item(member.end()).score());
  });
}

}  // namespace forebay::memory
