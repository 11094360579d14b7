#pragma once

// The consumer groups of a stream: who reads it together, and which entries each of them has got and not
// acknowledged.
//
// All of it is in the stream's second tree, each group, each consumer and each pending entry as a record. Groups and
// consumers have numbers, by which the others name them:
//
//   key                              value
//   2 name                           a group
//   3 group name                     a consumer
//   4 group consumer                 the consumer's name
//   5 group id                       a pending entry: whose it is, since when, how often it was delivered
//   6 group consumer id              that it is the consumer's
//
// A pending entry takes some 45 bytes.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "memory/collection/stream.h"

namespace forebay::memory {

struct StreamGroup {
  std::string name;
  std::uint32_t number = 0;
  StreamId last;           // delivered to somebody
  std::int64_t read = -1;  // how many entries there had been up to that; -1: that is not known
  std::uint32_t pending = 0;
  std::uint32_t consumers = 0;
  std::uint32_t next_consumer = 0;
};

struct StreamConsumer {
  std::string name;
  std::uint32_t number = 0;
  std::int64_t seen_ms = 0;     // by the wall clock
  std::int64_t active_ms = -1;  // got something; -1: never
  std::uint32_t pending = 0;
};

struct Delivery {
  std::uint32_t consumer = 0;
  std::int64_t at_ms = 0;  // by the wall clock
  std::uint64_t count = 0;
};

// Borrows the collection.
class StreamGroups {
 public:
  explicit StreamGroups(Collection& all) : records_(all, 1) {}

  std::uint32_t size() const;
  // In the order of their names.
  void visit(FunctionRef<void(const StreamGroup&)> show) const;
  std::optional<StreamGroup> find(std::string_view name) const;
  // Requires that there is none of this name.
  void create(Stream& stream, std::string_view name, const StreamId& last, std::int64_t read);
  // Another position of a group that there is.
  void move(StreamGroup group, const StreamId& last, std::int64_t read);
  // With its consumers and what is pending. O(what is erased).
  void erase(const StreamGroup& group);

 private:
  friend class StreamReaders;
  void write(const StreamGroup& group);

  Records records_;
};

// One group's consumers and pending entries. Counts, and what is said of a consumer, are written by save(), which
// must be called before it goes if anything was changed. Borrows the collection.
class StreamReaders {
 public:
  StreamReaders(Collection& all, StreamGroup group)
      : groups_(all), records_(groups_.records_), group_(std::move(group)) {}
  StreamReaders(const StreamReaders&) = delete;
  StreamReaders& operator=(const StreamReaders&) = delete;

  StreamGroup& group() { return group_; }

  // In the order of their names.
  void visit_consumers(FunctionRef<void(const StreamConsumer&)> show) const;
  // Null: there is none. Valid as long as this lives.
  StreamConsumer* find(std::string_view name);
  StreamConsumer& by_number(std::uint32_t number);
  StreamConsumer& create(std::string_view name, std::int64_t now_ms);
  // With what is pending for it. Forgets what find() had shown.
  void erase(const StreamConsumer& consumer);

  std::optional<Delivery> pending(const StreamId& id) const;
  // Makes an entry pending, or changes whose it is.
  void deliver(const StreamId& id, const Delivery& delivery);
  // True: it was pending.
  bool acknowledge(const StreamId& id);
  // Shows what is pending from an id on. Show returns whether to go on.
  void visit(const StreamId& from, FunctionRef<bool(const StreamId&, const Delivery&)> show) const;
  void visit_of(const StreamConsumer& consumer, const StreamId& from,
                FunctionRef<bool(const StreamId&)> show) const;
  // The last one. Requires that something is pending.
  StreamId last_pending() const;

  void save();

 private:
  StreamConsumer* keep(StreamConsumer consumer);

  StreamGroups groups_;
  Records& records_;
  StreamGroup group_;
  std::map<std::uint32_t, StreamConsumer> consumers_;  // that were asked for, by number
};

}  // namespace forebay::memory
