#include "feed/postgres_logical.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/random.h"
#include "feed/postgres/followed.h"
#include "feed/postgres/replication.h"
#include "feed/postgres/slot.h"
#include "feed/postgres/snapshot.h"
#include "feed/postgres/transactions.h"
#include "source/postgres/catalog.h"
#include "source/postgres/pool.h"
#include "source/sql_mapping.h"

namespace forebay::feed {
namespace {

using namespace postgres;
using source::postgres::Call;
using source::postgres::Failure;
using source::postgres::Outcome;
using source::postgres::Pool;
using source::postgres::ResultPtr;
using std::chrono::milliseconds;

// The server ends the session of a reader that it has not heard of for so long: a reader that hangs must not keep the
// slot from the next one.
constexpr milliseconds kPatience{5000};
constexpr std::chrono::seconds kStatusEvery{1};
constexpr std::chrono::seconds kLookEvery{1};
// A delivery is handed on when it has so many changes.
constexpr std::size_t kMostChanges = 5000;
// A note that has not come back by then tells that the log is late.
constexpr std::chrono::seconds kLate{10};

// So many notes are in the log at once: more would only make a log that is late later.
constexpr std::size_t kMostNotes = 20;

class Logical final : public Feed {
 public:
  Logical(const config::Source& source, const Clock& clock)
      : source_(source),
        url_(source.feed_url.empty() ? source.url : source.feed_url),
        clock_(clock),
        pool_(url_, 2, source.connect_timeout),
        slot_(pool_, source, system_random().next()),
        transactions_([this](const pgoutput::Relation& relation) { return describe(relation); }) {}

  Result<void> watch(std::span<const WatchedTable> tables) override {
    {
      MutexLock lock(mutex_);
      wanted_.assign(tables.begin(), tables.end());
    }
    wanted_changed_.store(true, std::memory_order_release);
    const Call call({source_.connect_timeout + source_.timeout, nullptr});
    auto fit = check_server(pool_, source_, call);
    if (fit || fit.error().code == ErrorCode::kUnavailable || fit.error().code == ErrorCode::kTimeout)
      return {};
    return fit;
  }

  Result<Delivery> next(const CallContext& context) override {
    const SteadyTime deadline = std::chrono::steady_clock::now() + context.timeout;
    Delivery delivery;
    if (auto going = go_on(delivery); !going) return stop(going.error());
    if (!delivery.gap.empty() || !delivery.changes.empty()) return delivery;
    if (auto received = receive(deadline, delivery); !received) return stop(received.error());
    return delivery;
  }

  Result<std::vector<bool>> shown(std::span<const std::uint64_t> transactions,
                                  const CallContext& context) override {
    auto snapshot = take_snapshot(pool_, Call(context));
    if (!snapshot) return source::postgres::located(snapshot.error(), "");
    next_transaction_ = snapshot->end;
    std::vector<bool> shown;
    for (const std::uint64_t transaction : transactions) shown.push_back(snapshot->shows(transaction));
    return shown;
  }

  void confirm(std::uint64_t position) override { confirmed_ = std::max(confirmed_, position); }

  void prove_every(milliseconds interval) override { note_every_.store(interval, std::memory_order_relaxed); }
  bool follows_all() const override { return follows_all_; }
  // With synchronous_commit = off.
  bool may_lose_commits() const override { return true; }

  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  Error stop(const Error& error) {
    session_.reset();
    return error;
  }
  Error wrong(const Failure& failure) {
    // What the slot decodes is older than the publication: it can't be read.
    if (failure.sqlstate == "42704") slot_.distrust();
    return failure.error;
  }
  Call call() const { return Call({source_.timeout, nullptr}); }

  // Connects if need be, and does what is due once a second.
  Result<void> go_on(Delivery& delivery) {
    const auto now = std::chrono::steady_clock::now();
    if (session_ == nullptr) return begin(delivery);
    const bool asked = wanted_changed_.exchange(false, std::memory_order_acq_rel);
    if (asked || now - looked_at_ >= kLookEvery) {
      if (auto looked = look_again(delivery); !looked) return looked;
    }
    if (now - noted_at_ >= note_every_.load(std::memory_order_relaxed)) {
      if (auto noted = send_note(); !noted) return noted;
    }
    if (now - status_at_ >= kStatusEvery || confirmed_ > reported_) return send_status();
    return {};
  }

  Result<void> begin(Delivery& delivery) {
    wanted_changed_.store(false, std::memory_order_release);
    transactions_.restart();
    notes_.clear();
    if (auto fit = check_server(pool_, source_, call()); !fit) return fit;
    if (auto snapshot = take_snapshot(pool_, call())) {
      next_transaction_ = snapshot->end;
    } else {
      return wrong(snapshot.error());
    }
    // The publication before the slot: what is decoded is decoded by the publications of its time.
    if (auto looked = look_again(delivery); !looked) return looked;
    delivery.changes.clear();
    const auto deadline = std::chrono::steady_clock::now() + source_.connect_timeout + source_.timeout;
    auto session = Replication::open(url_, kPatience, deadline);
    if (!session) return wrong(session.error());
    auto opened = slot_.open(**session, confirmed_, call(), deadline);
    if (!opened) return std::move(opened).error();
    confirmed_ = std::max(opened->position, opened->gap.empty() ? confirmed_ : 0);
    delivery.gap = std::move(opened->gap);
    received_ = confirmed_;
    if (auto started = (**session).start(slot_.start_command(), deadline); !started)
      return wrong(started.error());
    session_ = std::move(*session);
    reported_ = 0;
    // Whoever waits for the first changes knows now that none are missed.
    return send_note();
  }

  // What the catalogue says now; what it says otherwise than before has changed as a whole.
  Result<void> look_again(Delivery& delivery) {
    std::vector<WatchedTable> wanted;
    {
      MutexLock lock(mutex_);
      wanted = wanted_;
    }
    auto seen = look(pool_, wanted, source_.publication, call());
    if (!seen) return wrong(seen.error());
    auto published = publish(pool_, source_.publication, *seen, call());
    if (!published) return std::move(published).error();
    if (*published) {
      seen = look(pool_, wanted, source_.publication, call());
      if (!seen) return wrong(seen.error());
    }
    const std::set<std::string> roots = replaced(followed_, *seen);
    const bool columns = seen->columns != followed_.columns;
    followed_ = std::move(*seen);
    looked_at_ = std::chrono::steady_clock::now();
    if (!roots.empty() || columns) transactions_.forget_relations();
    for (const std::string& root : roots) {
      RowChange change;
      change.table = root;
      change.whole_table = true;
      delivery.changes.push_back({std::move(change), 0});
    }
    warnings_ = shortcomings(followed_);
    follows_all_ = warnings_.empty();
    auto state = slot_.warnings(call());
    if (!state) return std::move(state).error();
    std::ranges::move(*state, std::back_inserter(warnings_));
    if (!notes_.empty() && clock_.now() - notes_.front().second > kLate)
      warnings_.push_back(fmt::format(
          "the log is read {} s late",
          std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - notes_.front().second).count()));
    return {};
  }

  // A line in the log: when it comes back, all that was committed before it has come.
  Result<void> send_note() {
    noted_at_ = std::chrono::steady_clock::now();
    if (notes_.size() >= kMostNotes) return {};
    const Instant now = clock_.now();
    const std::string text = fmt::format("{} {}", slot_.name(), ++last_note_);
    auto put = put_note(pool_, Transactions::kNotePrefix, text, call());
    if (!put) return wrong(put.error());
    notes_.emplace_back(text, now);
    return {};
  }

  Result<void> send_status() {
    // While nothing is told of that is not done, the server may forget all that it has sent.
    const auto sent =
        session_->send_status(received_, confirmed_, std::chrono::steady_clock::now() + source_.timeout);
    if (!sent) return wrong(sent.error());
    reported_ = confirmed_;
    status_at_ = std::chrono::steady_clock::now();
    return {};
  }

  Result<void> receive(SteadyTime deadline, Delivery& delivery) {
    // What has come already is taken without waiting for more.
    for (auto until = deadline; delivery.changes.size() < kMostChanges;) {
      auto got = session_->receive(until);
      if (!got) return wrong(got.error());
      if (!*got) break;
      if (auto taken = take(**got, delivery); !taken) return taken;
      // A log that goes on and on with what concerns nobody: what else is due has its turn.
      if (std::chrono::steady_clock::now() >= deadline) break;
      until = delivery.changes.empty() && !delivery.complete_as_of ? deadline : SteadyTime{};
    }
    std::ranges::move(beside_, std::back_inserter(delivery.changes));
    beside_.clear();
    return {};
  }

  Result<void> take(const Replication::Received& received, Delivery& delivery) {
    if (received.message.empty()) {
      received_ = std::max(received_, received.log_end);
      if (!transactions_.within()) delivery.position = std::max(delivery.position, received.log_end);
      if (received.wants_status) return send_status();
      return {};
    }
    const auto widen = [this](std::uint32_t xid) { return widened(xid, next_transaction_); };
    if (auto taken = transactions_.take(received.message, widen, delivery); !taken) return taken;
    received_ = std::max(received_, delivery.position);
    if (const auto text = transactions_.take_note()) {
      const auto note = std::ranges::find(notes_, *text, &std::pair<std::string, Instant>::first);
      if (note != notes_.end()) {
        delivery.complete_as_of = note->second;
        notes_.erase(notes_.begin(), note + 1);
      }
    }
    return {};
  }

  // What a table of the log is to us. One that the last look did not know, is looked for anew.
  Result<Transactions::Relation> describe(const pgoutput::Relation& relation) {
    auto leaf = followed_.leaves.find(relation.id);
    if (leaf == followed_.leaves.end()) {
      Delivery beside;
      if (auto looked = look_again(beside); !looked) return std::move(looked).error();
      std::ranges::move(beside.changes, std::back_inserter(beside_));
      leaf = followed_.leaves.find(relation.id);
    }
    Transactions::Relation made;
    if (leaf == followed_.leaves.end()) return made;
    made.root = leaf->second.root;
    std::vector<Oid> types;
    for (const pgoutput::Column& column : relation.columns) types.push_back(column.type);
    auto known = source::postgres::find_types(pool_, types, call());
    if (!known) return wrong(known.error());
    const std::set<std::string>& wanted = followed_.columns[made.root];
    for (const pgoutput::Column& column : relation.columns) {
      std::string name(column.name);
      const bool identity = leaf->second.whole || leaf->second.identity.contains(name);
      const bool is_wanted = wanted.contains(name);
      made.columns.push_back({std::move(name), (*known)[column.type], is_wanted, identity});
    }
    return made;
  }

  const config::Source source_;
  const std::string url_;
  const Clock& clock_;
  Pool pool_;
  Slot slot_;
  Transactions transactions_;
  std::unique_ptr<Replication> session_;
  Followed followed_;
  std::vector<Change> beside_;  // tables that were found to have changed while a row was read
  std::vector<std::string> warnings_;
  std::deque<std::pair<std::string, Instant>> notes_;  // that have not come back, with when they were sent
  std::uint64_t last_note_ = 0;
  std::uint64_t next_transaction_ = 0;  // all that have begun have lower numbers, as of some time ago
  Lsn confirmed_ = 0;
  Lsn reported_ = 0;  // the server knows that this is confirmed
  Lsn received_ = 0;
  SteadyTime looked_at_{};
  SteadyTime status_at_{};
  SteadyTime noted_at_{};
  bool follows_all_ = false;
  std::atomic<milliseconds> note_every_{milliseconds(1000)};  // relaxed: a number that stands for itself

  // Release and acquire are the mutex's; this only saves taking it.
  std::atomic<bool> wanted_changed_{false};
  Mutex mutex_;
  std::vector<WatchedTable> wanted_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Feed> open_postgres_logical(const config::Source& source, const Clock& clock) {
  return std::make_unique<Logical>(source, clock);
}

}  // namespace forebay::feed
