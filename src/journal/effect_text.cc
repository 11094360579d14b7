// An effect as text: what the journal keeps, and what people read and edit of a dead letter.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"
#include "journal/effect.h"
#include "journal/sums.h"

namespace forebay::journal {
namespace {

using From = Effect::Set::From;

// No database knows a column by a name that is not UTF-8; two such names must not become one.
void append_name(std::string& out, std::string_view column) {
  if (is_utf8(column)) return append_json_string(out, column);
  out += "\"\xEF\xBF\xBD";
  for (const char c : column)
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  out += '"';
}

enum class Member : std::uint8_t { kRow, kFields, kBytes };

Member member_of(const Effect::Set& set) {
  if (set.text && !is_utf8(*set.text)) return Member::kBytes;
  if (set.from == From::kText) return Member::kFields;
  return set.from == From::kJsonOther && set.text && !is_json(*set.text) ? Member::kFields : Member::kRow;
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  // Begins a member of the effect.
  void member(std::string_view name) {
    out_ += std::exchange(empty_, false) ? "{\"" : ",\"";
    out_ += name;
    out_ += "\":";
  }
  void flag(std::string_view name, bool value) {
    if (!value) return;
    member(name);
    out_ += "true";
  }
  void sets(std::string_view name, Member wanted, const Effect& effect, const std::vector<Member>& members) {
    bool any = wanted == Member::kRow && effect.make;
    if (any) {
      member(name);
      out_ += '{';
    }
    bool first = true;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (members[i] != wanted) continue;
      if (!std::exchange(any, true)) {
        member(name);
        out_ += '{';
      }
      if (!std::exchange(first, false)) out_ += ',';
      const Effect::Set& set = effect.sets[i];
      append_name(out_, set.column);
      out_ += ':';
      if (!set.text) {
        out_ += "null";
      } else if (wanted == Member::kBytes) {
        out_ += '"';
        append_base64(out_, *set.text);
        out_ += '"';
      } else if (set.from == From::kJsonOther && wanted == Member::kRow) {
        out_ += *set.text;
      } else {
        append_json_string(out_, *set.text);
      }
    }
    if (any) out_ += '}';
  }
  void sums(const std::vector<Effect::Sum>& sums) {
    if (sums.empty()) return;
    member("add");
    char before = '{';
    for (const Effect::Sum& sum : sums) {
      out_ += std::exchange(before, ',');
      append_name(out_, sum.column);
      out_ += ':';
      append_json_string(out_, sum.amount);
    }
    out_ += '}';
    if (std::ranges::none_of(sums, &Effect::Sum::floating)) return;
    member("float");
    before = '[';
    for (const Effect::Sum& sum : sums) {
      if (!sum.floating) continue;
      out_ += std::exchange(before, ',');
      append_name(out_, sum.column);
    }
    out_ += ']';
  }
  void revives(const DeadId& id) {
    member("revives");
    out_ += "{\"journal\":";
    append_json_string(out_, id.journal);
    fmt::format_to(std::back_inserter(out_), ",\"lane\":{},\"seq\":{}}}", id.lane, id.seq);
  }
  void end() { out_ += empty_ ? "{}" : "}"; }

 private:
  std::string& out_;
  bool empty_ = true;
};

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

Error wrong(std::string what) {
  return {ErrorCode::kInvalidArgument, "the operation can't be read: " + what};
}

// Says where a text stops being JSON.
Error not_json(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kJsonDepthMax + 2;
  boost::json::stream_parser parser({}, options);
  boost::json::error_code code;
  std::size_t at = parser.write_some(text.data(), text.size(), code);
  if (!code && at == text.size()) parser.finish(code);
  if (!code && at < text.size()) return wrong(fmt::format("there is more after its end, at byte {}", at + 1));
  if (!code) return wrong("it is no JSON object, or names a member twice");
  return wrong(fmt::format("it is no JSON, at byte {}: {}", at + 1, code.message()));
}

class Reader {
 public:
  Result<Effect> read(std::string_view text) {
    std::vector<bool> strings;
    // One level more than a client's row may have.
    auto members = fields_of_row(text, &strings, kJsonDepthMax + 2);
    if (!members) return not_json(text);
    for (std::size_t i = 0; i < members->size(); ++i) {
      const auto& [name, value] = (*members)[i];
      if (auto read = member(name, value, strings[i]); !read) return read.error();
    }
    if (effect_.insert && (effect_.remove || effect_.update))
      return wrong("\"insert\" is for a row that must not exist; not with \"remove\" or \"update\"");
    if (effect_.update && row_) return wrong("\"row\" makes the row; not with \"update\"");
    for (const std::string& column : floats_) {
      const auto sum = std::ranges::find(effect_.sums, column, &Effect::Sum::column);
      if (sum == effect_.sums.end())
        return wrong(fmt::format("\"float\": column {} is not in \"add\"", column));
      sum->floating = true;
    }
    for (const Effect::Sum& sum : effect_.sums) {
      if (sum.floating ? !can_be_added(sum.amount) : !integer_of(sum.amount)) {
        return wrong(fmt::format("\"add\": the amount of column {} is no {}", sum.column,
                                 sum.floating ? "decimal number"
                                              : "64-bit integer (list the column in \"float\" if it need not "
                                                "be)"));
      }
    }
    if (effect_.sets.empty()) effect_.update = false;
    put_in_order();
    return std::move(effect_);
  }

 private:
  Result<void> member(const std::string& name, const OptionalText& value, bool string) {
    for (const auto& [flag, at] : {std::pair<std::string_view, bool*>{"insert", &effect_.insert},
                                   {"remove", &effect_.remove},
                                   {"update", &effect_.update}}) {
      if (name != flag) continue;
      if (string || (value != "true" && value != "false"))
        return wrong(fmt::format("\"{}\" is true or false", name));
      *at = value == "true";
      return {};
    }
    if (name == "float") return floats(value.value_or("null"), string);
    if (name != "row" && name != "fields" && name != "bytes" && name != "add" && name != "revives") {
      return wrong(
          fmt::format("there is no member \"{}\" (insert, remove, row, fields, update, bytes, add, "
                      "float, revives)",
                      name));
    }
    std::vector<bool> strings;
    auto columns = string ? Result<Fields>(wrong("")) : fields_of_row(value.value_or("null"), &strings);
    if (!columns) return wrong(fmt::format("\"{}\" is no JSON object, or names a column twice", name));
    if (name == "revives") return revives(*columns, strings);
    for (std::size_t i = 0; i < columns->size(); ++i) {
      auto& [column, text] = (*columns)[i];
      auto taken = name == "add" ? sum(std::move(column), std::move(text))
                                 : set(name, std::move(column), std::move(text), strings[i]);
      if (!taken) return taken;
    }
    row_ = row_ || name == "row";
    return {};
  }

  Result<void> set(std::string_view member, std::string column, OptionalText text, bool string) {
    if (std::ranges::find(effect_.sets, column, &Effect::Set::column) != effect_.sets.end())
      return wrong(fmt::format("column {} is given twice", column));
    From from = From::kText;
    if (member == "row") {
      from = string ? From::kJsonString : From::kJsonOther;
    } else if (text && !string) {
      return wrong(fmt::format("\"{}\": the value of column {} is no string", member, column));
    } else if (member == "bytes") {
      if (text) text = decode_base64(*text);
      if (!text) return wrong(fmt::format("\"bytes\": the value of column {} is no base64", column));
    }
    effect_.sets.push_back({std::move(column), std::move(text), from});
    return {};
  }

  Result<void> sum(std::string column, OptionalText amount) {
    if (!amount) return wrong(fmt::format("\"add\": the amount of column {} is no number", column));
    effect_.sums.push_back({std::move(column), std::move(*amount), false});
    return {};
  }

  Result<void> floats(const std::string& text, bool string) {
    boost::json::error_code code;
    const auto list = string ? boost::json::value() : boost::json::parse(text, code);
    if (code || !list.is_array()) return wrong("\"float\" is an array of columns");
    for (const auto& column : list.as_array()) {
      if (!column.is_string()) return wrong("\"float\" is an array of columns");
      floats_.emplace_back(column.as_string());
    }
    return {};
  }

  Result<void> revives(const Fields& members, const std::vector<bool>& strings) {
    DeadId id;
    bool journal = false;
    std::optional<std::int64_t> lane;
    std::optional<std::int64_t> seq;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto& [name, text] = members[i];
      if (name == "journal" && strings[i]) {
        id.journal = *text;
        journal = true;
      } else if ((name == "lane" || name == "seq") && text && !strings[i]) {
        (name == "lane" ? lane : seq) = integer_of(*text);
      }
    }
    if (members.size() != 3 || !journal || !lane || *lane < 0 || *lane > 0xffffffff || !seq || *seq < 0)
      return wrong(R"("revives" is {"journal": "…", "lane": 0, "seq": 1})");
    id.lane = static_cast<std::uint32_t>(*lane);
    id.seq = static_cast<std::uint64_t>(*seq);
    effect_.revives = std::move(id);
    return {};
  }

  // In one order, whatever the text's: what is the same is then equal.
  void put_in_order() {
    std::vector<Effect::Set> parts[3];
    for (Effect::Set& set : effect_.sets) {
      const Member member = member_of(set);
      parts[static_cast<std::size_t>(member)].push_back(std::move(set));
    }
    effect_.make = row_ && parts[0].empty();
    effect_.sets.clear();
    for (auto& part : parts) std::ranges::move(part, std::back_inserter(effect_.sets));
  }

  Effect effect_;
  bool row_ = false;
  std::vector<std::string> floats_;
};

// Appends the pieces, one after another, to the text.
void append_pieces(std::string& out, std::initializer_list<std::string_view> pieces) {
  const std::size_t before = out.size();
  std::size_t after = before;
  for (const std::string_view piece : pieces) after += piece.size();
  out.resize_and_overwrite(after, [&](char* bytes, std::size_t) {  // libstdc++ 12 gives the capacity
    char* to = bytes + before;
    for (const std::string_view piece : pieces) {
      std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    return after;
  });
}

// One column set to a text, both of which need no escaping, and nothing else: what most writes do that are no
// additions.
bool is_plain_set(const Effect& effect) {
  if (effect.sets.size() != 1 || !effect.sums.empty() || effect.revives) return false;
  if (effect.insert || effect.remove || effect.make || effect.update) return false;
  const Effect::Set& set = effect.sets.front();
  return set.from == From::kText && set.text && is_plain(*set.text) && is_plain(set.column);
}

}  // namespace

std::string encode(const Effect& effect) {
  std::string out;
  encode(effect, out);
  return out;
}

void encode(const Effect& effect, std::string& out) {
  if (is_plain_set(effect)) {
    const Effect::Set& set = effect.sets.front();
    return append_pieces(out, {R"({"fields":{")", set.column, R"(":")", *set.text, R"("}})"});
  }
  Writer writer(out);
  writer.flag("insert", effect.insert);
  writer.flag("remove", effect.remove);
  if (effect.make || !effect.sets.empty()) {
    std::vector<Member> members;
    members.reserve(effect.sets.size());
    for (const Effect::Set& set : effect.sets) members.push_back(member_of(set));
    writer.sets("row", Member::kRow, effect, members);
    writer.sets("fields", Member::kFields, effect, members);
    writer.flag("update", effect.update);
    writer.sets("bytes", Member::kBytes, effect, members);
  }
  writer.sums(effect.sums);
  if (effect.revives) writer.revives(*effect.revives);
  writer.end();
}

void encode(const Addition& addition, std::string& out) {
  if (!is_plain(addition.column)) return encode(effect_of(addition), out);
  const Digits amount(addition.amount);
  append_pieces(out, {R"({"add":{")", addition.column, R"(":")", amount.view(), R"("}})"});
}

Result<Effect> decode(std::string_view text) {
  return Reader().read(text);
}

}  // namespace forebay::journal
