#include "journal/effect.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <charconv>
#include <iterator>
#include <utility>

#include "base/number_text.h"
#include "base/row_json.h"
#include "journal/decimal.h"

namespace forebay::journal {
namespace {

using From = Effect::Set::From;

// ---- The text form.

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
  options.max_depth = kJsonDepthMax + 1;
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
    auto members = fields_of_row(text, &strings, kJsonDepthMax + 1);
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
      if (sum.floating ? !is_decimal(sum.amount) : !integer_of(sum.amount)) {
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

// ---- Combining.

bool stands_alone(const Effect& effect) {
  return effect.insert || effect.revives;
}

// Whether there is a row once an effect's removal and sets are through; and all of it.
bool makes_row_before_sums(const Effect& effect) {
  return effect.make || (!effect.update && !effect.sets.empty());
}
bool leaves_row(const Effect& effect) {
  return makes_row_before_sums(effect) || !effect.sums.empty();
}
bool leaves_none(const Effect& effect) {
  return effect.remove && effect.sets.empty() && !leaves_row(effect);
}

Effect::Set* find_set(Effect& effect, std::string_view column) {
  const auto found = std::ranges::find(effect.sets, column, &Effect::Set::column);
  return found == effect.sets.end() ? nullptr : &*found;
}

bool sets_column(const Effect& effect, std::string_view column) {
  return std::ranges::find(effect.sets, column, &Effect::Set::column) != effect.sets.end();
}

// Each of these takes a part of a later effect into `effect`. False: it can't be done.

bool take_sets(Effect& effect, const Effect& later) {
  if (later.update && leaves_none(effect)) return true;
  if (later.sets.empty() && leaves_row(effect)) return true;
  // The statement that makes a row decides which columns get their defaults: additions that make it can't
  // come after another one.
  const auto replaced = [&](const auto& part) { return sets_column(later, part.column); };
  if (!effect.sums.empty() && !makes_row_before_sums(effect) && !std::ranges::all_of(effect.sums, replaced))
    return false;
  if (later.update) {
    effect.update = !leaves_row(effect);
  } else {
    if (effect.update && !std::ranges::all_of(effect.sets, replaced)) return false;
    effect.update = false;
    effect.make = effect.make || later.sets.empty();
  }
  std::erase_if(effect.sums, replaced);
  for (const Effect::Set& set : later.sets) {
    if (Effect::Set* before = find_set(effect, set.column)) {
      *before = set;
    } else {
      effect.sets.push_back(set);
    }
  }
  return true;
}

bool take_sum(Effect& effect, const Effect::Sum& sum) {
  if (effect.update) return false;
  const auto before = std::ranges::find(effect.sums, sum.column, &Effect::Sum::column);
  if (before != effect.sums.end()) {
    auto both = sum_of(before->amount, sum.amount);
    if (!both) return false;
    before->amount = std::move(*both);
    before->floating = before->floating || sum.floating;
    return true;
  }
  Effect::Set* set = find_set(effect, sum.column);
  if (set != nullptr && set->from != From::kJsonString) {
    // In the database NULL counts as 0.
    if (auto both = sum_of(set->text.value_or("0"), sum.amount)) {
      set->text = std::move(both);
      return true;
    }
  }
  effect.sums.push_back(sum);
  return true;
}

bool take(Effect& effect, const Effect& later) {
  // An edited text may say this; nothing else does.
  if (effect.update && (effect.remove || effect.make || !effect.sums.empty())) return false;
  if (later.sets.empty() && !later.make && later.sums.size() <= 1)
    return later.sums.empty() || take_sum(effect, later.sums.front());
  Effect copy = effect;
  if ((later.make || !later.sets.empty()) && !take_sets(copy, later)) return false;
  for (const Effect::Sum& sum : later.sums) {
    if (!take_sum(copy, sum)) return false;
  }
  effect = std::move(copy);
  return true;
}

// ---- Values.

enum class Kind : std::uint8_t { kUnknown, kString, kOther };

struct Cell {
  std::string column;
  OptionalText text;
  Kind kind = Kind::kUnknown;  // of JSON; of a column that is null or was never seen: unknown
};

// A row as a value of JSON shows it.
struct Row {
  bool exists = false;
  std::vector<Cell> cells;

  Cell* find(std::string_view column) {
    const auto found = std::ranges::find(cells, column, &Cell::column);
    return found == cells.end() ? nullptr : &*found;
  }
  Cell& cell(std::string_view column) {
    if (Cell* found = find(column)) return *found;
    return cells.emplace_back(std::string(column));
  }
};

bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && is_json(text);
}

Result<Row> row_of(const std::optional<std::string>& value) {
  Row row;
  row.exists = value.has_value();
  if (!value) return row;
  std::vector<bool> strings;
  auto fields = fields_of_row(*value, &strings);
  if (!fields) return fields.error();
  row.cells.reserve(fields->size());
  for (std::size_t i = 0; i < fields->size(); ++i) {
    auto& [column, text] = (*fields)[i];
    const Kind kind = !text ? Kind::kUnknown : strings[i] ? Kind::kString : Kind::kOther;
    row.cells.push_back({std::move(column), std::move(text), kind});
  }
  return row;
}

std::optional<std::string> value_of(const Row& row) {
  if (!row.exists) return std::nullopt;
  RowJson json;
  for (const Cell& cell : row.cells) {
    if (!cell.text) {
      json.null(cell.column);
    } else if (cell.kind == Kind::kOther) {
      json.json(cell.column, *cell.text);
    } else {
      json.text(cell.column, *cell.text);
    }
  }
  return json.take();
}

void make_row(const Shape& shape, Row& row) {
  if (std::exchange(row.exists, true)) return;
  row.cells.clear();
  for (const auto& [column, text] : shape.key) {
    // A guess: most keys that look like integers are such in the table.
    const bool integer = text && is_number(*text) && integer_of(*text).has_value();
    row.cells.push_back({column, text, integer ? Kind::kOther : Kind::kString});
  }
}

// A number stays a number, true a truth value, an object an object; what can't becomes a string; and the
// other way about, a column of texts keeps holding texts.
Kind kind_after(const Cell& before, const Effect::Set& set) {
  if (!set.text) return Kind::kUnknown;
  const Kind given = set.from == From::kJsonOther && is_json(*set.text) ? Kind::kOther : Kind::kString;
  if (before.kind == Kind::kString) return Kind::kString;
  if (before.kind == Kind::kUnknown || given == Kind::kOther) return given;
  if (is_number(*before.text)) return is_number(*set.text) ? Kind::kOther : Kind::kString;
  if (*before.text == "true" || *before.text == "false") {
    return *set.text == "true" || *set.text == "false" ? Kind::kOther : Kind::kString;
  }
  // In a column of a JSON type a JSON string is told from what it says.
  return set.from == From::kText && is_json(*set.text) ? Kind::kOther : Kind::kString;
}

// As a double, which no column of numbers goes beyond in practice.
bool is_finite(std::string_view decimal) {
  double value = 0;
  return std::from_chars(decimal.data(), decimal.data() + decimal.size(), value).ec !=
         std::errc::result_out_of_range;
}

// What a column holds after an addition.
Result<std::string> added(const Shape& shape, const OptionalText& text, const Effect::Sum& sum) {
  const auto refused = [&](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("column {} {}", sum.column, why)};
  };
  const std::string_view before = text ? std::string_view(*text) : "0";
  const bool whole = integer_of(before).has_value();
  if (shape.kind == ValueKind::kCounter && !whole && !sum.floating)
    return refused("does not hold an integer");
  auto after = sum_of(before, sum.amount);
  if (!after) {
    return refused(whole && integer_of(sum.amount) ? "would overflow 64 bits" : "does not hold a number");
  }
  if (sum.floating && !is_finite(*after)) return refused("would become infinite");
  if (shape.kind == ValueKind::kCounter) return without_trailing_zeros(std::move(*after));
  return std::move(*after);
}

Result<void> apply(const Shape& shape, const Effect& effect, Row& row) {
  // Where the row is there, the database refuses it.
  if (effect.insert && row.exists) return {};
  if (effect.remove) row = Row();
  if (effect.insert || makes_row_before_sums(effect)) make_row(shape, row);
  if (row.exists) {
    for (const Effect::Set& set : effect.sets) {
      Cell& cell = row.cell(set.column);
      cell.kind = kind_after(cell, set);
      cell.text = set.text;
    }
  }
  for (const Effect::Sum& sum : effect.sums) {
    make_row(shape, row);
    Cell& cell = row.cell(sum.column);
    auto after = added(shape, cell.text, sum);
    if (!after) return after.error();
    cell.text = std::move(*after);
    if (cell.kind == Kind::kUnknown) cell.kind = Kind::kOther;
  }
  return {};
}

// The same of a text or a counter, of whose row a value shows one column: nothing for no row, or for NULL in
// it.
Result<void> apply(const Shape& shape, const Effect& effect, bool& exists, OptionalText& text) {
  if (effect.insert && exists) return {};
  if (effect.remove) {
    exists = false;
    text.reset();
  }
  exists = exists || effect.insert || makes_row_before_sums(effect);
  if (exists) {
    for (const Effect::Set& set : effect.sets) {
      if (set.column == shape.value_column) text = set.text;
    }
  }
  for (const Effect::Sum& sum : effect.sums) {
    if (sum.column != shape.value_column) continue;
    exists = true;
    auto after = added(shape, text, sum);
    if (!after) return after.error();
    text = std::move(*after);
  }
  return {};
}

}  // namespace

Effect effect_of(const Write& write) {
  Effect effect;
  if (const auto* upsert = std::get_if<Upsert>(&write)) {
    effect.insert = upsert->insert;
    effect.make = upsert->fields.empty() && !upsert->insert;
    for (std::size_t i = 0; i < upsert->fields.size(); ++i) {
      const auto& [column, text] = upsert->fields[i];
      From from = From::kText;
      if (i < upsert->strings.size()) {
        from = text && upsert->strings[i] ? From::kJsonString : From::kJsonOther;
      }
      effect.sets.push_back({column, text, from});
    }
  } else if (const auto* update = std::get_if<Update>(&write)) {
    effect.update = !update->create;
    effect.make = update->fields.empty() && update->create;
    for (const auto& [column, text] : update->fields) effect.sets.push_back({column, text});
  } else if (const auto* add = std::get_if<Add>(&write)) {
    effect.sums = std::vector<Effect::Sum>(1);
    effect.sums.front() = {add->field, add->amount, add->floating};
  } else {
    effect.remove = true;
  }
  return effect;
}

Effect effect_of(const Addition& addition) {
  Effect effect;
  effect.sums.push_back({std::string(addition.column), std::to_string(addition.amount), false});
  return effect;
}

std::vector<Write> writes_of(const Effect& effect) {
  std::vector<Write> writes;
  if (effect.remove) writes.emplace_back(Remove{});
  Fields fields;
  std::vector<bool> strings;
  bool any_string = false;
  for (const Effect::Set& set : effect.sets) {
    fields.emplace_back(set.column, set.text);
    strings.push_back(set.from == From::kJsonString);
    any_string = any_string || strings.back();
  }
  if (!any_string) strings.clear();
  if (effect.update) {
    if (!fields.empty()) writes.emplace_back(Update{std::move(fields), false});
  } else if (effect.insert || effect.make || !fields.empty()) {
    writes.emplace_back(Upsert{std::move(fields), std::move(strings), effect.insert});
  }
  for (const Effect::Sum& sum : effect.sums) writes.emplace_back(Add{sum.column, sum.amount, sum.floating});
  return writes;
}

std::string encode(const Effect& effect) {
  std::string out;
  encode(effect, out);
  return out;
}

void encode(const Effect& effect, std::string& out) {
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
  out.append(R"({"add":{")").append(addition.column).append(R"(":")").append(amount.view()).append(R"("}})");
}

Result<Effect> decode(std::string_view text) {
  return Reader().read(text);
}

void combine(std::vector<Step>& steps, Effect effect, std::uint64_t seq) {
  const bool alone = stands_alone(effect);
  if (!alone && !effect.remove && !steps.empty() && !stands_alone(steps.back().effect) &&
      take(steps.back().effect, effect)) {
    steps.back().last = seq;
    ++steps.back().ops;
    return;
  }
  Step step{std::move(effect), seq, seq, 1};
  while (!alone && step.effect.remove && !steps.empty() && !stands_alone(steps.back().effect)) {
    step.first = steps.back().first;
    step.ops += steps.back().ops;
    steps.pop_back();
  }
  steps.push_back(std::move(step));
}

void combine(std::vector<Step>& steps, const Addition& addition, std::uint64_t seq) {
  if (!steps.empty() && !stands_alone(steps.back().effect)) {
    Step& step = steps.back();
    Effect& effect = step.effect;
    const bool same = effect.sets.empty() && effect.sums.size() == 1 && !effect.update &&
                      effect.sums.front().column == addition.column;
    const auto before = same ? integer_of(effect.sums.front().amount) : std::nullopt;
    std::int64_t sum = 0;
    if (before && !__builtin_add_overflow(*before, addition.amount, &sum)) {
      effect.sums.front().amount = Digits(sum).view();
      step.last = seq;
      ++step.ops;
      return;
    }
  }
  combine(steps, effect_of(addition), seq);
}

bool absolute(const Shape& shape, const Effect& effect) {
  return effect.remove || (shape.kind != ValueKind::kJson && !effect.insert && !effect.update &&
                           sets_column(effect, shape.value_column));
}

bool absolute(const Shape& shape, std::span<const Step> steps) {
  return std::ranges::any_of(steps, [&](const Step& step) { return absolute(shape, step.effect); });
}

namespace {

// `effect_at` names the effects, of which there are `count`.
template <class EffectAt>
Result<std::optional<std::string>> merge_all(const Shape& shape, std::optional<std::string> value,
                                             std::size_t count, const EffectAt& effect_at) {
  if (shape.kind != ValueKind::kJson) {
    bool exists = value.has_value();
    for (std::size_t i = 0; i < count; ++i) {
      if (auto applied = apply(shape, effect_at(i), exists, value); !applied) return applied.error();
    }
    return value;
  }
  auto row = row_of(value);
  if (!row) return row.error();
  for (std::size_t i = 0; i < count; ++i) {
    if (auto applied = apply(shape, effect_at(i), *row); !applied) return applied.error();
  }
  return value_of(*row);
}

}  // namespace

Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         std::span<const Step> steps) {
  return merge_all(shape, std::move(value), steps.size(),
                   [&](std::size_t i) -> const Effect& { return steps[i].effect; });
}

Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         const Effect& effect) {
  return merge_all(shape, std::move(value), 1, [&](std::size_t) -> const Effect& { return effect; });
}

OptionalText column_of(const Shape& shape, const std::optional<std::string>& value, std::string_view column) {
  if (!value) return std::nullopt;
  if (shape.kind == ValueKind::kJson) {
    auto field = field_of_row(*value, column);
    return field && *field ? std::move(**field) : std::nullopt;
  }
  return column == shape.value_column ? value : std::nullopt;
}

}  // namespace forebay::journal
