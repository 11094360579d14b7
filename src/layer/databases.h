#pragma once

// The databases of a server's clients (SELECT), which the program's own server keeps in one layer: their keys have
// other names there (base/database_key.h). Namespaces are all in database 0.

#include <array>
#include <cstddef>

#include "base/database_key.h"
#include "forebay/layer.h"

namespace forebay::layer {

// Everything in a database: at once for who asks, O(1), then dropped from memory, O(entries of all databases), in
// steps. Blocks until that is done. Not while the calling thread has a Layer::Guard. Thread-safe.
void purge_database(Layer& layer, unsigned database);

// Entries in memory, as Layer::size() counts them, of each database. O(shards). Thread-safe.
struct DatabaseEntries {
  std::size_t entries = 0;
  std::size_t with_expiry = 0;
};
std::array<DatabaseEntries, kMostDatabases> entries_of_databases(Layer& layer);

// Whether namespaces are configured, whose keys are in database 0 whatever it is called. Thread-safe.
bool has_namespaces(Layer& layer);

}  // namespace forebay::layer
