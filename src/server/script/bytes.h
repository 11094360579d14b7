#pragma once

// A growing run of bytes that lies in a Lua userdata: it counts for the script's memory, and an error that is
// raised while it grows leaks nothing.

#include <cstddef>
#include <string_view>

struct lua_State;

namespace forebay::server::script {

class Bytes {
 public:
  // Takes a place on the stack, which the caller leaves alone.
  explicit Bytes(lua_State* lua);

  void add(std::string_view text);
  void add(char c) { add(std::string_view(&c, 1)); }
  void fill(std::size_t count);  // with zeros
  std::size_t size() const { return size_; }
  // As a string, on top of the stack.
  void push();

 private:
  void reserve(std::size_t more);

  lua_State* lua_;
  std::size_t room_ = 256;
  std::size_t size_ = 0;
  char* data_;
  int place_;
};

}  // namespace forebay::server::script
