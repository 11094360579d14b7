#include "feed/registry.h"

#include "feed/change_log_feed.h"
#include "feed/mysql_binlog.h"
#include "feed/postgres_logical.h"

namespace forebay::feed {

std::unique_ptr<Feed> open_feed(const config::Source& source, ChangeLog* log, const Clock& clock) {
  switch (source.feed) {
    case config::Feed::kLogical:
      return open_postgres_logical(source, clock);
    case config::Feed::kBinlog:
      return open_mysql_binlog(source, clock);
    case config::Feed::kNone:
      break;
  }
  if (!source.changes || log == nullptr) return nullptr;
  return std::make_unique<ChangeLogFeed>(ChangeLogFeed::Options{source.poll_interval, source.timeout}, *log,
                                         clock);
}

}  // namespace forebay::feed
