#pragma once

// What a person does about dead letters: writes behind that a database refused, which its ledger keeps
// (forebay/ledger.h).
//
// A letter is named by an id, "source/journal/lane/seq". Thread-safe. Callbacks come on a thread of the
// source that is asked, or at once.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/layer.h"
#include "journal/effect.h"
#include "layer/namespaces/router.h"
#include "layer/port/ledger_port.h"

namespace forebay::layer {

class DeadLetters {
 public:
  struct SourceAt {
    std::string name;
    std::shared_ptr<SourcePort> port;
    std::chrono::milliseconds timeout;  // of one call
  };
  // What it needs of the layer; borrowed.
  struct Parts {
    std::function<std::vector<SourceAt>()> sources;  // those that are written behind, in any order
    const std::atomic<const Router*>& router;
    // Writes a letter's effect again, unchecked.
    std::function<void(Namespace&, std::string_view key, journal::Effect, WriteCallback)> write_again;
    // Letters of this source have been dropped.
    std::function<void(const std::string& source)> dropped;
  };
  explicit DeadLetters(Parts parts) : parts_(std::move(parts)) {}

  // As Layer's functions for dead letters.
  void list(std::string_view source, std::string_view after, std::size_t limit,
            Done<std::vector<PutAside>> done) const;
  void find(std::string_view id, Done<std::optional<PutAside>> done) const;
  void retry(std::string_view id, Done<bool> done) const;
  void edit(std::string_view id, std::string_view operation, Done<bool> done) const;
  void drop(std::string_view id, Done<bool> done) const;

 private:
  struct Name;
  struct Asked;

  static std::optional<Name> parse(std::string_view id);
  std::optional<SourceAt> source_of(std::string_view name) const;
  template <class T, class Ask>
  void ask(std::string_view id, Done<T> done, Ask with_ledger) const;
  Namespace* place_of(const DeadLetter& letter, const std::string& source) const;
  void retry(Asked asked, DeadLetter letter, Done<bool> done) const;
  void write_again(Namespace& space, std::vector<DeadLetter> letters, Done<bool> done) const;

  const Parts parts_;
};

}  // namespace forebay::layer
