// What a PostgreSQL server could send on a replication connection: messages of any bytes, one after the other, each
// after two bytes that say how long it is. Whatever they say, the reader of transactions answers or refuses, and keeps
// no more than it may.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "feed/postgres/transactions.h"

namespace {

using namespace forebay;
using namespace forebay::feed;

Result<postgres::Transactions::Relation> describe(const postgres::pgoutput::Relation& told) {
  postgres::Transactions::Relation relation;
  if (told.id % 3 == 0) return relation;
  if (told.id % 7 == 0) return Error{ErrorCode::kUnavailable, "the catalogue is away"};
  relation.root = "#1";
  for (const postgres::pgoutput::Column& column : told.columns)
    relation.columns.push_back({std::string(column.name), source::postgres::built_in_type(column.type),
                                column.type % 2 == 0, column.type % 5 == 0});
  return relation;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  postgres::Transactions transactions(describe);
  Delivery delivery;
  while (rest.size() > 2) {
    const std::size_t length =
        static_cast<std::uint8_t>(rest[0]) * std::size_t{256} + static_cast<std::uint8_t>(rest[1]);
    rest.remove_prefix(2);
    const std::string_view message = rest.substr(0, length);
    rest.remove_prefix(message.size());
    if (!transactions.take(message, [](std::uint32_t xid) { return std::uint64_t{xid}; }, delivery))
      transactions.restart();
    transactions.take_note();
    if (delivery.changes.size() > 1000) delivery.changes.clear();
  }
  return 0;
}
