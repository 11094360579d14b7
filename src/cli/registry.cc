#include "cli/audit.h"
#include "cli/check.h"
#include "cli/command_line.h"
#include "cli/deadletters.h"
#include "cli/demo_subcommand.h"
#include "cli/drain.h"
#include "cli/explain.h"
#include "cli/feed.h"
#include "cli/journal.h"
#include "cli/purge.h"
#include "cli/serve.h"
#include "cli/simulate.h"
#include "cli/warm.h"

namespace forebay::cli {

std::span<const AddSubcommand> subcommands() {
  static constexpr AddSubcommand kRows[] = {
      add_serve, add_check,       add_demo,    add_warm, add_purge,    add_explain,
      add_drain, add_deadletters, add_journal, add_feed, add_simulate, add_audit,
  };
  return kRows;
}

}  // namespace forebay::cli
