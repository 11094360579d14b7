#pragma once

// What one client has said with CLIENT TRACKING and CLIENT CACHING. Used on its loop's thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/tracking/tracked_client.h"
#include "server/tracking/tracking_table.h"

namespace forebay::server {

class Tracking {
 public:
  enum class Mode : std::uint8_t { kReads, kOptIn, kOptOut, kBroadcast };
  struct Options {
    Mode mode = Mode::kReads;
    bool no_loop = false;
    std::uint64_t redirect = 0;         // the client that is told instead; 0: itself
    std::vector<std::string> prefixes;  // kBroadcast
  };

  // Tracks from now on. `listening`: as long as it lives, the table is told what becomes of keys.
  Tracking(std::shared_ptr<TrackingTable> table, std::shared_ptr<TrackedClient> client,
           std::shared_ptr<void> listening)
      : table_(std::move(table)), client_(std::move(client)), listening_(std::move(listening)) {
    table_->add(client_);
  }
  ~Tracking() {
    client_->end();
    table_->remove(client_, options_.prefixes);
  }
  Tracking(const Tracking&) = delete;
  Tracking& operator=(const Tracking&) = delete;

  const Options& options() const { return options_; }
  // Prefixes are added to those that there are. Requires that the mode is the same, if there was one.
  void set(Options options);

  // The client is about to read the key.
  void note(const NamespaceInfo& space, std::string_view key) { table_->note(space, key, client_); }
  // Whether what the command that comes now reads is to be noted.
  bool notes_reads() const {
    switch (options_.mode) {
      case Mode::kReads:
        return true;
      case Mode::kOptIn:
        return caching_;
      case Mode::kOptOut:
        return !caching_;
      case Mode::kBroadcast:
        break;
    }
    return false;
  }
  // CLIENT CACHING: about the next command, or the next transaction.
  bool caching() const { return caching_; }
  void set_caching(bool given) { caching_ = given; }

  // The client that is told instead has gone.
  bool broken() const { return broken_; }
  void set_broken() { broken_ = true; }

 private:
  const std::shared_ptr<TrackingTable> table_;
  const std::shared_ptr<TrackedClient> client_;
  const std::shared_ptr<void> listening_;
  Options options_;
  bool caching_ = false;
  bool broken_ = false;
};

}  // namespace forebay::server
