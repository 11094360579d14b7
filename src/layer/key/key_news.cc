#include "layer/key/key_news.h"

#include <algorithm>
#include <utility>

namespace forebay::layer {

void KeyNews::listen(std::shared_ptr<KeyListener> listener) {
  KeyListener* const raw = listener.get();
  const MutexLock lock(mutex_);
  if (raw != nullptr && std::ranges::find(kept_, listener) == kept_.end())
    kept_.push_back(std::move(listener));
  listener_.store(raw, std::memory_order_release);
}

void KeyNews::stored(const KeyRef& at, CopyCause cause, std::uint64_t, const Stamp& stamp) {
  KeyListener* const listener = this->listener();
  if (listener == nullptr) return;
  switch (cause) {
    case CopyCause::kLoaded:  // the readers that waited for it have been answered with it
      break;
    case CopyCause::kRenewed:
    case CopyCause::kWritten:
    case CopyCause::kEdited:
      listener->changed(at.space.info, at.text, KeyChange::kStored);
      break;
    case CopyCause::kRetimed:
      listener->changed(at.space.info, at.text,
                        stamp.expires == kNever ? KeyChange::kPersisted : KeyChange::kRetimed);
      break;
  }
  if (stamp.fresh_until < stamp.expires) listener->fresh_until(at.space.info, at.text, stamp.fresh_until);
}

void KeyNews::answered(const KeyRef& at, const Stamp& stamp) {
  if (stamp.fresh_until >= stamp.expires) return;
  if (KeyListener* listener = this->listener())
    listener->fresh_until(at.space.info, at.text, stamp.fresh_until);
}

void KeyNews::purged(const Namespace& space) {
  if (KeyListener* listener = this->listener()) listener->purged(space.info);
}

void KeyNews::cleared() {
  if (KeyListener* listener = this->listener()) listener->cleared();
}

void KeyNews::departed(std::string_view key, std::uint64_t hash, Departure why) {
  KeyListener* const listener = this->listener();
  if (listener == nullptr) return;
  const KeyRef at(router_.load(std::memory_order_acquire)->route(key), key, hash);
  const auto change_of = [&] {
    switch (why) {
      case Departure::kExpired:
        return KeyChange::kExpired;
      case Departure::kEvicted:
        return KeyChange::kEvicted;
      case Departure::kInvalidated:
        break;
    }
    return KeyChange::kDropped;
  };
  listener->changed(at.space.info, key, change_of());
}

}  // namespace forebay::layer
