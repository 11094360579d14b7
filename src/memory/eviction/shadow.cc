#include "memory/eviction/shadow.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace forebay::memory {
namespace {

std::uint32_t clamp_weight(std::size_t weight) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(weight, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

// The hooks come first: a hook's place is its record's, but for its shadow's number.
struct ShadowCaches::Record {
  struct alignas(Cage::kGrain) Slot {
    EntryHook hook;
  };
  std::array<Slot, kShadows> slots;
  Key key;
  Record* next = nullptr;  // of its bucket

  EntryHook& hook(std::size_t which) { return slots[which].hook; }
};

const std::size_t ShadowCaches::kBytesPerRecord = sizeof(Record);

ShadowCaches::Record& ShadowCaches::record_of(const EntryHook& hook, std::size_t which) {
  auto* const slot = reinterpret_cast<Record::Slot*>(const_cast<EntryHook*>(&hook));
  return *reinterpret_cast<Record*>(slot - which);
}

std::uint64_t ShadowCaches::Facts::hash(const EntryHook& hook) const {
  return record_of(hook, which).key.hash;
}

std::size_t ShadowCaches::Facts::weight(const EntryHook& hook) const {
  return record_of(hook, which).key.weight;
}

ShadowCaches::ShadowCaches(const std::array<MakePolicy, kShadows>& policies, const PolicyOptions& options)
    : buckets_(64), seed_(options.seed) {
  for (std::size_t i = 0; i < kShadows; ++i) {
    shadows_[i].facts.which = i;
    shadows_[i].policy = policies[i](shadows_[i].facts, options);
  }
}

ShadowCaches::~ShadowCaches() = default;  // the records are trivial, and the slabs give them back

ShadowCaches::Record** ShadowCaches::place_of(std::uint64_t hash) const {
  Record** place = &buckets_[hash & (buckets_.size() - 1)];
  while (*place != nullptr && (*place)->key.hash != hash) place = &(*place)->next;
  return place;
}

ShadowCaches::Key* ShadowCaches::find(std::uint64_t hash) const {
  Record* const record = *place_of(hash);
  return record == nullptr ? nullptr : &record->key;
}

ShadowCaches::Record* ShadowCaches::make(std::uint64_t hash, std::size_t weight) {
  void* const room = slabs_.allocate(sizeof(Record));
  if (room == nullptr) return nullptr;
  if (records_ >= buckets_.size()) grow();
  auto* const record = new (room) Record;
  record->key.hash = hash;
  record->key.weight = clamp_weight(weight);
  Record*& head = buckets_[hash & (buckets_.size() - 1)];
  record->next = std::exchange(head, record);
  ++records_;
  return record;
}

void ShadowCaches::grow() {
  std::vector<Record*> buckets(buckets_.size() * 2);
  for (Record* record : buckets_) {
    while (record != nullptr) {
      Record*& head = buckets[record->key.hash & (buckets.size() - 1)];
      Record* const next = record->next;
      record->next = std::exchange(head, record);
      record = next;
    }
  }
  buckets_ = std::move(buckets);
}

void ShadowCaches::free(Record& record) {
  Record** const place = place_of(record.key.hash);
  *place = record.next;
  --records_;
  slabs_.free(&record, sizeof(Record));
}

void ShadowCaches::take_out(Record& record) {
  for (std::size_t i = 0; i < kShadows; ++i) {
    if ((record.key.in >> i & 1) == 0) continue;
    shadows_[i].policy->on_erase(record.hook(i));
    shadows_[i].weight -= record.key.weight;
    leave(record.key, i);
  }
}

void ShadowCaches::enter(Key& key, std::size_t which) {
  ++shadows_[which].entries;
  for (std::size_t i = 0; i < kShadows; ++i) {
    if (i == which) continue;
    if ((key.in >> i & 1) != 0) {
      --missing_[which][i];
    } else {
      ++missing_[i][which];
    }
  }
  key.in = static_cast<ShadowSet>(key.in | (1u << which));
}

void ShadowCaches::leave(Key& key, std::size_t which) {
  --shadows_[which].entries;
  key.in = static_cast<ShadowSet>(key.in & ~(1u << which));
  for (std::size_t i = 0; i < kShadows; ++i) {
    if (i == which) continue;
    if ((key.in >> i & 1) != 0) {
      ++missing_[which][i];
    } else {
      --missing_[i][which];
    }
  }
}

void ShadowCaches::reweigh(Record& record, std::uint32_t weight) {
  const std::uint32_t before = std::exchange(record.key.weight, weight);
  for (std::size_t i = 0; i < kShadows; ++i) {
    if ((record.key.in >> i & 1) == 0) continue;
    shadows_[i].policy->on_resize(record.hook(i), before, weight);
    shadows_[i].weight += std::size_t{weight} - before;
  }
}

ShadowCaches::Outcome ShadowCaches::request(std::uint64_t hash, std::size_t weight, Left left) {
  Record* record = *place_of(hash);
  if (record == nullptr) {
    record = make(hash, weight);
    if (record == nullptr) return {};
  }
  if (record->key.weight != clamp_weight(weight)) reweigh(*record, clamp_weight(weight));
  const ShadowSet hits = record->key.in;
  if (hits != 0 && record->key.uses < 3) ++record->key.uses;
  const std::size_t capacity = std::max<std::size_t>(capacity_ >> halvings_, 1);
  for (std::size_t i = 0; i < kShadows; ++i) {
    Shadow& shadow = shadows_[i];
    if ((hits >> i & 1) != 0) {
      shadow.policy->on_hit(record->hook(i));
      continue;
    }
    while (shadow.weight + record->key.weight > capacity && evict_one(i, record, left)) {
    }
    record->hook(i).set_bits(0);
    shadow.policy->on_insert(record->hook(i));
    shadow.weight += record->key.weight;
    enter(record->key, i);
  }
  return {hits, &record->key};
}

bool ShadowCaches::evict(std::size_t which, Left left) {
  return evict_one(which, nullptr, left);
}

// `keep` is about to come in, so its record stays.
bool ShadowCaches::evict_one(std::size_t which, const Record* keep, Left left) {
  Shadow& shadow = shadows_[which];
  EntryHook* const victim = shadow.policy->pop_victim();
  if (victim == nullptr) return false;
  Record& record = record_of(*victim, which);
  shadow.weight -= record.key.weight;
  leave(record.key, which);
  if (record.key.entry != nullptr) {
    left(record.key);
  } else if (record.key.in == 0 && &record != keep) {
    free(record);
  }
  return true;
}

void ShadowCaches::erase(std::uint64_t hash) {
  Record* const record = *place_of(hash);
  if (record == nullptr) return;
  take_out(*record);
  free(*record);
}

ShadowCaches::Key* ShadowCaches::attach(std::uint64_t hash, std::size_t weight, EntryHook& entry) {
  Record* record = *place_of(hash);
  if (record == nullptr) record = make(hash, weight);
  if (record == nullptr || record->key.entry != nullptr) return nullptr;
  record->key.entry = &entry;
  return &record->key;
}

void ShadowCaches::detach(Key& key) {
  key.entry = nullptr;
  if (key.in == 0) free(**place_of(key.hash));
}

void ShadowCaches::detach_all() {
  for (Record*& head : buckets_) {
    for (Record* record = head; record != nullptr;) {
      Record* const next = record->next;
      detach(record->key);
      record = next;
    }
  }
}

void ShadowCaches::halve() {
  threshold_ >>= 1;
  ++halvings_;
  for (Record*& head : buckets_) {
    for (Record* record = head; record != nullptr;) {
      Record* const next = record->next;
      if (!samples(record->key.hash)) {
        take_out(*record);
        free(*record);
      }
      record = next;
    }
  }
}

std::size_t ShadowCaches::bytes() const {
  std::size_t bytes = slabs_.held() + buckets_.capacity() * sizeof(Record*);
  for (const Shadow& shadow : shadows_) bytes += shadow.policy->bytes();
  return bytes;
}

}  // namespace forebay::memory
