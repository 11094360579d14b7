#include "memory/collection/stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace forebay::memory {
namespace {

constexpr std::string_view kHeadKey = "\1";
// Of the head as a record has it; the lists are behind it.
constexpr std::size_t kHeadBytes = 2 * sizeof(StreamId) + sizeof(std::uint64_t) + sizeof(std::uint32_t);
// The head is read and written with each command: few lists, and short ones.
constexpr std::size_t kMostLists = 16;
constexpr std::size_t kMostListBytes = 400;
constexpr std::size_t kCountBytes = 4;

unsigned bytes_of(std::uint64_t number) {
  return (static_cast<unsigned>(std::bit_width(number)) + 7) / 8;
}

void append_number(std::string& to, std::uint64_t number) {
  const unsigned bytes = bytes_of(number);
  to.push_back(static_cast<char>(bytes));
  for (unsigned i = bytes; i != 0; --i) to.push_back(static_cast<char>(number >> (8 * (i - 1)) & 0xff));
}

std::uint64_t take_number(std::string_view& key) {
  const std::size_t bytes = static_cast<unsigned char>(key[0]);
  std::uint64_t number = 0;
  for (std::size_t i = 1; i <= bytes; ++i) number = number << 8 | static_cast<unsigned char>(key[i]);
  key.remove_prefix(1 + bytes);
  return number;
}

std::uint32_t read_count(const char* at) {
  std::uint32_t count = 0;
  std::memcpy(&count, at, sizeof(count));
  return count;
}

}  // namespace

// A sequence of 0, which most have, is left out.
void append_key(std::string& to, const StreamId& id) {
  append_number(to, id.ms);
  if (id.sequence != 0) append_number(to, id.sequence);
}

StreamId id_of_key(std::string_view key) {
  StreamId id;
  id.ms = take_number(key);
  if (!key.empty()) id.sequence = take_number(key);
  return id;
}

namespace {

std::string key_of(const StreamId& id) {
  std::string key;
  append_key(key, id);
  return key;
}

}  // namespace

void StreamEntry::visit(FunctionRef<void(Item field, Item value)> show) const {
  const char* name = names_;
  const char* value = values_;
  for (std::uint32_t i = 0; i < fields_; ++i) {
    if (names_ == nullptr) {
      const Item field(value);
      show(field, Item(field.end()));
      value = Item(field.end()).end();
      continue;
    }
    show(Item(name), Item(value));
    name = Item(name).end();
    value = Item(value).end();
  }
}

Stream::Stream(Collection& all) : entries_(all, 0), rest_(all, 1) {
  const auto value = rest_.find(kHeadKey);
  if (!value) return;
  const char* at = value->data();
  const auto take = [&](auto& part) {
    std::memcpy(&part, at, sizeof(part));
    at += sizeof(part);
  };
  take(head_.last);
  take(head_.last_deleted);
  take(head_.added);
  take(head_.next_group);
  lists_ = value->substr(kHeadBytes);
  for (std::size_t place = 0; place != lists_.size();) {
    starts_.push_back(place);
    const char* item = lists_.data() + place + kCountBytes;
    for (std::uint32_t names = read_count(lists_.data() + place); names != 0; --names)
      item = Item(item).end();
    place = static_cast<std::size_t>(item - lists_.data());
  }
}

void Stream::write_head() {
  std::string value;
  value.reserve(kHeadBytes + lists_.size());
  const auto append = [&](const auto& part) {
    value.append(reinterpret_cast<const char*>(&part), sizeof(part));
  };
  append(head_.last);
  append(head_.last_deleted);
  append(head_.added);
  append(head_.next_group);
  value.append(lists_);
  rest_.put(kHeadKey, value);
}

void Stream::set_head(const Head& head) {
  head_ = head;
  write_head();
}

std::uint32_t Stream::rank(const StreamId& id) const {
  return entries_.rank(key_of(id));
}

bool Stream::has(const StreamId& id) const {
  return entries_.find(key_of(id)).has_value();
}

StreamId Stream::edge(std::uint32_t rank) const {
  StreamId id;
  if (size() == 0) return id;
  entries_.visit(rank, false, [&](std::string_view key, std::string_view) {
    id = id_of_key(key);
    return false;
  });
  return id;
}

StreamEntry Stream::entry(const StreamId& id, std::string_view value) const {
  const auto list = static_cast<std::uint8_t>(value[0]);
  if (list == kOwnNames) return {id, nullptr, value.data() + 1 + kCountBytes, read_count(value.data() + 1)};
  const char* const names = lists_.data() + starts_[list - 1u];
  return {id, names + kCountBytes, value.data() + 1, read_count(names)};
}

void Stream::visit(std::uint32_t from, bool backwards, FunctionRef<bool(const StreamEntry&)> show) const {
  entries_.visit(from, backwards, [&](std::string_view key, std::string_view value) {
    return show(entry(id_of_key(key), value));
  });
}

bool Stream::show(const StreamId& id, FunctionRef<void(const StreamEntry&)> show) const {
  const auto value = entries_.find(key_of(id));
  if (value) show(entry(id, *value));
  return value.has_value();
}

std::uint8_t Stream::list_of(std::span<const std::string_view> texts) {
  std::string list;
  const auto names = static_cast<std::uint32_t>(texts.size() / 2);
  list.append(reinterpret_cast<const char*>(&names), sizeof(names));
  for (std::size_t i = 0; i < texts.size() && list.size() <= kMostListBytes; i += 2)
    Packed(texts[i]).append_to(list);
  if (list.size() > kMostListBytes) return kOwnNames;
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    const std::size_t end = i + 1 < starts_.size() ? starts_[i + 1] : lists_.size();
    if (std::string_view(lists_).substr(starts_[i], end - starts_[i]) == list)
      return static_cast<std::uint8_t>(i + 1);
  }
  if (starts_.size() == kMostLists || lists_.size() + list.size() > kMostListBytes) return kOwnNames;
  starts_.push_back(lists_.size());
  lists_.append(list);
  return static_cast<std::uint8_t>(starts_.size());
}

void Stream::append(const StreamId& id, std::span<const std::string_view> texts) {
  const std::uint8_t list = list_of(texts);
  std::string value(1, static_cast<char>(list));
  if (list == kOwnNames) {
    const auto fields = static_cast<std::uint32_t>(texts.size() / 2);
    value.append(reinterpret_cast<const char*>(&fields), sizeof(fields));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (list == kOwnNames || i % 2 != 0) Packed(texts[i]).append_to(value);
  }
  entries_.append(key_of(id), value);
  head_.last = id;
  ++head_.added;
  write_head();
}

bool Stream::erase(const StreamId& id) {
  if (!entries_.erase(key_of(id))) return false;
  if (id > head_.last_deleted) {
    head_.last_deleted = id;
    write_head();
  }
  return true;
}

}  // namespace forebay::memory
