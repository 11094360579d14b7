#pragma once

// Whether this process may use its journal, for each of its sources (docs/consistency.md J8).
//
// A journal's ledgers know which file the journal is (its home: host, device, inode), under which epoch it was
// taken over last, and until when its lease runs. The journal knows the same of itself. A file that lies where
// it last ran is the journal, and takes writes whether or not its databases can be asked. One that lies
// elsewhere is a copy: it takes writes once its ledger has made it the owner, under the next epoch, which
// happens once nobody renews the lease of the other. A journal that is older than its ledger's epoch, or whose
// original is seen to be in use, is used no more.
//
// Thread-safe; no lock is held while the journal or the queue is called.

#include <cstdint>
#include <map>
#include <string>

#include "base/mutex.h"
#include "forebay/ledger.h"
#include "journal/journal.h"
#include "journal/queue.h"

namespace forebay::layer {

// Which file a journal is: the same as long as it lies where it lies, another one for each copy. Empty: that
// can't be told.
std::string home_of(const std::string& journal_file);
std::string host_name();

class Ownership {
 public:
  struct Parts {
    journal::Journal& journal;  // borrowed, as the queue
    journal::Queue& queue;
    std::string home;
    std::string place;  // LedgerOwner's
    const journal::Notes& notes;
  };
  explicit Ownership(const Parts& parts);

  // Writes for the source are taken from now on if the journal is at home.
  void begin(const std::string& source);
  LedgerOwner owner(const std::string& source) const;
  const std::string& process() const { return process_; }

  struct Verdict {
    enum class Kind : std::uint8_t {
      kOwner,
      kWaits,   // another may be using the original: to be asked again
      kFenced,  // never again
      kUnknown  // the database is not the one that the writes were made for
    } kind = Kind::kOwner;
    std::string why;
    bool fresh = false;  // the ledger did not know the journal before this start
  };
  // What the ledger said. As owner the journal has remembered that, and takes writes, when this returns.
  // Blocks on the journal; not to be called from its callbacks.
  Verdict took(const std::string& source, const LedgerClaim& claim);
  // Whether the source has confirmed the owner since the start.
  bool confirmed(const std::string& source) const;

 private:
  struct Known {
    std::uint64_t epoch = 0;
    std::string home;  // empty: the source has never been asked
    bool confirmed = false;
    bool fresh = false;
    std::uint64_t renewals = 0;  // of the other's lease, when it was seen first
  };
  Verdict refused(const std::string& source, Verdict verdict);

  journal::Journal& journal_;
  journal::Queue& queue_;
  const std::string home_, place_, process_;
  mutable Mutex mutex_;
  std::map<std::string, Known> known_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
