#pragma once

// What a feed of MySQL or MariaDB insists on at its server.

#include <string>
#include <string_view>
#include <vector>

#include "feed/mysql/followed.h"
#include "forebay/result.h"
#include "source/mysql/pool.h"

namespace forebay::feed::mysql {

// Whether the server can have a feed. kConfig: it can't as it is set up; the message says what to change.
Result<void> check_server(source::mysql::Pool& pool, const source::Call& call);

// Of followed tables whose databases are not in the log (binlog_do_db, binlog_ignore_db), one sentence each.
std::vector<std::string> left_out(const Followed& followed, std::string_view only, std::string_view without);

// Whether the account may read the log, as far as its grants say: those that come by a role are not listed.
Result<bool> may_read(source::mysql::Pool& pool, const source::Call& call);

}  // namespace forebay::feed::mysql
