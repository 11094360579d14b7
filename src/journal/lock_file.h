#pragma once

// Keeps other processes out of a journal, also while its file is closed; and remembers how far it had been
// synced, so that an end that is missing later is missed. That is written after the sync and not synced itself:
// a power failure may take it back, and never puts it ahead.

#include <cstdint>
#include <memory>
#include <string>

#include "forebay/result.h"

namespace forebay::journal {

// A lock on a file beside the journal (its name with "-lock"), which lasts as long as the object.
class LockFile {
 public:
  // `journal`: its path. kConfig: another process has the lock, or the file can't be made.
  static Result<std::unique_ptr<LockFile>> take(const std::string& journal);
  ~LockFile();
  // The journal with this id has been synced up to this number. Failing, it is not remembered.
  void mark(const std::string& id, std::uint64_t synced);
  // What was remembered for it last; 0: nothing.
  std::uint64_t marked(const std::string& id) const;
  // Whether anything was, for whichever journal.
  bool marked() const;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int file) : file_(file) {}
  const int file_;
};

}  // namespace forebay::journal
