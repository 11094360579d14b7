#pragma once

// What a write does to a row, as the journal keeps it; and what several writes of one key come to
// (consistency.md J6). Values of every kind are columns here: a text or a counter is a row of which one
// column counts.
//
// As text an effect is a JSON object with these members, all optional, applied in this order:
//
//   "insert": true              the row must not exist: an append; not with "remove" or "update"
//   "remove": true              the row goes, with all its columns
//   "row":    {column: value}   columns as a client's JSON object gave them; the row is made if absent
//   "fields": {column: "text"}  columns as texts, null for NULL; the row is made if absent unless
//   "update": true              says that only an existing row is changed (then there is no "row")
//   "bytes":  {column: "…"}     the same for what is no UTF-8, in base64
//   "add":    {column: "-3"}    decimal amounts, added in the database, where NULL counts as 0; the row is
//                               made if absent
//   "float":  ["column", …]     those of "add" that are not integers
//   "revives": {"journal": "…", "lane": 0, "seq": 7}   the dead letter that this write takes the place of
//
// People read and edit that text (dead letters). Pure functions; thread-safe.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/source.h"

namespace forebay::journal {

struct Effect {
  struct Set {
    std::string column;
    OptionalText text;
    // Whether a JSON object gave it, and if so, whether it was a string there (forebay/source.h: Upsert)
    enum class From : std::uint8_t { kText, kJsonString, kJsonOther } from = From::kText;
    bool operator==(const Set&) const = default;
  };
  struct Sum {
    std::string column;
    std::string amount;  // decimal, signed
    bool floating = false;
    bool operator==(const Sum&) const = default;
  };
  bool insert = false;
  bool remove = false;
  bool make = false;      // the row is made if absent, even where nothing is set
  bool update = false;    // `sets` change an existing row only
  std::vector<Set> sets;  // a column once
  std::vector<Sum> sums;  // after the sets; a column once
  std::optional<DeadId> revives;
  bool operator==(const Effect&) const = default;
};

// The effect of which there are the most where there are many: an integer added to one column. What takes it
// does the same as with the Effect that it stands for.
struct Addition {
  std::string_view column;
  std::int64_t amount = 0;
};

Effect effect_of(const Write& write);
Effect effect_of(const Addition& addition);
// The statements that apply it, in order; none: it changes nothing.
std::vector<Write> writes_of(const Effect& effect);

std::string encode(const Effect& effect);
// The same, after what is in `out` already.
void encode(const Effect& effect, std::string& out);
void encode(const Addition& addition, std::string& out);
// kInvalidArgument: the text is no effect; says where and why.
Result<Effect> decode(std::string_view text);

// One step of what a key's writes come to: consecutive writes that became one effect.
struct Step {
  Effect effect;
  std::uint64_t first = 0;  // of the journal's numbers
  std::uint64_t last = 0;
  std::uint32_t ops = 0;
};
// Takes a write into the steps before it. The last value of a column wins, additions add up exactly (into a
// value before them where that is a number), a removal swallows what came before. What would come to
// something else in the database (a change of an existing row only, then one that makes it; integers that
// leave 64 bits together) begins a new step. Appends and revived dead letters stay steps of their own.
void combine(std::vector<Step>& steps, Effect effect, std::uint64_t seq);
// Allocates nothing where the last step adds to the same column already.
void combine(std::vector<Step>& steps, const Addition& addition, std::uint64_t seq);

// What is known of a table's columns (forebay/source.h: Dataset::shown()). Does not block; thread-safe.
class Columns {
 public:
  virtual ~Columns() = default;
  virtual Shown shown(std::string_view column, Given given, std::string& text) const = 0;
};

// How a namespace's values show a row.
struct Shape {
  ValueKind kind = ValueKind::kJson;
  std::string_view value_column;  // kText, kCounter; borrowed
  Fields key;                     // kJson: the key columns with this key's values: what a new row begins with
  const Columns* columns = nullptr;  // borrowed; null: nothing is known of them
};
// Whether the steps alone say what the value is, whatever the row was before.
bool absolute(const Shape& shape, std::span<const Step> steps);
bool absolute(const Shape& shape, const Effect& effect);
// What a value (nothing: no row) becomes, in the database's spelling as far as `columns` knows it. Of other
// columns the JSON kind stays that of the value before where the text allows it. An append to a row that is
// there changes nothing. Columns of a new row that nobody named are missing: the database gives them their
// defaults. kInvalidArgument: something is added to what is no number, or an integer leaves 64 bits, or the
// value is no JSON object.
Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         std::span<const Step> steps);
Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         const Effect& effect);
// The text of a column of a value as merge() returns it; nothing: no row, no such column, or NULL.
OptionalText column_of(const Shape& shape, const std::optional<std::string>& value, std::string_view column);

}  // namespace forebay::journal
