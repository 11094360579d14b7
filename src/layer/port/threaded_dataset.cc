#include "layer/port/threaded_dataset.h"

#include <utility>

#include "layer/port/guarded.h"

namespace forebay::layer {

void ThreadedDataset::load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) {
  pool_.run([this, keys = std::move(keys), options = std::move(options), done = std::move(done)]() mutable {
    auto loaded = guarded<std::vector<Loaded>>(
        [&] { return dataset_.current().load(keys, {options.timeout, options.cancel.get()}); });
    if (!loaded) return done(std::move(loaded).error());
    if (loaded->size() != keys.size()) {
      return done(Error{ErrorCode::kInternal, "the source answered " + std::to_string(loaded->size()) +
                                                  " of " + std::to_string(keys.size()) + " keys"});
    }
    std::vector<LoadedValue> values;
    values.reserve(loaded->size());
    for (auto& one : *loaded) {
      LoadedValue& value = values.emplace_back();
      if (one.value) value.value = Value::bytes(std::move(*one.value));
      value.version = one.version;
      value.evidence = one.evidence;
    }
    done(std::move(values));
  });
}

void ThreadedDataset::write(KeyFields key, Write write, CallOptions options, WriteDone done) {
  pool_.run([this, key = std::move(key), write = std::move(write), options = std::move(options),
             done = std::move(done)]() mutable {
    done(guarded<Written>(
        [&] { return dataset_.write(key, write, {options.timeout, options.cancel.get()}); }));
  });
}

void ThreadedDataset::has_ended(std::uint64_t transaction, CallOptions options, EndedDone done) {
  pool_.run([this, transaction, options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<bool>(
        [&] { return source_.has_ended(transaction, {options.timeout, options.cancel.get()}); }));
  });
}

Result<void> ThreadedDataset::validate(const KeyFields& key, const Write& write) const {
  return guarded<void>([&] { return dataset_.validate(key, write); });
}

Shown ThreadedDataset::shown(std::string_view column, Given given, std::string& text) const {
  return guarded<Shown>([&] { return dataset_.current().shown(column, given, text); })
      .value_or(Shown::kUnknown);
}

}  // namespace forebay::layer
