#include "server/script/sandbox.h"

#include <cstring>
#include <initializer_list>
#include <lua.hpp>

#include "server/script/clockwork.h"
#include "server/script/msgpack.h"
#include "server/script/pattern.h"
#include "server/script/structs.h"

extern "C" int luaopen_cjson(lua_State* lua);  // Debian's lua-cjson

namespace forebay::server::script {
namespace {

constexpr const char* kProxies =
    "proxies";  // in the registry: the tables that scripts see, and are to stay empty
constexpr const char* kGlobals = "globals";

int refuse_write(lua_State* lua) {
  return luaL_error(lua, "Attempt to modify a readonly table");
}
int refuse_unknown(lua_State* lua) {
  lua_pushvalue(lua, 2);
  const char* name = lua_tostring(lua, -1);
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    name != nullptr ? name : luaL_typename(lua, 2));
}

// Replaces the table on top of the stack by one that shows it and can't be written to.
void hide(lua_State* lua) {
  lua_newtable(lua);                 // real proxy
  lua_createtable(lua, 0, 3);        // real proxy meta
  lua_pushvalue(lua, -3);            // real proxy meta real
  lua_setfield(lua, -2, "__index");  // real proxy meta
  lua_pushcfunction(lua, refuse_write);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, -2);                       // real proxy
  lua_getfield(lua, LUA_REGISTRYINDEX, kProxies);  // real proxy proxies
  lua_pushvalue(lua, -2);
  lua_rawseti(lua, -2, static_cast<int>(lua_objlen(lua, -2)) + 1);
  lua_pop(lua, 1);
  lua_replace(lua, -2);  // proxy
}

bool is_hidden(lua_State* lua, int index) {
  if (lua_getmetatable(lua, index) == 0) return false;
  lua_getfield(lua, -1, "__newindex");
  const bool hidden = lua_tocfunction(lua, -1) == refuse_write;
  lua_pop(lua, 2);
  return hidden;
}

int raw_set(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  luaL_checkany(lua, 3);
  lua_settop(lua, 3);
  if (is_hidden(lua, 1)) return refuse_write(lua);
  lua_rawset(lua, 1);
  return 1;
}

int raw_get(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  if (is_hidden(lua, 1)) {
    lua_getmetatable(lua, 1);
    lua_getfield(lua, -1, "__index");
    lua_replace(lua, 1);
    lua_settop(lua, 2);
  }
  lua_rawget(lua, 1);
  return 1;
}

int set_metatable(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const int type = lua_type(lua, 2);
  luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
  if (is_hidden(lua, 1)) return refuse_write(lua);
  if (luaL_getmetafield(lua, 1, "__metatable") != 0)
    return luaL_error(lua, "cannot change a protected metatable");
  lua_settop(lua, 2);
  lua_setmetatable(lua, 1);
  return 1;
}

// Text only: bytecode could be anything.
int load_text(lua_State* lua, const char* text, std::size_t bytes, const char* name) {
  if (luaL_loadbufferx(lua, text, bytes, name, "t") == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}
int load_string(lua_State* lua) {
  std::size_t bytes = 0;
  const char* text = luaL_checklstring(lua, 1, &bytes);
  return load_text(lua, text, bytes, luaL_optstring(lua, 2, text));
}
// load() with a function that returns pieces.
int load(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING) return load_string(lua);
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  const char* name = luaL_optstring(lua, 2, "=(load)");
  lua_settop(lua, 2);
  lua_pushliteral(lua, "");
  while (true) {
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    std::size_t bytes = 0;
    const char* piece = lua_isnil(lua, -1) ? nullptr : luaL_checklstring(lua, -1, &bytes);
    if (piece == nullptr || bytes == 0) break;
    lua_concat(lua, 2);
  }
  lua_pop(lua, 1);
  std::size_t bytes = 0;
  const char* text = lua_tolstring(lua, -1, &bytes);
  return load_text(lua, text, bytes, name);
}

// "stop" and the collector's settings are the server's.
int collect_garbage(lua_State* lua) {
  const char* what = luaL_optstring(lua, 1, "collect");
  if (std::strcmp(what, "count") == 0) {
    lua_pushnumber(lua, lua_gc(lua, LUA_GCCOUNT, 0) + lua_gc(lua, LUA_GCCOUNTB, 0) / 1024.0);
    return 1;
  }
  if (std::strcmp(what, "collect") == 0) lua_gc(lua, LUA_GCCOLLECT, 0);
  clockwork_of(lua).tick(lua);
  lua_pushinteger(lua, 0);
  return 1;
}

// cjson takes its memory from the system, ends the process if there is none, and follows a table as often as
// it is referred to. So what a value will take is counted first.
constexpr std::size_t kMostJson = std::size_t{64} << 20;  // bytes, about
constexpr int kMostJsonDepth = 1000;

void measure(lua_State* lua, int depth, std::size_t& bytes, unsigned& steps) {
  if (++steps % 1000 == 0) clockwork_of(lua).tick(lua);
  bytes += lua_type(lua, -1) == LUA_TSTRING ? 2 * lua_objlen(lua, -1) + 2 : 16;
  if (bytes > kMostJson) luaL_error(lua, "the value is too large to be encoded");
  if (lua_type(lua, -1) != LUA_TTABLE || depth > kMostJsonDepth) return;
  luaL_checkstack(lua, 4, "in cjson");
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    bytes += lua_type(lua, -2) == LUA_TSTRING ? 2 * lua_objlen(lua, -2) + 3 : 16;
    measure(lua, depth + 1, bytes, steps);
    lua_pop(lua, 1);
  }
}
// Upvalue: cjson's own.
int encode_json(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  std::size_t bytes = 0;
  unsigned steps = 0;
  measure(lua, 0, bytes, steps);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, 1, 1);
  return 1;
}
// A larger depth could overrun the stack.
int json_depth(lua_State* lua) {
  lua_pushinteger(lua, kMostJsonDepth);
  return 1;
}

void remove_fields(lua_State* lua, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
}

// The library is on top of the stack, the real globals at 1.
void add_library(lua_State* lua, const char* name) {
  hide(lua);
  lua_setfield(lua, 1, name);
}

void open_library(lua_State* lua, const char* name, lua_CFunction open) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

}  // namespace

void make_sandbox(lua_State* lua) {
  const int redis = lua_gettop(lua);
  lua_newtable(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kProxies);
  open_library(lua, "", luaopen_base);
  open_library(lua, LUA_TABLIBNAME, luaopen_table);
  open_library(lua, LUA_STRLIBNAME, luaopen_string);
  open_library(lua, LUA_MATHLIBNAME, luaopen_math);
  open_library(lua, LUA_BITLIBNAME, luaopen_bit);

  // What there was goes into a table of our own choosing.
  lua_newtable(lua);
  lua_insert(lua, 1);  // globals … redis
  const auto take = [lua](const char* name) {
    lua_getglobal(lua, name);
    lua_setfield(lua, 1, name);
  };
  for (const char* name :
       {"assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "xpcall", "rawequal", "select",
        "tonumber", "tostring", "type", "unpack", "_VERSION", "gcinfo"})
    take(name);
  constexpr luaL_Reg kOwn[] = {
      {"rawset", raw_set}, {"rawget", raw_get},         {"setmetatable", set_metatable},
      {"load", load},      {"loadstring", load_string}, {"collectgarbage", collect_garbage},
      {nullptr, nullptr}};
  lua_pushvalue(lua, 1);
  luaL_register(lua, nullptr, kOwn);
  lua_pop(lua, 1);

  for (const char* name : {LUA_TABLIBNAME, LUA_MATHLIBNAME, LUA_BITLIBNAME, LUA_COLIBNAME}) {
    lua_getglobal(lua, name);
    add_library(lua, name);
  }
  lua_getglobal(lua, LUA_STRLIBNAME);
  add_patterns(lua);
  remove_fields(lua, {"dump", "gfind"});
  // s:find() goes to the same; nobody gets the metatable itself.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
  add_library(lua, LUA_STRLIBNAME);

  lua_pushcfunction(lua, luaopen_cjson);
  lua_call(lua, 0, 1);
  lua_getfield(lua, -1, "encode");
  lua_pushcclosure(lua, encode_json, 1);
  lua_setfield(lua, -2, "encode");
  lua_pushcfunction(lua, json_depth);
  lua_setfield(lua, -2, "encode_max_depth");
  lua_pushcfunction(lua, json_depth);
  lua_setfield(lua, -2, "decode_max_depth");
  remove_fields(lua, {"new"});
  add_library(lua, "cjson");
  open_msgpack(lua);
  add_library(lua, "cmsgpack");
  open_struct(lua);
  add_library(lua, "struct");

  lua_pushvalue(lua, redis + 1);  // moved up by the globals
  hide(lua);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, 1, "redis");
  lua_setfield(lua, 1, "server");

  // A global that isn't there is a mistake.
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, refuse_unknown);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, LUA_REGISTRYINDEX, kGlobals);
  lua_pushvalue(lua, 1);
  hide(lua);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, 1, "_G");
  lua_replace(lua, LUA_GLOBALSINDEX);
  lua_settop(lua, 0);
}

void clean_sandbox(lua_State* lua) {
  lua_getfield(lua, LUA_REGISTRYINDEX, kProxies);
  const int count = static_cast<int>(lua_objlen(lua, -1));
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(lua, -1, i);
    while (true) {
      lua_pushnil(lua);
      if (lua_next(lua, -2) == 0) break;
      lua_pop(lua, 1);
      lua_pushnil(lua);
      lua_rawset(lua, -3);
    }
    lua_pop(lua, 1);
  }
  lua_pop(lua, 1);
}

}  // namespace forebay::server::script
