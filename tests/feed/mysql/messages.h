#pragma once

// Events as a server would send them, without checksums, of a table s.t (id int, name varchar(80)).

#include <cstdint>
#include <string>
#include <string_view>

#include "feed/mysql/followed.h"

namespace forebay::feed::mysql::test {

inline Followed followed_table() {
  Followed followed;
  FollowedTable table{"s", "t", "#`s`.`t`", true, {}, "", {}};
  table.columns.push_back(described_column("id", "int", "int(11)", "", "", ""));
  table.columns.push_back(described_column("name", "varchar", "varchar(80)", "utf8mb4", "320", ""));
  for (Column& column : table.columns) column.wanted = true;
  followed.tables.emplace(std::pair("s", "t"), std::move(table));
  return followed;
}

struct Log {
  static std::string number(std::uint64_t value, std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
  }
  static std::string event(int type, const std::string& body) {
    return number(0, 4) + static_cast<char>(type) + number(1, 4) + number(19 + body.size(), 4) +
           number(1000, 4) + number(0, 2) + body;
  }
  // The beginning of an event, which says that it is whole.
  static std::string cut(std::string event, std::size_t length) {
    event.resize(length);
    if (length >= 13) event.replace(9, 4, number(length, 4));
    return event;
  }
  static std::string format(int checksum) {
    std::string lengths(40, '\0');
    lengths[18] = 8;
    return event(15, number(4, 2) + std::string(54, '\0') + static_cast<char>(19) + lengths +
                         static_cast<char>(checksum) + number(0, 4));
  }
  static std::string statement(std::string_view database, std::string_view text) {
    return event(2, number(0, 8) + number(database.size(), 1) + number(0, 4) + std::string(database) + '\0' +
                        std::string(text));
  }
  static std::string committed() { return event(16, number(1, 8)); }
  static std::string table_map() {
    using namespace std::string_literals;
    return event(19, number(5, 6) + number(1, 2) + "\1s\0\1t\0"s + "\2\3\x0f\2"s + number(320, 2) + "\3"s);
  }
  static std::string row(std::uint32_t id, std::string_view name) {
    return std::string(1, '\0') + number(id, 4) + number(name.size(), 2) + std::string(name);
  }
  static std::string update(std::uint32_t id, std::string_view name, std::uint32_t new_id,
                            std::string_view new_name) {
    return event(24, number(5, 6) + number(1, 2) + "\2\3\3" + row(id, name) + row(new_id, new_name));
  }
};

}  // namespace forebay::feed::mysql::test
