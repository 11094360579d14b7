#pragma once

#include <string>
#include <string_view>

#include "config/model.h"
#include "forebay/result.h"

namespace forebay::cli {

// The model of a configuration file, or of none: a plain cache on the defaults.
Result<config::Model> load_configuration(const std::string& file);

// A text of one or more lines on standard error, as it is: mistakes begin with their place, as a compiler's
// do.
void print_error(std::string_view text);

// The same for an Error that says nothing of where it comes from.
void print_failure(const Error& error);

}  // namespace forebay::cli
