#pragma once

// From a message to what it makes stale.
//
// A field's path is followed through the message: `{order.id}` is the `id` of the `order`. A list on the way, or at its end,
// stands for each of its elements, so one template may make many keys; of two lists, all pairs. Texts, integers, true and
// false can be parts of a key. Numbers with a fraction can not, as one number has many spellings; null, objects, empty texts
// and texts with a zero byte can not either.

#include <cstddef>
#include <span>
#include <vector>

#include "config/model.h"
#include "events/message.h"
#include "forebay/result.h"

namespace forebay::events {

// What a message made, and what was wrong with it. A message that is wrong in part still ends what it names.
struct Expansion {
  std::vector<Invalidation> made;  // at most `most`
  Error wrong;                     // its message is empty where nothing was
};

inline constexpr std::size_t kMaxKey = std::size_t{64} << 10;  // bytes of a key that a message makes

// O(message + what is made).
Expansion expand(std::span<const config::KeyTemplate> templates, const Message& message, std::size_t most);

}  // namespace forebay::events
