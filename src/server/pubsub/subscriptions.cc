#include "server/pubsub/subscriptions.h"

namespace forebay::server {
namespace {

// The name is kept by the broker and by the outlet, each in a table, and the client has a table, too.
std::size_t bytes_of(std::string_view name) {
  constexpr std::size_t kTables = 256;
  return kTables + 2 * name.size();
}

}  // namespace

void Subscriptions::add(Topic topic, std::string_view name) {
  Places& places = of(topic);
  if (places.contains(name)) return;
  const Outlet::Place place = outlet_.add(topic, name, *this);
  places.emplace(place.name, place.index);
  memory_ += bytes_of(name);
  counted(topic);
}

void Subscriptions::remove(Topic topic, std::string_view name) {
  Places& places = of(topic);
  const auto found = places.find(name);
  if (found == places.end()) return;
  const Outlet::Place place{found->first, found->second};
  memory_ -= bytes_of(place.name);
  places.erase(found);
  counted(topic);
  outlet_.remove(topic, place.name, place.index);  // the name ends here
}

void Subscriptions::clear() {
  for (const Topic topic : {Topic::kChannel, Topic::kPattern, Topic::kShard}) {
    Places& places = of(topic);
    while (!places.empty()) remove(topic, places.begin()->first);
  }
}

std::vector<std::string> Subscriptions::names(Topic topic) const {
  std::vector<std::string> names;
  for (const auto& [name, index] : places_[static_cast<std::size_t>(topic)]) names.emplace_back(name);
  return names;
}

}  // namespace forebay::server
