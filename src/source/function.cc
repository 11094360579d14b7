#include "source/function.h"

#include <fmt/format.h>

#include <exception>
#include <type_traits>
#include <utility>

namespace forebay::source {
namespace {

// What both need to say who failed; shared, since a Dataset is handed out.
struct Callee {
  std::string source;
  Function function;
};

// Runs the program's code; what it throws must not reach Forebay's threads.
template <class Call>
std::invoke_result_t<Call> guarded(const std::string& source, const char* what, Call call) {
  try {
    return call();
  } catch (const std::exception& thrown) {
    return Error{ErrorCode::kInternal,
                 fmt::format("source {}: its {} function threw: {}", source, what, thrown.what())};
  } catch (...) {
    return Error{ErrorCode::kInternal, fmt::format("source {}: its {} function threw", source, what)};
  }
}

class FunctionDataset final : public Dataset {
 public:
  explicit FunctionDataset(std::shared_ptr<const Callee> callee) : callee_(std::move(callee)) {}

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    auto loaded = guarded(callee_->source, "load", [&] { return callee_->function.load(keys, context); });
    if (loaded && loaded->size() != keys.size()) {
      return Error{ErrorCode::kInternal,
                   fmt::format("source {}: its load function returned {} values for {} keys", callee_->source,
                               loaded->size(), keys.size())};
    }
    return loaded;
  }

  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override {
    if (!callee_->function.write) return Dataset::write(key, write, context);
    return guarded(callee_->source, "write", [&] { return callee_->function.write(key, write, context); });
  }

 private:
  const std::shared_ptr<const Callee> callee_;
};

class FunctionSource final : public Source {
 public:
  FunctionSource(std::shared_ptr<const Callee> callee, std::size_t concurrency)
      : callee_(std::move(callee)), concurrency_(concurrency) {}

  std::size_t concurrency() const override { return concurrency_; }

  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    if (spec.writable && !callee_->function.write) {
      return Error{ErrorCode::kConfig,
                   fmt::format("namespace {}: source {} has no write function", spec.name, callee_->source)};
    }
    return std::unique_ptr<Dataset>(std::make_unique<FunctionDataset>(callee_));
  }

  Result<void> ping(const CallContext&) override { return {}; }

 private:
  const std::shared_ptr<const Callee> callee_;
  const std::size_t concurrency_;
};

}  // namespace

Result<std::shared_ptr<Source>> open_function(const config::Source& settings, const Functions& functions) {
  const auto found = functions.find(settings.name);
  if (found == functions.end() || !found->second.load) {
    return Error{ErrorCode::kConfig,
                 fmt::format("source {}: the program gave no load function of this name", settings.name)};
  }
  auto callee = std::make_shared<const Callee>(Callee{settings.name, found->second});
  return std::shared_ptr<Source>(std::make_shared<FunctionSource>(std::move(callee), settings.pool));
}

}  // namespace forebay::source
