#pragma once

// Replies as Lua's values and the other way round, as Redis converts them
// (https://redis.io/docs/latest/develop/interact/programmability/lua-api/#data-type-conversion).

#include <string>
#include <string_view>

#include "resp/writer.h"

struct lua_State;

namespace forebay::server::script {

// Pushes the first reply of `encoded`, which is whole, and takes it away from there.
void push_reply(lua_State* lua, std::string_view& encoded);

// Pushes { err = … } for an error's text, without its '-': a word in front is its code, "ERR" if there is none.
void push_error(lua_State* lua, std::string_view text);

// Writes the value on top of the stack. `resp3`: the script has asked for RESP3 (redis.setresp).
void write_value(lua_State* lua, resp::Writer& out, bool resp3);

}  // namespace forebay::server::script
