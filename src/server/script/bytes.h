#pragma once

// A growing run of bytes that lies in a Lua userdata: it counts for the script's memory, and an error that is
// raised while it grows leaks nothing.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <lua.hpp>
#include <string_view>

namespace forebay::server::script {

class Bytes {
 public:
  // Takes a place on the stack, which the caller leaves alone.
  explicit Bytes(lua_State* lua) : lua_(lua) {
    data_ = static_cast<char*>(lua_newuserdata(lua, room_));
    place_ = lua_gettop(lua);
  }

  void add(std::string_view text) {
    reserve(text.size());
    std::memcpy(data_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  void add(char c) { add(std::string_view(&c, 1)); }
  void fill(std::size_t count) {
    reserve(count);
    std::memset(data_ + size_, 0, count);
    size_ += count;
  }
  std::size_t size() const { return size_; }
  void push() { lua_pushlstring(lua_, data_, size_); }

 private:
  void reserve(std::size_t more) {
    if (more <= room_ - size_) return;
    const std::size_t room = std::max(2 * room_, size_ + more);
    auto* const data = static_cast<char*>(lua_newuserdata(lua_, room));
    std::memcpy(data, data_, size_);
    lua_replace(lua_, place_);
    data_ = data;
    room_ = room;
  }

  lua_State* lua_;
  std::size_t room_ = 256;
  std::size_t size_ = 0;
  char* data_;
  int place_;
};

}  // namespace forebay::server::script
