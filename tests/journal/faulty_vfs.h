#pragma once

// SQLite's files on a disk that fails on command: its default VFS behind one that counts calls and answers
// some with an error. It remembers what has reached the disk: as on Linux, what an fsync that failed was for
// is taken for written and never is, unless it is written again. One at a time.

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace forebay::journal::test {

struct FaultyVfs {
  // Calls that still succeed before one fails; those after it succeed again.
  std::atomic<long> good_writes{std::numeric_limits<long>::max()};
  std::atomic<long> good_syncs{std::numeric_limits<long>::max()};
  std::atomic<int> write_error{SQLITE_FULL};  // or SQLITE_IOERR_WRITE
  std::atomic<bool> only_main{false};  // write errors only in the database file, as a checkpoint writes it
  std::atomic<bool> down{false};       // every write and sync fails
  std::atomic<int> syncs{0};           // that were asked for
  std::atomic<int> failures{0};
  // Called within each failure. Set and reset while nothing fails.
  std::function<void()> on_failure;

  static constexpr const char* kName = "forebay-faulty";

  // With `only` it is SQLite's default, for files whose path contains that.
  explicit FaultyVfs(std::string only = {}) : only_(std::move(only)) {
    current() = this;
    below_ = sqlite3_vfs_find(nullptr);
    vfs_ = *below_;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.zName = kName;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    sqlite3_vfs_register(&vfs_, only_.empty() ? 0 : 1);
  }
  ~FaultyVfs() {
    sqlite3_vfs_unregister(&vfs_);
    current() = nullptr;
  }
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // Makes the files in `folder` that would be found if the power failed now.
  void power_loss(const std::filesystem::path& folder) {
    MutexLock lock(mutex_);
    for (const auto& [name, disk] : disks_) {
      std::string bytes(static_cast<std::size_t>(disk.size), '\0');
      for (const auto& [block, data] : disk.blocks) {
        const auto at = static_cast<std::size_t>(block * kBlock);
        if (at < bytes.size()) bytes.replace(at, std::min(data.size(), bytes.size() - at), data);
        bytes.resize(static_cast<std::size_t>(disk.size));
      }
      std::ofstream(folder / std::filesystem::path(name).filename(), std::ios::binary) << bytes;
    }
  }

 private:
  static constexpr sqlite3_int64 kBlock = 4096;
  struct Disk {  // of one file
    std::map<sqlite3_int64, std::string> blocks;
    sqlite3_int64 size = 0;
    std::set<sqlite3_int64> dirty;
  };
  struct File : sqlite3_file {
    bool main;
    const char* name;
    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static FaultyVfs*& current() {
    static FaultyVfs* vfs = nullptr;
    return vfs;
  }
  static File* file_of(sqlite3_file* file) { return static_cast<File*>(file); }
  static sqlite3_file* below(sqlite3_file* file) { return file_of(file)->below(); }
  static bool fails(std::atomic<long>& good) {
    if (!current()->down && good.fetch_sub(1) != 0) return false;
    ++current()->failures;
    if (current()->on_failure) current()->on_failure();
    return true;
  }

  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
    FaultyVfs& vfs = *current();
    {
      MutexLock lock(vfs.mutex_);
      Disk& disk = vfs.disks_[file_of(file)->name];
      for (auto block = at / kBlock; block * kBlock < at + size; ++block) disk.dirty.insert(block);
    }
    if ((!vfs.only_main || file_of(file)->main) && fails(vfs.good_writes)) {
      // A part of it may have been written, as on a disk.
      below(file)->pMethods->xWrite(below(file), data, size / 2, at);
      return vfs.write_error;
    }
    return below(file)->pMethods->xWrite(below(file), data, size, at);
  }
  static int sync(sqlite3_file* file, int) {
    FaultyVfs& vfs = *current();
    ++vfs.syncs;
    const bool failed = fails(vfs.good_syncs);
    MutexLock lock(vfs.mutex_);
    Disk& disk = vfs.disks_[file_of(file)->name];
    const std::set<sqlite3_int64> dirty = std::exchange(disk.dirty, {});
    if (failed) return SQLITE_IOERR_FSYNC;
    below(file)->pMethods->xFileSize(below(file), &disk.size);
    for (const sqlite3_int64 block : dirty) {
      const auto size = std::min(kBlock, disk.size - block * kBlock);
      if (size <= 0) continue;
      std::string data(static_cast<std::size_t>(size), '\0');
      below(file)->pMethods->xRead(below(file), data.data(), static_cast<int>(size), block * kBlock);
      disk.blocks[block] = std::move(data);
    }
    return SQLITE_OK;  // the real disk is spared
  }
  static int remove(sqlite3_vfs*, const char* name, int sync_folder) {
    FaultyVfs& vfs = *current();
    {
      MutexLock lock(vfs.mutex_);
      vfs.disks_.erase(name);
    }
    return vfs.below_->xDelete(vfs.below_, name, sync_folder);
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
    const std::string& only = current()->only_;
    if (!only.empty() && (name == nullptr || std::strstr(name, only.c_str()) == nullptr)) {
      return real->xOpen(real, name, file, flags, out);
    }
    file_of(file)->main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    file_of(file)->name = name == nullptr ? "" : name;
    const int code = real->xOpen(real, name, below(file), flags, out);
    file->pMethods = below(file)->pMethods == nullptr ? nullptr : &kMethods;
    return code;
  }

  const std::string only_;
  sqlite3_vfs* below_ = nullptr;
  sqlite3_vfs vfs_{};
  Mutex mutex_;
  std::map<std::string, Disk> disks_ GUARDED_BY(mutex_);
};

}  // namespace forebay::journal::test
