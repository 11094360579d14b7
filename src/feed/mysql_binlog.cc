#include "feed/mysql_binlog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/random.h"
#include "feed/mysql/checks.h"
#include "feed/mysql/followed.h"
#include "feed/mysql/server.h"
#include "feed/mysql/stream.h"
#include "feed/mysql/transactions.h"
#include "source/mysql/address.h"
#include "source/mysql/pool.h"

namespace forebay::feed {
namespace {

using namespace mysql;
using source::Call;
using source::mysql::Failure;
using source::mysql::Pool;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kLookEvery{1};
// A delivery is handed on when it has so many changes.
constexpr std::size_t kMostChanges = 5000;
// An end of the log that has not been reached by then tells that the log is read late.
constexpr std::chrono::seconds kLate{10};
// So many ends are waited for at once: more would prove nothing more.
constexpr std::size_t kMostProofs = 20;

class Binlog final : public Feed {
 public:
  Binlog(const config::Source& source, source::mysql::Address address, const Clock& clock)
      : source_(source),
        address_(std::move(address)),
        clock_(clock),
        pool_(address_, 2, source.connect_timeout),
        transactions_(followed_, [this](const std::string& gtid) { return number(gtid); }) {}

  Result<void> watch(std::span<const WatchedTable> tables) override {
    {
      MutexLock lock(mutex_);
      wanted_.assign(tables.begin(), tables.end());
    }
    wanted_changed_.store(true, std::memory_order_release);
    const Call call({source_.connect_timeout + source_.timeout, nullptr});
    auto fit = check_server(pool_, call);
    if (fit || fit.error().code == ErrorCode::kConfig) return fit;
    return {};
  }

  Result<Delivery> next(const CallContext& context) override {
    const SteadyTime deadline = std::chrono::steady_clock::now() + context.timeout;
    Delivery delivery;
    if (auto going = go_on(delivery); !going) return stop(going.error());
    if (delivery.gap.empty() && delivery.changes.empty()) {
      if (auto received = receive(deadline, delivery); !received) return stop(received.error());
    }
    while (!proofs_.empty() && reached(proofs_.front().first, at_)) {
      delivery.complete_as_of = proofs_.front().second;
      proofs_.pop_front();
    }
    position_ = read_to_;
    return delivery;
  }

  Result<std::vector<bool>> shown(std::span<const std::uint64_t> transactions,
                                  const CallContext& context) override {
    auto seen = mariadb_ ? seen_by_snapshot(transactions, context) : seen_by_gtid(transactions, context);
    if (!seen) return seen;
    for (std::size_t i = 0; i < transactions.size(); ++i) {
      if ((*seen)[i]) points_.erase(transactions[i]);
    }
    return seen;
  }

  void prove_every(milliseconds interval) override {
    prove_every_.store(interval, std::memory_order_relaxed);
  }
  bool follows_all() const override { return follows_all_; }
  bool may_lose_commits() const override { return may_lose_commits_; }
  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  // Where a transaction's end is in the log.
  struct Point {
    std::uint64_t epoch = 0;
    Position end;
    std::string gtid;  // MySQL
  };

  Error stop(const Error& error) {
    stream_.reset();
    return error;
  }
  // What is missed from here on nobody can say: the next begin() is one behind a gap.
  Error lose(const Error& error) {
    position_.reset();
    lost_ = error.message;
    return error;
  }
  Call call() const { return Call({source_.timeout, nullptr}); }

  std::uint64_t number(const std::string& gtid) {
    points_.emplace(++last_number_, Point{epoch_, at_, gtid});
    return last_number_;
  }

  Result<std::vector<bool>> seen_by_snapshot(std::span<const std::uint64_t> transactions,
                                             const CallContext& context) {
    const auto snapshot = ask_shown(pool_, Call(context));
    if (!snapshot) return snapshot.error().error;
    std::vector<bool> shown;
    for (const std::uint64_t transaction : transactions) {
      const auto point = points_.find(transaction);
      // What was in another log, its server has ended.
      shown.push_back(point == points_.end() || point->second.epoch != epoch_ ||
                      reached(point->second.end, *snapshot));
    }
    return shown;
  }

  Result<std::vector<bool>> seen_by_gtid(std::span<const std::uint64_t> transactions,
                                         const CallContext& context) {
    std::vector<std::string> gtids;
    for (const std::uint64_t transaction : transactions) {
      const auto point = points_.find(transaction);
      // The empty set is in every other.
      gtids.push_back(point == points_.end() || point->second.epoch != epoch_ ? "" : point->second.gtid);
    }
    auto shown = ask_executed(pool_, gtids, Call(context));
    if (!shown) return std::move(shown).error().error;
    return std::move(*shown);
  }

  // Connects if need be, and does what is due from time to time.
  Result<void> go_on(Delivery& delivery) {
    if (stream_ == nullptr) return begin(delivery);
    const auto now = std::chrono::steady_clock::now();
    if (wanted_changed_.exchange(false, std::memory_order_acq_rel)) look_due_ = true;
    if (look_due_) {
      if (auto looked = look_again(delivery); !looked) return looked;
    }
    if (now - proved_at_ >= prove_every_.load(std::memory_order_relaxed)) {
      if (auto asked = ask_for_proof(); !asked) return asked;
    }
    if (now - settings_at_ < kLookEvery) return {};
    auto settings = ask_settings(pool_, call());
    if (!settings) return settings.error().error;
    look_at(*settings);
    return {};
  }

  Result<void> begin(Delivery& delivery) {
    auto mariadb = is_mariadb(pool_, call());
    if (!mariadb) return std::move(mariadb).error().error;
    mariadb_ = *mariadb;
    auto settings = ask_settings(pool_, call());
    if (!settings) return std::move(settings).error().error;
    if (auto fit = check_settings(*settings, mariadb_); !fit) return fit;
    auto end = ask_end(pool_, call());
    if (!end) return std::move(end).error();
    if (auto placed = place(*settings, *end, delivery); !placed) return placed;
    at_ = *position_;
    read_to_ = *position_;
    proofs_.clear();
    transactions_.restart();
    if (wanted_changed_.exchange(false, std::memory_order_acq_rel) || !delivery.gap.empty()) look_due_ = true;
    if (auto looked = look_due_ ? look_again(delivery) : Result<void>(); !looked) return looked;
    look_at(*settings);
    if (auto opened = open_stream(); !opened) return opened;
    // Whoever waits for the first changes knows now that none are missed.
    if (!delivery.gap.empty()) delivery.changes.clear();
    return ask_for_proof();
  }

  // Where the log is to be read from.
  Result<void> place(const Settings& settings, const LogEnd& end, Delivery& delivery) {
    const std::string identity = settings.identity();
    std::string gap;
    if (!position_) {
      gap = lost_.empty() ? "the feed begins" : lost_;
    } else if (identity != identity_) {
      gap = "it is another server";
    } else if (end.resets > resets_ || !reached(*position_, end.position)) {
      gap = "the server's log was begun anew";
    }
    identity_ = identity;
    resets_ = end.resets;
    if (gap.empty()) return {};
    position_ = end.position;
    if (mariadb_) {
      // What is behind that, nobody sees yet: it is to be heard of.
      auto shown = ask_shown(pool_, call());
      if (!shown) return std::move(shown).error().error;
      position_ = std::move(*shown);
    }
    delivery.gap = std::move(gap);
    lost_.clear();
    begun_.reset();
    ++epoch_;
    transactions_.begin_anew();
    return {};
  }

  Result<void> open_stream() {
    const auto server = static_cast<std::uint32_t>(system_random().next() | 1);
    auto stream = Stream::open(address_, *position_, server, source_.connect_timeout);
    if (!stream) return wrong(stream.error());
    const SteadyTime deadline = std::chrono::steady_clock::now() + Stream::kPatience;
    for (;;) {
      auto got = (**stream).receive(deadline);
      if (!got) return wrong(got.error());
      if (!*got) return Error{ErrorCode::kTimeout, "the server does not send its log"};
      auto event = parse_event(**got);
      if (!event) return lose(event.error());
      const auto* format = std::get_if<Format>(&event->what);
      if (format == nullptr) continue;
      // The file has the old one's name, and is another: RESET MASTER.
      if (begun_ && *begun_ != format->when)
        return lose({ErrorCode::kUnavailable, "the server's log was begun anew"});
      begun_ = format->when;
      stream_ = std::move(*stream);
      return {};
    }
  }

  Error wrong(const Failure& failure) {
    if (failure.code != Stream::kNotInLog) return failure.error;
    return lose(
        {ErrorCode::kUnavailable, fmt::format("the server's log does not have what follows {}:{} ({})",
                                              position_->file(), position_->offset, failure.error.message)});
  }

  // What the catalogue says now; what it says otherwise than before has changed as a whole.
  Result<void> look_again(Delivery& delivery) {
    std::vector<WatchedTable> wanted;
    {
      MutexLock lock(mutex_);
      wanted = wanted_;
    }
    auto seen = look(pool_, wanted, call());
    if (!seen) return std::move(seen).error().error;
    for (const std::string& id : replaced(followed_, *seen)) {
      RowChange change;
      change.table = id;
      change.whole_table = true;
      delivery.changes.push_back({std::move(change), 0});
    }
    followed_ = std::move(*seen);
    transactions_.forget_tables();
    look_due_ = false;
    settings_at_ = {};
    return {};
  }

  void look_at(const Settings& settings) {
    settings_at_ = std::chrono::steady_clock::now();
    may_lose_commits_ = settings.may_lose_commits();
    warnings_ = shortcomings(followed_, settings.whole_rows());
    std::ranges::move(doubtful_settings(settings), std::back_inserter(warnings_));
    std::ranges::move(left_out(followed_, only_, without_), std::back_inserter(warnings_));
    for (const std::string& name : transactions_.unreadable())
      warnings_.push_back(fmt::format(
          "the columns of {} in the log are not those of the catalogue: each change ends all of it", name));
    follows_all_ = warnings_.empty();
    if (!proofs_.empty() && clock_.now() - proofs_.front().second > kLate)
      warnings_.push_back(fmt::format(
          "the log is read {} s late",
          std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - proofs_.front().second).count()));
  }

  // Where the log ends now: when it has been read up to there, all that was committed before has come.
  Result<void> ask_for_proof() {
    proved_at_ = std::chrono::steady_clock::now();
    if (proofs_.size() >= kMostProofs) return {};
    const Instant now = clock_.now();
    auto end = ask_end(pool_, call());
    if (!end) return std::move(end).error();
    only_ = end->only;
    without_ = end->without;
    if (end->resets != resets_ || !reached(at_, end->position))
      return lose({ErrorCode::kUnavailable, "the server's log was begun anew"});
    proofs_.emplace_back(std::move(end->position), now);
    return {};
  }

  Result<void> receive(SteadyTime deadline, Delivery& delivery) {
    // What has come already is taken without waiting for more.
    for (auto until = deadline; delivery.changes.size() < kMostChanges;) {
      if (look_due_ |= transactions_.take_look(); look_due_) {
        // What has been read is handed on first: a look may fail.
        if (!delivery.changes.empty()) return {};
        if (auto looked = look_again(delivery); !looked) return looked;
      }
      auto got = stream_->receive(until);
      if (!got) return wrong(got.error());
      if (!*got) return {};
      if (auto taken = take(**got, delivery); !taken) return lose(taken.error());
      const bool proof = !proofs_.empty() && reached(proofs_.front().first, at_);
      until = delivery.changes.empty() && !proof ? deadline : SteadyTime{};
      // Of a log that never pauses, what concerns nobody counts as time, too.
      if (std::chrono::steady_clock::now() >= deadline) return {};
    }
    return {};
  }

  Result<void> take(std::string_view bytes, Delivery& delivery) {
    auto event = parse_event(bytes);
    if (!event) return std::move(event).error();
    if (const auto* rotate = std::get_if<Rotate>(&event->what)) {
      auto place = position_of(rotate->file, rotate->position);
      if (!place)
        return Error{ErrorCode::kUnavailable,
                     "the names of the server's binary logs don't end with a number"};
      if (place->number != at_.number || !place->same_log(at_)) begun_.reset();
      at_ = std::move(*place);
    } else if (event->end != 0 && !event->artificial) {
      advance(event->end);
    }
    if (const auto* format = std::get_if<Format>(&event->what)) begun_ = format->when;
    if (auto taken = transactions_.take(*event, delivery); !taken) return taken;
    const bool announces =
        std::holds_alternative<Group>(event->what) || std::holds_alternative<Gtid>(event->what);
    if (!transactions_.within() && !announces) read_to_ = at_;
    return {};
  }

  // An event has 32 bits of its end; a large transaction may take a file beyond that.
  void advance(std::uint32_t end) {
    constexpr std::uint64_t kRound = std::uint64_t{1} << 32;
    std::uint64_t offset = (at_.offset & ~(kRound - 1)) | end;
    if (offset < at_.offset && at_.offset - offset > kRound / 2) offset += kRound;
    at_.offset = std::max(at_.offset, offset);
  }

  const config::Source source_;
  const source::mysql::Address address_;
  const Clock& clock_;
  Pool pool_;
  Followed followed_;
  Transactions transactions_;
  std::unique_ptr<Stream> stream_;
  bool mariadb_ = true;

  std::optional<Position> position_;    // all before it has been delivered; nothing: nobody knows
  Position read_to_;                    // the end of the last whole transaction that was read
  Position at_;                         // the end of the last event
  std::optional<std::uint32_t> begun_;  // when the file was begun that is read
  std::string identity_;
  std::uint64_t resets_ = 0;  // LogEnd::resets
  std::string lost_;          // why there is no position any more
  std::uint64_t epoch_ = 0;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Point> points_;  // of transactions that may not be seen yet

  std::deque<std::pair<Position, Instant>> proofs_;  // not reached yet, with when they were asked for
  std::vector<std::string> warnings_;
  std::string only_;     // binlog_do_db
  std::string without_;  // binlog_ignore_db
  SteadyTime settings_at_{};
  SteadyTime proved_at_{};
  bool look_due_ = true;
  bool follows_all_ = false;
  bool may_lose_commits_ = true;
  std::atomic<milliseconds> prove_every_{milliseconds(1000)};  // relaxed: a number that stands for itself

  // Release and acquire are the mutex's; this only saves taking it.
  std::atomic<bool> wanted_changed_{false};
  Mutex mutex_;
  std::vector<WatchedTable> wanted_ GUARDED_BY(mutex_);
};

// Of a source whose url is none.
class Unreachable final : public Feed {
 public:
  explicit Unreachable(Error error) : error_(std::move(error)) {}
  Result<void> watch(std::span<const WatchedTable> /*tables*/) override { return error_; }
  Result<Delivery> next(const CallContext& /*context*/) override { return error_; }

 private:
  const Error error_;
};

}  // namespace

std::unique_ptr<Feed> open_mysql_binlog(const config::Source& source, const Clock& clock) {
  auto address = source::mysql::parse_address(source.feed_url.empty() ? source.url : source.feed_url);
  if (!address) return std::make_unique<Unreachable>(std::move(address).error());
  return std::make_unique<Binlog>(source, std::move(*address), clock);
}

}  // namespace forebay::feed
