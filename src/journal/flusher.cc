#include "journal/flusher.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "journal/flusher_state.h"

namespace forebay::journal {
Flusher::Flusher(Outbox& outbox, Journal& journal, Target& target, const Clock& clock, Scheduler& scheduler,
                 Random& random)
    : state_(std::make_shared<State>(outbox, journal, target, clock, scheduler, random)) {
  state_->outbox.watch([me = state_.get()](State::Stream& stream, Instant at) {
    auto look = me->entering([&stream](State& state) { state.look(stream); });
    if (at == Instant::min()) {
      me->scheduler.post(std::move(look));
    } else {
      me->scheduler.post_at(at, std::move(look));
    }
  });
}

Flusher::~Flusher() {
  state_->close();
}

void Flusher::start(std::vector<std::string> sources) {
  for (const std::string& source : sources) {
    {
      MutexLock lock(state_->mutex);
      if (!state_->sources.try_emplace(source).second) continue;
    }
    state_->begin(source);
  }
}

void Flusher::stopped_before(const std::string& source, std::uint32_t lane, const std::string& why) {
  State::Stream& stream = state_->outbox.stream(source, lane);
  state_->outbox.stop(stream, why);
  MutexLock lock(state_->mutex);
  state_->stopped[&stream] = why;
}

void Flusher::fence(const std::string& source, const std::string& why) {
  for (State::Stream* stream : state_->outbox.streams(source)) state_->stop(*stream, why);
}

void Flusher::drain(std::string_view space, std::move_only_function<void(bool)> done) {
  state_->drain(space, std::move(done));
}

void Flusher::journal_failed(const Error& error) {
  MutexLock lock(state_->mutex);
  state_->journal_failed = error.message;
}

void Flusher::journal_reopened() {
  state_->reopened();
}

void Flusher::dead_changed(const std::string& source) {
  {
    MutexLock lock(state_->mutex);
    if (!state_->sources.contains(source)) return;
  }
  state_->read_letters(source);
}

std::vector<FlushStats> Flusher::stats() const {
  std::vector<FlushStats> all;
  MutexLock lock(state_->mutex);
  for (const auto& [source, state] : state_->sources) {
    std::ranges::move(state.counts.list(source, state.letters.counts()), std::back_inserter(all));
  }
  return all;
}

std::vector<std::string> Flusher::health() const {
  std::vector<std::string> all;
  std::set<std::string> unknown;  // sources with writes that nobody sends
  for (State::Stream* stream : state_->outbox.streams({})) {
    if (state_->outbox.last_of(*stream, {}) != 0) unknown.insert(stream->source);
  }
  const Instant now = state_->clock.now();
  const auto lasting = [&](const State::Trouble& trouble) {
    return !trouble.error.message.empty() && State::is_said(trouble, now);
  };
  MutexLock lock(state_->mutex);
  if (!state_->journal_failed.empty()) {
    all.push_back(fmt::format("{}; writes that it may not have kept are not sent to a database before that",
                              state_->journal_failed));
  }
  for (const auto& [stream, why] : state_->stopped) {
    if (why.empty()) continue;
    all.push_back(State::stopped_sentence(*stream, why));
  }
  for (const auto& [source, state] : state_->sources) {
    unknown.erase(source);
    if (lasting(state.trouble)) {
      all.push_back(
          fmt::format("source {}: write-behind can't begin: {}", source, state.trouble.error.message));
    }
  }
  for (const auto& [stream, trouble] : state_->troubles) {
    if (!lasting(trouble)) continue;
    all.push_back(State::held_sentence(*stream, trouble));
  }
  for (const auto& [stream, since] : state_->waiting) {
    if (now - since < kRetryMost || state_->troubles.contains(stream)) continue;
    all.push_back(fmt::format("source {}: lane {} of write-behind waits for its source to answer again",
                              stream->source, stream->lane));
  }
  for (const std::string& source : unknown) {
    all.push_back(
        fmt::format("the journal holds writes for source {}, which has no write-behind now", source));
  }
  return all;
}

}  // namespace forebay::journal
