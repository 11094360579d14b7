#pragma once

struct lua_State;

namespace forebay::server::script {

// Pushes the library `struct`: pack, unpack, size, with the formats that scripts for Redis know: > < ! for the
// order of bytes and alignment, b B h H l L T i I with a size, f d, s, c with a size, x.
int open_struct(lua_State* lua);

}  // namespace forebay::server::script
