#include "layer/write/behind/dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/mutex.h"
#include "layer/write/behind/pending.h"

namespace forebay::layer {
namespace {

std::string id_of(const std::string& source, const DeadId& id) {
  return fmt::format("{}/{}/{}/{}", source, id.journal, id.lane, id.seq);
}

PutAside put_aside(const std::string& source, DeadLetter letter) {
  std::string id = id_of(source, letter.id);
  return {std::move(id), source, std::move(letter)};
}

Error no_source(std::string_view source) {
  return {ErrorCode::kInvalidArgument, fmt::format("there is no source '{}' that is written behind", source)};
}

// A page of letters that is put together source by source, in the order of their names.
struct Listing {
  struct At {
    std::string name;
    // Not held: the thread that goes on with the listing may be the source's own, which must not be the one
    // that ends the source.
    std::weak_ptr<SourcePort> port;
    std::chrono::milliseconds timeout;
    std::optional<DeadId> after;
  };
  std::vector<At> sources;
  std::size_t limit = 0;
  Done<std::vector<PutAside>> done;
  std::size_t next = 0;
  std::vector<PutAside> letters;
};

// Asks the next source. A source that has gone takes the listing with it, as it would take any call.
void go_on(const std::shared_ptr<Listing>& listing) {
  if (listing->next == listing->sources.size() || listing->letters.size() >= listing->limit)
    return listing->done(std::move(listing->letters));
  Listing::At& at = listing->sources[listing->next++];
  const auto port = at.port.lock();
  if (port == nullptr) return;
  LedgerPort* ledger = port->ledger();
  if (ledger == nullptr) return listing->done(no_ledger());
  ledger->dead_letters(std::move(at.after), listing->limit - listing->letters.size(),
                       CallOptions{at.timeout, nullptr},
                       [listing, &at](Result<std::vector<DeadLetter>> page) {
                         if (!page) return listing->done(std::move(page).error());
                         for (DeadLetter& letter : *page)
                           listing->letters.push_back(put_aside(at.name, std::move(letter)));
                         go_on(listing);
                       });
}

}  // namespace

struct DeadLetters::Name {
  std::string source;
  DeadId id;
};

// A call about one letter, on its way.
struct DeadLetters::Asked {
  Name name;
  // Its source's. Good as long as a completion of one of its calls runs: the port waits for that.
  LedgerPort* ledger;
  CallOptions options;
};

// A source's name has no slash.
std::optional<DeadLetters::Name> DeadLetters::parse(std::string_view id) {
  Name name;
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= id.size();) {
    const std::size_t end = std::min(id.find('/', at), id.size());
    parts.push_back(id.substr(at, end - at));
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

std::optional<DeadLetters::SourceAt> DeadLetters::source_of(std::string_view name) const {
  for (SourceAt& source : parts_.sources()) {
    if (source.name == name) return std::move(source);
  }
  return std::nullopt;
}

// Calls `with_ledger` with the ledger that an id names, unless there is none.
template <class T, class Ask>
void DeadLetters::ask(std::string_view id, Done<T> done, Ask with_ledger) const {
  auto name = parse(id);
  if (!name) {
    return done(Error{ErrorCode::kInvalidArgument,
                      "a dead letter is named as source/journal/lane/seq, as its list says"});
  }
  const auto at = source_of(name->source);
  if (!at) return done(no_source(name->source));
  LedgerPort* ledger = at->port->ledger();
  if (ledger == nullptr) return done(no_ledger());
  with_ledger(Asked{std::move(*name), ledger, CallOptions{at->timeout, nullptr}}, std::move(done));
}

void DeadLetters::list(std::string_view source, std::string_view after, std::size_t limit,
                       Done<std::vector<PutAside>> done) const {
  std::optional<Name> from;
  if (!after.empty()) {
    from = parse(after);
    if (!from) return done(Error{ErrorCode::kInvalidArgument, "this is no dead letter's id"});
  }
  std::vector<SourceAt> all = parts_.sources();
  if (!source.empty() && std::ranges::find(all, source, &SourceAt::name) == all.end())
    return done(no_source(source));
  std::ranges::sort(all, {}, &SourceAt::name);
  auto listing = std::make_shared<Listing>();
  for (SourceAt& each : all) {
    if (!source.empty() && each.name != source) continue;
    if (from && each.name < from->source) continue;
    std::optional<DeadId> after_id;
    if (from && each.name == from->source) after_id = from->id;
    listing->sources.push_back({std::move(each.name), each.port, each.timeout, std::move(after_id)});
  }
  listing->limit = limit;
  listing->done = std::move(done);
  go_on(listing);
}

void DeadLetters::find(std::string_view id, Done<std::optional<PutAside>> done) const {
  ask(id, std::move(done), [](Asked asked, Done<std::optional<PutAside>> reply) {
    asked.ledger->dead_letter(asked.name.id, asked.options,
                              [source = asked.name.source,
                               reply = std::move(reply)](Result<std::optional<DeadLetter>> letter) mutable {
                                if (!letter) return reply(std::move(letter).error());
                                if (!*letter) return reply(std::optional<PutAside>());
                                reply(std::optional(put_aside(source, std::move(**letter))));
                              });
  });
}

// The namespace that a letter's key is written behind in; null: there is none any more.
Namespace* DeadLetters::place_of(const DeadLetter& letter, const std::string& source) const {
  const Router& router = *parts_.router.load(std::memory_order_acquire);
  Namespace* space = router.find(letter.space);
  if (space == nullptr || !space->info.writes_behind || space->config.source != source) return nullptr;
  return &router.route(letter.key) == space ? space : nullptr;
}

void DeadLetters::edit(std::string_view id, std::string_view operation, Done<bool> done) const {
  auto effect = journal::decode(operation);
  if (!effect) return done(std::move(effect).error());
  if (effect->revives) {
    return done(Error{ErrorCode::kInvalidArgument, "\"revives\" is Forebay's to say, not an edit's"});
  }
  ask(id, std::move(done),
      [this, text = std::string(operation), writes = journal::writes_of(*effect)](Asked asked,
                                                                                  Done<bool> reply) mutable {
        LedgerPort* ledger = asked.ledger;
        DeadId letter_id = asked.name.id;
        CallOptions options = asked.options;
        ledger->dead_letter(
            std::move(letter_id), std::move(options),
            [this, asked = std::move(asked), text = std::move(text), writes = std::move(writes),
             reply = std::move(reply)](Result<std::optional<DeadLetter>> letter) mutable {
              if (!letter) return reply(std::move(letter).error());
              if (!*letter) return reply(false);
              // One that has no place any more can't be retried: there is nothing to check it by.
              const Namespace* space = place_of(**letter, asked.name.source);
              for (const Write& write : writes) {
                if (space == nullptr) break;
                if (auto good = check(*space, (*letter)->key, write); !good)
                  return reply(std::move(good).error());
              }
              asked.ledger->edit_dead_letter(asked.name.id, std::move(text), asked.options, std::move(reply));
            });
      });
}

void DeadLetters::drop(std::string_view id, Done<bool> done) const {
  ask(id, std::move(done), [this](Asked asked, Done<bool> reply) {
    asked.ledger->drop_dead_letter(
        asked.name.id, asked.options,
        [this, source = asked.name.source, reply = std::move(reply)](Result<bool> dropped) mutable {
          if (dropped && *dropped) parts_.dropped(source);
          reply(std::move(dropped));
        });
  });
}

void DeadLetters::retry(std::string_view id, Done<bool> done) const {
  ask(id, std::move(done), [this](Asked asked, Done<bool> reply) {
    LedgerPort* ledger = asked.ledger;
    DeadId letter_id = asked.name.id;
    CallOptions options = asked.options;
    ledger->dead_letter(std::move(letter_id), std::move(options),
                        [this, asked = std::move(asked),
                         reply = std::move(reply)](Result<std::optional<DeadLetter>> letter) mutable {
                          if (!letter) return reply(std::move(letter).error());
                          if (!*letter) return reply(false);
                          retry(std::move(asked), std::move(**letter), std::move(reply));
                        });
  });
}

void DeadLetters::retry(Asked asked, DeadLetter letter, Done<bool> done) const {
  Namespace* space = place_of(letter, asked.name.source);
  if (space == nullptr) {
    return done(Error{ErrorCode::kUnsupported,
                      fmt::format("the letter is of key '{}' of namespace '{}', which is not written "
                                  "behind to source '{}' any more",
                                  letter.key, letter.space, asked.name.source)});
  }
  if (space->config.after_dead_letter != config::AfterDeadLetter::kHold) {
    std::vector<DeadLetter> letters;
    letters.push_back(std::move(letter));
    return write_again(*space, std::move(letters), std::move(done));
  }
  // Later writes of the key wait for this one, some as letters of their own: all of them go again, in order.
  asked.ledger->all_dead_letters(
      [one = std::move(letter)](const DeadLetter& other) {
        return other.space == one.space && other.key == one.key && other.id.journal == one.id.journal;
      },
      asked.options,
      [this, space, done = std::move(done)](Result<std::vector<DeadLetter>> letters) mutable {
        if (!letters) return done(std::move(letters).error());
        write_again(*space, std::move(*letters), std::move(done));
      });
}

void DeadLetters::write_again(Namespace& space, std::vector<DeadLetter> letters, Done<bool> done) const {
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
  std::ranges::sort(letters, {}, [](const DeadLetter& letter) { return letter.id.seq; });
  auto retry = std::make_shared<Retry>(std::move(done));
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
    parts_.write_again(space, letter.key, std::move(*effect),
                       [retry](Result<WriteAnswer> answer) { retry->end(answer); });
  }
  retry->end(WriteAnswer());
}

}  // namespace forebay::layer
