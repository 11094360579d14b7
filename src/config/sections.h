#pragma once

// The readers of the single sections. Each reads one table into its part of the model and checks what can be
// checked within it.

#include <span>
#include <string_view>

#include "config/model.h"
#include "config/reader.h"
#include "config/section.h"

namespace forebay::config {

// `options`: who else has a say in whether there is a password. The users have been read.
void read_server(Section& section, Server& server, const ReadOptions& options);
void read_user(Section& section, User& user, const ReadOptions& options);
void read_memory(Section& section, Memory& memory, const ReadOptions& options);
void read_defaults(Section& section, Default& defaults);
void read_log(Section& section, Log& log);
// `folder`: where a relative path starts.
void read_journal(Section& section, Journal& journal, std::string_view folder);
void read_source(Section& section, Source& source, std::string_view folder);
// `sources`: all of them, for the one that this namespace names. `journal`: whether there is a [journal].
void read_namespace(Section& section, Namespace& space, std::span<const Source> sources, bool journal);
// `namespaces`: all of them, for the keys that this section names.
void read_events(Section& section, Events& events, std::span<const Namespace> namespaces);

}  // namespace forebay::config
