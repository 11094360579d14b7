#pragma once

// feed = "binlog": the binary log of MySQL and MariaDB, as replicas read it.
//
// Where the log is read from is kept in memory: a session that breaks goes on where it was, and a process that starts
// begins at the log's end. Changes count when their transaction has ended, in the log's order. Purged files, RESET
// MASTER, another server in the old one's place, and what can't be read are gaps.
//
// The log has a change before it can be seen, for instance while a semi-synchronous replica is waited for. It can be
// seen when a consistent snapshot's place in the log is behind it (MariaDB), or gtid_executed has it (MySQL).

#include <memory>

#include "config/model.h"
#include "feed/feed.h"
#include "forebay/clock.h"

namespace forebay::feed {

// Borrows the clock. Nothing is connected to before the feed is asked for something.
std::unique_ptr<Feed> open_mysql_binlog(const config::Source& source, const Clock& clock);

}  // namespace forebay::feed
