#include "layer/databases.h"

#include <algorithm>
#include <span>

#include "layer/layer_impl.h"

namespace forebay::layer {

void purge_database(Layer& layer, unsigned database) {
  Layer::Impl::core_of(layer).keyspace().purge_database(database);
}

std::array<DatabaseEntries, kMostDatabases> entries_of_databases(Layer& layer) {
  std::array<DatabaseEntries, kMostDatabases> of{};
  const auto counted = Layer::Impl::core_of(layer).keyspace().entries_of_databases();
  for (std::size_t i = 0; i < of.size(); ++i) of.at(i) = {counted.at(i).entries, counted.at(i).with_expiry};
  return of;
}

bool has_namespaces(Layer& layer) {
  const auto& spaces = Layer::Impl::core_of(layer).keyspace().router().spaces();
  return std::ranges::any_of(std::span(spaces).subspan(1),
                             [](const Namespace* space) { return space->database == 0; });
}

}  // namespace forebay::layer
