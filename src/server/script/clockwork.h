#pragma once

// What keeps a script from running longer or larger than it may. Everything in C that can take long calls
// tick() now and then, as Lua's own hook does for Lua's instructions.

#include <cstddef>

struct lua_State;

namespace forebay::server::script {

class Clockwork {
 public:
  virtual ~Clockwork() = default;
  // Perhaps lets others have a turn. Raises a Lua error in `lua` if the script is to end: nothing with a
  // destructor may be alive in the caller.
  virtual void tick(lua_State* lua) = 0;
};

// That of the engine to which the state belongs.
Clockwork& clockwork_of(lua_State* lua);

}  // namespace forebay::server::script
