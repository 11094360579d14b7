#include "cli/feed.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/configuration.h"
#include "feed/mysql/admin.h"
#include "feed/postgres/admin.h"

namespace forebay::cli {
namespace {

struct Options {
  std::string file;
  std::string source;
};

// The tables that a source's namespaces look at, by the names that the configuration has for them.
std::vector<WatchedTable> tables_of(const config::Model& model, const std::string& source) {
  std::map<std::string, std::set<std::string>> columns;
  for (const config::Namespace& space : model.namespaces) {
    if (space.source != source) continue;
    if (!space.table.empty()) columns[space.table].insert(space.key.fields.begin(), space.key.fields.end());
    for (const config::Dependency& dependency : space.depends_on) {
      for (const auto& [column, field] : dependency.columns) columns[dependency.table].insert(column);
      columns.try_emplace(dependency.table);
    }
  }
  std::vector<WatchedTable> tables;
  for (const auto& [name, wanted] : columns) tables.push_back({name, {wanted.begin(), wanted.end()}});
  return tables;
}

// Asks something for each source that has a feed, and prints the lines of the answers.
int each_feed(
    const Options& options,
    const std::function<Result<std::vector<std::string>>(const config::Model&, const config::Source&)>& ask) {
  const auto model = load_configuration(options.file);
  if (!model) {
    print_error(model.error().message);
    return kFailed;
  }
  bool any = false;
  for (const config::Source& source : model->sources) {
    if (source.feed == config::Feed::kNone || (!options.source.empty() && options.source != source.name))
      continue;
    any = true;
    const auto lines = ask(*model, source);
    if (!lines) {
      print_error(fmt::format("source {}: {}", source.name, lines.error().message));
      return kFailed;
    }
    for (const std::string& line : *lines) fmt::print("{}\n", line);
  }
  if (any) return kDone;
  print_error(fmt::format("{} has no source{}{} with a feed", options.file, options.source.empty() ? "" : " ",
                          options.source));
  return kFailed;
}

int sql(const Options& options) {
  return each_feed(options, [](const config::Model& model, const config::Source& source) {
    const auto tables = tables_of(model, source.name);
    return source.feed == config::Feed::kBinlog ? feed::mysql::statements(source, tables)
                                                : feed::postgres::statements(source, tables);
  });
}

int drop(const Options& options) {
  return each_feed(options, [](const config::Model&, const config::Source& source) {
    // A reader of a binary log leaves nothing on the server.
    if (source.feed == config::Feed::kBinlog) return Result<std::vector<std::string>>();
    auto removed = feed::postgres::remove(source);
    if (removed) {
      for (std::string& what : *removed) what.insert(0, "removed ");
    }
    return removed;
  });
}

void add(CLI::App& parent, Action& chosen, const char* name, const char* about,
         int (*action)(const Options&)) {
  auto options = std::make_shared<Options>();
  CLI::App* command = parent.add_subcommand(name, about);
  command->add_option("FILE", options->file, "Configuration")->required();
  command->add_option("SOURCE", options->source, "Only this source");
  command->callback([options, action, &chosen] { chosen = [options, action] { return action(*options); }; });
}

}  // namespace

void add_feed(CLI::App& program, Action& chosen) {
  CLI::App* command = program.add_subcommand("feed", "What a database needs for a source's feed");
  command->require_subcommand(1);
  add(*command, chosen, "sql", "Print the statements that set a database up for its feed", sql);
  add(*command, chosen, "drop", "Remove the slot and the publication of a feed that is not wanted any more",
      drop);
}

Result<void> check_feeds(const config::Model& model) {
  for (const config::Source& source : model.sources) {
    if (source.feed == config::Feed::kNone) continue;
    const auto tables = tables_of(model, source.name);
    const auto notes = source.feed == config::Feed::kBinlog ? feed::mysql::check(source, tables)
                                                            : feed::postgres::check(source, tables);
    if (!notes)
      return Error{notes.error().code, fmt::format("source '{}': {}", source.name, notes.error().message)};
    for (const std::string& note : *notes)
      fmt::print("{}: the feed of source {}: {}\n", model.file, source.name, note);
  }
  return {};
}

}  // namespace forebay::cli
