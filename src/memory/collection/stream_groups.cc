#include "memory/collection/stream_groups.h"

#include <bit>
#include <cstring>
#include <utility>

namespace forebay::memory {
namespace {

enum Tag : char { kGroup = 2, kConsumer, kName, kPending, kOwned };

// Numbers with their highest byte first: in keys for their order, and in values so that none begins as a number in
// digits does (Records).
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(Tag tag) { text_.push_back(tag); }
  template <class T>
  Bytes& number(T number) {
    const T swapped = std::byteswap(number);
    text_.append(reinterpret_cast<const char*>(&swapped), sizeof(swapped));
    return *this;
  }
  Bytes& id(const StreamId& id) {
    append_key(text_, id);
    return *this;
  }
  Bytes& text(std::string_view text) {
    text_.append(text);
    return *this;
  }
  operator std::string_view() const { return text_; }

 private:
  std::string text_;
};

template <class T>
T take(std::string_view& bytes) {
  T number;
  std::memcpy(&number, bytes.data(), sizeof(number));
  bytes.remove_prefix(sizeof(number));
  return std::byteswap(number);
}

constexpr std::size_t kNumber = sizeof(std::uint32_t);
constexpr std::size_t kConsumerNameAt = 1 + kNumber;
constexpr std::size_t kPendingIdAt = 1 + kNumber;
constexpr std::size_t kOwnedIdAt = 1 + 2 * kNumber;

StreamGroup read_group(std::string_view key, std::string_view value) {
  StreamGroup group;
  group.name = key.substr(1);
  group.number = take<std::uint32_t>(value);
  group.last.ms = take<std::uint64_t>(value);
  group.last.sequence = take<std::uint64_t>(value);
  group.read = take<std::int64_t>(value);
  group.pending = take<std::uint32_t>(value);
  group.consumers = take<std::uint32_t>(value);
  group.next_consumer = take<std::uint32_t>(value);
  return group;
}

StreamConsumer read_consumer(std::string_view key, std::string_view value) {
  StreamConsumer consumer;
  consumer.name = key.substr(kConsumerNameAt);
  consumer.number = take<std::uint32_t>(value);
  consumer.seen_ms = take<std::int64_t>(value);
  consumer.active_ms = take<std::int64_t>(value);
  consumer.pending = take<std::uint32_t>(value);
  return consumer;
}

Delivery read_delivery(std::string_view value) {
  Delivery delivery;
  delivery.consumer = take<std::uint32_t>(value);
  delivery.at_ms = take<std::int64_t>(value);
  std::memcpy(&delivery.count, value.data(), value.size());
  return delivery;
}

Bytes value_of(const Delivery& delivery) {
  Bytes value;
  value.number(delivery.consumer).number(delivery.at_ms);
  // As many bytes as the count needs, the lowest first.
  const auto bytes = (static_cast<std::size_t>(std::bit_width(delivery.count)) + 7) / 8;
  return value.text({reinterpret_cast<const char*>(&delivery.count), bytes});
}

Bytes consumer_key(const StreamGroup& group, std::string_view name) {
  return Bytes(kConsumer).number(group.number).text(name);
}
Bytes name_key(const StreamGroup& group, std::uint32_t consumer) {
  return Bytes(kName).number(group.number).number(consumer);
}
Bytes pending_key(const StreamGroup& group, const StreamId& id) {
  return Bytes(kPending).number(group.number).id(id);
}
Bytes owned_key(const StreamGroup& group, std::uint32_t consumer, const StreamId& id) {
  return Bytes(kOwned).number(group.number).number(consumer).id(id);
}

// Where the records of a group begin that have this tag; with `end`, where they end.
Bytes bound(Tag tag, const StreamGroup& group, bool end) {
  return Bytes(tag).number(group.number + (end ? 1 : 0));
}

constexpr std::string_view kNameMark{"\0", 1};  // before a name, which may be a number

}  // namespace

// ---- Groups

std::uint32_t StreamGroups::size() const {
  return records_.rank(Bytes(kConsumer)) - records_.rank(Bytes(kGroup));
}

void StreamGroups::visit(FunctionRef<void(const StreamGroup&)> show) const {
  records_.visit(records_.rank(Bytes(kGroup)), false, [&](std::string_view key, std::string_view value) {
    if (key[0] != kGroup) return false;
    show(read_group(key, value));
    return true;
  });
}

std::optional<StreamGroup> StreamGroups::find(std::string_view name) const {
  const Bytes key = Bytes(kGroup).text(name);
  const auto value = records_.find(key);
  return value ? std::optional(read_group(key, *value)) : std::nullopt;
}

void StreamGroups::write(const StreamGroup& group) {
  Bytes value;
  value.number(group.number).number(group.last.ms).number(group.last.sequence).number(group.read);
  value.number(group.pending).number(group.consumers).number(group.next_consumer);
  records_.put(Bytes(kGroup).text(group.name), value);
}

void StreamGroups::create(Stream& stream, std::string_view name, const StreamId& last, std::int64_t read) {
  Stream::Head head = stream.head();
  StreamGroup group;
  group.name = name;
  group.number = head.next_group++;
  group.last = last;
  group.read = read;
  stream.set_head(head);
  write(group);
}

void StreamGroups::move(StreamGroup group, const StreamId& last, std::int64_t read) {
  group.last = last;
  group.read = read;
  write(group);
}

void StreamGroups::erase(const StreamGroup& group) {
  for (const Tag tag : {kConsumer, kName, kPending, kOwned}) {
    const std::uint32_t from = records_.rank(bound(tag, group, false));
    records_.erase_ranks(from, records_.rank(bound(tag, group, true)) - from);
  }
  records_.erase(Bytes(kGroup).text(group.name));
}

// ---- Consumers

void StreamReaders::visit_consumers(FunctionRef<void(const StreamConsumer&)> show) const {
  const std::uint32_t from = records_.rank(bound(kConsumer, group_, false));
  std::uint32_t left = group_.consumers;
  if (left == 0) return;
  records_.visit(from, false, [&](std::string_view key, std::string_view value) {
    show(read_consumer(key, value));
    return --left != 0;
  });
}

StreamConsumer* StreamReaders::keep(StreamConsumer consumer) {
  return &consumers_.try_emplace(consumer.number, std::move(consumer)).first->second;
}

StreamConsumer* StreamReaders::find(std::string_view name) {
  const Bytes key = consumer_key(group_, name);
  const auto value = records_.find(key);
  return value ? keep(read_consumer(key, *value)) : nullptr;
}

StreamConsumer& StreamReaders::by_number(std::uint32_t number) {
  const auto kept = consumers_.find(number);
  if (kept != consumers_.end()) return kept->second;
  return *find(std::string(records_.find(name_key(group_, number))->substr(kNameMark.size())));
}

StreamConsumer& StreamReaders::create(std::string_view name, std::int64_t now_ms) {
  StreamConsumer consumer;
  consumer.name = name;
  consumer.number = group_.next_consumer++;
  consumer.seen_ms = now_ms;
  ++group_.consumers;
  records_.put(name_key(group_, consumer.number), std::string(kNameMark).append(name));
  return *keep(std::move(consumer));
}

void StreamReaders::erase(const StreamConsumer& consumer) {
  const std::uint32_t number = consumer.number;
  const std::string name = consumer.name;
  if (consumer.pending != 0) {
    std::vector<StreamId> ids;
    visit_of(consumer, {}, [&](const StreamId& id) {
      ids.push_back(id);
      return true;
    });
    for (const StreamId& id : ids) records_.erase(pending_key(group_, id));
    records_.erase_ranks(records_.rank(Bytes(kOwned).number(group_.number).number(number)),
                         static_cast<std::uint32_t>(ids.size()));
    group_.pending -= static_cast<std::uint32_t>(ids.size());
  }
  records_.erase(name_key(group_, number));
  records_.erase(consumer_key(group_, name));
  --group_.consumers;
  consumers_.erase(number);
}

// ---- What is pending

std::optional<Delivery> StreamReaders::pending(const StreamId& id) const {
  const auto value = records_.find(pending_key(group_, id));
  return value ? std::optional(read_delivery(*value)) : std::nullopt;
}

void StreamReaders::deliver(const StreamId& id, const Delivery& delivery) {
  const auto before = pending(id);
  records_.put(pending_key(group_, id), value_of(delivery));
  if (before && before->consumer == delivery.consumer) return;
  if (before) {
    records_.erase(owned_key(group_, before->consumer, id));
    --by_number(before->consumer).pending;
  } else {
    ++group_.pending;
  }
  records_.put(owned_key(group_, delivery.consumer, id), {});
  ++by_number(delivery.consumer).pending;
}

bool StreamReaders::acknowledge(const StreamId& id) {
  const auto before = pending(id);
  if (!before) return false;
  records_.erase(pending_key(group_, id));
  records_.erase(owned_key(group_, before->consumer, id));
  --by_number(before->consumer).pending;
  --group_.pending;
  return true;
}

void StreamReaders::visit(const StreamId& from,
                          FunctionRef<bool(const StreamId&, const Delivery&)> show) const {
  const Bytes end = bound(kPending, group_, true);
  records_.visit(records_.rank(pending_key(group_, from)), false,
                 [&](std::string_view key, std::string_view value) {
                   if (key >= std::string_view(end)) return false;
                   return show(id_of_key(key.substr(kPendingIdAt)), read_delivery(value));
                 });
}

void StreamReaders::visit_of(const StreamConsumer& consumer, const StreamId& from,
                             FunctionRef<bool(const StreamId&)> show) const {
  const Bytes end = Bytes(kOwned).number(group_.number).number(consumer.number + 1);
  records_.visit(records_.rank(owned_key(group_, consumer.number, from)), false,
                 [&](std::string_view key, std::string_view) {
                   if (key >= std::string_view(end)) return false;
                   return show(id_of_key(key.substr(kOwnedIdAt)));
                 });
}

StreamId StreamReaders::last_pending() const {
  StreamId last;
  records_.visit(records_.rank(bound(kPending, group_, true)) - 1, true,
                 [&](std::string_view key, std::string_view) {
                   last = id_of_key(key.substr(kPendingIdAt));
                   return false;
                 });
  return last;
}

void StreamReaders::save() {
  for (const auto& [number, consumer] : consumers_) {
    Bytes value;
    value.number(consumer.number).number(consumer.seen_ms).number(consumer.active_ms);
    value.number(consumer.pending);
    records_.put(consumer_key(group_, consumer.name), value);
  }
  groups_.write(group_);
}

}  // namespace forebay::memory
