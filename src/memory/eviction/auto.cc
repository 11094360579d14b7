#include "memory/eviction/auto.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "memory/eviction/lfu.h"
#include "memory/eviction/lru.h"
#include "memory/eviction/s3_fifo.h"
#include "memory/eviction/shadow.h"
#include "memory/eviction/shadow_judge.h"
#include "memory/eviction/w_tinylfu.h"

namespace forebay::memory {
namespace {

constexpr std::array<MakePolicy, kShadows> kCandidates = {make_lru, make_s3_fifo, make_w_tinylfu, make_lfu};
constexpr std::size_t kFirst = 1;

constexpr std::size_t kMostFollowed = 32'768;  // entries that are shadowed in full
constexpr std::size_t kMostSampled = 8192;     // keys in the shadows otherwise
constexpr std::size_t kLeastSampled = 128;
constexpr std::size_t kShare = 64;  // the shadows' keys take at most this part of what is tracked

// Requests that the judge looks back and rests, as multiples of a shadow's entries.
constexpr double kWindow = 5;
constexpr double kDwell = 1;  // where a change costs a move of all entries

class Auto final : public EvictionPolicy {
 public:
  Auto(const EntryFacts& facts, const PolicyOptions& options)
      : facts_(facts), options_(options), shadows_(kCandidates, options), judge_(kFirst) {
    rank();
  }

  void on_insert(EntryHook& entry) override {
    popping_ = false;
    const std::size_t weight = facts_.weight(entry);
    weight_ += weight;
    ++count_;
    if (weight != 1) counts_entries_ = false;
    const std::uint64_t hash = facts_.hash(entry);
    if (policy_ != nullptr) {
      policy_->on_insert(entry);
    } else {
      track(entry, hash, weight);
    }
    request(entry, hash, weight);
    bound();
  }

  void on_hit(EntryHook& entry) noexcept override {
    if (policy_ != nullptr) policy_->on_hit(entry);
    const std::uint64_t hash = facts_.hash(entry);
    if (shadows_.samples(hash)) request(entry, hash, facts_.weight(entry));
  }

  void on_erase(EntryHook& entry) noexcept override {
    forget(entry);
    if (policy_ != nullptr) {
      policy_->on_erase(entry);
    } else {
      HookList::remove(entry);
      if (entry.bits() == kStranger) return;
    }
    const std::uint64_t hash = facts_.hash(entry);
    if (shadows_.samples(hash)) shadows_.erase(hash);
  }

  // The shadows learn of it at the next use.
  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    weight_ += after - before;
    if (after != 1) counts_entries_ = false;
    if (policy_ != nullptr) policy_->on_resize(entry, before, after);
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    const std::uint64_t hash = facts_.hash(fresh);
    if (&old != &fresh && facts_.hash(old) != hash) return EvictionPolicy::on_replace(old, fresh);
    const std::size_t weight = facts_.weight(fresh);
    weight_ += weight - facts_.weight(old);
    if (weight != 1) counts_entries_ = false;
    if (policy_ != nullptr) {
      policy_->on_replace(old, fresh);
    } else if (&old != &fresh) {
      fresh.set_bits(old.bits());
      HookList::replace(old, fresh);
      if (fresh.bits() != kStranger) shadows_.find(hash)->entry = &fresh;
    }
    if (shadows_.samples(hash)) request(fresh, hash, weight);
  }

  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    if (policy_ != nullptr) return policy_->on_move(from, to);
    HookList::relocate(from, to);
    if (to.bits() != kStranger) shadows_.find(facts_.hash(to))->entry = &to;
  }

  EntryHook* pop_victim() noexcept override {
    if (count_ == 0) return nullptr;
    // What is tracked when room is asked for is what there is room for.
    if (!popping_) shadows_.set_capacity(weight_);
    popping_ = true;
    EntryHook* const victim = policy_ != nullptr ? policy_->pop_victim() : pop_unwanted();
    if (victim != nullptr) forget(*victim);
    return victim;
  }

  std::size_t bytes() const override {
    return sizeof(*this) + shadows_.bytes() + (policy_ != nullptr ? policy_->bytes() : 0);
  }

 private:
  // Where an entry is in no policy's hands: its bits say which shadows have its key, and its list is of those
  // with the same bits. Two entries with one hash share a record, so the second is in no shadow.
  static constexpr std::uint8_t kStranger = kAllShadows + 1;
  static constexpr std::size_t kLists = kStranger + 1;

  void file(EntryHook& entry, std::uint8_t list) {
    entry.set_bits(list);
    lists_[list].push_front(entry);
  }

  void refile(ShadowCaches::Key& key) {
    HookList::remove(*key.entry);
    file(*key.entry, key.in);
  }

  // The shadows see the entry for the first time.
  void track(EntryHook& entry, std::uint64_t hash, std::size_t weight) {
    ShadowCaches::Key* const key = shadows_.attach(hash, weight, entry);
    if (key == nullptr) return file(entry, kStranger);
    file(entry, key->in);
  }

  void request(EntryHook& entry, std::uint64_t hash, std::size_t weight) {
    if (!shadows_.samples(hash)) return;
    if (policy_ == nullptr && entry.bits() == kStranger) return;
    const auto [hits, key] =
        shadows_.request(hash, weight, [this](ShadowCaches::Key& left) { refile(left); });
    if (key == nullptr) return;
    if (policy_ == nullptr) refile(*key);
    const double size = static_cast<double>(std::max<std::size_t>(shadows_.entries(judge_.choice()), 32));
    const bool changed = judge_.request(hits, shadows_.missing(judge_.choice()), kWindow * size,
                                        policy_ != nullptr ? kDwell * size : 0);
    if (policy_ == nullptr) {
      if (changed || ++since_rank_ * 4 > size) rank();
    } else if (changed) {
      hand_over();
    }
  }

  void forget(const EntryHook& entry) {
    weight_ -= facts_.weight(entry);
    --count_;
  }

  // The choice's vote counts most, and so on by score; each outweighs all below it.
  void rank() {
    since_rank_ = 0;
    std::array<std::size_t, kShadows> by_score;
    std::iota(by_score.begin(), by_score.end(), std::size_t{0});
    std::ranges::sort(by_score, {}, [&](std::size_t which) {
      const bool chosen = which == judge_.choice();
      return std::pair(chosen ? std::numeric_limits<double>::infinity() : judge_.score(which), which);
    });
    for (unsigned votes = 0; votes <= kAllShadows; ++votes) {
      unsigned who = 0;
      for (std::size_t i = 0; i < kShadows; ++i) who |= (votes >> i & 1) << by_score[i];
      order_[votes] = static_cast<ShadowSet>(who);
    }
  }

  EntryHook* pop_unwanted() {
    for (;;) {
      EntryHook* victim = lists_[kStranger].back();
      for (std::size_t i = 0; victim == nullptr && i < order_.size() / 2; ++i)
        victim = lists_[order_[i]].back();
      if (victim != nullptr) return take(*victim);
      // All that is here is in the chosen shadow, which is no larger: what it evicts next leaves now.
      if (!shadows_.evict(judge_.choice(), [this](ShadowCaches::Key& left) { refile(left); })) break;
    }
    for (const ShadowSet who : order_) {
      if (EntryHook* const victim = lists_[who].back(); victim != nullptr) return take(*victim);
    }
    return nullptr;
  }

  EntryHook* take(EntryHook& entry) {
    HookList::remove(entry);
    if (entry.bits() != kStranger) shadows_.detach(*shadows_.find(facts_.hash(entry)));
    return &entry;
  }

  // Keeps the shadows within their share.
  void bound() {
    if (policy_ == nullptr && counts_entries_ && count_ <= kMostFollowed) return;
    std::size_t most = kMostSampled;
    if (!counts_entries_)
      most = std::clamp(weight_ / kShare / ShadowCaches::kBytesPerRecord, kLeastSampled, kMostSampled);
    if (shadows_.records() <= most) return;
    if (policy_ == nullptr) stop_following();
    while (shadows_.records() > most) shadows_.halve();
  }

  void stop_following() {
    policy_ = kCandidates[judge_.choice()](facts_, options_);
    std::vector<EntryHook*> entries;
    entries.reserve(count_);
    const auto empty = [&](HookList& list) {
      while (EntryHook* const entry = list.back()) {
        HookList::remove(*entry);
        entries.push_back(entry);
      }
    };
    empty(lists_[kStranger]);
    for (const ShadowSet who : order_) empty(lists_[who]);
    for (EntryHook* const entry : entries) {
      const ShadowCaches::Key* const key = shadows_.find(facts_.hash(*entry));
      take_over(*entry, key == nullptr ? 0 : key->uses);
    }
    shadows_.detach_all();
  }

  void hand_over() {
    std::vector<EntryHook*> entries;
    entries.reserve(count_);
    while (EntryHook* const entry = policy_->pop_victim()) entries.push_back(entry);
    policy_ = kCandidates[judge_.choice()](facts_, options_);
    // The better half counts as used, so that no policy takes it for newcomers on trial.
    for (std::size_t i = 0; i < entries.size(); ++i) take_over(*entries[i], i < entries.size() / 2 ? 0 : 2);
  }

  void take_over(EntryHook& entry, unsigned uses) {
    entry.set_bits(0);
    policy_->on_insert(entry);
    for (; uses > 0; --uses) policy_->on_hit(entry);
  }

  const EntryFacts& facts_;
  const PolicyOptions options_;
  ShadowCaches shadows_;
  ShadowJudge judge_;
  std::unique_ptr<EvictionPolicy> policy_;        // null: the shadows are followed
  std::array<HookList, kLists> lists_;            // the latest used or moved in front
  std::array<ShadowSet, kAllShadows + 1> order_;  // of the lists, least wanted first
  double since_rank_ = 0;
  std::size_t weight_ = 0;
  std::size_t count_ = 0;
  bool popping_ = false;        // no insertion since the last victim
  bool counts_entries_ = true;  // so far
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_auto(const EntryFacts& facts, const PolicyOptions& options) {
  return std::make_unique<Auto>(facts, options);
}

}  // namespace forebay::memory
