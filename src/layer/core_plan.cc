// How a configuration becomes sources and namespaces, at the start and at every reload: everything new is
// opened and checked first, and only a plan without a mistake is taken over.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "layer/core.h"
#include "layer/memory_options.h"
#include "source/sql_mapping.h"

namespace forebay::layer {
namespace {

// What the values of a namespace are that has a source; of one without, each client's command says it.
EntryType type_of(const config::Namespace& space) {
  if (space.source.empty()) return EntryType::kText;
  if (space.kind == ValueKind::kCounter) return EntryType::kCounter;
  return space.kind == ValueKind::kJson && !space.table.empty() ? EntryType::kRow : EntryType::kText;
}

std::string at(const config::Model& model, config::Position position) {
  return position.line == 0 ? model.file
                            : fmt::format("{}:{}:{}", model.file, position.line, position.column);
}

// Columns of a namespace's table that others need to see change: those they depend on, and the key columns of
// namespaces on the same table.
std::vector<std::string> watch_columns_of(const config::Namespace& mine, const config::Model& model) {
  std::set<std::string> columns;
  for (const config::Namespace& other : model.namespaces) {
    if (other.source != mine.source) continue;
    if (other.name != mine.name && !other.table.empty() && same_table(other.table, mine.table)) {
      columns.insert(other.key.fields.begin(), other.key.fields.end());
    }
    for (const config::Dependency& dependency : other.depends_on) {
      if (!same_table(dependency.table, mine.table)) continue;
      for (const auto& [column, field] : dependency.columns) columns.insert(column);
    }
  }
  return {columns.begin(), columns.end()};
}

// Which tables and columns of depends_on don't exist: a name with a slip in it would never invalidate
// anything, and nothing would ever say so.
std::vector<Error> wrong_dependencies(SourcePort& source, const config::Namespace& wanted) {
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
      spec.query += ", d." + source::quote_identifier(column);
    spec.query += fmt::format(" FROM {} AS d", table->quoted());
    if (auto opened = source.open(spec); !opened) wrong.push_back(std::move(opened).error());
  }
  return wrong;
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

}  // namespace

void Core::plan_sources(const config::Model& model, Plan& plan, std::vector<std::string>& mistakes) {
  for (const config::Source& wanted : model.sources) {
    const auto same = std::ranges::find_if(
        sources_, [&](const auto& active) { return config::same_settings(active->config, wanted); });
    if (same != sources_.end()) {
      plan.sources.push_back(*same);
      continue;
    }
    auto port = open_port_(wanted);
    if (!port) {
      mistakes.push_back(
          fmt::format("{}: source '{}': {}", at(model, wanted.at), wanted.name, port.error().message));
      continue;
    }
    auto active = std::make_shared<ActiveSource>();
    active->config = wanted;
    active->port = std::move(*port);
    active->gate = std::make_shared<SourceGate>(
        gate_options(wanted, active->port->concurrency()), clock_, scheduler_, reads_,
        [port_in_use = active->port.get()](CallOptions options, PingDone done) {
          port_in_use->ping(std::move(options), std::move(done));
        });
    plan.sources.push_back(std::move(active));
  }
}

void Core::plan_space(const config::Namespace& wanted, const config::Model& model, Plan& plan,
                      std::vector<std::string>& mistakes) {
  const auto source = std::ranges::find_if(
      plan.sources, [&](const auto& active) { return active->config.name == wanted.source; });
  if (!wanted.source.empty() && source == plan.sources.end()) return;  // its source's mistake has been noted
  const auto watch = wanted.table.empty() ? std::vector<std::string>() : watch_columns_of(wanted, model);
  const Router* current = router_.load(std::memory_order_acquire);
  if (Space* space = current ? current->find(wanted.name) : nullptr) {
    const bool same_source = wanted.source.empty() || space->gate == (*source)->gate;
    if (same_source && config::same_settings(space->config, wanted) && space->watch_columns == watch) {
      plan.spaces.push_back(space);
      return;
    }
  }
  if (wanted.write == config::WriteStrategy::kBehind && wanted.read == config::ReadStrategy::kAside) {
    mistakes.push_back(
        fmt::format("{}: namespace '{}': write = \"behind\" needs read = \"through\": reads "
                    "could not see what is pending otherwise",
                    at(model, wanted.at), wanted.name));
    return;
  }
  auto space = std::make_unique<Space>();
  space->config = wanted;
  space->watch_columns = watch;
  space->info.name = wanted.name;
  space->info.index = next_index_++;
  space->info.bound = !wanted.source.empty();
  space->info.read_through = space->info.bound && wanted.read == config::ReadStrategy::kThrough;
  space->info.writes_behind = space->info.bound && wanted.write == config::WriteStrategy::kBehind;
  space->info.writes_source = space->info.bound && wanted.write != config::WriteStrategy::kAside;
  space->info.type = type_of(wanted);
  space->info.kind = wanted.kind;
  space->info.value_column = wanted.value_column;
  space->info.zset = wanted.zset;
  if (space->info.bound) {
    DatasetSpec spec;
    spec.name = wanted.name;
    spec.key_fields = wanted.key.fields;
    spec.table = wanted.table;
    spec.query = wanted.query;
    spec.kind = wanted.kind;
    spec.value_column = wanted.value_column;
    spec.version_column = wanted.version_column;
    spec.watch_columns = watch;
    spec.writable = space->info.writes_source;
    auto port = open_dataset(*source, spec, plan);
    if (!port) {
      mistakes.push_back(
          fmt::format("{}: namespace '{}': {}", at(model, wanted.at), wanted.name, port.error().message));
      return;
    }
    // A function's tables are its own business. What is away is not asked.
    if ((*source)->config.kind != "function" && !plan.unreached.contains(source->get())) {
      const auto wrong = wrong_dependencies(*(*source)->port, wanted);
      for (const Error& error : wrong) {
        mistakes.push_back(
            fmt::format("{}: namespace '{}': {}", at(model, wanted.at), wanted.name, error.message));
      }
      if (!wrong.empty()) return;
    }
    space->port = std::move(*port);
    space->gate = (*source)->gate;
    space->load_timeout = (*source)->config.timeout;
    space->caller_timeout = wanted.timeout.count() > 0 ? wanted.timeout : (*source)->config.timeout;
  }
  plan.spaces.push_back(space.get());
  plan.made.push_back(std::move(space));
}

Result<std::shared_ptr<DatasetPort>> Core::open_dataset(const std::shared_ptr<ActiveSource>& source,
                                                        const DatasetSpec& spec, Plan& plan) {
  // Found away once, it is not asked again for each of its namespaces: that would take a timeout each.
  if (!plan.unreached.contains(source.get())) {
    auto port = source->port->open(spec);
    if (port) return port;
    const ErrorCode code = port.error().code;
    const bool away = code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout;
    if (!away || plan.unreachable == Unreachable::kRefuse || source->config.changes) return port;
    plan.unreached.emplace(source.get(), std::move(port).error());
  }
  if (auto later = source->port->open_later(spec)) return later;
  return plan.unreached.at(source.get());
}

Result<Core::Plan> Core::plan(const config::Model& model, Unreachable unreachable) {
  Plan plan;
  plan.unreachable = unreachable;
  std::vector<std::string> mistakes;
  plan_sources(model, plan, mistakes);

  auto rest = std::make_unique<Space>();
  rest->config.ttl = model.defaults.ttl;
  rest->config.jitter = model.defaults.jitter;
  if (const Router* current = router_.load(std::memory_order_acquire)) {
    rest->epoch.store(current->spaces().front()->epoch.load());
  }
  plan.spaces.push_back(rest.get());
  plan.made.push_back(std::move(rest));
  for (const config::Namespace& wanted : model.namespaces) plan_space(wanted, model, plan, mistakes);
  if (behind_ && mistakes.empty()) {
    check_ledgers(plan, mistakes);
    std::vector<std::string> sources;
    for (const auto& active : plan.sources) sources.push_back(active->config.name);
    if (auto placed = behind_->check(sources, plan.spaces); !placed)
      mistakes.push_back(fmt::format("{}: {}", model.file, placed.error().message));
  }
  if (mistakes.empty()) start_feeds(mistakes, plan);
  if (!mistakes.empty()) return Error{ErrorCode::kConfig, fmt::format("{}", fmt::join(mistakes, "\n"))};
  return plan;
}

// A ledger that can't be had is said at once, where its source can be asked.
void Core::check_ledgers(const Plan& plan, std::vector<std::string>& mistakes) {
  for (const auto& active : plan.sources) {
    const bool used = std::ranges::any_of(plan.spaces, [&](const Space* space) {
      return space->info.writes_behind && space->config.source == active->config.name;
    });
    if (!used || plan.unreached.contains(active.get()) || active->port->blocking() == nullptr) continue;
    const CallContext context{active->config.timeout, nullptr};
    auto opened = active->port->blocking()->open_ledger(behind_->journal_id(), behind_->lanes(), context);
    if (opened) continue;
    const ErrorCode code = opened.error().code;
    if (code == ErrorCode::kConfig || code == ErrorCode::kUnsupported)
      mistakes.push_back(fmt::format("source '{}': {}", active->config.name, opened.error().message));
  }
}

void Core::start_feeds(std::vector<std::string>& mistakes, Plan& plan) {
  for (const auto& active : plan.sources) {
    if (!active->config.changes || !active->port->blocking()) continue;
    std::set<std::string> tables;
    for (const Space* space : plan.spaces) {
      if (space->config.source != active->config.name) continue;
      if (!space->config.table.empty()) tables.insert(space->config.table);
      for (const config::Dependency& dependency : space->config.depends_on) tables.insert(dependency.table);
    }
    std::vector<std::string> wanted(tables.begin(), tables.end());
    if (active->poller && wanted == active->watched) continue;
    if (auto watching = active->port->blocking()->watch_tables(wanted); !watching) {
      mistakes.push_back(fmt::format("source '{}': {}", active->config.name, watching.error().message));
      continue;
    }
    active->watched = std::move(wanted);
    if (!active->poller) {
      active->poller = std::make_unique<feed::ChangePoller>(
          feed::ChangePoller::Options{active->config.name, active->config.poll_interval,
                                      active->config.timeout},
          *active->port->blocking(), invalidator_, clock_);
    }
  }
}

void Core::take_over(Plan plan) {
  if (behind_) {
    std::vector<BehindTarget::SourceAt> places;
    for (const auto& active : plan.sources)
      places.push_back({active->config.name, active->port, active->config.timeout, active->gate});
    behind_->set_places(places, plan.spaces);
  }
  std::vector<std::shared_ptr<SourceGate>> gates;
  for (const auto& active : plan.sources) gates.push_back(active->gate);
  for (auto& space : plan.made) spaces_.push_back(std::move(space));
  routers_.push_back(std::make_unique<const Router>(std::move(plan.spaces)));
  {
    // Who holds keys of the tier (EXEC) can rely on them having no source all the while.
    const auto held = tier_->lock_shards({}, true);
    router_.store(routers_.back().get(), std::memory_order_release);
  }
  reads_.set_gates(std::move(gates));
  for (const auto& [source, error] : plan.unreached) source->gate->start_open(error);

  auto before = std::exchange(sources_, std::move(plan.sources));
  for (auto& active : before) {
    if (std::ranges::find(sources_, active) != sources_.end()) continue;
    active->poller.reset();
    active->gate->close();
    retired_sources_.push_back(std::move(active));
  }
}

Result<void> Core::take_over(const config::Model& model) {
  MutexLock lock(config_mutex_);
  memory::TierOptions memory = tier_->options();
  configure_memory(model.memory, memory);
  auto next = plan(model, Unreachable::kRefuse);
  if (!next) return std::move(next).error();
  if (auto reconfigured = tier_->reconfigure(memory); !reconfigured) return std::move(reconfigured).error();
  follow_memory();
  take_over(std::move(*next));
  start_behind();
  return {};
}

Result<void> Core::reload(const config::Model& model) {
  MutexLock one(reload_mutex_);
  if (model.journal != journal_config_) {
    return Error{ErrorCode::kConfig,
                 fmt::format("{}: what [journal] says takes effect at the next start", model.file)};
  }
  const std::vector<Space*> left = leaving(model);
  if (left.empty()) return take_over(model);
  behind_->path().hold(left);
  auto taken = drain_leaving(left, model);
  if (taken) taken = take_over(model);
  behind_->path().release(left, taken.has_value());
  return taken;
}

}  // namespace forebay::layer
