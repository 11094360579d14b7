#include "server/script/values.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <lua.hpp>

#include "server/script/clockwork.h"

namespace forebay::server::script {
namespace {

constexpr int kMostNesting = 200;
constexpr std::size_t kMostBytes = std::size_t{128} << 20;

std::string_view line_of(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}
std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
void push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}
// A table of one field, whose value is on top of the stack.
void wrap(lua_State* lua, const char* field) {
  lua_createtable(lua, 0, 1);
  lua_insert(lua, -2);
  lua_setfield(lua, -2, field);
}

void push_list(lua_State* lua, std::string_view& text, std::int64_t count) {
  lua_createtable(lua, static_cast<int>(std::min<std::int64_t>(count, 1 << 20)), 0);
  for (std::int64_t i = 1; i <= count; ++i) {
    push_reply(lua, text);
    lua_rawseti(lua, -2, static_cast<int>(i));
  }
}
// `values`: of a map; a set's are true.
void push_pairs(lua_State* lua, std::string_view& text, std::int64_t count, bool values) {
  lua_newtable(lua);
  for (std::int64_t i = 0; i < count; ++i) {
    push_reply(lua, text);
    if (values) {
      push_reply(lua, text);
    } else {
      lua_pushboolean(lua, 1);
    }
    if (lua_isnil(lua, -2)) {
      lua_pop(lua, 2);
    } else {
      lua_rawset(lua, -3);
    }
  }
}

std::string_view text_at(lua_State* lua, int index) {
  std::size_t bytes = 0;
  const char* text = lua_tolstring(lua, index, &bytes);
  return {text, bytes};
}
std::int64_t integer_of(double number) {
  if (number >= -0x1p63 && number < 0x1p63) return static_cast<std::int64_t>(number);
  return std::numeric_limits<std::int64_t>::min();
}

class ValueWriter {
 public:
  ValueWriter(lua_State* lua, resp::Writer& out, bool resp3) : lua_(lua), out_(out), resp3_(resp3) {}

  // The value on top of the stack, which stays.
  void write(int nesting) {
    // The same table may be in it any number of times.
    if (++count_ % 1000 == 0) clockwork_of(lua_).tick(lua_);
    if (out_.buffer().size() > kMostBytes) luaL_error(lua_, "the reply is too large");
    if (nesting > kMostNesting || lua_checkstack(lua_, 8) == 0)
      return out_.error("ERR reached lua stack limit");
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        return out_.bulk(text_at(lua_, -1));
      case LUA_TBOOLEAN:
        if (resp3_) return out_.boolean(lua_toboolean(lua_, -1) != 0);
        return lua_toboolean(lua_, -1) != 0 ? out_.integer(1) : out_.null();
      case LUA_TNUMBER:
        return out_.integer(integer_of(lua_tonumber(lua_, -1)));
      case LUA_TTABLE:
        return write_table(nesting);
      default:
        return out_.null();
    }
  }

 private:
  // The field's value, pushed if it is of this type.
  bool has(const char* field, int type) {
    lua_pushstring(lua_, field);
    lua_rawget(lua_, -2);
    if (lua_type(lua_, -1) == type) return true;
    lua_pop(lua_, 1);
    return false;
  }

  void write_table(int nesting) {
    if (has("err", LUA_TSTRING)) {
      out_.error(text_at(lua_, -1));
    } else if (has("ok", LUA_TSTRING)) {
      write_status(text_at(lua_, -1));
    } else if (has("double", LUA_TNUMBER)) {
      out_.real(lua_tonumber(lua_, -1));
    } else if (has("map", LUA_TTABLE)) {
      write_pairs(true, nesting);
    } else if (has("set", LUA_TTABLE)) {
      write_pairs(false, nesting);
    } else if (has("big_number", LUA_TSTRING)) {
      out_.bulk(text_at(lua_, -1));
    } else if (has("verbatim_string", LUA_TTABLE)) {
      if (has("string", LUA_TSTRING)) {
        out_.verbatim(text_at(lua_, -1));
        lua_pop(lua_, 1);
      } else {
        out_.null();
      }
    } else {
      return write_list(nesting);
    }
    lua_pop(lua_, 1);
  }

  // A status must be one line.
  void write_status(std::string_view text) {
    std::string& buffer = out_.buffer();
    buffer += '+';
    for (const char c : text) buffer += c == '\r' || c == '\n' ? ' ' : c;
    buffer += "\r\n";
  }

  void write_list(int nesting) {
    int count = 0;
    while (true) {
      lua_rawgeti(lua_, -1, count + 1);
      const bool end = lua_isnil(lua_, -1);
      lua_pop(lua_, 1);
      if (end) break;
      ++count;
    }
    out_.array(static_cast<std::size_t>(count));
    for (int i = 1; i <= count; ++i) {
      lua_rawgeti(lua_, -1, i);
      write(nesting + 1);
      lua_pop(lua_, 1);
    }
  }

  void write_pairs(bool values, int nesting) {
    std::size_t count = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      ++count;
    }
    values ? out_.map(count) : out_.set(count);
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pushvalue(lua_, -2);
      write(nesting + 1);
      lua_pop(lua_, 1);
      if (values) write(nesting + 1);
      lua_pop(lua_, 1);
    }
  }

  lua_State* lua_;
  resp::Writer& out_;
  const bool resp3_;
  unsigned count_ = 0;
};

}  // namespace

void push_reply(lua_State* lua, std::string_view& encoded) {
  luaL_checkstack(lua, 4, "in a reply");
  const char type = encoded.empty() ? '_' : encoded.front();
  std::string_view line = line_of(encoded);
  if (!line.empty()) line.remove_prefix(1);
  switch (type) {
    case '+':
      push_text(lua, line);
      return wrap(lua, "ok");
    case '-':
      return push_error(lua, line);
    case ':':
      return lua_pushnumber(lua, static_cast<double>(number_of(line)));
    case '$':
    case '=': {
      const std::int64_t bytes = number_of(line);
      if (bytes < 0) return lua_pushboolean(lua, 0);
      std::string_view text = encoded.substr(0, static_cast<std::size_t>(bytes));
      encoded.remove_prefix(std::min(encoded.size(), static_cast<std::size_t>(bytes) + 2));
      if (type == '$') return push_text(lua, text);
      lua_createtable(lua, 0, 2);
      push_text(lua, text.substr(0, 3));
      lua_setfield(lua, -2, "format");
      push_text(lua, text.substr(std::min<std::size_t>(text.size(), 4)));
      lua_setfield(lua, -2, "string");
      return wrap(lua, "verbatim_string");
    }
    case '*':
    case '>': {
      const std::int64_t count = number_of(line);
      return count < 0 ? lua_pushboolean(lua, 0) : push_list(lua, encoded, count);
    }
    case '%':
      push_pairs(lua, encoded, number_of(line), true);
      return wrap(lua, "map");
    case '~':
      push_pairs(lua, encoded, number_of(line), false);
      return wrap(lua, "set");
    case '#':
      return lua_pushboolean(lua, line == "t" ? 1 : 0);
    case ',':
      push_text(lua, line);
      lua_pushnumber(lua, std::strtod(lua_tostring(lua, -1), nullptr));
      lua_replace(lua, -2);
      return wrap(lua, "double");
    case '(':
      push_text(lua, line);
      return wrap(lua, "big_number");
    default:
      return lua_pushnil(lua);
  }
}

void push_error(lua_State* lua, std::string_view text) {
  lua_createtable(lua, 0, 4);
  if (text.find(' ') == std::string_view::npos) {
    lua_pushliteral(lua, "ERR ");
    push_text(lua, text);
    lua_concat(lua, 2);
  } else {
    push_text(lua, text);
  }
  lua_setfield(lua, -2, "err");
}

void write_value(lua_State* lua, resp::Writer& out, bool resp3) {
  ValueWriter(lua, out, resp3).write(0);
}

}  // namespace forebay::server::script
