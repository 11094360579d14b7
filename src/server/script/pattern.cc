#include "server/script/pattern.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <lua.hpp>
#include <string_view>

#include "server/script/clockwork.h"

namespace forebay::server::script {
namespace {

constexpr int kMostCaptures = 32;
constexpr int kMostDepth = 200;  // of the matcher's own calls
constexpr unsigned kStepsPerTick = 10'000;
constexpr char kEscape = '%';

int byte_at(const char* at) {
  return static_cast<unsigned char>(*at);
}

// Nothing here has a destructor: errors are raised through all of it.
class Matcher {
 public:
  Matcher(lua_State* lua, const char* text, std::size_t text_bytes, const char* pattern,
          std::size_t pattern_bytes)
      : lua_(lua),
        begin_(text),
        end_(text + text_bytes),
        pattern_(pattern),
        pattern_end_(pattern + pattern_bytes) {}

  const char* pattern() const { return pattern_; }
  const char* begin() const { return begin_; }
  const char* end() const { return end_; }

  // Where a match of the pattern from `pattern` on that begins at `at` ends; null: there is none.
  const char* match_from(const char* at, const char* pattern) {
    captures_ = 0;
    depth_ = 0;
    return match(at, pattern);
  }

  // Pushes the captures; of a pattern without any the whole match, if `at` isn't null.
  int push_captures(const char* at, const char* end) {
    const int count = captures_ == 0 && at != nullptr ? 1 : captures_;
    luaL_checkstack(lua_, count, "too many captures");
    for (int i = 0; i < count; ++i) push_capture(i, at, end);
    return count;
  }
  void push_capture(int index, const char* at, const char* end) {
    if (index >= captures_) {
      if (index != 0) luaL_error(lua_, "invalid capture index");
      lua_pushlstring(lua_, at, static_cast<std::size_t>(end - at));
      return;
    }
    const Capture& capture = capture_[static_cast<std::size_t>(index)];
    if (capture.length == kPosition) return lua_pushinteger(lua_, capture.begin - begin_ + 1);
    if (capture.length == kOpen) luaL_error(lua_, "unfinished capture");
    lua_pushlstring(lua_, capture.begin, static_cast<std::size_t>(capture.length));
  }

 private:
  static constexpr std::ptrdiff_t kOpen = -1;
  static constexpr std::ptrdiff_t kPosition = -2;
  struct Capture {
    const char* begin;
    std::ptrdiff_t length;
  };

  void step() {
    if (++steps_ % kStepsPerTick == 0) clockwork_of(lua_).tick(lua_);
  }

  // The end of the single-character class at `at`, which may be a set.
  const char* class_end(const char* at) {
    if (at == pattern_end_) luaL_error(lua_, "malformed pattern (missing class)");
    const char first = *at++;
    if (first == kEscape) {
      if (at == pattern_end_) luaL_error(lua_, "malformed pattern (ends with '%%')");
      return at + 1;
    }
    if (first != '[') return at;
    if (at != pattern_end_ && *at == '^') ++at;
    do {  // a first ']' is one of the set
      if (at == pattern_end_) luaL_error(lua_, "malformed pattern (missing ']')");
      const char each = *at++;
      if (each == kEscape) {
        if (at == pattern_end_) luaL_error(lua_, "malformed pattern (missing ']')");
        ++at;
      }
    } while (at == pattern_end_ || *at != ']');
    return at + 1;
  }

  static bool in_class(int c, int name) {
    bool is = false;
    switch (std::tolower(name)) {
      case 'a':
        is = std::isalpha(c) != 0;
        break;
      case 'c':
        is = std::iscntrl(c) != 0;
        break;
      case 'd':
        is = std::isdigit(c) != 0;
        break;
      case 'g':
        is = std::isgraph(c) != 0;
        break;
      case 'l':
        is = std::islower(c) != 0;
        break;
      case 'p':
        is = std::ispunct(c) != 0;
        break;
      case 's':
        is = std::isspace(c) != 0;
        break;
      case 'u':
        is = std::isupper(c) != 0;
        break;
      case 'w':
        is = std::isalnum(c) != 0;
        break;
      case 'x':
        is = std::isxdigit(c) != 0;
        break;
      case 'z':
        is = c == 0;
        break;
      default:
        return name == c;
    }
    return std::isupper(name) != 0 ? !is : is;
  }

  // `set` is at '[', `last` at its ']'.
  static bool in_set(int c, const char* set, const char* last) {
    const bool negated = set[1] == '^';
    const char* at = set + (negated ? 2 : 1);
    while (at < last) {
      if (*at == kEscape) {
        if (in_class(c, byte_at(at + 1))) return !negated;
        at += 2;
      } else if (at + 2 < last && at[1] == '-') {
        if (byte_at(at) <= c && c <= byte_at(at + 2)) return !negated;
        at += 3;
      } else {
        if (byte_at(at) == c) return !negated;
        ++at;
      }
    }
    return negated;
  }

  bool matches_one(const char* at, const char* pattern, const char* pattern_next) {
    step();
    if (at == end_) return false;
    const int c = byte_at(at);
    switch (*pattern) {
      case '.':
        return true;
      case kEscape:
        return in_class(c, byte_at(pattern + 1));
      case '[':
        return in_set(c, pattern, pattern_next - 1);
      default:
        return byte_at(pattern) == c;
    }
  }

  const char* match(const char* at, const char* pattern) {
    if (++depth_ > kMostDepth) luaL_error(lua_, "pattern too complex");
    const char* const found = match_here(at, pattern);
    --depth_;
    return found;
  }

  const char* match_here(const char* at, const char* pattern) {
    while (true) {
      step();
      if (pattern == pattern_end_) return at;
      switch (*pattern) {
        case '(':
          if (pattern + 1 != pattern_end_ && pattern[1] == ')') return open(at, pattern + 2, kPosition);
          return open(at, pattern + 1, kOpen);
        case ')':
          return close(at, pattern + 1);
        case '$':
          if (pattern + 1 == pattern_end_) return at == end_ ? at : nullptr;
          break;
        case kEscape:
          if (pattern + 1 == pattern_end_) break;
          if (pattern[1] == 'b') {
            at = balanced(at, pattern + 2);
            if (at == nullptr) return nullptr;
            pattern += 4;
            continue;
          }
          if (pattern[1] == 'f') {
            pattern += 2;
            if (pattern == pattern_end_ || *pattern != '[')
              luaL_error(lua_, "missing '[' after '%%f' in pattern");
            const char* const next = class_end(pattern);
            const int before = at == begin_ ? 0 : byte_at(at - 1);
            const int here = at == end_ ? 0 : byte_at(at);
            if (in_set(before, pattern, next - 1) || !in_set(here, pattern, next - 1)) return nullptr;
            pattern = next;
            continue;
          }
          if (std::isdigit(byte_at(pattern + 1)) != 0) {
            at = again(at, pattern[1]);
            if (at == nullptr) return nullptr;
            pattern += 2;
            continue;
          }
          break;
        default:
          break;
      }
      const char* const next = class_end(pattern);
      const char quantifier = next == pattern_end_ ? '\0' : *next;
      const bool has = matches_one(at, pattern, next);
      if (quantifier == '?') {
        if (has) {
          if (const char* const found = match(at + 1, next + 1)) return found;
        }
        pattern = next + 1;
        continue;
      }
      if (quantifier == '*') return longest(at, pattern, next);
      if (quantifier == '+') return has ? longest(at + 1, pattern, next) : nullptr;
      if (quantifier == '-') return shortest(at, pattern, next);
      if (!has) return nullptr;
      ++at;
      pattern = next;
    }
  }

  const char* longest(const char* at, const char* pattern, const char* next) {
    std::ptrdiff_t count = 0;
    while (matches_one(at + count, pattern, next)) ++count;
    for (; count >= 0; --count) {
      step();
      if (const char* const found = match(at + count, next + 1)) return found;
    }
    return nullptr;
  }
  const char* shortest(const char* at, const char* pattern, const char* next) {
    while (true) {
      if (const char* const found = match(at, next + 1)) return found;
      if (!matches_one(at, pattern, next)) return nullptr;
      ++at;
    }
  }

  const char* open(const char* at, const char* pattern, std::ptrdiff_t kind) {
    if (captures_ >= kMostCaptures) luaL_error(lua_, "too many captures");
    capture_[static_cast<std::size_t>(captures_)] = {at, kind};
    ++captures_;
    const char* const found = match(at, pattern);
    if (found == nullptr) --captures_;
    return found;
  }
  const char* close(const char* at, const char* pattern) {
    int index = captures_ - 1;
    while (index >= 0 && capture_[static_cast<std::size_t>(index)].length != kOpen) --index;
    if (index < 0) luaL_error(lua_, "invalid pattern capture");
    Capture& capture = capture_[static_cast<std::size_t>(index)];
    capture.length = at - capture.begin;
    const char* const found = match(at, pattern);
    if (found == nullptr) capture.length = kOpen;
    return found;
  }
  // What a capture has matched, once more.
  const char* again(const char* at, char digit) {
    const int index = digit - '1';
    if (index < 0 || index >= captures_ || capture_[static_cast<std::size_t>(index)].length == kOpen)
      luaL_error(lua_, "invalid capture index");
    const Capture& capture = capture_[static_cast<std::size_t>(index)];
    const auto bytes = static_cast<std::size_t>(std::max<std::ptrdiff_t>(capture.length, 0));
    if (static_cast<std::size_t>(end_ - at) < bytes || std::memcmp(at, capture.begin, bytes) != 0)
      return nullptr;
    return at + bytes;
  }
  const char* balanced(const char* at, const char* pair) {
    if (pattern_end_ - pair < 2) luaL_error(lua_, "unbalanced pattern");
    if (at == end_ || *at != pair[0]) return nullptr;
    int open = 1;
    for (++at; at < end_; ++at) {
      step();
      if (*at == pair[1]) {
        if (--open == 0) return at + 1;
      } else if (*at == pair[0]) {
        ++open;
      }
    }
    return nullptr;
  }

  lua_State* lua_;
  const char* begin_;
  const char* end_;
  const char* pattern_;
  const char* pattern_end_;
  unsigned steps_ = 0;
  int depth_ = 0;
  int captures_ = 0;
  std::array<Capture, kMostCaptures> capture_;
};

bool is_plain(const char* pattern, std::size_t bytes) {
  return std::string_view(pattern, bytes).find_first_of("^$*+?.([%-") == std::string_view::npos;
}

int find_or_match(lua_State* lua, bool find) {
  std::size_t text_bytes = 0;
  std::size_t pattern_bytes = 0;
  const char* text = luaL_checklstring(lua, 1, &text_bytes);
  const char* pattern = luaL_checklstring(lua, 2, &pattern_bytes);
  lua_Integer from = luaL_optinteger(lua, 3, 1);
  const auto size = static_cast<lua_Integer>(text_bytes);
  if (from < 0) from = std::max<lua_Integer>(from + size + 1, 1);
  from = std::clamp<lua_Integer>(from - 1, 0, size);
  if (find && (lua_toboolean(lua, 4) != 0 || is_plain(pattern, pattern_bytes))) {
    const void* found = pattern_bytes == 0 ? text + from
                                           : memmem(text + from, static_cast<std::size_t>(size - from),
                                                    pattern, pattern_bytes);
    if (found == nullptr) {
      lua_pushnil(lua);
      return 1;
    }
    const lua_Integer at = static_cast<const char*>(found) - text;
    lua_pushinteger(lua, at + 1);
    lua_pushinteger(lua, at + static_cast<lua_Integer>(pattern_bytes));
    return 2;
  }
  const bool anchored = pattern_bytes > 0 && *pattern == '^';
  Matcher matcher(lua, text, text_bytes, pattern, pattern_bytes);
  for (const char* at = text + from; at <= matcher.end(); ++at) {
    const char* const end = matcher.match_from(at, pattern + (anchored ? 1 : 0));
    if (end != nullptr) {
      if (!find) return matcher.push_captures(at, end);
      lua_pushinteger(lua, at - text + 1);
      lua_pushinteger(lua, end - text);
      return matcher.push_captures(nullptr, nullptr) + 2;
    }
    if (anchored) break;
  }
  lua_pushnil(lua);
  return 1;
}

int find(lua_State* lua) {
  return find_or_match(lua, true);
}
int match(lua_State* lua) {
  return find_or_match(lua, false);
}

// Upvalues: text, pattern, where to go on.
int gmatch_next(lua_State* lua) {
  std::size_t text_bytes = 0;
  std::size_t pattern_bytes = 0;
  const char* text = lua_tolstring(lua, lua_upvalueindex(1), &text_bytes);
  const char* pattern = lua_tolstring(lua, lua_upvalueindex(2), &pattern_bytes);
  Matcher matcher(lua, text, text_bytes, pattern, pattern_bytes);
  for (const char* at = text + lua_tointeger(lua, lua_upvalueindex(3)); at <= matcher.end(); ++at) {
    const char* const end = matcher.match_from(at, pattern);
    if (end == nullptr) continue;
    lua_pushinteger(lua, end - text + (end == at ? 1 : 0));
    lua_replace(lua, lua_upvalueindex(3));
    return matcher.push_captures(at, end);
  }
  return 0;
}
int gmatch(lua_State* lua) {
  luaL_checkstring(lua, 1);
  luaL_checkstring(lua, 2);
  lua_settop(lua, 2);
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, gmatch_next, 3);
  return 1;
}

// Adds what takes the place of a match; argument 3 says what.
void add_replacement(lua_State* lua, Matcher& matcher, luaL_Buffer& out, const char* at, const char* end) {
  switch (lua_type(lua, 3)) {
    case LUA_TNUMBER:
    case LUA_TSTRING: {
      std::size_t bytes = 0;
      const char* text = lua_tolstring(lua, 3, &bytes);
      for (std::size_t i = 0; i < bytes; ++i) {
        if (text[i] != kEscape) {
          luaL_addchar(&out, text[i]);
          continue;
        }
        ++i;
        if (i == bytes) luaL_error(lua, "invalid use of '%%' in replacement string");
        if (std::isdigit(byte_at(text + i)) == 0) {
          luaL_addchar(&out, text[i]);
        } else if (text[i] == '0') {
          luaL_addlstring(&out, at, static_cast<std::size_t>(end - at));
        } else {
          matcher.push_capture(text[i] - '1', at, end);
          luaL_addvalue(&out);
        }
      }
      return;
    }
    case LUA_TTABLE:
      matcher.push_capture(0, at, end);
      lua_gettable(lua, 3);
      break;
    default: {
      lua_pushvalue(lua, 3);
      const int count = matcher.push_captures(at, end);
      lua_call(lua, count, 1);
      break;
    }
  }
  if (lua_toboolean(lua, -1) == 0) {
    lua_pop(lua, 1);
    lua_pushlstring(lua, at, static_cast<std::size_t>(end - at));
  } else if (lua_isstring(lua, -1) == 0) {
    luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
  }
  luaL_addvalue(&out);
}

int gsub(lua_State* lua) {
  std::size_t text_bytes = 0;
  std::size_t pattern_bytes = 0;
  const char* text = luaL_checklstring(lua, 1, &text_bytes);
  const char* pattern = luaL_checklstring(lua, 2, &pattern_bytes);
  const int type = lua_type(lua, 3);
  luaL_argcheck(lua,
                type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                "string/function/table expected");
  const lua_Integer most = luaL_optinteger(lua, 4, static_cast<lua_Integer>(text_bytes) + 1);
  const bool anchored = pattern_bytes > 0 && *pattern == '^';
  Matcher matcher(lua, text, text_bytes, pattern, pattern_bytes);
  luaL_Buffer out;
  luaL_buffinit(lua, &out);
  lua_Integer count = 0;
  const char* at = text;
  while (count < most) {
    const char* const end = matcher.match_from(at, pattern + (anchored ? 1 : 0));
    if (end != nullptr) {
      ++count;
      add_replacement(lua, matcher, out, at, end);
    }
    if (end != nullptr && end > at) {
      at = end;
    } else if (at < matcher.end()) {
      luaL_addchar(&out, *at);
      ++at;
    } else {
      break;
    }
    if (anchored) break;
  }
  luaL_addlstring(&out, at, static_cast<std::size_t>(matcher.end() - at));
  luaL_pushresult(&out);
  lua_pushinteger(lua, count);
  return 2;
}

}  // namespace

void add_patterns(lua_State* lua) {
  constexpr luaL_Reg kFunctions[] = {
      {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {nullptr, nullptr}};
  luaL_register(lua, nullptr, kFunctions);
}

}  // namespace forebay::server::script
