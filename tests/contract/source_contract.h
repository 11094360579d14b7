#pragma once

// What every source that is a database must do, as tests over a few tables that it keeps.
//
// A database takes part by implementing SourceUnderTest and instantiating the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SourceContract, testing::Values(&make_sqlite_under_test));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SourceBatches, testing::Values(&make_sqlite_under_test));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SourceOwners, testing::Values(&make_sqlite_under_test));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SourceSpelling, testing::Values(&make_sqlite_under_test));
//
// The suite makes its own tables through execute(), in SQL that SQLite and PostgreSQL both take.

#include "contract/source_batches.h"
#include "contract/source_calls.h"
#include "contract/source_owners.h"
#include "contract/source_reads.h"
#include "contract/source_spelling.h"
#include "contract/source_writes.h"
