#include "layer/invalidate/invalidator.h"

#include <algorithm>
#include <cctype>

namespace forebay::layer {
namespace {

std::string_view bare(std::string_view table) {
  for (const std::string_view schema : {"public.", "main."}) {
    if (table.size() > schema.size() &&
        std::ranges::equal(table.substr(0, schema.size()), schema, {}, [](char c) {
          return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        })) {
      return table.substr(schema.size());
    }
  }
  return table;
}

enum class Mapping { kKey, kNoKey, kUnknown };  // kNoKey: a column is NULL, so no key stands for this row

// The fields of a key, taken from a row's columns.
Mapping fields_from(const config::Pattern& pattern,
                    const std::vector<std::pair<std::string, std::string>>& columns, const Fields& row,
                    KeyFields& fields) {
  fields.clear();
  for (const std::string& field : pattern.fields) {
    const auto mapped = std::ranges::find(columns, field, &std::pair<std::string, std::string>::second);
    if (mapped == columns.end()) return Mapping::kUnknown;
    const auto column = std::ranges::find(row, mapped->first, &std::pair<std::string, OptionalText>::first);
    if (column == row.end()) return Mapping::kUnknown;
    if (!column->second) return Mapping::kNoKey;
    fields.push_back(*column->second);
  }
  return Mapping::kKey;
}

}  // namespace

bool same_table(std::string_view a, std::string_view b) {
  return std::ranges::equal(bare(a), bare(b), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

bool Invalidator::drop(Space& space, std::string_view key, observe::Invalidation cause,
                       std::uint64_t evidence) {
  const std::uint64_t hash = hash_bytes(key);
  const Instant now = clock_.now();
  bool dropped = false;
  const bool fenced = flights_.fence(key, hash, evidence, [&] {
    bool covered = false;
    if (evidence != 0) {
      tier_.find(
          key, now,
          [&](const EntryView& entry) {
            covered = space.owns(entry.stamp()) && entry.stamp().evidence >= evidence;
          },
          Touch::kNo);
    }
    if (covered) return;
    dropped = tier_.erase(key, now, Departure::kInvalidated);
    // What has been evicted would have been dropped too, had there been more memory.
    if (curves_.sampled(hash)) curves_.dropped(hash);
  });
  if (dropped || fenced) {
    space.counters.add(kInvalidations);
    events_.invalidated(hash, cause, now);
  }
  return dropped;
}

void Invalidator::note(std::string_view key, observe::Invalidation cause) {
  events_.invalidated(hash_bytes(key), cause, clock_.now());
}

void Invalidator::drop_space(Space& space) {
  space.epoch.fetch_add(1, std::memory_order_acq_rel);
  space.counters.add(kInvalidations);
  if (space.sole) tier_.clear();
}

void Invalidator::drop_everything() {
  for (Space* space : router_.load(std::memory_order_acquire)->spaces()) {
    space->epoch.fetch_add(1, std::memory_order_acq_rel);
    space->counters.add(kInvalidations);
  }
  tier_.clear();
  curves_.clear();
}

void Invalidator::drop_by_columns(Space& space,
                                  const std::vector<std::pair<std::string, std::string>>& columns,
                                  const RowChange& change, observe::Invalidation cause,
                                  std::string_view written) {
  KeyFields fields;
  bool known = false;
  for (const Fields* row : {&change.images.before, &change.images.after}) {
    if (row->empty()) continue;
    const Mapping mapping = fields_from(space.config.key, columns, *row, fields);
    if (mapping == Mapping::kUnknown) return drop_space(space);
    known = true;
    if (mapping == Mapping::kNoKey) continue;
    const std::string key = make_key(space.config.key, fields);
    if (key != written) drop(space, key, cause, change.evidence);
  }
  // A change of which the key columns are not known may concern any key.
  if (!known) drop_space(space);
}

void Invalidator::row_changed(const std::string& source, const RowChange& change, std::string_view written) {
  const Router& router = *router_.load(std::memory_order_acquire);
  const Space* writer = written.empty() ? nullptr : &router.route(written);
  for (Space* space : router.spaces()) {
    if (space->config.source != source) continue;
    // A write never changes its row's key columns, so its own namespace's other keys stand for other rows.
    if (space != writer && !space->config.table.empty() && same_table(space->config.table, change.table)) {
      if (change.whole_table) {
        drop_space(*space);
      } else if (change.images.before.empty() && change.images.after.empty()) {
        // A write through this node whose images nobody asked for: only its own key is concerned.
        if (written.empty()) drop_space(*space);
      } else {
        std::vector<std::pair<std::string, std::string>> columns;
        for (const std::string& field : space->config.key.fields) columns.emplace_back(field, field);
        drop_by_columns(*space, columns, change, observe::Invalidation::kChange, written);
      }
    }
    for (const config::Dependency& dependency : space->config.depends_on) {
      if (!same_table(dependency.table, change.table)) continue;
      if (change.whole_table || dependency.columns.empty()) {
        drop_space(*space);
      } else {
        drop_by_columns(*space, dependency.columns, change, observe::Invalidation::kDependency, written);
      }
    }
  }
}

void Invalidator::rows_may_have_changed(const Space& written) {
  for (Space* space : router_.load(std::memory_order_acquire)->spaces()) {
    if (space == &written || space->config.source != written.config.source) continue;
    const bool same = !space->config.table.empty() && same_table(space->config.table, written.config.table);
    const bool depends = std::ranges::any_of(space->config.depends_on, [&](const auto& dependency) {
      return same_table(dependency.table, written.config.table);
    });
    if (same || depends) drop_space(*space);
  }
}

void Invalidator::lost(const std::string& source) {
  for (Space* space : router_.load(std::memory_order_acquire)->spaces()) {
    if (space->config.source != source) continue;
    // A query that names no table has never heard of changes.
    if (!space->config.table.empty() || !space->config.depends_on.empty()) drop_space(*space);
  }
}

}  // namespace forebay::layer
