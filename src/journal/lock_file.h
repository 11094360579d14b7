#pragma once

// Keeps other processes out of a journal, also while its file is closed.

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
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int file) : file_(file) {}
  const int file_;
};

}  // namespace forebay::journal
