#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace forebay {

// An immutable payload that the memory tier, a flight and any number of replies hold at once.
//
// Either bytes (what a server stores) or an object of the C++ program (what Cache<Key, Value> stores).
// Copying costs one reference count and never copies the payload. Thread-safe in the way of shared_ptr<const
// T>.
class Value {
 public:
  Value() = default;

  static Value bytes(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    std::string_view view = *owner;
    return Value(std::move(owner), view, view.size(), false);
  }

  // Bytes that live as long as `owner` does.
  static Value bytes(std::shared_ptr<const void> owner, std::string_view view) {
    return Value(std::move(owner), view, view.size(), false);
  }

  // `charge` is what the object counts for in the memory tier's limit, in bytes.
  template <class T>
  static Value object(std::shared_ptr<const T> object, std::size_t charge) {
    return Value(std::shared_ptr<const void>(std::move(object)), {}, charge, true);
  }

  bool is_object() const { return object_; }
  // The bytes; empty for an object. Valid while this Value or a copy of it lives.
  std::string_view view() const { return view_; }
  std::size_t charge() const { return charge_; }
  // The object; requires is_object() and that T is the type it was made with.
  template <class T>
  std::shared_ptr<const T> as() const {
    return std::static_pointer_cast<const T>(owner_);
  }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  Value(std::shared_ptr<const void> owner, std::string_view view, std::size_t charge, bool object)
      : owner_(std::move(owner)), view_(view), charge_(charge), object_(object) {}

  std::shared_ptr<const void> owner_;
  std::string_view view_;
  std::size_t charge_ = 0;
  bool object_ = false;
};

}  // namespace forebay
