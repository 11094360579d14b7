#pragma once

// Replies on their way to a socket: encoded text, and between it values that are sent from where they lie.
//
// A large value is held by reference instead of being copied into the text. So a reply costs its own text,
// however large the values in it are and however often it names the same one.
//
// A position is an offset into `text`. A reply begins with text of its own, so a value that stands at a
// position belongs to the reply that ends there, never to the one that begins there.

#include <sys/uio.h>

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "forebay/value.h"

namespace forebay::resp {

// Not thread-safe.
class Output {
 public:
  // Values from this size on are worth a reference and an element of their own in the vectored send.
  static constexpr std::size_t kByReference = std::size_t{16} << 10;

  struct Splice {
    std::size_t at;  // the bytes stand before text[at]
    Value owner;
    std::string_view bytes;
  };

  // How far it has been sent.
  struct Cursor {
    std::size_t text = 0;    // bytes of the text
    std::size_t splice = 0;  // splices
    std::size_t inside = 0;  // bytes of the next one
  };

  std::string text;
  // Set where a reply would have grown beyond Writer's bound: what it holds then is no whole reply.
  bool overflown = false;

  const std::vector<Splice>& splices() const { return splices_; }
  bool empty() const { return text.empty(); }
  // Bytes that the peer will get.
  std::size_t bytes() const { return text.size() + spliced_; }

  // Requires that text of the same reply is before it.
  void splice(Value owner, std::string_view bytes);
  // Takes away what stands behind the position.
  void truncate(std::size_t at);
  // Appends what stands between two positions of `from`.
  void append(const Output& from, std::size_t begin, std::size_t end);
  void append(const Output& from) { append(from, 0, from.text.size()); }
  // Removes what stands behind the position and returns it.
  Output cut(std::size_t at);
  void clear();

  // What is next to be sent, in as many parts as there is room for. Returns how many it filled.
  std::size_t gather(const Cursor& cursor, std::span<iovec> parts) const;
  // `count` more bytes have been sent.
  void advance(Cursor& cursor, std::size_t count) const;

 private:
  std::vector<Splice> splices_;
  std::size_t spliced_ = 0;
};

}  // namespace forebay::resp
