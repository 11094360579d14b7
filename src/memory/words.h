#pragma once

// How memory in the cage is written and read.
//
// Readers without a lock may look at any place in it while its owner writes there, and throw away what they
// saw when the shard's sequence number has moved (after Boehm, "Can seqlocks get along with programming
// language memory models?", MSPC 2012). So that this is no data race, whatever lies there is written by
// store_word() and, without the lock, read by load_word(): atomic objects of a word each. A reader that gets
// a word of a later write must also see that the sequence number has moved: release and acquire on every word
// say so, at no cost on x86-64 and in place of fences, which ThreadSanitizer doesn't know. Under the lock
// plain loads will do.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace forebay::memory {

template <class Word>
void store_word(Word& place, std::type_identity_t<Word> value) {
  std::atomic_ref<Word>(place).store(value, std::memory_order_release);
}

// What is there may have been given back: poisoned for AddressSanitizer, but readable.
template <class Word>
#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize_address, noinline))
#endif
Word load_word(const Word& place) {
  return __atomic_load_n(&place, __ATOMIC_ACQUIRE);  // std::atomic_ref wants to be able to write
}

// Writes `bytes` from `from` to `to`, whose other bytes in the words that it shares stay. Forwards: the
// source may overlap what comes before it.
inline void store_bytes(char* to, const void* from, std::size_t bytes) {
  using Word = std::uint64_t;
  const auto* source = static_cast<const char*>(from);
  while (bytes != 0) {
    const std::size_t skip = reinterpret_cast<std::uintptr_t>(to) % sizeof(Word);
    Word& word = *reinterpret_cast<Word*>(to - skip);
    std::size_t part = sizeof(Word) - skip;
    if (part > bytes) part = bytes;
    Word value;
    if (part == sizeof(Word)) {
      std::memcpy(&value, source, sizeof(Word));
    } else {
      value = word;
      std::memcpy(reinterpret_cast<char*>(&value) + skip, source, part);
    }
    store_word(word, value);
    to += part;
    source += part;
    bytes -= part;
  }
}

}  // namespace forebay::memory
