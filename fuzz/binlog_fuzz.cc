// What a MySQL or MariaDB server could send as its binary log: events of any bytes, one after the other, each after two
// bytes that say how long it is. Whatever they say, the reader of transactions answers or refuses, and keeps no more than
// it may.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "feed/mysql/events.h"
#include "feed/mysql/transactions.h"

namespace {

using namespace forebay::feed;

// A table `s`.`t` with a column of each type, and a parent of it.
mysql::Followed followed() {
  mysql::Followed all;
  mysql::FollowedTable& table = all.tables[{"s", "t"}];
  table = {"s", "t", "#`s`.`t`", true, {}, "", {"#`s`.`t`"}};
  for (const char* type :
       {"int", "varchar", "decimal", "char", "blob", "enum", "set", "bit", "datetime", "time", "timestamp",
        "float", "double", "year", "date", "binary", "bigint", "uuid"}) {
    mysql::Column column = mysql::described_column(type, type, "enum('a','b')", "utf8mb4", "16", "3");
    column.wanted = true;
    column.referenced = table.columns.size() % 2 == 0;
    table.columns.push_back(column);
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mysql::Followed kFollowed = followed();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::uint64_t number = 0;
  mysql::Transactions transactions(kFollowed, [&](const std::string&) { return ++number; });
  mysql::Checksums checksums;
  Delivery delivery;
  while (rest.size() > 2) {
    const std::size_t length =
        static_cast<std::uint8_t>(rest[0]) * std::size_t{256} + static_cast<std::uint8_t>(rest[1]);
    rest.remove_prefix(2);
    // In an input of its own size, so that a read beyond the end is seen.
    const std::string bytes(rest.substr(0, length));
    rest.remove_prefix(bytes.size());
    const auto bare = checksums.without(bytes);
    const auto event = mysql::parse_event(bare ? *bare : std::string_view(bytes));
    if (!event || !transactions.take(*event, delivery)) transactions.begin_anew();
    if (transactions.take_look()) transactions.forget_tables();
    if (delivery.changes.size() > 1000) delivery.changes.clear();
  }
  return 0;
}
