// What a server answers that is alone: clients ask before they know.

#include "server/resp/commands/standalone.h"

#include <array>
#include <string>

#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/versions.h"
#include "server/server.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNoCluster = "ERR This instance has cluster support disabled";

void no_cluster(Context& context) {
  context.reply.error(kNoCluster);
}

// Nothing is ever saved: as Redis says it before the first time.
void lastsave(Context& context) {
  const Clock& clock = context.layer.clock();
  context.reply.integer(clock.to_wall_ms(context.server.started_at()) / 1000);
}

void role(Context& context) {
  context.reply.array(3);
  context.reply.bulk(std::string_view("master"));
  context.reply.integer(0);
  context.reply.array(0);
}

// How many replicas have what was written: there are none.
void wait(Context& context) {
  const auto replicas = parse_integer(context.args[1]);
  const auto timeout = parse_integer(context.args[2]);
  if (!replicas) return context.reply.error(kNotAnInteger);
  if (!timeout) return context.reply.error("ERR timeout is not an integer or out of range");
  if (*timeout < 0) return context.reply.error("ERR timeout is negative");
  context.reply.integer(0);
}

void lolwut(Context& context) {
  context.reply.verbatim(
      "    ~~~~\\        the river, held back a little\n"
      "  ~~~~~~~|____   so that what is below it\n"
      "  ~~~~~~~~~~~~\\  gets what it needs\n"
      "Forebay " FOREBAY_VERSION "\n");
}

constexpr std::uint32_t kQuick = kFast | kConcurrent;

constexpr std::array kCommands{
    Command{"acl", -2, kAdmin, 0, 0, 0, acl, "A container for Access List Control commands.", "6.0.0",
            "server", 0, nullptr, acl_subcommands},
    Command{"lastsave", 1, kQuick, 0, 0, 0, lastsave, "Returns when the server started: nothing is saved.",
            "1.0.0", "server"},
    Command{"module", -2, kAdmin, 0, 0, 0, module, "A container for module commands.", "4.0.0", "server", 0,
            nullptr, module_subcommands},
    Command{"asking", 1, kFast, 0, 0, 0, no_cluster, "Refused: this is no cluster.", "3.0.0", "connection"},
    Command{"cluster", -2, kQuick, 0, 0, 0, no_cluster, "Refused: this is no cluster.", "3.0.0",
            "connection"},
    Command{"lolwut", -1, kQuick, 0, 0, 0, lolwut, "Displays a picture and the version.", "5.0.0", "server"},
    Command{"readonly", 1, kFast, 0, 0, 0, no_cluster, "Refused: this is no cluster.", "3.0.0", "connection"},
    Command{"readwrite", 1, kFast, 0, 0, 0, no_cluster, "Refused: this is no cluster.", "3.0.0",
            "connection"},
    Command{"role", 1, kQuick, 0, 0, 0, role, "Returns the replication role: a master without replicas.",
            "2.8.12", "server"},
    Command{"wait", 3, kFast, 0, 0, 0, wait, "Returns how many replicas have what was written: 0.", "3.0.0",
            "connection"},
};

}  // namespace

Family standalone_commands() {
  return kCommands;
}

}  // namespace forebay::server
