#pragma once

// pgoutput's messages, made by hand.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::feed::postgres::test {

class Bytes {
 public:
  explicit Bytes(char letter) { letters_ += letter; }
  Bytes& letter(char value) {
    letters_ += value;
    return *this;
  }
  Bytes& number(std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
      letters_ += static_cast<char>(value >> shift & 0xff);
    return *this;
  }
  Bytes& text(std::string_view value) {
    letters_ += value;
    letters_ += '\0';
    return *this;
  }
  Bytes& raw(std::string_view value) {
    letters_ += value;
    return *this;
  }
  operator std::string() const { return letters_; }

 private:
  std::string letters_;
};

// Values of a row: nothing is NULL, "~" a long one that has not changed.
using Values = std::vector<std::optional<std::string>>;
inline std::string tuple(const Values& values) {
  std::string bytes = Bytes('\0').number(values.size(), 2);
  bytes.erase(0, 1);
  for (const auto& value : values) {
    if (!value) {
      bytes += 'n';
    } else if (*value == "~") {
      bytes += 'u';
    } else {
      std::string size = Bytes('t').number(value->size(), 4);
      bytes += size + *value;
    }
  }
  return bytes;
}

inline std::string begin(std::uint32_t xid) {
  return Bytes('B').number(100, 8).number(0, 8).number(xid, 4);
}
inline std::string commit(std::uint64_t end) {
  return Bytes('C').number(0, 1).number(end - 1, 8).number(end, 8).number(0, 8);
}
// `within`: the subtransaction, in a part of a transaction.
inline Bytes kind(char letter, std::optional<std::uint32_t> within) {
  Bytes bytes(letter);
  if (within) bytes.number(*within, 4);
  return bytes;
}
inline std::string relation(std::uint32_t id, const std::vector<std::string>& columns,
                            std::optional<std::uint32_t> within = {}) {
  Bytes bytes = kind('R', within);
  bytes.number(id, 4).text("public").text("t").letter('d').number(columns.size(), 2);
  for (const std::string& column : columns) bytes.number(0, 1).text(column).number(25, 4).number(0, 4);
  return bytes;
}
inline std::string insert(std::uint32_t id, const Values& after, std::optional<std::uint32_t> within = {}) {
  return kind('I', within).number(id, 4).letter('N').raw(tuple(after));
}
inline std::string update(std::uint32_t id, const Values& after, std::optional<std::uint32_t> within = {}) {
  return kind('U', within).number(id, 4).letter('N').raw(tuple(after));
}
// `which`: 'K' for the identity's columns, 'O' for all.
inline std::string update(std::uint32_t id, char which, const Values& before, const Values& after) {
  return Bytes('U').number(id, 4).letter(which).raw(tuple(before)).letter('N').raw(tuple(after));
}
inline std::string remove(std::uint32_t id, char which, const Values& before) {
  return Bytes('D').number(id, 4).letter(which).raw(tuple(before));
}
inline std::string truncate(const std::vector<std::uint32_t>& ids) {
  Bytes bytes('T');
  bytes.number(ids.size(), 4).number(0, 1);
  for (const std::uint32_t id : ids) bytes.number(id, 4);
  return bytes;
}
inline std::string note(std::string_view prefix, std::string_view content) {
  return Bytes('M').number(1, 1).number(7, 8).text(prefix).number(content.size(), 4).raw(content);
}

}  // namespace forebay::feed::postgres::test
