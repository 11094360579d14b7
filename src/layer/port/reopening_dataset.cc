#include "layer/port/reopening_dataset.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "layer/port/guarded.h"

namespace forebay::layer {
namespace {

// For calls that fail a table is looked at at most this often.
constexpr std::chrono::milliseconds kLookAgain{100};

constexpr std::chrono::milliseconds kRests{200};

const CallContext kPatient{.timeout = std::chrono::seconds(2), .cancel = nullptr};

// Whether a table that has changed may be what is behind an error.
bool may_be_of_shape(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kRefused ||
         error.code == ErrorCode::kConfig;
}

}  // namespace

ReopeningDataset::ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<Dataset> dataset,
                                   ThreadPool& pool)
    : source_(source), spec_(std::move(spec)), current_(dataset.get()), pool_(pool) {
  keep(std::move(dataset));
}

ReopeningDataset::ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<LateDataset> late,
                                   ThreadPool& pool)
    : source_(source), spec_(std::move(spec)), late_(late.get()), current_(late.get()), pool_(pool) {
  late_->on_open([this] { changed(); });
  keep(std::move(late));
}

Result<Dataset*> ReopeningDataset::own() const {
  Dataset& dataset = current();
  if (&dataset == late_) return late_->opened();
  return &dataset;
}

Result<std::vector<Loaded>> ReopeningDataset::load(std::span<const KeyFields> keys,
                                                   const CallContext& context) const {
  Dataset& used = current();
  auto loaded = used.load(keys, context);
  if (!loaded && mended(used, loaded.error(), context, {})) loaded = current().load(keys, context);
  return loaded;
}

Result<Written> ReopeningDataset::write(const KeyFields& key, const Write& write,
                                        const CallContext& context) const {
  Dataset& used = current();
  auto written = used.write(key, write, context);
  const Takes takes = [&](const Dataset& fresh) { return fresh.validate(key, write).has_value(); };
  // Nothing has changed then.
  if (!written && mended(used, written.error(), context, takes))
    written = current().write(key, write, context);
  return written;
}

Result<void> ReopeningDataset::validate(const KeyFields& key, const Write& write) const {
  const Dataset& used = current();
  auto good = used.validate(key, write);
  if (good || !may_be_of_shape(good.error()) || !may_look()) return good;
  pool_.run([this, error = good.error(), key, write] {
    MutexLock one(looking_);
    look_locked(error, kPatient,
                [&](const Dataset& fresh) { return fresh.validate(key, write).has_value(); });
  });
  return good;
}

Result<bool> ReopeningDataset::look(Look when, const CallContext& context) const {
  MutexLock one(looking_);
  if (&current() == late_ && !late_->is_open()) {
    // Its first call opens it. One that did not fit may by now.
    if (late_->misfit()) static_cast<void>(guarded<Dataset*>([&] { return late_->opened(); }));
    return false;
  }
  auto fit = guarded<Fit>([&] { return current().fit(context); });
  if (!fit) return std::move(fit).error();
  if (*fit != Fit::kChanged) {
    changed_at_.reset();
    if (*fit == Fit::kFits) fits();
    return false;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!changed_at_) changed_at_ = now;
  if (when == Look::kOnceItRests && now - *changed_at_ < kRests) return true;
  reopen({});
  return false;
}

std::optional<Error> ReopeningDataset::misfit() const {
  if (&current() == late_ && !late_->is_open()) return late_->misfit();
  MutexLock lock(mutex_);
  return misfit_;
}

void ReopeningDataset::on_change(std::function<void()> changed) const {
  MutexLock lock(mutex_);
  changed_ = std::move(changed);
}

void ReopeningDataset::keep(std::unique_ptr<Dataset> dataset) const {
  MutexLock lock(mutex_);
  datasets_.push_back(std::move(dataset));
}

bool ReopeningDataset::may_look() const {
  const auto now = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  if (now < look_at_) return false;
  look_at_ = now + kLookAgain;
  return true;
}

bool ReopeningDataset::mended(const Dataset& used, const Error& error, const CallContext& context,
                              const Takes& takes) const {
  if (!may_be_of_shape(error)) return false;
  const bool mine = may_look();
  // Where somebody else looks already, the outcome is waited for.
  MutexLock one(looking_);
  if (mine && &current() == &used) look_locked(error, context, takes);
  return &current() != &used;
}

void ReopeningDataset::look_locked(const Error& error, const CallContext& context, const Takes& takes) const {
  const auto fit = guarded<Fit>([&] { return current().fit(context); });
  if (!fit) return;
  if (*fit == Fit::kFits) fits();
  if (*fit == Fit::kChanged) reopen({});
  // Such a source has only its errors to say it by.
  if (*fit == Fit::kUnknown && error.code == ErrorCode::kInvalidArgument && takes) reopen(takes);
}

void ReopeningDataset::reopen(const Takes& takes) const {
  auto fresh = guarded<std::unique_ptr<Dataset>>([&] { return source_.open_dataset(spec_); });
  if (!fresh) {
    if (fresh.error().code == ErrorCode::kConfig && !takes) does_not_fit(fresh.error());
    return;
  }
  if (takes && !guarded<bool>([&] { return takes(**fresh); }).value_or(false)) return;
  spdlog::info("namespace '{}': its table or query has changed, and is known anew", spec_.name);
  current_.store(fresh->get(), std::memory_order_release);
  keep(std::move(*fresh));
  changed_at_.reset();
  {
    MutexLock lock(mutex_);
    misfit_.reset();
  }
  changed();
}

void ReopeningDataset::fits() const {
  MutexLock lock(mutex_);
  if (!misfit_) return;
  spdlog::info("namespace '{}': its table or query is again what it was", spec_.name);
  misfit_.reset();
}

void ReopeningDataset::does_not_fit(const Error& error) const {
  {
    MutexLock lock(mutex_);
    if (misfit_ && misfit_->message == error.message) return;
    misfit_ = error;
  }
  spdlog::error("namespace '{}': its table or query has changed: {}", spec_.name, error.message);
  changed();
}

void ReopeningDataset::changed() const {
  std::function<void()> told;
  {
    MutexLock lock(mutex_);
    told = changed_;
  }
  if (told) told();
}

}  // namespace forebay::layer
