#pragma once

struct lua_State;

namespace forebay::server::script {

// Makes a state's globals what a script may have. On the stack is the table `redis`, which goes. Afterwards the
// registry's field "globals" has the table in which KEYS and ARGV are set; scripts see it through others that
// can't be written to.
void make_sandbox(lua_State* lua);

// Takes away what a script has left in tables that scripts can't write to by name, but by table.insert() and
// the like.
void clean_sandbox(lua_State* lua);

}  // namespace forebay::server::script
