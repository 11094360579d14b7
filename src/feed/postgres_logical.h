#pragma once

// PostgreSQL's own log as a feed: logical replication by the plugin pgoutput, for versions 14 and later.
// docs/feeds.md has what the server needs.
//
// Without a slot's name the slot is temporary: it goes with the connection, holds no log back while nobody reads it, and
// each new connection is a gap. A slot with a name is the server's and stays: the feed goes on where it was, and the
// server keeps its log until then.
//
// A change is delivered when its commit is in the log, which may be before anybody sees it. Transactions are known by
// their 64-bit numbers, and shown() asks for a snapshot: only top-level transactions are asked for, as a snapshot says of
// a subtransaction that it is visible while its commit still waits.
//
// About once a second the feed looks at the catalogue (postgres/followed.h), and puts a note of its own into the log,
// which says how late the log is read, and lets the server forget its log while nobody changes anything.

#include <memory>

#include "config/model.h"
#include "feed/feed.h"

namespace forebay::feed {

// Borrows the clock. Nothing is connected to before the feed is asked for something.
std::unique_ptr<Feed> open_postgres_logical(const config::Source& source, const Clock& clock);

}  // namespace forebay::feed
