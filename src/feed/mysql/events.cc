#include "feed/mysql/events.h"

#include <fmt/format.h>
#include <zlib.h>

#include <utility>

#include "feed/mysql/column_types.h"

namespace forebay::feed::mysql {
namespace {

constexpr std::size_t kHead = 19;
constexpr std::uint16_t kArtificial = 0x20;
// What a compressed event may become. The server takes no packet that is larger.
constexpr std::size_t kMostUnpacked = std::size_t{1} << 30;
// Columns that a table can have.
constexpr std::uint64_t kMostColumns = 4096;

namespace event_type {
enum : std::uint8_t {
  kStatement = 2,
  kRotate = 4,
  kFormat = 15,
  kXid = 16,
  kTableMap = 19,
  kInsertV1 = 23,
  kUpdateV1 = 24,
  kDeleteV1 = 25,
  kIncident = 26,
  kHeartbeat = 27,
  kInsert = 30,
  kUpdate = 31,
  kDelete = 32,
  kGtid = 33,
  kXaPrepare = 38,
  kPartialUpdate = 39,
  kPayload = 40,
  kHeartbeatV2 = 41,
  kMariaGtid = 162,
  kStatementCompressed = 165,
  kInsertCompressedV1 = 166,
  kUpdateCompressedV1 = 167,
  kDeleteCompressedV1 = 168,
  kInsertCompressed = 169,
  kUpdateCompressed = 170,
  kDeleteCompressed = 171,
};
}  // namespace event_type

Error broken(std::string_view what) {
  return {ErrorCode::kUnavailable, fmt::format("the server sent {} that can't be read", what)};
}

// MariaDB's log_bin_compress: a byte with the method and how many bytes say the length, the length, zlib's bytes.
Result<std::string> unpack(std::string_view packed) {
  Reader reader(packed);
  const std::uint64_t head = reader.number(1);
  const std::uint64_t length = reader.number_high_first(head & 7);
  if (!reader.good() || (head & 7) > 4 || (head & 0xf0) != 0x80 || length > kMostUnpacked)
    return broken("a compressed event");
  std::string out(length, '\0');
  uLongf got = length;
  const std::string_view rest = reader.rest();
  const int done = uncompress(reinterpret_cast<Bytef*>(out.data()), &got,
                              reinterpret_cast<const Bytef*>(rest.data()), rest.size());
  if (done != Z_OK || got != length) return broken("a compressed event");
  return out;
}

Result<Event> parse_rotate(std::string_view body) {
  Reader reader(body);
  Rotate rotate;
  rotate.position = reader.number(8);
  rotate.file = reader.rest();
  if (!reader.good() || rotate.file.empty()) return broken("a change of files");
  return Event{rotate};
}

Result<Event> parse_format(std::string_view body, std::uint32_t when) {
  Reader reader(body);
  const std::uint64_t version = reader.number(2);
  reader.take(50 + 4);
  const std::uint64_t head = reader.number(1);
  const std::string_view lengths = reader.rest();
  // The numbers of tables have 6 bytes since MySQL 5.1.4.
  if (!reader.good() || version != 4 || head != kHead || lengths.size() < event_type::kTableMap ||
      lengths[event_type::kTableMap - 1] != 8)
    return broken("a log of a form");
  return Event{Format{when}};
}

Result<Event> parse_statement(std::string_view body, bool packed) {
  Reader reader(body);
  reader.take(8);
  const std::uint64_t database = reader.number(1);
  reader.take(2);
  const std::uint64_t variables = reader.number(2);
  reader.take(variables);
  Statement statement;
  statement.database = reader.take(database);
  reader.take(1);
  if (!reader.good()) return broken("a statement");
  if (!packed) {
    statement.text = reader.rest();
    return Event{std::move(statement)};
  }
  auto text = unpack(reader.rest());
  if (!text) return std::move(text).error();
  statement.text = std::move(*text);
  return Event{std::move(statement)};
}

// MySQL's optional metadata. Of it only the names are looked at.
bool add_names(TableMap& map, Reader& reader) {
  constexpr std::uint64_t kColumnNames = 4;
  while (reader.good() && !reader.rest().empty()) {
    const std::uint64_t kind = reader.number(1);
    Reader value(reader.take(reader.packed_number()));
    if (kind != kColumnNames) continue;
    while (value.good() && !value.rest().empty()) map.names.push_back(value.take(value.packed_number()));
    if (!value.good() || map.names.size() != map.columns.size()) return false;
  }
  return reader.good();
}

Result<Event> parse_table_map(std::string_view body) {
  Reader reader(body);
  TableMap map;
  map.number = reader.number(6);
  reader.take(2);
  map.schema = reader.take(reader.number(1));
  reader.take(1);
  map.table = reader.take(reader.number(1));
  reader.take(1);
  const std::uint64_t count = reader.packed_number();
  if (!reader.good() || count > kMostColumns) return broken("a table map");
  const std::string_view types = reader.take(count);
  Reader metas(reader.take(reader.packed_number()));
  reader.take((count + 7) / 8);
  if (!reader.good()) return broken("a table map");
  for (const char each : types) map.columns.push_back(column_of(static_cast<std::uint8_t>(each), metas));
  if (!metas.good() || !add_names(map, reader)) return broken("a table map");
  return Event{std::move(map)};
}

struct RowsForm {
  RowsEvent::Kind kind;
  bool extra;  // what the second version has more
  bool packed;
};

std::optional<RowsForm> rows_form(std::uint8_t event) {
  using enum RowsEvent::Kind;
  switch (event) {
    case event_type::kInsertV1:
      return RowsForm{kInsert, false, false};
    case event_type::kUpdateV1:
      return RowsForm{kUpdate, false, false};
    case event_type::kDeleteV1:
      return RowsForm{kDelete, false, false};
    case event_type::kInsert:
      return RowsForm{kInsert, true, false};
    case event_type::kUpdate:
      return RowsForm{kUpdate, true, false};
    case event_type::kDelete:
      return RowsForm{kDelete, true, false};
    case event_type::kInsertCompressedV1:
      return RowsForm{kInsert, false, true};
    case event_type::kUpdateCompressedV1:
      return RowsForm{kUpdate, false, true};
    case event_type::kDeleteCompressedV1:
      return RowsForm{kDelete, false, true};
    case event_type::kInsertCompressed:
      return RowsForm{kInsert, true, true};
    case event_type::kUpdateCompressed:
      return RowsForm{kUpdate, true, true};
    case event_type::kDeleteCompressed:
      return RowsForm{kDelete, true, true};
    default:
      return std::nullopt;
  }
}

Result<Event> parse_rows(std::string_view body, const RowsForm& form) {
  Reader reader(body);
  RowsEvent rows;
  rows.kind = form.kind;
  rows.table = reader.number(6);
  reader.take(2);
  if (form.extra) {
    const std::uint64_t extra = reader.number(2);
    if (extra < 2) return broken("rows");
    reader.take(extra - 2);
  }
  rows.columns = reader.packed_number();
  if (!reader.good() || rows.columns > kMostColumns) return broken("rows");
  rows.present = reader.take((rows.columns + 7) / 8);
  if (form.kind == RowsEvent::Kind::kUpdate) rows.present_after = reader.take((rows.columns + 7) / 8);
  if (!reader.good()) return broken("rows");
  rows.bytes = reader.rest();
  if (form.packed) {
    auto unpacked = unpack(rows.bytes);
    if (!unpacked) return std::move(unpacked).error();
    rows.unpacked = std::move(*unpacked);
    rows.bytes = {};
  }
  return Event{std::move(rows)};
}

Result<Event> parse_gtid(std::string_view body) {
  Reader reader(body);
  reader.take(1);
  const std::string_view uuid = reader.take(16);
  const std::uint64_t number = reader.number(8);
  if (!reader.good()) return broken("a transaction's number");
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<std::uint8_t>(uuid[i]));
  }
  return Event{Gtid{text + fmt::format(":{}", number)}};
}

Result<Event> parse_group(std::string_view body) {
  constexpr std::uint64_t kAlone = 1;
  constexpr std::uint64_t kInGroupCommit = 2;
  constexpr std::uint64_t kOfXa = 0x40 | 0x80;  // prepared, or ended
  Reader reader(body);
  reader.take(8 + 4);
  const std::uint64_t flags = reader.number(1);
  Group group{(flags & kAlone) != 0, {}};
  if ((flags & kOfXa) != 0) {
    reader.take((flags & kInGroupCommit) != 0 ? 8 : 0);
    group.xa = reader.rest();
    reader.take(4);
    const std::uint64_t first = reader.number(1);
    const std::uint64_t length = 6 + first + reader.number(1);
    reader.take(length - 6);
    group.xa = group.xa.substr(0, length);
  }
  if (!reader.good()) return broken("a transaction's number");
  return Event{group};
}

Result<Event> parse_prepared(std::string_view body) {
  Reader reader(body);
  const bool one_phase = reader.number(1) != 0;
  if (!reader.good()) return broken("a prepared transaction");
  return Event{Prepared{one_phase}};
}

Result<Event> parse_body(std::uint8_t event, std::uint32_t when, std::string_view body) {
  if (const auto form = rows_form(event)) return parse_rows(body, *form);
  switch (event) {
    case event_type::kStatement:
    case event_type::kStatementCompressed:
      return parse_statement(body, event == event_type::kStatementCompressed);
    case event_type::kRotate:
      return parse_rotate(body);
    case event_type::kFormat:
      return parse_format(body, when);
    case event_type::kXid:
      return Event{Committed{}};
    case event_type::kTableMap:
      return parse_table_map(body);
    case event_type::kIncident:
      return Event{Incident{}};
    case event_type::kHeartbeat:
    case event_type::kHeartbeatV2:
      return Event{Heartbeat{}};
    case event_type::kGtid:
      return parse_gtid(body);
    case event_type::kXaPrepare:
      return parse_prepared(body);
    case event_type::kMariaGtid:
      return parse_group(body);
    case event_type::kPartialUpdate:
      return Event{Unreadable{"parts of JSON values (binlog_row_value_options)"}};
    case event_type::kPayload:
      return Event{Unreadable{"compressed transactions (binlog_transaction_compression)"}};
    // LOAD DATA as a statement, and rows as servers before MySQL 5.1.18 wrote them.
    case 6:
    case 11:
    case 12:
    case 18:
    case 20:
    case 21:
    case 22:
      return Event{Unreadable{"changes in a form of the past"}};
    default:
      return Event{};
  }
}

bool has(std::string_view bits, std::size_t i) {
  return (static_cast<std::uint8_t>(bits[i / 8]) >> (i % 8) & 1) != 0;
}

bool read_row(Reader& reader, const TableMap& table, std::string_view present, Row& row) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) count += has(present, i) ? 1 : 0;
  const std::string_view nulls = reader.take((count + 7) / 8);
  if (!reader.good()) return false;
  row.assign(table.columns.size(), Cell{});
  std::size_t place = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (!has(present, i)) continue;
    if (has(nulls, place++)) {
      row[i].kind = Cell::Kind::kNull;
      continue;
    }
    const auto bytes = take_cell(table.columns[i], reader);
    if (!bytes) return false;
    row[i] = {Cell::Kind::kBytes, *bytes};
  }
  return true;
}

}  // namespace

Result<Event> parse_event(std::string_view bytes) {
  Reader reader(bytes);
  const auto when = static_cast<std::uint32_t>(reader.number(4));
  const auto kind = static_cast<std::uint8_t>(reader.number(1));
  reader.take(4);  // the server's number
  const std::uint64_t length = reader.number(4);
  const auto end = static_cast<std::uint32_t>(reader.number(4));
  const std::uint64_t flags = reader.number(2);
  // The length counts the checksum, which is gone.
  if (!reader.good() || length < bytes.size() || length > bytes.size() + 4) return broken("an event");
  auto event = parse_body(kind, when, reader.rest());
  if (!event) return event;
  event->end = end;
  event->artificial = (flags & kArtificial) != 0;
  return event;
}

Result<std::string_view> Checksums::without(std::string_view bytes) {
  constexpr std::size_t kSum = 4;
  if (bytes.size() < kHead + kSum) return bytes;
  const auto kind = static_cast<std::uint8_t>(bytes[4]);
  if (kind == event_type::kFormat) {
    crc32_ = bytes[bytes.size() - kSum - 1] == 1;
    return bytes;
  }
  const std::string_view event = bytes.substr(0, bytes.size() - kSum);
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(event.data()), static_cast<uInt>(event.size()));
  if (sum == Reader(bytes.substr(event.size())).number(kSum)) return event;
  // What the server makes for a session may have none.
  if (crc32_ && kind != event_type::kRotate && kind != event_type::kHeartbeat &&
      kind != event_type::kHeartbeatV2)
    return broken("an event with a wrong checksum");
  return bytes;
}

Result<void> each_row(const RowsEvent& rows, const TableMap& table,
                      FunctionRef<void(const Row* before, const Row* after)> each) {
  if (rows.columns != table.columns.size()) return broken("rows");
  Reader reader(rows.unpacked.empty() ? rows.bytes : std::string_view(rows.unpacked));
  Row first;
  Row second;
  // Rows without any bytes would never end.
  while (!reader.rest().empty()) {
    const std::size_t left = reader.rest().size();
    if (!read_row(reader, table, rows.present, first)) return broken("a row");
    if (rows.kind == RowsEvent::Kind::kUpdate && !read_row(reader, table, rows.present_after, second))
      return broken("a row");
    if (reader.rest().size() == left) return broken("a row");
    switch (rows.kind) {
      case RowsEvent::Kind::kInsert:
        each(nullptr, &first);
        break;
      case RowsEvent::Kind::kUpdate:
        each(&first, &second);
        break;
      case RowsEvent::Kind::kDelete:
        each(&first, nullptr);
        break;
    }
  }
  return {};
}

}  // namespace forebay::feed::mysql
