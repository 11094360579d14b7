#pragma once

// Which kinds of source there are. To add one: a pair of files here, a row in registry.cc, and what it has in
// config/source_kind.h.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "config/model.h"
#include "forebay/layer.h"
#include "forebay/source.h"

namespace forebay::source {

// The program's own functions, by the name of the source of kind "function" that they stand for.
using Functions = std::map<std::string, Function>;

// Opens a source of the configured kind. A database is connected to when its first dataset is opened or it is
// pinged. kConfig: there is no such kind, or what the kind needs is missing.
Result<std::shared_ptr<Source>> open_source(const config::Source& settings, const Functions& functions);

// The kinds, in the registry's order.
std::span<const std::string_view> source_kinds();

}  // namespace forebay::source
