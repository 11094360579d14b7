#include "layer/read/read_path.h"

#include <utility>

namespace forebay::layer {

LookUp ReadPath::look_up(const KeyRef& at, Instant now, FunctionRef<void(const EntryView&)> visit) {
  using Found = MemoryView::Found;
  Namespace& space = at.space;
  auto [found, due] = memory_.find(at, now, visit);
  if (found == Found::kStaleIfError) [[unlikely]] {
    // If the source has just failed for this key, what would be served after asking it again is served
    // without.
    if (keys_.throttled(at, now) && memory_.find_stand_in(at, now, visit)) found = Found::kStale;
  }
  switch (found) {
    case Found::kHit:
      space.counters.add(kHits);
      break;
    case Found::kStale:
      space.counters.add(kStale);
      break;
    case Found::kNegative:
      space.counters.add(kNegative);
      note_read(space, at.hash, now);
      return LookUp::kAbsent;
    case Found::kNothing:
    case Found::kStaleIfError:
      return missed(space, at.hash, now);
  }
  note_read(space, at.hash, now);
  if (due != kNever && space.info.read_through) [[unlikely]]
    loads_.refresh(at, now, due);
  return LookUp::kAnswered;
}

LookUp ReadPath::missed(Namespace& space, std::uint64_t hash, Instant now) {
  if (space.info.read_through) return LookUp::kLoad;  // load() notes it
  space.counters.add(kMisses);
  note_read(space, hash, now);
  return LookUp::kAbsent;
}

LookUp ReadPath::look_up_any_bytes(const KeyRef& at, Instant now, VisitBytes visit) {
  return look_up(at, now, [&](const EntryView& entry) { visit(entry.bytes(), entry.shared()); });
}

void ReadPath::read(const KeyRef& at, Level level, ReadCallback done) {
  const Instant now = clock_.now();
  if (level == Level::kAny || !at.space.info.read_through) {
    Answer answer = absent(ReadResult::kMiss);
    bool collection = false;
    const LookUp seen = look_up(at, now, [&](const EntryView& entry) {
      collection = entry.type() == EntryType::kCollection;
      if (collection) return;
      const bool stale = now >= entry.stamp().fresh_until;
      answer = answer_of(entry, now, stale ? ReadResult::kStale : ReadResult::kHit);
    });
    if (collection)
      return done(
          Error{ErrorCode::kInvalidArgument, "the key has a collection, which is read by its own commands"});
    if (seen == LookUp::kAbsent && at.space.info.read_through) answer.result = ReadResult::kNegative;
    if (seen != LookUp::kLoad) return done(std::move(answer));
  }
  load(at, level, now, std::move(done));
}

void ReadPath::load(const KeyRef& at, Level level, Instant now, ReadCallback done) {
  if (level == Level::kAny) {
    note_read(at.space, at.hash, now);
  } else if (curves_.sampled(at.hash)) {
    curves_.read_past_memory(at.hash, at.space.info.index);
  }
  loads_.load(at, level, now, std::move(done));
}

}  // namespace forebay::layer
