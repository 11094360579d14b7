#include "server/script/structs.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <lua.hpp>
#include <string_view>

#include "server/script/bytes.h"

namespace forebay::server::script {
namespace {

constexpr std::size_t kMostInteger = 32;  // bytes

// Reads a format, one item after the other.
class Format {
 public:
  Format(lua_State* lua, const char* text) : lua_(lua), at_(text) {}

  struct Item {
    char code = 0;         // 0: the end
    std::size_t size = 0;  // bytes; of 'c' 0 means all, or what was read before
    std::size_t padding = 0;
  };
  // `place`: how many bytes there are so far.
  Item next(std::size_t place) {
    while (true) {
      const char code = *at_;
      if (code == 0) return {};
      ++at_;
      switch (code) {
        case ' ':
          continue;
        case '<':
          little_ = true;
          continue;
        case '>':
          little_ = false;
          continue;
        case '=':
          little_ = std::endian::native == std::endian::little;
          continue;
        case '!': {
          alignment_ = number(8);
          if (!std::has_single_bit(alignment_)) luaL_error(lua_, "alignment is not a power of 2");
          continue;
        }
        default:
          break;
      }
      const std::size_t size = size_of(code);
      const std::size_t step = code == 's' || code == 'c' || code == 'x' ? 1 : std::min(size, alignment_);
      const std::size_t rest = step > 1 ? place & (step - 1) : 0;
      return {code, size, rest == 0 ? 0 : step - rest};
    }
  }
  bool little() const { return little_; }

 private:
  std::size_t size_of(char code) {
    switch (code) {
      case 'b':
      case 'B':
      case 'x':
        return 1;
      case 'h':
      case 'H':
        return 2;
      case 'l':
      case 'L':
      case 'T':
      case 'd':
        return 8;
      case 'f':
        return 4;
      case 's':
        return 0;
      case 'c':
        return number(1);
      case 'i':
      case 'I': {
        const std::size_t size = number(4);
        if (size == 0 || size > kMostInteger)
          luaL_error(lua_, "integral size %d is larger than limit of %d", static_cast<int>(size),
                     static_cast<int>(kMostInteger));
        return size;
      }
      default:
        luaL_error(lua_, "invalid format option '%c'", code);
    }
    return 0;
  }
  std::size_t number(std::size_t otherwise) {
    if (std::isdigit(static_cast<unsigned char>(*at_)) == 0) return otherwise;
    std::size_t number = 0;
    while (std::isdigit(static_cast<unsigned char>(*at_)) != 0) {
      number = number * 10 + static_cast<std::size_t>(*at_++ - '0');
      if (number > 0x7fff'ffff) luaL_error(lua_, "integral size overflow");
    }
    return number;
  }

  lua_State* lua_;
  const char* at_;
  bool little_ = std::endian::native == std::endian::little;
  std::size_t alignment_ = 1;
};

void add_integer(Bytes& out, double value, std::size_t size, bool little) {
  // As C converts what is out of range on the machines that scripts were written on.
  const auto bits = value < 0
                        ? static_cast<std::uint64_t>(static_cast<std::int64_t>(std::max(value, -0x1p63)))
                        : static_cast<std::uint64_t>(std::min(value, 0x1.fffffffffffffp63));
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t byte = little ? i : size - 1 - i;
    out.add(static_cast<char>(byte < 8 ? bits >> (8 * byte) : value < 0 ? ~std::uint64_t{0} : 0));
  }
}

void add_reversed_if(Bytes& out, const void* bytes, std::size_t size, bool little) {
  char text[8];
  std::memcpy(text, bytes, size);
  if (little != (std::endian::native == std::endian::little)) std::reverse(text, text + size);
  out.add(std::string_view(text, size));
}

int pack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  const int given = lua_gettop(lua);
  Bytes out(lua);
  int argument = 2;
  // Past the given ones lies the buffer.
  const auto here = [&] {
    return argument <= given ? argument++ : (luaL_argerror(lua, argument, "no value"), 0);
  };
  while (true) {
    const Format::Item item = format.next(out.size());
    if (item.code == 0) break;
    out.fill(item.padding);
    switch (item.code) {
      case 'x':
        out.add('\0');
        break;
      case 'f': {
        const auto value = static_cast<float>(luaL_checknumber(lua, here()));
        add_reversed_if(out, &value, sizeof(value), format.little());
        break;
      }
      case 'd': {
        const double value = luaL_checknumber(lua, here());
        add_reversed_if(out, &value, sizeof(value), format.little());
        break;
      }
      case 's':
      case 'c': {
        std::size_t bytes = 0;
        const int place = here();
        const char* text = luaL_checklstring(lua, place, &bytes);
        const std::size_t size = item.code == 's' || item.size == 0 ? bytes : item.size;
        luaL_argcheck(lua, bytes >= size, place, "string too short");
        out.add(std::string_view(text, size));
        if (item.code == 's') out.add('\0');
        break;
      }
      default:
        add_integer(out, luaL_checknumber(lua, here()), item.size, format.little());
        break;
    }
  }
  out.push();
  return 1;
}

double integer_in(std::string_view text, bool little, bool is_signed) {
  std::uint64_t bits = 0;
  const std::size_t size = text.size();
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i) {
    const std::size_t at = little ? i : size - 1 - i;
    bits |= std::uint64_t{static_cast<unsigned char>(text[at])} << (8 * i);
  }
  if (!is_signed) return static_cast<double>(bits);
  if (size < 8 && (bits >> (8 * size - 1)) != 0) bits |= ~std::uint64_t{0} << (8 * size);
  return static_cast<double>(static_cast<std::int64_t>(bits));
}

int unpack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  std::size_t bytes = 0;
  const char* data = luaL_checklstring(lua, 2, &bytes);
  const lua_Integer first = luaL_optinteger(lua, 3, 1);
  luaL_argcheck(lua, first >= 1, 3, "offset must be 1 or greater");
  auto at = static_cast<std::size_t>(first - 1);
  lua_settop(lua, 2);
  const auto check = [&](std::size_t size) {
    luaL_argcheck(lua, at <= bytes && size <= bytes - at, 2, "data string too short");
  };
  while (true) {
    const Format::Item item = format.next(at);
    if (item.code == 0) break;
    luaL_checkstack(lua, 2, "too many results");
    check(item.padding);
    at += item.padding;
    std::size_t size = item.size;
    switch (item.code) {
      case 'x':
        check(1);
        break;
      case 's': {
        check(0);
        const void* end = std::memchr(data + at, 0, bytes - at);
        if (end == nullptr) luaL_error(lua, "unfinished string in data");
        size = static_cast<std::size_t>(static_cast<const char*>(end) - (data + at));
        lua_pushlstring(lua, data + at, size);
        ++size;
        break;
      }
      case 'c': {
        if (size == 0) {
          if (lua_gettop(lua) == 2 || lua_isnumber(lua, -1) == 0)
            luaL_error(lua, "format 'c0' needs a previous size");
          const double wanted = lua_tonumber(lua, -1);
          luaL_argcheck(lua, wanted >= 0 && wanted <= static_cast<double>(bytes), 2, "data string too short");
          size = static_cast<std::size_t>(wanted);
          lua_pop(lua, 1);
        }
        check(size);
        lua_pushlstring(lua, data + at, size);
        break;
      }
      case 'f':
      case 'd': {
        check(size);
        char text[8];
        std::memcpy(text, data + at, size);
        if (format.little() != (std::endian::native == std::endian::little)) std::reverse(text, text + size);
        float single = 0;
        double value = 0;
        if (item.code == 'f') {
          std::memcpy(&single, text, sizeof(single));
          value = static_cast<double>(single);
        } else {
          std::memcpy(&value, text, sizeof(value));
        }
        lua_pushnumber(lua, value);
        break;
      }
      default:
        check(size);
        lua_pushnumber(lua, integer_in({data + at, size}, format.little(),
                                       std::islower(static_cast<unsigned char>(item.code)) != 0));
        break;
    }
    at += size;
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(at) + 1);
  return lua_gettop(lua) - 2;
}

int size(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  std::size_t total = 0;
  while (true) {
    const Format::Item item = format.next(total);
    if (item.code == 0) break;
    if (item.code == 's') luaL_argerror(lua, 1, "variable-size format for 'struct.size'");
    if (item.code == 'c' && item.size == 0) luaL_argerror(lua, 1, "variable-length format for 'struct.size'");
    total += item.padding + item.size;
    if (total > 0x7fff'ffff) luaL_error(lua, "size too large");
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(total));
  return 1;
}

}  // namespace

int open_struct(lua_State* lua) {
  constexpr luaL_Reg kFunctions[] = {{"pack", pack}, {"unpack", unpack}, {"size", size}, {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
  return 1;
}

}  // namespace forebay::server::script
