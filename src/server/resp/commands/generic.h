#pragma once

// What the generic commands' files share.

#include "server/resp/commands/command.h"

namespace forebay::server {

// generic_keys.cc
void del(Context& context);
void exists(Context& context);
void touch(Context& context);
void type(Context& context);
void rename_key(Context& context);
void renamenx(Context& context);
void copy(Context& context);
void move(Context& context);

// generic_space.cc: commands on all keys
void keys(Context& context);
void scan(Context& context);
void randomkey(Context& context);
void flushall(Context& context);
// For FLUSHALL and FLUSHDB. False: an error has been answered.
bool flush_options_fit(Context& context);

// generic_object.cc
void object(Context& context);

}  // namespace forebay::server
