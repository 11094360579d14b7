#pragma once

// SQLite's files on a disk that fails on command: its default VFS behind one that counts calls and answers
// some with an error. One at a time.

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <string>

namespace forebay::journal::test {

struct FaultyVfs {
  // Calls that still succeed before one fails; those after it succeed again.
  std::atomic<long> good_writes{std::numeric_limits<long>::max()};
  std::atomic<long> good_syncs{std::numeric_limits<long>::max()};
  std::atomic<int> write_error{SQLITE_FULL};  // or SQLITE_IOERR_WRITE
  std::atomic<bool> only_main{false};  // write errors only in the database file, as a checkpoint writes it
  std::atomic<int> syncs{0};           // that were asked for
  std::atomic<int> failures{0};

  static constexpr const char* kName = "forebay-faulty";

  FaultyVfs() {
    current() = this;
    below_ = sqlite3_vfs_find(nullptr);
    vfs_ = *below_;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.zName = kName;
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~FaultyVfs() {
    sqlite3_vfs_unregister(&vfs_);
    current() = nullptr;
  }
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

 private:
  struct File : sqlite3_file {
    bool main;
    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static FaultyVfs*& current() {
    static FaultyVfs* vfs = nullptr;
    return vfs;
  }
  static File* file_of(sqlite3_file* file) { return static_cast<File*>(file); }
  static sqlite3_file* below(sqlite3_file* file) { return file_of(file)->below(); }
  static bool fails(std::atomic<long>& good) {
    if (good.fetch_sub(1) != 0) return false;
    ++current()->failures;
    return true;
  }

  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
    FaultyVfs& vfs = *current();
    if ((!vfs.only_main || file_of(file)->main) && fails(vfs.good_writes)) {
      // A part of it may have been written, as on a disk.
      below(file)->pMethods->xWrite(below(file), data, size / 2, at);
      return vfs.write_error;
    }
    return below(file)->pMethods->xWrite(below(file), data, size, at);
  }
  static int sync(sqlite3_file* file, int flags) {
    ++current()->syncs;
    if (fails(current()->good_syncs)) return SQLITE_IOERR_FSYNC;
    return below(file)->pMethods->xSync(below(file), flags);
  }
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    // No shared memory: the journal is held by one connection.
    static const sqlite3_io_methods kMethods = [] {
      sqlite3_io_methods methods{};
      methods.iVersion = 1;
      methods.xClose = [](sqlite3_file* f) { return below(f)->pMethods->xClose(below(f)); };
      methods.xRead = [](sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
        return below(f)->pMethods->xRead(below(f), data, size, at);
      };
      methods.xWrite = write;
      methods.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        return below(f)->pMethods->xTruncate(below(f), size);
      };
      methods.xSync = sync;
      methods.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        return below(f)->pMethods->xFileSize(below(f), size);
      };
      methods.xLock = [](sqlite3_file* f, int lock) { return below(f)->pMethods->xLock(below(f), lock); };
      methods.xUnlock = [](sqlite3_file* f, int lock) { return below(f)->pMethods->xUnlock(below(f), lock); };
      methods.xCheckReservedLock = [](sqlite3_file* f, int* held) {
        return below(f)->pMethods->xCheckReservedLock(below(f), held);
      };
      methods.xFileControl = [](sqlite3_file* f, int op, void* argument) {
        return below(f)->pMethods->xFileControl(below(f), op, argument);
      };
      methods.xSectorSize = [](sqlite3_file* f) { return below(f)->pMethods->xSectorSize(below(f)); };
      methods.xDeviceCharacteristics = [](sqlite3_file* f) {
        return below(f)->pMethods->xDeviceCharacteristics(below(f));
      };
      return methods;
    }();
    sqlite3_vfs* real = current()->below_;
    file_of(file)->main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    const int code = real->xOpen(real, name, below(file), flags, out);
    file->pMethods = below(file)->pMethods == nullptr ? nullptr : &kMethods;
    return code;
  }

  sqlite3_vfs* below_ = nullptr;
  sqlite3_vfs vfs_{};
};

}  // namespace forebay::journal::test
