#pragma once

#include "cli/command_line.h"
#include "config/model.h"
#include "forebay/result.h"

namespace forebay::cli {

// `forebay feed sql|drop FILE`: what a database needs so that its changes are heard of (a source's feed), and how what
// it has for that goes.
void add_feed(CLI::App& program, Action& chosen);

// For `forebay check`: whether the feeds can be had. Prints what they would not hear of; leaves no trace in a database.
Result<void> check_feeds(const config::Model& model);

}  // namespace forebay::cli
