#pragma once

struct lua_State;

namespace forebay::server::script {

// Pushes the library `cmsgpack`: pack, unpack, unpack_one, unpack_limit, as scripts for Redis know it
// (https://github.com/msgpack/msgpack/blob/master/spec.md).
int open_msgpack(lua_State* lua);

}  // namespace forebay::server::script
