#include "cli/check.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "cli/configuration.h"
#include "cli/feed.h"
#include "forebay/layer.h"
#include "layer/event_sections.h"
#include "layer/open.h"

namespace forebay::cli {
namespace {

struct Options {
  std::string file;
  bool offline = false;
};

// Connects to the sources and verifies tables and columns, without leaving a trace in any of them.
Result<void> try_sources(config::Model model) {
  Environment environment;
  for (config::Source& source : model.sources) {
    // A change log is tables and triggers: the server makes them when it starts, a check only looks.
    source.changes = false;
    source.feed = config::Feed::kNone;  // likewise
    if (source.kind != "function") continue;
    // The function itself is in the program that this configuration is for.
    Function& function = environment.functions[source.name];
    function.load = [](std::span<const KeyFields>, const CallContext&) {
      return Result<std::vector<Loaded>>(ErrorCode::kUnsupported, "no function is called by a check");
    };
    function.write = [](const KeyFields&, const Write&, const CallContext&) {
      return Result<Written>(ErrorCode::kUnsupported, "no function is called by a check");
    };
  }
  // What applications say is nothing to a layer that nobody asks.
  model.events.clear();
  auto layer = layer::open_layer(model, std::move(environment));
  if (!layer) return layer.error();
  return {};
}

// What only the kind of a section can judge, such as the settings of a library. Connects to nothing.
Result<void> check_events(const config::Model& model) {
  std::string wrong;
  for (const config::Events& section : model.events) {
    const auto good = layer::EventSections::check(section);
    if (good) continue;
    wrong += fmt::format("{}{}:{}:{}: events '{}': {}", wrong.empty() ? "" : "\n", model.file,
                         section.at.line, section.at.column, section.name, good.error().message);
  }
  if (wrong.empty()) return {};
  return Error{ErrorCode::kConfig, std::move(wrong)};
}

int check(const Options& options) {
  auto model = load_configuration(options.file);
  if (!model) {
    const std::string& text = model.error().message;
    print_error(text);
    const auto lines = std::ranges::count(text, '\n') + 1;
    print_error(fmt::format("{}: {} mistake{}", options.file, lines, lines == 1 ? "" : "s"));
    return kFailed;
  }
  const std::size_t sources = model->sources.size();
  const std::size_t namespaces = model->namespaces.size();
  if (!options.offline) {
    if (const auto events = check_events(*model); !events) {
      print_error(events.error().message);
      return kFailed;
    }
    if (const auto feeds = check_feeds(*model); !feeds) {
      print_error(fmt::format("{}: {}", options.file, feeds.error().message));
      return kFailed;
    }
    if (const auto tried = try_sources(std::move(*model)); !tried) {
      print_error(fmt::format("{}: {}", options.file, tried.error().message));
      return kFailed;
    }
  }
  fmt::print("{}: good: {} source{}, {} namespace{}{}\n", options.file, sources, sources == 1 ? "" : "s",
             namespaces, namespaces == 1 ? "" : "s", options.offline ? " (sources were not asked)" : "");
  return kDone;
}

}  // namespace

void add_check(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("check", "Say everything that is wrong with a configuration");
  command->footer("Each mistake is a line: FILE:LINE:COLUMN: what. Status 0: none, 1: at least one.");
  command->add_option("FILE", options->file, "Configuration")->required();
  command->add_flag("--offline", options->offline,
                    "Don't connect to the sources to verify tables and columns");
  command->callback([options, &chosen] { chosen = [options] { return check(*options); }; });
}

}  // namespace forebay::cli
