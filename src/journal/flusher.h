#pragma once

// Takes what the queue holds to the databases: exactly once, in each lane's order, for as long as it takes.
//
// One lane of one source is at one batch at a time; lanes run side by side. A batch goes when its oldest
// write has waited for its namespace's `every`, when it is full, or when somebody hurries; and only once the
// journal has kept all of it (else a crash could leave the ledger ahead of the journal).
//
//   transient error   (the database is away, busy, or broke off; a table or right is missing): the same batch
//                     again after 50 ms to 30 s, doubling, each time with full jitter, for ever. Until then
//                     its keys are read as if it had not been sent. After half a second it is said which
//                     write holds the lane, and why
//   timeout           the same with half as many keys; a lane's batches grow again while they are quick
//   unknown commit    the same batch again: the ledger tells whether it had been applied
//   refused writes    (a reason in the data): tried again write by write, as the journal has them, where
//                     several had become one. Those that are still refused are put aside in the database's
//                     table forebay_dead in the transaction that applies the others, with the reason
//   early writes      refused for a foreign key or a unique value, while other writes are pending before
//                     them: the source's lanes stop, and what all of them have up to there goes in the
//                     journal's order, op by op, in one transaction. What is refused there is put aside. For
//                     a second after that everything goes so, as the lanes' batches would be refused again
//   wrong position    the ledger says neither what it should before the batch nor after it (the database was
//                     restored, the journal's file copied): the lane stops, says so in health(), and its
//                     writes stay in the journal. Where a transaction of the process before may have
//                     committed late, the batch goes on from there
//   the journal fails what it has not kept is not sent until it is open again, and shows what it has
//
// After a dead letter later writes of the key go on (`continue`) or follow it into forebay_dead until it is
// retried or dropped (`hold`). A retry that is refused again is passed over: its dead letter stays as it was.
//
// Thread-safe. Work runs on the scheduler's threads and on those that complete Target's calls.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "journal/journal.h"
#include "journal/outbox.h"

namespace forebay::journal {

struct Ledger {
  // Not empty: this journal may bring nothing there any more; why. The rest is of no account.
  std::string fenced = {};
  bool fresh = false;                    // this is a database that the journal has not had to do with before
  std::vector<std::uint64_t> positions;  // a lane each
  std::vector<DeadId> dead;              // of this journal
  std::vector<std::pair<std::string, std::string>> dead_keys;  // their namespaces and keys
};

// What the flusher needs of the rest: databases, and who keeps copies of what they hold. The layer implements
// it. Calls must not block; `done` is called exactly once, on any thread.
class Target {
 public:
  virtual ~Target() = default;
  using LedgerDone = std::move_only_function<void(Result<Ledger>)>;
  using ApplyDone = std::move_only_function<void(Result<BatchOutcome>)>;

  virtual void open_ledger(const std::string& source, LedgerDone done) = 0;
  // The batch is about to be sent: from here until settled() or not_applied() a load can't tell whether it
  // saw its writes. Queue::of() says `applying` for its keys already.
  virtual void applying(const Batch& batch) = 0;
  // It was sent, and nothing of it is in the database, nor will be before it is sent again: what a load sees
  // is without its writes. Queue::of() says so already.
  virtual void not_applied(const Batch& batch) = 0;
  // One item may hold several statements; dead letters are in `dead`. Refusals name the item.
  struct Dead {
    std::size_t item;
    std::uint64_t seq;
    std::string operation;  // encode()d
    std::string error;
  };
  struct Statement {  // one BatchWrite
    std::size_t item;
    const Effect* effect;
  };
  // Permit for one batch at its source, until it is destroyed.
  class Permit {
   public:
    virtual ~Permit() = default;
  };
  // Calls `go` once when the source may be sent a batch, on any thread, perhaps within this call; with an
  // Error when that will never be, as the source has been replaced.
  using Admitted = std::move_only_function<void(Result<std::unique_ptr<Permit>>)>;
  virtual void admit(const std::string& source, Admitted go) = 0;
  // `permit` was given for it, and is given back when the call has ended.
  // `judge`: WriteBatch's; called on any thread before `done`.
  using Judge = std::function<std::optional<std::vector<Dead>>(const std::vector<BatchOutcome::Refusal>&)>;
  virtual void apply(const Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead,
                     Judge judge, std::unique_ptr<Permit> permit, ApplyDone done) = 0;
  // Somebody waits for the source's batches: what waits for it to be back looks again at once.
  virtual void try_now(const std::string& source) = 0;
  // The transaction is through. For each item, under the key's lock: Queue::settle(), and then what the
  // copies should be: `written` (nothing: unknown, or put aside, and the copy must go) merged with what is
  // still pending.
  virtual void settled(const Batch& batch, std::vector<std::optional<Written>> written) = 0;
  virtual bool holds(const std::string& space) const = 0;  // after_dead_letter = "hold"
  // Nothing is sent from this lane any more, also after a restart.
  virtual void stopped(const std::string& source, std::uint32_t lane, const std::string& why) = 0;
  // Something that the log should have: a lane is held up or has stopped, or goes on.
  enum class Tone : std::uint8_t { kGood, kTrouble };
  virtual void note(Tone tone, const std::string& sentence) = 0;
  // Runs a task that blocks (it reads the journal), on a thread where that is allowed, now or later.
  virtual void run_blocking(Task task) = 0;
};

struct FlushStats {  // of one namespace
  std::string source;
  std::string space;
  // Since the start. `dead`: ops that were put aside; `passed_over`: retries of dead letters refused again
  std::uint64_t batches = 0, applied_ops = 0, retries = 0, dead = 0, passed_over = 0;
  std::size_t dead_letters = 0;     // now, of this journal
  double flush_seconds = 0;         // sum over batches, from the first try to the end
  std::uint64_t largest_batch = 0;  // the namespace's ops in one
};

class Flusher {
 public:
  // Everything is borrowed. Nothing is sent before start().
  Flusher(Outbox& outbox, Journal& journal, Target& target, const Clock& clock, Scheduler& scheduler,
          Random& random);
  // Sends nothing more; waits for calls that it is in.
  ~Flusher();

  static constexpr Duration kRetryFirst = std::chrono::milliseconds(50);
  static constexpr Duration kRetryMost = std::chrono::seconds(30);
  // An error that passes is said after so long.
  static constexpr Duration kSaidAfter = std::chrono::milliseconds(500);
  // How long a source's lanes go in the journal's order after a write was put aside there.
  static constexpr Duration kInOrder = std::chrono::seconds(1);
  // Numbers of the journal that go in its order in one transaction, at most.
  static constexpr std::uint64_t kInOrderMost = 2000;

  // An earlier process has stopped this lane. Before start().
  void stopped_before(const std::string& source, std::uint32_t lane, const std::string& why);
  // The source's lanes stop.
  void fence(const std::string& source, const std::string& why);

  // Begins with these sources' lanes; those begun before are left alone. Asks each for its ledger, again and
  // again while it is away. What an earlier process had appended counts as applying until a lane's first
  // batch is through: a transaction of that process may still be ending.
  void start(std::vector<std::string> sources);
  // Sends what is pending now (of one namespace; empty: of all) without waiting for more; a lane that waits
  // before it tries again tries at once. `done`: true once all of it is through; false: a lane that holds
  // some has stopped or was never started, or the flusher ended first.
  void drain(std::string_view space, std::move_only_function<void(bool)> done);
  // The journal takes no writes; again for another reason. It is open again: after Queue::lose().
  void journal_failed(const Error& error);
  void journal_reopened();
  // The dead letters of a source were changed from outside (retried, dropped): which keys are held is read
  // again.
  void dead_changed(const std::string& source);

  // Of the namespaces that it has had to do with. A batch of several counts for each of them.
  std::vector<FlushStats> stats() const;
  // What a person must see to, one sentence each; empty: nothing.
  std::vector<std::string> health() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also held by calls in progress
};

}  // namespace forebay::journal
