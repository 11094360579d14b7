#pragma once

// How a batch is brought into the database, as far as that can be decided without asking anybody: which
// writes are sent, and which are put aside.
//
// A batch's writes go as units, in order: at first the steps that its keys' writes came to; one that is
// refused and stands for several ops is taken apart into them, one that is refused alone is put aside. What
// is held follows it, decided anew for each try: a retried dead letter that goes through may end the hold.
//
// Where the order between keys matters (restart_in_order()) units are ops, in the journal's order; only
// additions that follow one another in their key are one. If one of several ops of a key is refused, what all
// of them come to is tried next: that is what the key's lane alone would have sent.
//
// Not thread-safe: one try at a time has it.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal/flusher.h"

namespace forebay::journal {

class Attempt {
 public:
  explicit Attempt(std::shared_ptr<const Batch> batch) { restart(std::move(batch)); }

  const Batch& batch() const { return *batch_; }
  // Begins anew with what is left of the batch.
  void restart(std::shared_ptr<const Batch> batch);
  // Begins with the batch's ops, in ascending order. kInternal: they are not.
  Result<void> restart_in_order(std::shared_ptr<const Batch> batch, const std::vector<Op>& ops);

  // The next try. `letters`: an item's dead letters before the batch; `holds`: its namespace's rule.
  struct Try {
    std::vector<Target::Statement> statements;
    std::vector<Target::Dead> dead;
  };
  using Letters = std::function<std::set<DeadId>(const Item&)>;
  using Holds = std::function<bool(const std::string& space)>;
  Try next(const std::string& journal, const Letters& letters, const Holds& holds);

  // Whether the last try may be committed without what was refused, and what is put aside then; nothing: no.
  // Changes nothing; for WriteBatch::judge.
  std::optional<std::vector<Target::Dead>> judge(const std::vector<BatchOutcome::Refusal>& refusals,
                                                 const Holds& holds) const;
  // It was.
  void judged(const std::vector<BatchOutcome::Refusal>& refusals);

  // What is to be done about the refusals of the last try, which has changed nothing.
  struct Verdict {
    bool again = false;     // something was put aside, passed over or made one
    bool in_order = false;  // the batch is to be sent in the journal's order, with what was before it
    std::vector<std::size_t> take_apart;
  };
  // `alone`: no order can be better: nothing is pending before what this batch is about.
  Verdict refuse(const std::vector<BatchOutcome::Refusal>& refusals, bool alone);

  // Which ops a unit is, to be read from the journal, and then to be given to take_apart().
  struct Range {
    std::uint32_t lane;
    const std::string* key;
    std::uint64_t first, last;
  };
  Range range(std::size_t unit) const;
  // For all units of a verdict at once. kInternal: the ops are not those that the units were made of.
  Result<void> take_apart(const std::vector<std::size_t>& units, std::vector<std::vector<Op>> ops);

  // What the last try did, once it is through.
  struct Done {
    std::vector<std::optional<Written>> written;  // for each item, as Target::settled() has it
    // What became of each item's ops.
    struct Count {
      std::uint64_t applied_ops = 0, dead_ops = 0, passed_over = 0;
    };
    std::vector<Count> counts;
    struct Letter {
      std::size_t item;
      DeadId id;
    };
    std::vector<Letter> put_aside;
    std::vector<Letter> revived;
  };
  Done through(const std::string& journal, std::vector<std::optional<Written>> written) const;

 private:
  struct Unit {
    std::size_t item;
    const Effect* effect;         // the step's, or `own`
    std::shared_ptr<Effect> own;  // one op's
    std::uint64_t first, last;
    std::uint64_t ops;
    enum class Fate : std::uint8_t { kSend, kPutAside, kPassOver } fate = Fate::kSend;
    std::string error;
  };
  static Unit unit_of(std::size_t item, Effect effect, std::uint64_t seq);
  // Whether the unit may only have been refused for its place in the order.
  bool may_be_early(const BatchOutcome::Refusal& refusal) const;
  // Whether other units of its key could be one with it.
  bool has_others(std::size_t unit) const;
  // Makes the item's units one, or as few as can be, at the place of the last.
  void fuse(std::size_t item);

  std::shared_ptr<const Batch> batch_;
  bool in_order_ = false;
  std::vector<bool> fused_;            // items that were, in order
  std::vector<Unit> units_;            // in the batch's order of items, and in order within them; or in order
  std::vector<std::size_t> sent_;      // units of the last try, a statement each
  std::vector<std::size_t> put_away_;  // units that the last try puts aside
  std::vector<std::size_t> refused_;   // those of `sent_` that were, in a try that was committed
};

}  // namespace forebay::journal
