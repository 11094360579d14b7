#include "cli/journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>

#include "base/row_json.h"
#include "cli/configuration.h"
#include "journal/log.h"
#include "journal/salvage.h"

namespace forebay::cli {
namespace {

namespace fs = std::filesystem;
using journal::Op;
using journal::Salvaged;

constexpr int kIncomplete = 3;

struct Options {
  std::string path;
  bool salvage = false;
};

// The database file: of the journal's directory, or of the one that a configuration names.
Result<std::string> journal_of(const std::string& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return (fs::path(path) / "journal.db").string();
  if (!fs::exists(path, failed)) return Error{ErrorCode::kConfig, fmt::format("there is no {}", path)};
  if (fs::path(path).extension() == ".db") return path;
  const auto model = load_configuration(path);
  if (!model) return model.error();
  if (model->journal.path.empty()) return Error{ErrorCode::kConfig, fmt::format("{} has no [journal]", path)};
  return (fs::path(model->journal.path) / "journal.db").string();
}

std::string ops_of(const Salvaged::Range& range) {
  return range.first == range.last ? fmt::format("op {}", range.first)
                                   : fmt::format("ops {} to {}", range.first, range.last);
}

// Unix time as ISO 8601; empty: not known.
std::string time_of(std::int64_t wall_ms) {
  constexpr std::int64_t kYear10000 = 253'402'300'800'000;
  if (wall_ms <= 0 || wall_ms >= kYear10000) return {};
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(wall_ms / 1000)),
                     wall_ms % 1000);
}

std::string writes(std::uint64_t count) {
  return fmt::format("{} write{}", count, count == 1 ? "" : "s");
}

std::size_t size_of(const Op& op) {
  return op.key.size() + op.payload.size();
}

void print_damage(const std::string& path, const Salvaged& found) {
  for (const std::string& what : found.damage)
    print_error(fmt::format("journal {} is damaged: {}", path, what));
}

int check(const Options& options) {
  const auto path = journal_of(options.path);
  if (!path) return print_failure(path.error()), kFailed;
  const auto found = journal::salvage(*path);
  if (!found) return print_failure(found.error()), kFailed;

  struct Share {
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
    std::map<std::uint32_t, std::uint64_t> lanes;
  };
  std::map<std::string, Share> spaces;
  std::uint64_t bytes = 0;
  std::int64_t oldest = 0;
  for (const Op& op : found->ops) {
    Share& share = spaces[op.space];
    ++share.writes;
    ++share.lanes[op.lane];
    share.bytes += size_of(op);
    bytes += size_of(op);
    if (op.wall_ms > 0 && (oldest == 0 || op.wall_ms < oldest)) oldest = op.wall_ms;
  }
  const auto line = [](std::string_view name, const std::string& what) {
    fmt::print("{:<9} {}\n", name, what);
  };
  line("journal", *path);
  line("id", found->id.empty() ? "can't be read" : found->id);
  line("lanes", std::to_string(found->lanes));
  line("trimmed", found->trimmed ? fmt::format("up to op {}", *found->trimmed) : "can't be read");
  line("last", fmt::format("op {}", found->last));
  for (const journal::Applied& at : found->applied) {
    line("applied", fmt::format("source {}, lane {}: at least up to op {}", at.source, at.lane, at.seq));
  }
  const std::string since = time_of(oldest);
  line("pending", fmt::format("{}, {} bytes{}", writes(found->ops.size()), bytes,
                              since.empty() ? "" : ", the oldest of " + since));
  for (const auto& [space, share] : spaces) {
    std::string lanes;
    for (const auto& [lane, count] : share.lanes)
      lanes += fmt::format("{}lane {}: {}", lanes.empty() ? "" : ", ", lane, count);
    fmt::print("          namespace {}: {}, {} bytes ({})\n", space, writes(share.writes), share.bytes,
               lanes);
  }
  std::fflush(stdout);
  print_damage(*path, *found);
  for (const Salvaged::Range& range : found->lost) print_error(fmt::format("lost: {}", ops_of(range)));
  for (const Salvaged::Range& range : found->unseen)
    print_error(fmt::format("only found in pages that nothing leads to: {}", ops_of(range)));
  return found->damage.empty() ? kDone : kFailed;
}

void print_op(const Op& op) {
  RowJson json;
  json.number("seq", std::to_string(op.seq));
  json.number("lane", std::to_string(op.lane));
  json.text("source", op.source);
  json.text("namespace", op.space);
  if (is_utf8(op.key)) {
    json.text("key", op.key);
  } else {
    json.bytes("key_base64", op.key);
  }
  if (const std::string at = time_of(op.wall_ms); !at.empty()) json.text("at", at);
  json.json("operation", op.payload);
  fmt::print("{}\n", json.take());
}

int export_writes(const Options& options) {
  const auto path = journal_of(options.path);
  if (!path) return print_failure(path.error()), kFailed;
  const auto found = journal::salvage(*path);
  if (!found) return print_failure(found.error()), kFailed;
  print_damage(*path, *found);
  if (!found->damage.empty() && !options.salvage) {
    print_error("nothing is printed; --salvage prints the writes that can still be read");
    return kFailed;
  }
  for (const Op& op : found->ops) print_op(op);
  if (std::fflush(stdout) != 0) {
    print_error("forebay: standard output can't be written");
    return kFailed;
  }
  for (const Salvaged::Range& range : found->lost) print_error(fmt::format("lost: {}", ops_of(range)));
  for (const Salvaged::Range& range : found->unseen) {
    print_error(
        fmt::format("only found in pages that nothing leads to: {}; if their commit had not ended, nobody "
                    "was told of them",
                    ops_of(range)));
  }
  if (!found->trimmed) {
    print_error(
        "how far the databases had got can't be read from it: compare with last_seq of their tables "
        "forebay_applied, by lane");
  }
  if (found->more) print_error(fmt::format("there may have been writes after op {}", found->last));
  return found->lost.empty() && found->trimmed && !found->more ? kDone : kIncomplete;
}

// Forgets that lanes have stopped.
int resume(const Options& options) {
  const auto path = journal_of(options.path);
  std::error_code failed;
  const bool there = path && fs::exists(*path, failed);
  auto opened =
      there ? journal::Log::open({.path = *path})
            : Result<journal::Log::Opened>(
                  path ? Error{ErrorCode::kConfig, fmt::format("there is no {}", *path)} : path.error());
  if (!opened) {
    print_error(opened.error().message);
    return kFailed;
  }
  journal::Notes gone;
  for (const auto& [name, why] : opened->notes) {
    if (!name.starts_with(journal::kStoppedNote)) continue;
    const std::string rest = name.substr(journal::kStoppedNote.size());
    const auto space = rest.find(' ');
    fmt::print("lane {} of source {} begins again at the next start; it had stopped as {}\n",
               rest.substr(0, space), space == std::string::npos ? "" : rest.substr(space + 1), why);
    gone.emplace(name, "");
  }
  if (gone.empty()) {
    fmt::print("no lane has stopped\n");
    return kDone;
  }
  if (auto noted = opened->log->note(std::move(gone)); !noted) {
    print_error(noted.error().message);
    return kFailed;
  }
  return kDone;
}

}  // namespace

void add_journal(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* journal = program.add_subcommand("journal", "What a journal holds, while no server has it open");
  journal->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, int (*act)(const Options&)) {
    CLI::App* command = journal->add_subcommand(name, what);
    command->add_option("PATH", options->path, "The journal's directory, or the configuration that names it")
        ->required();
    command->callback([options, &chosen, act] { chosen = [options, act] { return act(*options); }; });
    return command;
  };
  add("check", "Say what it holds, and everything that is damaged", check)
      ->footer("Status 0: it is good, 1: it is damaged, in use, or none.");
  add("resume", "Let lanes that have stopped for good begin again, once their cause is gone", resume)
      ->footer(
          "Status 0: done, 1: it is damaged, in use, or none. A lane whose cause is not gone stops again.");
  CLI::App* command =
      add("export", "Print the writes that the databases may not have, a line of JSON each", export_writes);
  command->add_flag("--salvage", options->salvage, "Also if it is damaged: all that can still be read");
  command->footer(
      "Status 0: those are all, 1: it is damaged, in use, or none; with --salvage 3: some are lost, or may "
      "be,\n"
      "or the databases may have some of them.");
}

}  // namespace forebay::cli
