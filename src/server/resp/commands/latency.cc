// LATENCY. There is no monitor of events: SLOWLOG and /metrics have what it would tell.

#include <array>

#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/watching.h"

namespace forebay::server {
namespace {

void latency_latest(Context& context) {
  context.reply.array(0);
}

void latency_reset(Context& context) {
  context.reply.integer(0);
}

void latency_doctor(Context& context) {
  context.reply.verbatim(
      "No latency events are recorded: see SLOWLOG GET for slow commands, INFO commandstats for the time "
      "that "
      "each command takes, and /metrics for that of the sources.");
}

constexpr std::array kSubcommands{
    Subcommand{"doctor", 2, "DOCTOR: where else to look", latency_doctor},
    Subcommand{"history", 3, "HISTORY <event>: nothing; no events are recorded", latency_latest},
    Subcommand{"latest", 2, "LATEST: nothing; no events are recorded", latency_latest},
    Subcommand{"reset", -2, "RESET [<event> ...]: 0", latency_reset},
};

}  // namespace

void latency(Context& context) {
  run_subcommand(context, "latency", kSubcommands);
}

std::span<const Subcommand> latency_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
