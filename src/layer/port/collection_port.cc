#include "layer/port/collection_port.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "memory/collection/fields.h"
#include "memory/collection/own_collection.h"
#include "memory/collection/ranking.h"

namespace forebay::layer {
namespace {

using memory::OwnCollection;

// Takes the elements of a text one by one.
class Elements {
 public:
  explicit Elements(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  // Nothing: the text is none of ours.
  std::optional<std::string_view> bytes() {
    std::size_t length = 0;
    const auto [end, wrong] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), length);
    const auto digits = static_cast<std::size_t>(end - rest_.data());
    if (wrong != std::errc() || digits == rest_.size() || *end != ':') return std::nullopt;
    if (rest_.size() - digits - 1 < length) return std::nullopt;
    const std::string_view bytes = rest_.substr(digits + 1, length);
    rest_.remove_prefix(digits + 1 + length);
    return bytes;
  }
  std::optional<double> score() {
    const std::size_t blank = rest_.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    double score = 0;
    const auto [end, wrong] = std::from_chars(rest_.data(), rest_.data() + blank, score);
    if (wrong != std::errc() || end != rest_.data() + blank || std::isnan(score)) return std::nullopt;
    rest_.remove_prefix(blank + 1);
    return score;
  }

 private:
  std::string_view rest_;
};

Error refused(const CollectionPort::Options& options, std::string_view what) {
  return {ErrorCode::kRefused, fmt::format("namespace '{}': {}", options.name, what)};
}

// What is wrong with the text; nothing: what it has is in the collection now.
std::optional<Error> read_elements(std::string_view text, const CollectionPort::Options& options,
                                   memory::Collection& all) {
  const bool scored = options.kind == memory::CollectionKind::kSortedSet;
  Elements elements(text);
  for (std::size_t count = 0; !elements.at_end(); ++count) {
    if (count == options.max_members) {
      return refused(options,
                     fmt::format("the key has more than max_members = {} members in the table: raise "
                                 "max_members to read them together",
                                 options.max_members));
    }
    const auto member = elements.bytes();
    if (!member) return refused(options, "the table's members can't be read");
    if (!scored) {
      memory::Fields(all).add(*member);
      continue;
    }
    const auto score = elements.score();
    if (!score) return refused(options, "a score in the table is not a valid float");
    // A command could not name it: the key of its entry would end where it begins.
    if (!member->empty()) memory::Ranking(all).put(*member, *score);
  }
  return std::nullopt;
}

}  // namespace

void CollectionPort::load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) {
  texts_->load(std::move(keys), std::move(options),
               [this, done = std::move(done)](Result<std::vector<LoadedValue>> loaded) mutable {
                 if (!loaded) return done(std::move(loaded));
                 for (LoadedValue& value : *loaded) {
                   if (!value.value) continue;
                   auto all = std::make_shared<OwnCollection>(options_.kind);
                   std::optional<Error> wrong;
                   all->edit([&](memory::Collection& edited) {
                     wrong = read_elements(value.value->view(), options_, edited);
                   });
                   if (wrong) return done(std::move(*wrong));
                   value.value.reset();
                   if (all->empty()) continue;
                   value.value = Value::object(std::shared_ptr<const OwnCollection>(all), all->charge());
                   value.collection = std::move(all);
                 }
                 done(std::move(loaded));
               });
}

}  // namespace forebay::layer
