// The core's part in write-behind: journal and flusher at the start and at a reload, and what clients may
// ask about pending writes and dead letters.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "layer/core.h"
#include "layer/write/pending.h"

namespace forebay::layer {
namespace {

std::string id_of(const std::string& source, const DeadId& id) {
  return fmt::format("{}/{}/{}/{}", source, id.journal, id.lane, id.seq);
}

struct LetterName {
  std::string source;
  DeadId id;
};

// source/journal/lane/seq; a source's name has no slash.
std::optional<LetterName> parse_id(std::string_view text) {
  LetterName name;
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const auto number = [](std::string_view digits, auto& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (parts.size() != 4 || !number(parts[2], name.id.lane) || !number(parts[3], name.id.seq))
    return std::nullopt;
  name.source = parts[0];
  name.id.journal = parts[1];
  return name;
}

Error no_source(std::string_view source) {
  return {ErrorCode::kInvalidArgument, fmt::format("there is no source '{}' that is written behind", source)};
}

bool same_place(const config::Namespace& a, const config::Namespace& b) {
  return a.key == b.key && a.source == b.source && a.table == b.table && a.kind == b.kind &&
         a.value_column == b.value_column && a.write == b.write && a.append == b.append;
}

}  // namespace

Result<void> Core::open_journal(const config::Journal& config) {
  MutexLock one(reload_mutex_);
  journal_config_ = config;
  if (config.path.empty()) return {};
  auto opened = WriteBehind::open(
      config, {*tier_, flights_, reads_, invalidator_, curves_, clock_, random_, scheduler_, tokens_, writes_,
               [this](std::string_view key, Write write, WriteCallback done, const WriteOptions& options) {
                 writes_.write(route(key), key, std::move(write), std::move(done), options);
               },
               open_journal_, run_blocking_,
               [this](std::vector<std::string> keys) {
                 // Their entries survive the restart warm.
                 std::erase_if(keys, [this](const auto& key) { return !route(key).info.read_through; });
                 warm(std::move(keys), [](const Result<std::size_t>&) {});
               }});
  if (!opened) return std::move(opened).error();
  behind_ = std::move(*opened);
  reads_.set_queue(&behind_->queue());
  writes_.set_behind(&behind_->path());
  return {};
}

// Sends what is pending for the configuration in force, now and from now on.
void Core::start_behind() {
  if (!behind_) return;
  std::vector<std::string> sources;
  for (const auto& active : sources_) {
    const bool used = std::ranges::any_of(router().spaces(), [&](const Space* space) {
      return space->config.source == active->config.name && space->info.writes_behind;
    });
    if (used || !behind_->queue().spaces(active->config.name).empty()) sources.push_back(active->config.name);
  }
  behind_->start(std::move(sources));
}

std::vector<Space*> Core::leaving(const config::Model& model) {
  std::vector<Space*> left;
  if (!behind_) return left;
  MutexLock lock(config_mutex_);
  for (Space* space : router().spaces()) {
    if (space->config.write != config::WriteStrategy::kBehind) continue;
    const auto wanted = std::ranges::find(model.namespaces, space->name(), &config::Namespace::name);
    const auto source = std::ranges::find(model.sources, space->config.source, &config::Source::name);
    const auto active = std::ranges::find_if(
        sources_, [&](const auto& each) { return each->config.name == space->config.source; });
    const bool stays = wanted != model.namespaces.end() && same_place(*wanted, space->config) &&
                       source != model.sources.end() && active != sources_.end() &&
                       config::same_settings((*active)->config, *source);
    if (!stays) left.push_back(space);
  }
  return left;
}

Result<void> Core::drain_leaving(const std::vector<Space*>& spaces, const config::Model& model) {
  const auto until = std::chrono::steady_clock::now() + model.server.drain_timeout;
  for (const Space* space : spaces) {
    if (behind_->wait_until_empty(space->name(), until)) continue;
    return Error{ErrorCode::kUnavailable,
                 fmt::format("namespace '{}' is written behind, and its source '{}' did not take what is "
                             "pending within {} ms: nothing was changed",
                             space->name(), space->config.source, model.server.drain_timeout.count())};
  }
  return {};
}

std::optional<BehindTarget::SourceAt> Core::source_at(std::string_view name) const {
  for (BehindTarget::SourceAt& source : behind_sources()) {
    if (source.name == name) return std::move(source);
  }
  return std::nullopt;
}

std::vector<BehindTarget::SourceAt> Core::behind_sources() const {
  std::vector<BehindTarget::SourceAt> all;
  if (!behind_) return all;
  MutexLock lock(config_mutex_);
  for (const auto& active : sources_) {
    const bool used = std::ranges::any_of(router().spaces(), [&](const Space* space) {
      return space->info.writes_behind && space->config.source == active->config.name;
    });
    if (used || !behind_->queue().spaces(active->config.name).empty())
      all.push_back({active->config.name, active->port, active->config.timeout, active->gate});
  }
  return all;
}

void Core::when_flushed(std::string_view key, Duration timeout, WriteBehind::Flushed done) {
  if (!behind_) return done(true);
  behind_->when_flushed(key, timeout, std::move(done));
}

void Core::drain(std::string_view space, Duration timeout, WriteBehind::Flushed done) {
  if (!behind_) return done(true);
  behind_->drain(space, timeout, std::move(done));
}

// ---- Dead letters

template <class T, class Work>
void Core::with_letter(std::string_view id, Done<T> done, Work work) {
  auto name = parse_id(id);
  if (!name) {
    return done(Error{ErrorCode::kInvalidArgument,
                      "a dead letter is named as source/journal/lane/seq, as its list says"});
  }
  const auto at = source_at(name->source);
  if (!at) return done(no_source(name->source));
  auto shared = std::make_shared<Done<T>>(std::move(done));
  const bool ran = at->port->run([name = std::move(*name), timeout = at->timeout, shared,
                                  work = std::move(work)](Source& source) mutable {
    work(source, name, CallContext{timeout, nullptr}, std::move(*shared));
  });
  if (!ran) (*shared)(Error{ErrorCode::kUnsupported, "this source takes no writes behind"});
}

void Core::dead_letters(std::string_view source, std::string_view after, std::size_t limit,
                        Done<std::vector<PutAside>> done) {
  struct Listing {
    std::vector<BehindTarget::SourceAt> sources;
    std::size_t next = 0;
    std::optional<LetterName> after;
    std::size_t limit = 0;
    std::vector<PutAside> letters;
    Done<std::vector<PutAside>> done;
    std::function<void()> step;

    void end(Result<std::vector<PutAside>> result) {
      step = nullptr;
      // Whoever is answered may end the layer at once, and this runs on a thread of a source, which must not
      // be the last to hold it.
      sources.clear();
      std::exchange(done, nullptr)(std::move(result));
    }
  };
  auto listing = std::make_shared<Listing>();
  if (!after.empty()) {
    listing->after = parse_id(after);
    if (!listing->after) return done(Error{ErrorCode::kInvalidArgument, "this is no dead letter's id"});
  }
  for (BehindTarget::SourceAt& each : behind_sources()) {
    if (!source.empty() && each.name != source) continue;
    // Sources are listed in order of their names.
    if (listing->after && each.name < listing->after->source) continue;
    listing->sources.push_back(std::move(each));
  }
  if (!source.empty() && listing->sources.empty() && !source_at(source)) return done(no_source(source));
  std::ranges::sort(listing->sources, {}, &BehindTarget::SourceAt::name);
  listing->limit = limit;
  listing->done = std::move(done);
  listing->step = [listing = std::weak_ptr(listing)] {
    const auto me = listing.lock();
    if (!me) return;
    if (me->next == me->sources.size() || me->letters.size() >= me->limit)
      return me->end(std::move(me->letters));
    const BehindTarget::SourceAt& at = me->sources[me->next++];
    const bool ran = at.port->run([me, &at](Source& database) {
      std::optional<DeadId> from;
      if (me->after && me->after->source == at.name) from = me->after->id;
      auto page =
          database.dead_letters(from, me->limit - me->letters.size(), CallContext{at.timeout, nullptr});
      if (!page) return me->end(std::move(page).error());
      for (DeadLetter& letter : *page) {
        std::string id = id_of(at.name, letter.id);
        me->letters.push_back({std::move(id), at.name, std::move(letter)});
      }
      // A copy: what ends the listing takes it away.
      if (auto step = me->step) step();
    });
    if (!ran) me->end(Error{ErrorCode::kUnsupported, "this source takes no writes behind"});
  };
  if (auto step = listing->step) step();
}

void Core::dead_letter(std::string_view id, Done<std::optional<PutAside>> done) {
  with_letter<std::optional<PutAside>>(
      id, std::move(done),
      [](Source& source, const LetterName& name, const CallContext& context,
         Done<std::optional<PutAside>> reply) {
        auto letter = source.dead_letter(name.id, context);
        if (!letter) return reply(std::move(letter).error());
        if (!*letter) return reply(std::optional<PutAside>());
        reply(std::optional(PutAside{id_of(name.source, name.id), name.source, std::move(**letter)}));
      });
}

// The namespace that a letter's key is written behind in; null: there is none any more.
Space* Core::place_of(const DeadLetter& letter, const std::string& source) const {
  Space* space = router().find(letter.space);
  if (space == nullptr || !space->info.writes_behind || space->config.source != source) return nullptr;
  return &route(letter.key) == space ? space : nullptr;
}

void Core::edit_dead_letter(std::string_view id, std::string_view operation, Done<bool> done) {
  auto effect = journal::decode(operation);
  if (!effect) return done(std::move(effect).error());
  if (effect->revives) {
    return done(Error{ErrorCode::kInvalidArgument, "\"revives\" is Forebay's to say, not an edit's"});
  }
  with_letter<bool>(
      id, std::move(done),
      [this, text = std::string(operation), writes = journal::writes_of(*effect)](
          Source& source, const LetterName& name, const CallContext& context, Done<bool> reply) {
        auto letter = source.dead_letter(name.id, context);
        if (!letter) return reply(std::move(letter).error());
        if (!*letter) return reply(false);
        // One that has no place any more can't be retried: there is nothing to check it by.
        const Space* space = place_of(**letter, name.source);
        for (const Write& write : writes) {
          if (space == nullptr) break;
          if (auto good = check(*space, (*letter)->key, write); !good) return reply(std::move(good).error());
        }
        reply(source.edit_dead_letter(name.id, text, context));
      });
}

void Core::drop_dead_letter(std::string_view id, Done<bool> done) {
  with_letter<bool>(
      id, std::move(done),
      [this](Source& source, const LetterName& name, const CallContext& context, Done<bool> reply) {
        auto dropped = source.drop_dead_letter(name.id, context);
        if (dropped && *dropped) behind_->dead_changed(name.source);
        reply(std::move(dropped));
      });
}

void Core::retry_dead_letter(std::string_view id, Done<bool> done) {
  with_letter<bool>(
      id, std::move(done),
      [this](Source& source, const LetterName& name, const CallContext& context, Done<bool> reply) {
        auto letter = source.dead_letter(name.id, context);
        if (!letter) return reply(std::move(letter).error());
        if (!*letter) return reply(false);
        Space* space = place_of(**letter, name.source);
        if (space == nullptr) {
          return reply(Error{ErrorCode::kUnsupported,
                             fmt::format("the letter is of key '{}' of namespace '{}', which is not written "
                                         "behind to source '{}' any more",
                                         (*letter)->key, (*letter)->space, name.source)});
        }
        std::vector<DeadLetter> letters{std::move(**letter)};
        if (space->config.after_dead_letter == config::AfterDeadLetter::kHold) {
          auto all = letters_of(source, letters.front(), context);
          if (!all) return reply(std::move(all).error());
          letters = std::move(*all);
        }
        write_again(*space, letters, std::move(reply));
      });
}

// All letters of a key, in order.
Result<std::vector<DeadLetter>> Core::letters_of(Source& source, const DeadLetter& one,
                                                 const CallContext& context) {
  constexpr std::size_t kPage = 500;
  std::vector<DeadLetter> letters;
  std::optional<DeadId> after;
  for (;;) {
    auto page = source.dead_letters(after, kPage, context);
    if (!page) return std::move(page).error();
    const bool last = page->size() < kPage;
    if (!page->empty()) after = page->back().id;
    for (DeadLetter& letter : *page) {
      if (letter.space == one.space && letter.key == one.key && letter.id.journal == one.id.journal)
        letters.push_back(std::move(letter));
    }
    if (last) break;
  }
  std::ranges::sort(letters, {}, [](const DeadLetter& letter) { return letter.id.seq; });
  return letters;
}

void Core::write_again(Space& space, const std::vector<DeadLetter>& letters, Done<bool> reply) {
  struct Retry {
    explicit Retry(Done<bool> reply_in) : reply(std::move(reply_in)) {}
    Mutex mutex;
    std::size_t open GUARDED_BY(mutex) = 1;
    std::optional<Error> error GUARDED_BY(mutex);
    Done<bool> reply;
    void end(const Result<WriteAnswer>& answer) {
      Result<bool> result = true;
      {
        MutexLock lock(mutex);
        if (!answer && !error) error = answer.error();
        if (--open > 0) return;
        if (error) result = *error;
      }
      reply(std::move(result));
    }
  };
  auto retry = std::make_shared<Retry>(std::move(reply));
  for (const DeadLetter& letter : letters) {
    auto effect = journal::decode(letter.operation);
    if (!effect) {
      return retry->end(Error{ErrorCode::kInvalidArgument,
                              fmt::format("dead letter {}: {}", letter.id.seq, effect.error().message)});
    }
    effect->revives = letter.id;
    {
      MutexLock lock(retry->mutex);
      ++retry->open;
    }
    behind_->path().write_again(space, letter.key, std::move(*effect),
                                [retry](Result<WriteAnswer> answer) { retry->end(answer); });
  }
  retry->end(WriteAnswer());
}

}  // namespace forebay::layer
