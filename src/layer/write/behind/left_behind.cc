#include "layer/write/behind/left_behind.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "journal/salvage.h"
#include "layer/write/behind/journaled_writes.h"
#include "layer/write/behind/ownership.h"

namespace forebay::layer {

std::vector<std::string> left_behind(const std::string& source, const std::set<std::string>& spaces,
                                     LedgerPort& ledger, std::string_view in_use,
                                     const CallOptions& options) {
  std::vector<std::string> found;
  auto known = ledger.journals_now(options);
  if (!known) return found;
  const std::string here = host_name() + ":";
  for (const KnownJournal& each : *known) {
    if (each.journal == in_use || !each.place.starts_with(here)) continue;
    const std::string folder = each.place.substr(here.size());
    const std::string file = (std::filesystem::path(folder) / kJournalFile).string();
    std::error_code failed;
    if (!std::filesystem::exists(file, failed)) continue;
    auto read = journal::salvage(file);  // an error: a process has it
    if (!read || read->id != each.journal || read->lanes == 0) continue;
    auto positions = ledger.positions_now(each.journal, read->lanes, options);
    if (!positions) continue;
    std::size_t pending = 0;
    for (const journal::Op& op : read->ops) {
      if (spaces.contains(op.space) && op.lane < positions->size() && op.seq > (*positions)[op.lane])
        ++pending;
    }
    if (pending == 0) continue;
    found.push_back(fmt::format(
        "source '{}': the journal in {} holds {} write{} that its database does not have yet, and "
        "is not this configuration's: let [journal] path name it again and let it drain (forebay "
        "drain), or move that folder away to give these writes up",
        source, folder, pending, pending == 1 ? "" : "s"));
  }
  return found;
}

}  // namespace forebay::layer
