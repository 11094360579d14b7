#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "layer/namespaces/namespace.h"

namespace forebay::layer {

// A key, once it has been routed and hashed: everything in the layer is told of a key by this, so that both
// are done once. Borrows the text for the length of a call.
struct KeyRef {
  KeyRef(Namespace& space_in, std::string_view text_in, std::uint64_t hash_in)
      : space(space_in), text(text_in), hash(hash_in) {}
  KeyRef(Namespace& space_in, std::string_view text_in) : KeyRef(space_in, text_in, hash_bytes(text_in)) {}

  Namespace& space;
  std::string_view text;
  std::uint64_t hash;  // hash_bytes() of the text
};

}  // namespace forebay::layer
