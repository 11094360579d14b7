#pragma once

// The replication slot of a feed and the publication that it reads: what the server must have, and how they are made.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "feed/postgres/followed.h"
#include "feed/postgres/replication.h"
#include "source/postgres/pool.h"

namespace forebay::feed::postgres {

// Whether the server can have a feed. kConfig: it can't as it is set up; the message says what to change.
Result<void> check_server(source::postgres::Pool& pool, const config::Source& source,
                          const source::postgres::Call& call);

// Whether the publication, if there is one, tells of all changes. kConfig: it does not.
Result<void> check_publication(const std::string& publication, const Publication& now);

// Creates the publication, or adds what it lacks; empty: it lacks nothing.
std::string publication_statement(const std::string& publication, const Followed& followed);

// Creates the publication, or adds what it lacks (to_publish()). True: it did something. kConfig: the role may not, and
// the message has the statements for somebody who may.
Result<bool> publish(source::postgres::Pool& pool, const std::string& publication, const Followed& followed,
                     const source::postgres::Call& call);

// Puts a note into the log, in a transaction of its own that waits for no standby.
source::postgres::Outcome<void> put_note(source::postgres::Pool& pool, std::string_view prefix,
                                         const std::string& text, const source::postgres::Call& call);

class Slot {
 public:
  // Borrows the pool. `mark` tells this process's temporary slots from those of others.
  Slot(source::postgres::Pool& pool, const config::Source& source, std::uint64_t mark);

  struct Opened {
    std::string
        gap;  // why what was committed before `position` may not have been delivered; empty: it has been
    Lsn position = 0;  // the log begins here
  };
  // Finds the slot, or makes it. `confirmed`: up to where this process has confirmed; 0: nowhere yet.
  Result<Opened> open(Replication& session, Lsn confirmed, const source::postgres::Call& call,
                      SteadyTime deadline);
  // The slot can't be read: the next open() makes another one. For one that began before its publication.
  void distrust() { distrusted_ = true; }

  const std::string& name() const { return name_; }
  // START_REPLICATION.
  std::string start_command() const;
  // Of a slot that stays: the server is about to give its log up.
  Result<std::vector<std::string>> warnings(const source::postgres::Call& call);

 private:
  bool is_temporary() const { return wanted_.empty(); }
  Result<Opened> create(Replication& session, SteadyTime deadline);
  Result<bool> find(Lsn confirmed, const source::postgres::Call& call, Opened& opened);
  Result<void> drop(const source::postgres::Call& call);

  source::postgres::Pool& pool_;
  const std::string wanted_;  // empty: a temporary one
  const std::string publication_;
  const std::string stem_;
  std::uint64_t mark_;
  std::string name_;
  std::string identity_;  // of the server and its timeline, when the slot was opened last
  bool distrusted_ = false;
};

}  // namespace forebay::feed::postgres
