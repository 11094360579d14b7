#include "source/mysql/table_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"
#include "base/write_condition.h"
#include "source/mysql/keys.h"
#include "source/row_write.h"

namespace forebay::source::mysql {
namespace {

// How often a write starts over because its row is neither there nor can be inserted: other writers may keep
// creating and deleting it in between.
constexpr int kRacesMax = 8;

void add_to(AlsoChanged& also, const AlsoChanged& more) {
  also.tables.insert(also.tables.end(), more.tables.begin(), more.tables.end());
  also.anything |= more.anything;
}

class RowWrite {
 public:
  RowWrite(Connection& connection, const TableRows& rows, const Reactions& reactions, const KeyFields& key,
           const Change& change, const Call& call)
      : connection_(connection),
        rows_(rows),
        reactions_(reactions),
        key_(key),
        change_(change),
        call_(call),
        key_parameters_(parameters_of(rows.key_types(), key)) {}

  Outcome<Written> run() {
    for (int race = 0;; ++race) {
      auto present = read(rows_.sql().lock());
      if (!present) return std::unexpected(std::move(present).error());
      if (present->count() > 0) return change(*present);
      if (!judge(nullptr) || !change_.create) return std::move(written_);
      auto inserted = insert();
      if (inserted) return show();
      if (inserted.error().code != code::kDuplicateKey || race == kRacesMax)
        return std::unexpected(std::move(inserted).error());
      // Of this key, or of another unique value? If there is still no row, it is the latter.
      auto come = read(rows_.sql().lock());
      if (!come) return std::unexpected(std::move(come).error());
      if (come->count() == 0) return std::unexpected(std::move(inserted).error());
    }
  }

 private:
  static std::unexpected<Failure> fail(Error error) { return std::unexpected(ours(std::move(error))); }

  // The row that the key finds; the failure of one that isn't the key's.
  Outcome<Rows> read(const std::string& sql) {
    auto found = connection_.execute(sql, key_parameters_, call_);
    if (!found) return found;
    if (!rows_.are_ours(*found)) return fail(table_has_changed());
    if (found->count() > 1) return fail(several_rows());
    if (found->count() == 1 && rows_.key_of(*found, 0) != key_) return fail(misspelled_key());
    return found;
  }

  // Whether the column stays as it is.
  bool stays(const Setting& setting, const Rows& present) const {
    if (setting.how == Take::How::kAsItIs) return false;
    const OptionalText text = rows_.text_of(present, 0, setting.column);
    if (!text) return false;
    if (setting.how == Take::How::kUnlessNull) return without_blanks(*text) == "null";
    std::vector<bool> strings;
    const auto fields = fields_of_row("{\"v\":" + *text + "}", &strings);
    return fields && strings.front() && fields->front().second == setting.text;
  }

  Outcome<Written> change(const Rows& present) {
    written_.existed = true;
    if (change_.insert) return fail(row_exists());
    if (!judge(&present)) return show();
    if (!rows_.spec().watch_columns.empty()) written_.images.before = rows_.watched(present, 0);
    if (change_.remove) {
      if (auto done = connection_.execute(rows_.sql().remove(), key_parameters_, call_); !done)
        return std::unexpected(std::move(done).error());
      add_to(written_.also, reactions_.to_remove);
      return std::move(written_);
    }
    std::vector<std::string> columns;
    std::vector<Parameter> parameters;
    for (const Setting& setting : change_.settings) {
      if (stays(setting, present)) continue;
      columns.push_back(setting.column->name);
      parameters.push_back(setting.value);
      if (reactions_.referenced.contains(columns.back())) add_to(written_.also, reactions_.to_reference);
    }
    parameters.insert(parameters.end(), key_parameters_.begin(), key_parameters_.end());
    const std::string sql =
        change_.added != nullptr ? rows_.sql().add(change_.added->name, "?") : rows_.sql().update(columns);
    if (!sql.empty()) {
      if (auto done = connection_.execute(sql, parameters, call_); !done)
        return std::unexpected(std::move(done).error());
      add_to(written_.also, reactions_.to_update);
    }
    return show();
  }

  // Whether the write's condition holds of the row, which is locked; null: there is none.
  bool judge(const Rows* present) {
    if (!change_.conditional) return true;
    const Write& write = *change_.conditional;
    const bool exists = present != nullptr;
    written_.before = exists ? rows_.added_text(*present, change_.settings.front().column) : std::nullopt;
    written_.held = holds(*condition_of(write), write, exists, written_.before);
    return written_.held;
  }

  Outcome<void> insert() {
    std::vector<std::string> columns;
    std::vector<Parameter> parameters = key_parameters_;
    for (const Setting& setting : change_.settings) {
      columns.push_back(setting.column->name);
      parameters.push_back(setting.value);
    }
    auto done = connection_.execute(rows_.sql().insert(columns), parameters, call_);
    if (!done) return std::unexpected(std::move(done).error());
    written_.also = reactions_.to_insert;
    return {};
  }

  // What the write has left.
  Outcome<Written> show() {
    auto row = read(rows_.sql().read(1));
    if (!row) return std::unexpected(std::move(row).error());
    // Stored in another spelling: the database has cut, padded or rounded the key.
    if (row->count() == 0) return fail(misspelled_key());
    if (change_.whole && rows_.spec().kind == ValueKind::kCounter) {
      const OptionalText sum = rows_.added_text(*row, change_.added);
      if (sum && !is_number(*sum, false))
        return fail({ErrorCode::kRefused,
                     fmt::format("the column {} does not hold an integer", change_.added->name)});
    }
    written_.after = rows_.loaded_row(*row, 0);
    if (!rows_.spec().watch_columns.empty()) written_.images.after = rows_.watched(*row, 0);
    if (change_.added != nullptr) written_.added = rows_.added_text(*row, change_.added);
    return std::move(written_);
  }

  Connection& connection_;
  const TableRows& rows_;
  const Reactions& reactions_;
  const KeyFields& key_;
  const Change& change_;
  const Call& call_;
  const std::vector<Parameter> key_parameters_;
  Written written_;
};

}  // namespace

Outcome<Written> write_row(Connection& connection, const TableRows& rows, const Reactions& reactions,
                           const KeyFields& key, const Change& change, const Call& call) {
  return RowWrite(connection, rows, reactions, key, change, call).run();
}

}  // namespace forebay::source::mysql
