#pragma once

// Reading a small entry without the lock: its key is compared where it lies, and only the value is copied.
//
// Small is an entry without a wide part, as most are: a key up to 31 bytes, a value up to 255. Everything
// here may be garbage until the shard's sequence number says that nothing was written meanwhile; nothing here
// minds. Words are read as words.h says, also beyond the entry's end, which the cage allows.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "memory/arena/cage.h"
#include "memory/words.h"

namespace forebay::memory {

class SmallRead {
 public:
  static constexpr std::size_t kMostValue = 255;
  // What a reader looks at from an entry's start, at most.
  static constexpr std::size_t kReach = 384;

  // Whether an entry's key, which begins at kAt, is `key`. `shape` is the entry's word at 20 (entry.h).
  template <std::size_t kAt>
  [[gnu::always_inline]] static bool is_key(const std::uint64_t* entry, std::uint32_t shape,
                                            std::string_view key) {
    // The key's words begin amid the entry's: `rest` are the bytes of one that are the next one's first.
    constexpr unsigned kBits = 64 - 8 * (kAt % kWord);
    static_assert(kBits == 16 || kBits == 48);
    const std::uint64_t* next = entry + kAt / kWord;
    std::uint64_t rest = kAt == 22 ? shape >> 16 : load_word(*next) >> (64 - kBits);
    const char* text = key.data();
    std::size_t left = key.size();
    for (; left >= kWord; left -= kWord, text += kWord) {
      const std::uint64_t word = load_word(*++next);
      if ((rest | (word << kBits)) != from<std::uint64_t>(text)) return false;
      rest = word >> (64 - kBits);
    }
    if (left == 0) return true;
    const std::uint64_t last = rest | (load_word(*++next) << kBits);
    const unsigned unused = 64 - 8 * static_cast<unsigned>(left);
    const std::uint64_t wanted =
        key.size() >= kWord ? from<std::uint64_t>(text + left - kWord) >> unused : short_text(text, left);
    return (last ^ wanted) << unused == 0;
  }

  // Copies `bytes` from `at` on, at most kMostValue of them.
  [[gnu::always_inline]] std::string_view copy(const std::uint64_t* entry, std::size_t at,
                                               std::size_t bytes) {
    const std::uint64_t* word = entry + at / kWord;
    const unsigned skip = at % kWord;
    if (bytes <= kWord) {
      // Moved to where the copy begins, so that a number is read back in one piece.
      words_[0] = load_word(word[0]) >> (8 * skip) | load_word(word[1]) << 1 << (63 - 8 * skip);
      return {text(), bytes};
    }
    std::uint64_t* to = words_.data();
    const std::uint64_t* const end = word + (skip + bytes + kWord - 1) / kWord;
    do {
      to[0] = load_word(word[0]);
      to[1] = load_word(word[1]);
      to[2] = load_word(word[2]);
      to[3] = load_word(word[3]);
      to += 4;
      word += 4;
    } while (word < end);
    return {text() + skip, bytes};
  }

 private:
  static constexpr std::size_t kWord = sizeof(std::uint64_t);

  template <class Word>
  static Word from(const char* text) {
    Word word;
    std::memcpy(&word, text, sizeof(word));
    return word;
  }
  // 1 to 7 bytes; those above are zero.
  static std::uint64_t short_text(const char* text, std::size_t bytes) {
    if (bytes >= 4) {
      const std::uint64_t last = from<std::uint32_t>(text + bytes - 4);
      return from<std::uint32_t>(text) | last << (8 * (bytes - 4));
    }
    const auto byte = [&](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(text[at])}; };
    return byte(0) | byte(bytes / 2) << (8 * (bytes / 2)) | byte(bytes - 1) << (8 * (bytes - 1));
  }
  const char* text() const { return reinterpret_cast<const char*>(words_.data()); }

  // Left as it is: clearing it would take longer than the copy. Room for four words at a time.
  std::array<std::uint64_t, (kMostValue + 1) / kWord + 5> words_;
};

}  // namespace forebay::memory
