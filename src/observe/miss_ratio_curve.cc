#include "observe/miss_ratio_curve.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace forebay::observe {
namespace {

constexpr std::uint64_t kLeastReads = 100;
constexpr std::uint64_t kLeastKeys = 32;
constexpr std::uint64_t kLeastReadsToAge = 256;

}  // namespace

std::size_t MissRatioCurves::bucket_of(std::uint64_t bytes) {
  const auto octave = static_cast<unsigned>(std::bit_width(bytes | 1)) - 1;
  if (octave < kFirstOctave) return 0;
  const std::size_t bucket = (octave - kFirstOctave) * std::size_t{16} + ((bytes >> (octave - 4)) & 15);
  return std::min(bucket, kBuckets - 1);
}

double MissRatioCurves::start_of(std::size_t bucket) {
  if (bucket == 0) return 0;
  return std::ldexp(static_cast<double>(16 + bucket % 16), static_cast<int>(bucket / 16 + kFirstOctave) - 4);
}

void MissRatioCurves::set_rate(unsigned shift) {
  shift_ = shift;
  const std::uint64_t threshold =
      shift == 0 ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{1} << (64 - shift);
  threshold_.store(memory_ == 0 ? 0 : threshold, std::memory_order_relaxed);
}

void MissRatioCurves::set_memory(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  if (bytes == memory_) return;
  const bool anew = memory_ == 0 || bytes == 0;
  memory_ = bytes;
  if (anew) {
    stack_.clear();
    curves_.clear();
    set_rate(options_.rate_shift);
  }
  shrink();
}

MissRatioCurves::Curve& MissRatioCurves::curve_of(std::uint32_t space) {
  if (space >= curves_.size()) curves_.resize(space + 1);
  if (!curves_[space]) curves_[space] = std::make_unique<Curve>();
  return *curves_[space];
}

// Waiting for another reader would cost more than the read is worth.
void MissRatioCurves::read(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch,
                           Instant now) NO_THREAD_SAFETY_ANALYSIS {
  if (!mutex_.try_lock()) return;
  read_locked(hash, space, epoch, now);
  mutex_.unlock();
}

void MissRatioCurves::read_locked(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch, Instant now) {
  if (!sampled(hash)) return;
  Curve& curve = curve_of(space);
  curve.reads += scale();
  ++curve.sampled;
  ++curve.known;
  const ReuseStack::Entry* const entry = stack_.find(hash);
  if (entry == nullptr) return;
  if (entry->space != space || entry->epoch != epoch || now >= entry->until) return stack_.erase(hash);
  const double distance =
      static_cast<double>(stack_.bytes_after(hash)) * scale() + static_cast<double>(entry->bytes);
  curve.hits[bucket_of(static_cast<std::uint64_t>(distance))] += scale();
  stack_.use(hash);
}

void MissRatioCurves::read_past_memory(std::uint64_t hash, std::uint32_t space) {
  const MutexLock lock(mutex_);
  if (!sampled(hash)) return;
  Curve& curve = curve_of(space);
  curve.reads += scale();
  ++curve.sampled;
  ++curve.known;
}

void MissRatioCurves::stored(std::uint64_t hash, std::uint32_t space, std::uint32_t epoch,
                             std::uint64_t bytes, Instant until) {
  const MutexLock lock(mutex_);
  if (!sampled(hash)) return;
  if (stack_.find(hash) == nullptr) ++curve_of(space).stored;
  stack_.put({hash, bytes, space, epoch, until});
  shrink();
}

void MissRatioCurves::shrink() {
  while (stack_.size() > options_.most_keys) {
    set_rate(shift_ + 1);
    stack_.erase_if([&](const ReuseStack::Entry& entry) { return !sampled(entry.hash); });
  }
  const double most = static_cast<double>(memory_) * static_cast<double>(kDeepest) / scale();
  while (stack_.size() > 1 && static_cast<double>(stack_.bytes()) > most) stack_.erase(stack_.oldest().hash);
}

void MissRatioCurves::dropped(std::uint64_t hash) {
  const MutexLock lock(mutex_);
  stack_.erase(hash);
}

void MissRatioCurves::clear() {
  const MutexLock lock(mutex_);
  stack_.clear();
  set_rate(options_.rate_shift);
}

void MissRatioCurves::age(std::uint32_t space, std::uint64_t reads, Instant now) {
  const MutexLock lock(mutex_);
  if (space >= curves_.size() || !curves_[space]) return;
  Curve& curve = *curves_[space];
  if (curve.aged == Instant{}) curve.aged = now;
  if (now - curve.aged < kHalfLife || curve.sampled < kLeastReadsToAge) return;
  for (double& hits : curve.hits) hits /= 2;
  curve.reads /= 2;
  curve.carried = (curve.carried + static_cast<double>(reads - std::min(reads, curve.counted))) / 2;
  curve.counted = reads;
  curve.sampled = 0;
  curve.aged = now;
}

void MissRatioCurves::restart(std::uint32_t space) {
  const MutexLock lock(mutex_);
  if (space < curves_.size() && curves_[space]) *curves_[space] = Curve();
}

std::optional<double> MissRatioCurves::hit_ratio(std::uint32_t space, std::uint64_t reads,
                                                 std::uint64_t bytes) const {
  const MutexLock lock(mutex_);
  if (space >= curves_.size() || !curves_[space]) return std::nullopt;
  const Curve& curve = *curves_[space];
  if (curve.known < kLeastReads || (shift_ != 0 && curve.stored < kLeastKeys)) return std::nullopt;
  const double all = curve.carried + static_cast<double>(reads - std::min(reads, curve.counted));
  if (all <= 0) return std::nullopt;
  const std::size_t last = bucket_of(bytes);
  double hits = all - curve.reads;  // the correction
  for (std::size_t i = 0; i < last; ++i) hits += curve.hits[i];
  const double within = (static_cast<double>(bytes) - start_of(last)) / (start_of(last + 1) - start_of(last));
  hits += curve.hits[last] * std::clamp(within, 0.0, 1.0);
  return std::clamp(hits / all, 0.0, 1.0);
}

double MissRatioCurves::rate() const {
  const MutexLock lock(mutex_);
  return 1 / scale();
}

std::size_t MissRatioCurves::keys() const {
  const MutexLock lock(mutex_);
  return stack_.size();
}

}  // namespace forebay::observe
