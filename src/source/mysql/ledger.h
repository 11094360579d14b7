#pragma once

// The ledger of write-behind in a MySQL database (forebay/ledger.h).

#include <memory>
#include <string>

#include "forebay/ledger.h"
#include "source/mysql/pool.h"

namespace forebay::source::mysql {

// Borrows the pool. `source`: its name, for messages.
std::unique_ptr<Ledger> ledger_of(Pool& pool, const std::string& source);

}  // namespace forebay::source::mysql
