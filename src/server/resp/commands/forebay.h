#pragma once

// FOREBAY: what Redis has no command for. One function a subcommand.

#include <optional>
#include <string>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// forebay_keys.cc
void forebay_read(Context& context);     // FOREBAY READ key [LEVEL any|ryw|fresh] [TOKEN token]
void forebay_write(Context& context);    // FOREBAY WRITE key value
void forebay_remove(Context& context);   // FOREBAY REMOVE key
void forebay_explain(Context& context);  // FOREBAY EXPLAIN key
void forebay_tag(Context& context);      // FOREBAY TAG key [tag …]

// forebay_once.cc
void forebay_once(Context& context);  // FOREBAY ONCE op-id command [arg …]

// forebay_spaces.cc
void forebay_purge(Context& context);  // FOREBAY PURGE ALL | NAMESPACE name | TAG tag | MATCH pattern
void forebay_warm(Context& context);   // FOREBAY WARM namespace key [key …]
void forebay_stats(Context& context);  // FOREBAY STATS [namespace]
// The error if there is no such namespace.
std::optional<std::string> unknown_namespace(const LayerStats& stats, std::string_view name);

// forebay_audit.cc
void forebay_audit(Context& context);  // FOREBAY AUDIT [NAMESPACE name] [SAMPLE count]

// forebay_behind.cc
void forebay_flushed(Context& context);      // FOREBAY FLUSHED key [timeout-ms]
void forebay_drain(Context& context);        // FOREBAY DRAIN [NAMESPACE name] [timeout-ms]
void forebay_deadletters(Context& context);  // FOREBAY DEADLETTERS LIST | SHOW | RETRY | EDIT | DROP …

}  // namespace forebay::server
