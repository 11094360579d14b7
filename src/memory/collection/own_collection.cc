#include "memory/collection/own_collection.h"

#include <utility>

namespace forebay::memory {

void OwnCollection::edit(FunctionRef<void(Collection&)> edit) {
  Collection all(bytes_, memory_);
  if (!all.exists()) all.begin(kind_);
  edit(all);
  std::string edited(all.bytes());
  bytes_ = std::move(edited);
}

void OwnCollection::copy(std::string_view bytes) {
  Collection all({}, memory_);
  Collection from(bytes);
  all.copy(from);
  bytes_ = std::string(all.bytes());
}

bool OwnCollection::empty() const {
  return bytes_.empty() || Collection(bytes_).is_nothing();
}

}  // namespace forebay::memory
