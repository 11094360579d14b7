#include "layer/write/strategy.h"

#include <fmt/format.h>

#include <utility>

#include "base/row_json.h"

namespace forebay::layer {

Result<Upsert> upsert_of(const Namespace& space, std::string_view value) {
  Upsert upsert;
  if (space.info.type != EntryType::kRow) {
    upsert.fields.emplace_back(space.config.value_column, std::string(value));
    return upsert;
  }
  auto fields = fields_of_row(value, &upsert.strings);
  if (!fields) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("namespace '{}' holds rows: {}", space.name(), fields.error().message)};
  }
  upsert.fields = std::move(*fields);
  return upsert;
}

bool WriteStrategy::write_value(const KeyRef& at, std::string_view value, WriteCallback done,
                                const WriteOptions& options) {
  auto upsert = upsert_of(at.space, value);
  if (!upsert) {
    done(std::move(upsert).error());
    return false;
  }
  return write(at, std::move(*upsert), std::move(done), options);
}

}  // namespace forebay::layer
