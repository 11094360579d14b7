#include "server/script/bytes.h"

#include <algorithm>
#include <cstring>
#include <lua.hpp>

namespace forebay::server::script {

Bytes::Bytes(lua_State* lua)
    : lua_(lua), data_(static_cast<char*>(lua_newuserdata(lua, room_))), place_(lua_gettop(lua)) {}

void Bytes::add(std::string_view text) {
  if (text.empty()) return;
  reserve(text.size());
  std::memcpy(data_ + size_, text.data(), text.size());
  size_ += text.size();
}

void Bytes::fill(std::size_t count) {
  reserve(count);
  std::memset(data_ + size_, 0, count);
  size_ += count;
}

void Bytes::push() {
  lua_pushlstring(lua_, data_, size_);
}

void Bytes::reserve(std::size_t more) {
  if (more <= room_ - size_) return;
  const std::size_t room = std::max(2 * room_, size_ + more);
  auto* const data = static_cast<char*>(lua_newuserdata(lua_, room));
  std::memcpy(data, data_, size_);
  lua_replace(lua_, place_);
  data_ = data;
  room_ = room;
}

}  // namespace forebay::server::script
