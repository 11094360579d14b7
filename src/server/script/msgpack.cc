#include "server/script/msgpack.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <lua.hpp>
#include <string_view>

#include "server/script/bytes.h"
#include "server/script/clockwork.h"

namespace forebay::server::script {
namespace {

constexpr std::size_t kBytesPerTick = std::size_t{64} << 10;
constexpr int kMostNesting = 16;  // deeper tables are packed as nil

void add_number(Bytes& out, std::uint64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.add(static_cast<char>(number >> shift));
}
void add_tagged(Bytes& out, int tag, std::uint64_t number, int bytes) {
  out.add(static_cast<char>(tag));
  add_number(out, number, bytes);
}

void pack_integer(Bytes& out, std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  if (number >= 0) {
    if (number <= 0x7f) return out.add(static_cast<char>(number));
    if (number <= 0xff) return add_tagged(out, 0xcc, bits, 1);
    if (number <= 0xffff) return add_tagged(out, 0xcd, bits, 2);
    if (number <= 0xffff'ffff) return add_tagged(out, 0xce, bits, 4);
    return add_tagged(out, 0xcf, bits, 8);
  }
  if (number >= -32) return out.add(static_cast<char>(number));
  if (number >= std::numeric_limits<std::int8_t>::min()) return add_tagged(out, 0xd0, bits, 1);
  if (number >= std::numeric_limits<std::int16_t>::min()) return add_tagged(out, 0xd1, bits, 2);
  if (number >= std::numeric_limits<std::int32_t>::min()) return add_tagged(out, 0xd2, bits, 4);
  add_tagged(out, 0xd3, bits, 8);
}

void pack_number(Bytes& out, double number) {
  constexpr double kLeast = -0x1p63;
  if (std::floor(number) == number && number >= kLeast && number < -kLeast)
    return pack_integer(out, static_cast<std::int64_t>(number));
  const auto single = static_cast<float>(number);
  if (static_cast<double>(single) == number)
    return add_tagged(out, 0xca, std::bit_cast<std::uint32_t>(single), 4);
  add_tagged(out, 0xcb, std::bit_cast<std::uint64_t>(number), 8);
}

void pack_text(Bytes& out, std::string_view text) {
  if (text.size() < 32) {
    out.add(static_cast<char>(0xa0 | text.size()));
  } else if (text.size() <= 0xff) {
    add_tagged(out, 0xd9, text.size(), 1);
  } else if (text.size() <= 0xffff) {
    add_tagged(out, 0xda, text.size(), 2);
  } else {
    add_tagged(out, 0xdb, text.size(), 4);
  }
  out.add(text);
}

void pack_count(Bytes& out, std::size_t count, int few, int tag) {
  if (count < 16) return out.add(static_cast<char>(static_cast<std::size_t>(few) | count));
  if (count <= 0xffff) return add_tagged(out, tag, count, 2);
  add_tagged(out, tag + 1, count, 4);
}

// The length of a table whose keys are 1 to n; SIZE_MAX: it is another one.
std::size_t length_of_list(lua_State* lua, int table, std::size_t& pairs) {
  bool list = true;
  std::size_t highest = 0;
  pairs = 0;
  lua_pushnil(lua);
  while (lua_next(lua, table) != 0) {
    lua_pop(lua, 1);
    ++pairs;
    const double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
    if (key < 1 || std::floor(key) != key || key > 0x1p31) {
      list = false;
    } else {
      highest = std::max(highest, static_cast<std::size_t>(key));
    }
  }
  return list && highest == pairs ? pairs : std::numeric_limits<std::size_t>::max();
}

void pack_value(lua_State* lua, Bytes& out, std::size_t& ticked, int value, int nesting) {
  luaL_checkstack(lua, 8, "in cmsgpack");
  if (out.size() > ticked + kBytesPerTick) {
    ticked = out.size();
    clockwork_of(lua).tick(lua);
  }
  switch (lua_type(lua, value)) {
    case LUA_TBOOLEAN:
      return out.add(static_cast<char>(lua_toboolean(lua, value) != 0 ? 0xc3 : 0xc2));
    case LUA_TNUMBER:
      return pack_number(out, lua_tonumber(lua, value));
    case LUA_TSTRING: {
      std::size_t bytes = 0;
      const char* text = lua_tolstring(lua, value, &bytes);
      return pack_text(out, {text, bytes});
    }
    case LUA_TTABLE:
      break;
    default:
      return out.add(static_cast<char>(0xc0));
  }
  if (nesting == kMostNesting) return out.add(static_cast<char>(0xc0));
  std::size_t pairs = 0;
  const std::size_t length = length_of_list(lua, value, pairs);
  if (length != std::numeric_limits<std::size_t>::max()) {
    pack_count(out, length, 0x90, 0xdc);
    for (std::size_t i = 1; i <= length; ++i) {
      lua_rawgeti(lua, value, static_cast<int>(i));
      pack_value(lua, out, ticked, lua_gettop(lua), nesting + 1);
      lua_pop(lua, 1);
    }
    return;
  }
  pack_count(out, pairs, 0x80, 0xde);
  lua_pushnil(lua);
  while (lua_next(lua, value) != 0) {
    pack_value(lua, out, ticked, lua_gettop(lua) - 1, nesting + 1);
    pack_value(lua, out, ticked, lua_gettop(lua), nesting + 1);
    lua_pop(lua, 1);
  }
}

int pack(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  Bytes out(lua);
  std::size_t ticked = 0;
  for (int i = 1; i <= count; ++i) pack_value(lua, out, ticked, i, 0);
  out.push();
  return 1;
}

class Reader {
 public:
  Reader(lua_State* lua, std::string_view text) : lua_(lua), text_(text), size_(text.size()) {}
  std::size_t at() const { return size_ - text_.size(); }
  bool at_end() const { return text_.empty(); }

  void push_value(int nesting) {
    luaL_checkstack(lua_, 4, "in cmsgpack");
    if (nesting > 1000) luaL_error(lua_, "Bad data format in input.");
    const auto tag = static_cast<unsigned>(number(1));
    if (tag <= 0x7f) return lua_pushnumber(lua_, tag);
    if (tag >= 0xe0) return lua_pushnumber(lua_, static_cast<std::int8_t>(tag));
    if (tag <= 0x8f) return push_map(tag & 0xf, nesting);
    if (tag <= 0x9f) return push_list(tag & 0xf, nesting);
    if (tag <= 0xbf) return push_text(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return lua_pushnil(lua_);
      case 0xc2:
        return lua_pushboolean(lua_, 0);
      case 0xc3:
        return lua_pushboolean(lua_, 1);
      case 0xc4:
      case 0xd9:
        return push_text(number(1));
      case 0xc5:
      case 0xda:
        return push_text(number(2));
      case 0xc6:
      case 0xdb:
        return push_text(number(4));
      case 0xca:
        return lua_pushnumber(lua_, std::bit_cast<float>(static_cast<std::uint32_t>(number(4))));
      case 0xcb:
        return lua_pushnumber(lua_, std::bit_cast<double>(number(8)));
      case 0xcc:
        return lua_pushnumber(lua_, static_cast<double>(number(1)));
      case 0xcd:
        return lua_pushnumber(lua_, static_cast<double>(number(2)));
      case 0xce:
        return lua_pushnumber(lua_, static_cast<double>(number(4)));
      case 0xcf:
        return lua_pushnumber(lua_, static_cast<double>(number(8)));
      case 0xd0:
        return lua_pushnumber(lua_, static_cast<std::int8_t>(number(1)));
      case 0xd1:
        return lua_pushnumber(lua_, static_cast<std::int16_t>(number(2)));
      case 0xd2:
        return lua_pushnumber(lua_, static_cast<std::int32_t>(number(4)));
      case 0xd3:
        return lua_pushnumber(lua_, static_cast<double>(static_cast<std::int64_t>(number(8))));
      case 0xdc:
        return push_list(number(2), nesting);
      case 0xdd:
        return push_list(number(4), nesting);
      case 0xde:
        return push_map(number(2), nesting);
      case 0xdf:
        return push_map(number(4), nesting);
      default:
        luaL_error(lua_, "Bad data format in input.");
    }
  }

 private:
  std::uint64_t number(std::size_t bytes) {
    if (text_.size() < bytes) luaL_error(lua_, "Missing bytes in input.");
    std::uint64_t number = 0;
    for (const char c : text_.substr(0, bytes)) number = number << 8 | static_cast<unsigned char>(c);
    text_.remove_prefix(bytes);
    return number;
  }
  void push_text(std::uint64_t bytes) {
    if (text_.size() < bytes) luaL_error(lua_, "Missing bytes in input.");
    lua_pushlstring(lua_, text_.data(), bytes);
    text_.remove_prefix(bytes);
  }
  void push_list(std::uint64_t count, int nesting) {
    lua_newtable(lua_);
    for (std::uint64_t i = 1; i <= count; ++i) {
      push_value(nesting + 1);
      lua_rawseti(lua_, -2, static_cast<int>(i));
    }
  }
  void push_map(std::uint64_t count, int nesting) {
    lua_newtable(lua_);
    for (std::uint64_t i = 0; i < count; ++i) {
      push_value(nesting + 1);
      if (lua_isnil(lua_, -1) || (lua_type(lua_, -1) == LUA_TNUMBER && std::isnan(lua_tonumber(lua_, -1))))
        luaL_error(lua_, "Bad data format in input.");
      push_value(nesting + 1);
      lua_rawset(lua_, -3);
    }
  }

  lua_State* lua_;
  std::string_view text_;
  std::size_t size_;
};

// At most `most` values (0: all) from `offset` on. `tells`: where it has ended comes first.
int unpack_some(lua_State* lua, lua_Integer most, lua_Integer offset, bool tells) {
  std::size_t bytes = 0;
  const char* text = luaL_checklstring(lua, 1, &bytes);
  if (most < 0 || offset < 0)
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(most));
  if (static_cast<std::size_t>(offset) > bytes)
    return luaL_error(lua, "Start offset %d greater than input length %d.", static_cast<int>(offset),
                      static_cast<int>(bytes));
  const int before = lua_gettop(lua);
  Reader reader(lua, {text + offset, bytes - static_cast<std::size_t>(offset)});
  for (lua_Integer i = 0; !reader.at_end() && (most == 0 || i < most); ++i) {
    luaL_checkstack(lua, 2, "in cmsgpack");
    reader.push_value(0);
  }
  int count = lua_gettop(lua) - before;
  if (tells) {
    lua_pushinteger(lua, reader.at_end() ? -1 : offset + static_cast<lua_Integer>(reader.at()));
    lua_insert(lua, before + 1);
    ++count;
  }
  return count;
}
int unpack(lua_State* lua) {
  return unpack_some(lua, 0, 0, false);
}
int unpack_one(lua_State* lua) {
  return unpack_some(lua, 1, luaL_optinteger(lua, 2, 0), true);
}
int unpack_limit(lua_State* lua) {
  return unpack_some(lua, luaL_checkinteger(lua, 2), luaL_optinteger(lua, 3, 0), true);
}

}  // namespace

int open_msgpack(lua_State* lua) {
  constexpr luaL_Reg kFunctions[] = {{"pack", pack},
                                     {"unpack", unpack},
                                     {"unpack_one", unpack_one},
                                     {"unpack_limit", unpack_limit},
                                     {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
  return 1;
}

}  // namespace forebay::server::script
