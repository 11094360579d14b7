#include "layer/planner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/database_key.h"
#include "config/source_kind.h"
#include "feed/registry.h"
#include "layer/event_sections.h"
#include "layer/namespaces/collection_query.h"
#include "layer/port/collection_port.h"
#include "layer/port/ledger_port.h"
#include "layer/write/behind/journaled_writes.h"
#include "layer/write/behind/left_behind.h"
#include "source/sql_mapping.h"

namespace forebay::layer {

// A plan that is being made.
struct Planner::Draft {
  const config::Model& model;
  const Unreachable unreachable;
  const Present& present;
  Plan plan = {};
  std::vector<std::string> mistakes = {};

  void mistake(config::Position at, const std::string& what) {
    const std::string place =
        at.line == 0 ? model.file : fmt::format("{}:{}:{}", model.file, at.line, at.column);
    mistakes.push_back(fmt::format("{}: {}", place, what));
  }
};

namespace {

// Columns of a namespace's table that others need to see change: those they depend on, and the key columns of
// namespaces on the same table.
std::vector<std::string> watch_columns_of(const config::Namespace& mine, const config::Model& model,
                                          const TableNames& names) {
  if (mine.table.empty()) return {};
  const auto is_mine = [&](const std::string& table) { return names.same(mine.source, table, mine.table); };
  std::set<std::string> columns;
  for (const config::Namespace& other : model.namespaces) {
    if (other.source != mine.source) continue;
    if (other.name != mine.name && !other.table.empty() && is_mine(other.table)) {
      columns.insert(other.key.fields.begin(), other.key.fields.end());
    }
    for (const config::Dependency& dependency : other.depends_on) {
      if (!is_mine(dependency.table)) continue;
      for (const auto& [column, field] : dependency.columns) columns.insert(column);
    }
  }
  return {columns.begin(), columns.end()};
}

// A name as a statement of the dialect has it.
std::string quoted_name(std::string_view name, config::Dialect dialect) {
  if (dialect != config::Dialect::kMysql) return source::quote_identifier(name);
  std::string out = "`";
  for (const char c : name) out += c == '`' ? "``" : std::string(1, c);
  return out + '`';
}

// Which tables and columns of depends_on don't exist: a name with a slip in it would never invalidate
// anything, and nothing would ever say so.
std::vector<Error> wrong_dependencies(SourcePort& source, config::Dialect dialect,
                                      const config::Namespace& wanted) {
  std::vector<Error> wrong;
  for (const config::Dependency& dependency : wanted.depends_on) {
    auto table = source::parse_table_name(dependency.table);
    if (!table) {
      wrong.push_back(std::move(table).error());
      continue;
    }
    DatasetSpec spec;
    spec.name = wanted.name + ".depends_on";
    // Each column with the table before it: alone, SQLite takes a quoted name that it doesn't know for a
    // text.
    spec.query = "SELECT 1";
    for (const auto& [column, field] : dependency.columns)
      spec.query += ", d." + quoted_name(column, dialect);
    const std::string schema = table->schema.empty() ? "" : quoted_name(table->schema, dialect) + ".";
    spec.query += fmt::format(" FROM {}{} AS d", schema, quoted_name(table->name, dialect));
    if (auto opened = source.open(spec); !opened) wrong.push_back(std::move(opened).error());
  }
  return wrong;
}

// What the values of a namespace are that has a source; of one without, each client's command says it.
EntryType type_of(const config::Namespace& space) {
  if (space.source.empty()) return EntryType::kText;
  if (space.collection != config::CollectionType::kNone) return EntryType::kCollection;
  if (space.kind == ValueKind::kCounter) return EntryType::kCounter;
  return space.kind == ValueKind::kJson && !space.table.empty() ? EntryType::kRow : EntryType::kText;
}

GateOptions gate_options(const config::Source& source, std::size_t concurrency) {
  GateOptions options;
  options.name = source.name;
  options.limit = std::max<std::size_t>(concurrency, 1);
  options.max_queue = source.max_queue;
  options.timeout = source.timeout;
  options.breaker = {source.breaker_ratio, source.breaker_minimum, source.breaker_window, source.breaker_open,
                     source.breaker_open_max};
  return options;
}

DatasetSpec spec_of(const Namespace& space) {
  const config::Namespace& config = space.config;
  DatasetSpec spec;
  spec.name = config.name;
  spec.key_fields = config.key.fields;
  spec.table = config.table;
  spec.query = config.query;
  spec.kind = config.kind;
  spec.value_column = config.value_column;
  spec.version_column = config.version_column;
  spec.watch_columns = space.watch_columns;
  spec.depends_on = config.depends_on;
  spec.writable = space.info.writes_source;
  return spec;
}

// The tables of a source that its namespaces watch, each under one of its names, with the columns that tell
// which keys a row concerns.
std::vector<WatchedTable> tables_to_watch(const Plan& plan, const std::string& source) {
  struct Wanted {
    std::string name;
    std::set<std::string> columns;
  };
  std::map<std::string, Wanted> tables;
  const auto add = [&](const std::string& name) -> Wanted& {
    Wanted& table = tables[plan.names.id(source, name)];
    if (table.name.empty()) table.name = name;
    return table;
  };
  for (const Namespace* space : plan.spaces) {
    const config::Namespace& config = space->config;
    if (config.source != source) continue;
    if (!config.table.empty())
      add(config.table).columns.insert(config.key.fields.begin(), config.key.fields.end());
    for (const config::Dependency& dependency : config.depends_on) {
      Wanted& table = add(dependency.table);
      for (const auto& [column, field] : dependency.columns) table.columns.insert(column);
    }
  }
  std::vector<WatchedTable> watched;
  for (auto& [id, table] : tables)
    watched.push_back({std::move(table.name), {table.columns.begin(), table.columns.end()}});
  return watched;
}

// How often it must be known that a source has nothing new: several times within the shortest max_staleness.
std::chrono::milliseconds proofs_wanted(const Plan& plan, const std::string& source) {
  std::chrono::milliseconds every{1000};
  for (const Namespace* space : plan.spaces) {
    if (space->config.source == source && space->config.max_staleness.count() > 0)
      every = std::min(every, std::max(space->config.max_staleness / 4, std::chrono::milliseconds(10)));
  }
  return every;
}

}  // namespace

Result<Plan> Planner::plan(const config::Model& model, Unreachable unreachable, const Present& present) {
  Draft draft{model, unreachable, present};
  plan_sources(draft);
  name_tables(draft);

  plan_rest(draft);
  for (const config::Namespace& wanted : model.namespaces) plan_space(draft, wanted);
  plan_databases(draft);
  if (present.journaled != nullptr && draft.mistakes.empty()) check_journal(draft);
  if (present.router == nullptr && draft.mistakes.empty()) check_left_behind(draft);
  check_events(draft);
  if (draft.mistakes.empty()) start_feeds(draft);
  if (!draft.mistakes.empty())
    return Error{ErrorCode::kConfig, fmt::format("{}", fmt::join(draft.mistakes, "\n"))};
  return std::move(draft.plan);
}

void Planner::plan_sources(Draft& draft) {
  for (const config::Source& wanted : draft.model.sources) {
    const auto same = std::ranges::find_if(draft.present.sources, [&](const auto& present) {
      return config::same_settings(present->config, wanted);
    });
    if (same != draft.present.sources.end()) {
      draft.plan.sources.push_back(*same);
      continue;
    }
    auto port = parts_.open_port(wanted);
    if (!port) {
      draft.mistake(wanted.at, fmt::format("source '{}': {}", wanted.name, port.error().message));
      continue;
    }
    auto source = std::make_shared<SourceInForce>();
    source->config = wanted;
    source->port = std::move(*port);
    source->gate = std::make_shared<SourceGate>(
        gate_options(wanted, source->port->concurrency()), parts_.clock, parts_.scheduler, parts_.sink,
        [port_in_use = source->port.get()](CallOptions options, PingDone done) {
          port_in_use->ping(std::move(options), std::move(done));
        });
    source->loads = source->gate;
    draft.plan.sources.push_back(std::move(source));
  }
}

// What the names of tables mean. A source that is away says it later, when its first dataset is opened.
void Planner::name_tables(Draft& draft) {
  for (const auto& source : draft.plan.sources) {
    std::set<std::string> names;
    for (const config::Namespace& space : draft.model.namespaces) {
      if (space.source != source->config.name) continue;
      if (!space.table.empty()) names.insert(space.table);
      for (const config::Dependency& dependency : space.depends_on) names.insert(dependency.table);
    }
    if (names.empty()) continue;
    const std::vector<std::string> asked(names.begin(), names.end());
    auto known = source->port->known_tables(asked, CallOptions{source->config.timeout, nullptr});
    if (!known) {
      draft.plan.names.leave_open(source->config.name);
      note_if_away(draft, source, known.error());
      continue;
    }
    for (std::size_t i = 0; i < asked.size(); ++i)
      draft.plan.names.add(source->config.name, asked[i], std::move((*known)[i]));
  }
}

// The namespace of keys that no other one covers.
void Planner::plan_rest(Draft& draft) {
  const config::Default& wanted = draft.model.defaults;
  if (const Router* router = draft.present.router) {
    Namespace* present = router->spaces().front();
    if (present->config.ttl == wanted.ttl && present->config.jitter == wanted.jitter)
      return draft.plan.spaces.push_back(present);
  }
  auto rest = std::make_unique<Namespace>();
  rest->config.ttl = wanted.ttl;
  rest->config.jitter = wanted.jitter;
  rest->writes = &parts_.writes.strategy(rest->config);
  rest->tag_purges = &parts_.tag_purges;
  if (draft.present.router != nullptr)
    rest->epoch.store(draft.present.router->spaces().front()->epoch.load());
  draft.plan.spaces.push_back(rest.get());
  draft.plan.made.push_back(std::move(rest));
}

// Those of the keys of other databases, to which the same settings apply.
void Planner::plan_databases(Draft& draft) {
  const Namespace& rest = *draft.plan.spaces.front();
  for (unsigned database = 1; database < kMostDatabases; ++database) {
    const std::string name = fmt::format("database {}", database);
    Namespace* present = draft.present.router != nullptr ? draft.present.router->find(name) : nullptr;
    if (present != nullptr && present->config.ttl == rest.config.ttl &&
        present->config.jitter == rest.config.jitter) {
      draft.plan.spaces.push_back(present);
      continue;
    }
    config::Namespace settings = rest.config;
    settings.name = name;
    auto space = describe(settings);
    space->database = database;
    if (present != nullptr) space->info.index = present->info.index;
    if (present != nullptr) space->epoch.store(present->epoch.load());
    draft.plan.spaces.push_back(space.get());
    draft.plan.made.push_back(std::move(space));
  }
}

std::unique_ptr<Namespace> Planner::describe(const config::Namespace& wanted) {
  auto space = std::make_unique<Namespace>();
  space->config = wanted;
  space->writes = &parts_.writes.strategy(wanted);
  space->tags = TagTemplates(wanted);
  space->tag_purges = &parts_.tag_purges;
  NamespaceInfo& info = space->info;
  info.name = wanted.name;
  info.index = next_index_++;
  info.bound = !wanted.source.empty();
  info.read_through = info.bound && wanted.read == config::ReadStrategy::kThrough;
  info.writes_behind = info.bound && wanted.write == config::WriteStrategy::kBehind;
  info.writes_source = info.bound && wanted.write != config::WriteStrategy::kAside;
  info.type = type_of(wanted);
  info.kind = wanted.kind;
  info.value_column = wanted.value_column;
  info.zset = wanted.zset;
  return space;
}

void Planner::plan_space(Draft& draft, const config::Namespace& wanted) {
  const auto source = std::ranges::find(draft.plan.sources, wanted.source,
                                        [](const auto& each) { return each->config.name; });
  const bool bound = !wanted.source.empty();
  if (bound && source == draft.plan.sources.end()) return;  // its source's mistake has been noted
  const auto watch = watch_columns_of(wanted, draft.model, draft.plan.names);
  const Router* router = draft.present.router;
  if (Namespace* space = router != nullptr ? router->find(wanted.name) : nullptr) {
    const bool same_source = !bound || space->gate == (*source)->gate;
    if (same_source && config::same_settings(space->config, wanted) && space->watch_columns == watch) {
      draft.plan.spaces.push_back(space);
      if (space->boards != nullptr) draft.plan.spaces.push_back(space->boards);
      return;
    }
  }
  if (wanted.write == config::WriteStrategy::kBehind && wanted.read == config::ReadStrategy::kAside) {
    return draft.mistake(wanted.at,
                         fmt::format("namespace '{}': write = \"behind\" needs read = \"through\": reads "
                                     "could not see what is pending otherwise",
                                     wanted.name));
  }
  auto space = describe(wanted);
  space->watch_columns = watch;
  const bool collection = wanted.collection != config::CollectionType::kNone;
  if (bound && !(collection ? bind_boards(draft, *space, *space, *source) : bind(draft, *space, *source)))
    return;
  draft.plan.spaces.push_back(space.get());
  draft.plan.made.push_back(std::move(space));
  if (wanted.zset && bound) plan_boards(draft, *source);
}

// Beside a namespace of members, which was planned last, that of the sets that they make.
void Planner::plan_boards(Draft& draft, const SourceInForcePtr& source) {
  Namespace& members = *draft.plan.spaces.back();
  config::Namespace wanted = members.config;
  if (wanted.key.fields.empty() || wanted.read != config::ReadStrategy::kThrough) return;
  const config::SourceKind* kind = config::find_source_kind(source->config.kind);
  if (kind == nullptr || kind->dialect == config::Dialect::kMysql) return;  // collection_query() says why
  wanted.name += " (sets)";
  wanted.member_column = wanted.key.fields.back();
  wanted.key.fields.pop_back();
  wanted.key.literals.pop_back();
  wanted.key.literals.back().pop_back();
  wanted.zset = false;
  wanted.collection = config::CollectionType::kSortedSet;
  wanted.write = config::WriteStrategy::kAside;  // its members are written
  auto space = describe(wanted);
  if (!bind_boards(draft, members, *space, source)) return;
  // What changes in the table is told of the members, and with them of their boards: it watches no table itself.
  space->config.table.clear();
  space->members = &members;
  members.boards = space.get();
  draft.plan.spaces.push_back(space.get());
  draft.plan.made.push_back(std::move(space));
}

// `named`: whose name stands in messages.
bool Planner::bind_boards(Draft& draft, const Namespace& named, Namespace& space,
                          const SourceInForcePtr& source) {
  const config::Namespace& wanted = space.config;
  const config::SourceKind* kind = config::find_source_kind(source->config.kind);
  if (kind == nullptr || !kind->dialect) return false;
  const auto wrong = [&](const Error& error) {
    draft.mistake(wanted.at, fmt::format("namespace '{}': {}", wanted.name, error.message));
    return false;
  };
  auto query = collection_query(wanted, *kind->dialect);
  if (!query) return wrong(query.error());
  DatasetSpec spec;
  spec.name = wanted.name;
  spec.key_fields = wanted.key.fields;
  spec.query = *query;
  spec.kind = ValueKind::kText;
  TableDependency table{wanted.table, {}};
  for (const std::string& field : wanted.key.fields) table.columns.emplace_back(field, field);
  spec.depends_on = {std::move(table)};
  auto port = open_dataset(draft, source, spec);
  if (!port) return wrong(port.error());
  space.port = std::make_shared<CollectionPort>(
      std::move(*port), CollectionPort::Options{named.name(),
                                                wanted.collection == config::CollectionType::kSet
                                                    ? memory::CollectionKind::kSet
                                                    : memory::CollectionKind::kSortedSet,
                                                wanted.max_members});
  watch_shape(space);
  space.gate = source->gate;
  space.loads = source->loads;
  give_feed(space, source->config);
  give_times(space, source->config);
  return true;
}

void Planner::give_feed(Namespace& space, const config::Source& source) {
  if (source.changes || source.feed != config::Feed::kNone)
    space.feed = parts_.invalidator.feed_of(source.name);
}

void Planner::give_times(Namespace& space, const config::Source& source) {
  space.load_timeout = source.timeout;
  space.caller_timeout = space.config.timeout.count() > 0 ? space.config.timeout : source.timeout;
}

// Gives a namespace what it needs of its source. False: there is a mistake.
bool Planner::bind(Draft& draft, Namespace& space, const SourceInForcePtr& source) {
  const config::Namespace& wanted = space.config;
  const auto wrong = [&](const Error& error) {
    draft.mistake(wanted.at, fmt::format("namespace '{}': {}", wanted.name, error.message));
  };
  auto port = open_dataset(draft, source, spec_of(space));
  if (!port) {
    wrong(port.error());
    return false;
  }
  // A function's tables are its own business. What is away is not asked.
  if (source->config.kind != "function" && !draft.plan.unreached.contains(source.get())) {
    const config::SourceKind* kind = config::find_source_kind(source->config.kind);
    const auto dialect = kind == nullptr ? std::nullopt : kind->dialect;
    const auto dependencies =
        wrong_dependencies(*source->port, dialect.value_or(config::Dialect::kSqlite), wanted);
    std::ranges::for_each(dependencies, wrong);
    if (!dependencies.empty()) return false;
  }
  space.port = std::move(*port);
  watch_shape(space);
  space.gate = source->gate;
  space.loads = source->loads;
  give_feed(space, source->config);
  // A table's rows are found by an index, and a function that takes many keys was made for that. What a query
  // does is anybody's guess.
  constexpr std::size_t kFirstOfQueries = 16;
  if (!wanted.query.empty() && source->config.kind != "function") space.first_batch = kFirstOfQueries;
  give_times(space, source->config);
  return true;
}

// What was loaded under another shape is as if its rows had changed; so is what others made of the table.
void Planner::watch_shape(Namespace& space) {
  space.port->on_change([this, &space] {
    parts_.invalidator.drop_space(space);
    if (!space.config.table.empty()) parts_.invalidator.rows_may_have_changed(space);
    if (parts_.reshaped) parts_.reshaped();
  });
}

// Whether the source can be served without, for now.
bool Planner::note_if_away(Draft& draft, const SourceInForcePtr& source, const Error& error) {
  const bool away = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout;
  if (!away || draft.unreachable == Unreachable::kRefuse || source->config.changes) return false;
  draft.plan.unreached.emplace(source.get(), error);
  return true;
}

Result<std::shared_ptr<DatasetPort>> Planner::open_dataset(Draft& draft, const SourceInForcePtr& source,
                                                           const DatasetSpec& spec) {
  auto& unreached = draft.plan.unreached;
  // Found away once, it is not asked again for each of its namespaces: that would take a timeout each.
  if (!unreached.contains(source.get())) {
    auto port = source->port->open(spec);
    if (port) return port;
    if (!note_if_away(draft, source, port.error())) return port;
  }
  if (auto later = source->port->open_later(spec)) return later;
  return unreached.at(source.get());
}

// Pending writes must have a place, and a ledger that can't be had is said at once, where its source can be
// asked.
void Planner::check_journal(Draft& draft) {
  JournaledWrites& journaled = *draft.present.journaled;
  std::vector<std::string> names;
  for (const auto& source : draft.plan.sources) {
    names.push_back(source->config.name);
    const bool used = std::ranges::any_of(draft.plan.spaces, [&](const Namespace* space) {
      return space->info.writes_behind && space->config.source == source->config.name;
    });
    if (!used || draft.plan.unreached.contains(source.get())) continue;
    LedgerPort* ledger = source->port->ledger();
    const CallOptions call{source->config.timeout, nullptr};
    const auto ready =
        ledger != nullptr ? journaled.prepare(source->config.name, *ledger, call) : Result<void>(no_ledger());
    if (ready) continue;
    const ErrorCode code = ready.error().code;
    if (code == ErrorCode::kConfig || code == ErrorCode::kUnsupported)
      draft.mistakes.push_back(fmt::format("source '{}': {}", source->config.name, ready.error().message));
  }
  if (auto placed = journaled.check(names, draft.plan.spaces, draft.present.router == nullptr); !placed)
    draft.mistake({}, placed.error().message);
}

// At the start: writes that an earlier configuration of this machine acknowledged must not be forgotten.
void Planner::check_left_behind(Draft& draft) {
  const JournaledWrites* journaled = draft.present.journaled;
  for (const auto& source : draft.plan.sources) {
    LedgerPort* ledger = draft.plan.unreached.contains(source.get()) ? nullptr : source->port->ledger();
    if (ledger == nullptr || source->config.kind == "function") continue;
    std::set<std::string> spaces;
    for (const config::Namespace& space : draft.model.namespaces) {
      if (space.source == source->config.name) spaces.insert(space.name);
    }
    for (std::string& what : left_behind(source->config.name, spaces, *ledger,
                                         journaled != nullptr ? journaled->journal_id() : "",
                                         CallOptions{source->config.timeout, nullptr}))
      draft.mistake(source->config.at, what);
  }
}

void Planner::check_events(Draft& draft) {
  for (const config::Events& wanted : draft.model.events) {
    if (auto checked = EventSections::check(wanted); !checked)
      draft.mistake(wanted.at, fmt::format("events '{}': {}", wanted.name, checked.error().message));
  }
}

void Planner::start_feeds(Draft& draft) {
  for (const auto& source : draft.plan.sources) {
    std::vector<WatchedTable> wanted = tables_to_watch(draft.plan, source->config.name);
    const auto same = [](const WatchedTable& a, const WatchedTable& b) {
      return a.name == b.name && a.columns == b.columns;
    };
    const auto proofs = proofs_wanted(draft.plan, source->config.name);
    if (source->feed) source->feed->prove_every(proofs);
    if (source->feed && std::ranges::equal(wanted, source->watched, same)) continue;
    std::unique_ptr<feed::Feed> made;
    if (!source->feed) {
      made = feed::open_feed(source->config, source->port->change_log(), parts_.clock);
      if (made == nullptr) continue;
    }
    if (auto watching = made ? made->watch(wanted) : source->feed->watch(wanted); !watching) {
      draft.mistakes.push_back(fmt::format("source '{}': {}", source->config.name, watching.error().message));
      continue;
    }
    source->watched = std::move(wanted);
    if (made == nullptr) continue;
    made->prove_every(proofs);
    feed::FeedReader::Options options;
    options.source = source->config.name;
    options.timeout = source->config.timeout;
    source->feed =
        std::make_unique<feed::FeedReader>(options, std::move(made), parts_.invalidator, parts_.clock);
  }
}

}  // namespace forebay::layer
