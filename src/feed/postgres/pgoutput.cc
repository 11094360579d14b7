#include "feed/postgres/pgoutput.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace forebay::feed::postgres {

std::string text_of(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn >> 32, lsn & 0xffffffffU);
}

std::optional<Lsn> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto half = [](std::string_view digits) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const auto high = half(text.substr(0, slash));
  const auto low = half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{*high} << 32 | *low;
}

namespace pgoutput {
namespace {

// Reads a message from its beginning to its end. What is asked for beyond the end is zero or empty, and good() is false
// from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

  template <class Integer>
  Integer integer() {
    Integer value = 0;
    for (const char byte : take(sizeof(Integer)))
      value = static_cast<Integer>(static_cast<std::uint64_t>(value) << 8 | static_cast<std::uint8_t>(byte));
    return value;
  }
  char letter() {
    const std::string_view one = take(1);
    return one.empty() ? '\0' : one.front();
  }
  std::string_view text() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      good_ = false;
      return {};
    }
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }
  std::string_view take(std::size_t bytes) {
    if (bytes > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::string_view sized() {
    const auto bytes = integer<std::uint32_t>();
    return take(bytes);
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

Relation relation(Reader& reader) {
  Relation relation;
  relation.id = reader.integer<std::uint32_t>();
  reader.text();    // schema
  reader.text();    // name
  reader.letter();  // replica identity
  const auto count = reader.integer<std::uint16_t>();
  for (std::uint16_t i = 0; i < count && reader.good(); ++i) {
    Column column;
    reader.letter();  // whether it is of the key
    column.name = reader.text();
    column.type = reader.integer<std::uint32_t>();
    reader.integer<std::uint32_t>();  // the type's modifier
    relation.columns.push_back(column);
  }
  return relation;
}

std::optional<Tuple> tuple(Reader& reader) {
  const auto count = reader.integer<std::uint16_t>();
  Tuple tuple;
  for (std::uint16_t i = 0; i < count && reader.good(); ++i) {
    Cell cell;
    switch (reader.letter()) {
      case 'n':
        break;
      case 'u':
        cell.kind = Cell::Kind::kUnchanged;
        break;
      case 't':
        cell.kind = Cell::Kind::kText;
        cell.text = reader.sized();
        break;
      default:
        return std::nullopt;
    }
    tuple.push_back(cell);
  }
  return tuple;
}

// What follows in a row's message: images, each with a letter that says which one.
std::optional<Row> row(Reader& reader) {
  Row row;
  row.relation = reader.integer<std::uint32_t>();
  while (reader.good() && !reader.at_end()) {
    const char which = reader.letter();
    auto image = tuple(reader);
    if (!image) return std::nullopt;
    if (which == 'N' && !row.after) {
      row.after = std::move(image);
    } else if ((which == 'K' || which == 'O') && !row.before) {
      row.before = std::move(image);
      row.whole_before = which == 'O';
    } else {
      return std::nullopt;
    }
  }
  return row;
}

Truncate truncate(Reader& reader) {
  Truncate truncate;
  const auto count = reader.integer<std::uint32_t>();
  reader.letter();  // CASCADE, RESTART IDENTITY
  for (std::uint32_t i = 0; i < count && reader.good(); ++i)
    truncate.relations.push_back(reader.integer<std::uint32_t>());
  return truncate;
}

Note note(Reader& reader) {
  reader.letter();  // whether it is part of a transaction
  reader.integer<std::uint64_t>();
  Note note;
  note.prefix = reader.text();
  note.content = reader.sized();
  return note;
}

Commit commit(Reader& reader) {
  reader.letter();  // flags
  reader.integer<std::uint64_t>();
  const Commit commit{reader.integer<std::uint64_t>()};
  reader.integer<std::uint64_t>();  // when
  return commit;
}

Begin begin(Reader& reader) {
  Begin begin;
  begin.commit = reader.integer<std::uint64_t>();
  reader.integer<std::uint64_t>();  // when
  begin.xid = reader.integer<std::uint32_t>();
  return begin;
}

bool names_its_subtransaction(char type) {
  return std::string_view("RYIUDTM").contains(type);
}

}  // namespace

Result<Message> parse(std::string_view bytes, bool streaming) {
  Reader reader(bytes);
  const char type = reader.letter();
  Message message;
  if (streaming && names_its_subtransaction(type)) message.subtransaction = reader.integer<std::uint32_t>();
  bool good = true;
  switch (type) {
    case 'B':
      message.what = begin(reader);
      break;
    case 'C':
      message.what = commit(reader);
      break;
    case 'R':
      message.what = relation(reader);
      break;
    case 'I':
    case 'U':
    case 'D':
      if (auto changed = row(reader)) {
        good = type == 'D' ? changed->before && !changed->after : changed->after.has_value();
        changed->existed = type != 'I';
        message.what = std::move(*changed);
      } else {
        good = false;
      }
      break;
    case 'T':
      message.what = truncate(reader);
      break;
    case 'M':
      message.what = note(reader);
      break;
    case 'S':
      message.what = StreamStart{reader.integer<std::uint32_t>()};
      reader.letter();  // whether it is the transaction's first
      break;
    case 'E':
      message.what = StreamStop{};
      break;
    case 'c': {
      const auto xid = reader.integer<std::uint32_t>();
      message.what = StreamCommit{xid, commit(reader).end};
      break;
    }
    case 'A': {
      const auto xid = reader.integer<std::uint32_t>();
      message.what = StreamAbort{xid, reader.integer<std::uint32_t>()};
      break;
    }
    case 'O':
    case 'Y':
      return message;
    default:
      return Error{ErrorCode::kUnavailable,
                   fmt::format("the server sent a message of the unknown kind {:#04x}",
                               static_cast<std::uint8_t>(type))};
  }
  if (!good || !reader.good() || !reader.at_end())
    return Error{ErrorCode::kUnavailable,
                 fmt::format("the server sent a message of the kind '{}' that is not whole", type)};
  return message;
}

}  // namespace pgoutput
}  // namespace forebay::feed::postgres
