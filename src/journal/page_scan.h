#pragma once

// Looks for a journal's commit groups in the pages of its files, whatever became of the trees and the log
// that led to them: what is left to read where SQLite can't. A group counts where its checksum matches, so
// nothing is found that was never written; but old copies of pages are found as well, of groups that were
// trimmed since, or whose commit never ended.
//
// After SQLite's own description of its files (sqlite.org/fileformat2.html: 1.3 the header, 1.6 b-tree pages,
// 2.1 records, 4 the write-ahead log). The files are only read. Thread-safe.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace forebay::journal {

struct FoundGroup {
  std::uint64_t last = 0;
  std::int64_t wall_ms = 0;
  std::string bytes;
  std::optional<std::uint64_t> synced;  // its mark (log_file.h)
};

struct PageScan {
  std::map<std::uint64_t, FoundGroup> groups;  // by first number; of several copies the newest
  // Of the table meta, which has no checksums.
  std::set<std::uint64_t> trimmed;  // every trimmed_to
  std::string id;
};
// Linear in the size of the files.
PageScan scan_pages(const std::string& path);

// What is wrong with the write-ahead log. SQLite takes the first frame that does not match its checksum for
// the end, as it is after a crash; here that only counts where whole commits come after it, each frame linked
// to the one before. Nothing: no such thing. (A power failure may leave the same where the last writes had
// not been synced, so that nobody was told of them.)
std::optional<std::string> damage_of_wal(const std::string& path);

// Where SQLite's reading of the write-ahead log ends, if something of the same generation comes after that:
// frames of which the first does not match, or a part of one. Nothing: it ends as it should.
std::optional<std::string> end_of_wal(const std::string& path);

}  // namespace forebay::journal
