#pragma once

// Lua 5.1's patterns (Reference Manual, 5.4.1). LuaJIT's own matcher runs inside C, where no hook ends it: a
// pattern of 30 bytes can take years. This one calls Clockwork::tick().

struct lua_State;

namespace forebay::server::script {

// Replaces find, match, gmatch and gsub of the table on top of the stack.
void add_patterns(lua_State* lua);

}  // namespace forebay::server::script
