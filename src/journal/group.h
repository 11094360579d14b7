#pragma once

// A commit group as bytes: the ops that the journal writes together, in one row.
//
//   group  op*           their numbers are consecutive; nothing at all: numbers that were given to no op
//   op     lane place text(key) text(payload)
//   place  which source and namespace: as many were new in the group before it. That many exactly: a new one,
//          and text(source) text(namespace) follow
//   text   its length, its bytes
//
// lane, place and lengths are unsigned LEB128: seven bits a byte, the lowest first, and the top bit says that
// more follow.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "journal/op.h"

namespace forebay::journal {

// Gathers ops. Reused, it allocates nothing for ops like those before.
class Group {
 public:
  // `seq`: the one after the last op's. Linear in the op's size.
  void add(std::uint64_t seq, const OpView& op);
  // When its first op was appended, in Unix time; 0: not known.
  void set_time(std::int64_t wall_ms) { wall_ms_ = wall_ms; }
  std::int64_t wall_ms() const { return wall_ms_; }
  bool empty() const { return first_ == 0; }
  std::uint64_t first() const { return first_; }
  std::uint64_t last() const { return last_; }
  const std::string& bytes() const { return bytes_; }
  // Lets the ops go, and room beyond `keep` bytes.
  void clear(std::size_t keep);

 private:
  struct Place {
    std::uint32_t id;  // OpView::place; and where in the bytes its texts are
    std::size_t source, source_size;
    std::size_t space, space_size;
  };
  std::size_t place_of(const OpView& op) const;

  std::string bytes_;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  std::int64_t wall_ms_ = 0;
  std::vector<Place> places_;
};

// Reads a group back. Whatever the bytes: no op reaches out of them.
class GroupReader {
 public:
  // The bytes are borrowed, also by the ops.
  GroupReader(std::uint64_t first, std::uint64_t last, std::string_view bytes)
      : bytes_(bytes), next_(first), last_(last), void_(bytes.empty()) {}

  struct Read {
    std::uint64_t seq;
    OpView op;
  };
  // Nothing: that was the last one. kInternal: this is no group of these numbers; says which op and byte.
  Result<std::optional<Read>> next();

 private:
  struct Place {
    std::string_view source;
    std::string_view space;
  };
  Result<std::uint64_t> number(const char* what);
  Result<std::string_view> text(const char* what);
  Error damage(std::size_t at, const std::string& what) const;

  const std::string_view bytes_;
  std::size_t at_ = 0;
  std::uint64_t next_;
  const std::uint64_t last_;
  const bool void_;
  std::vector<Place> places_;
};

// CRC-32C of a group's numbers, its time and its mark (log_file.h; groups of earlier versions have none), each
// as eight bytes, the lowest first, and then its bytes.
std::uint32_t checksum(std::uint64_t first, std::uint64_t last, std::int64_t wall_ms, std::string_view bytes,
                       std::optional<std::uint64_t> synced = std::nullopt);

}  // namespace forebay::journal
