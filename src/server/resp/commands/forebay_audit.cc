// FOREBAY AUDIT: cached copies beside what their sources have.

#include <iterator>
#include <string>
#include <utility>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/forebay.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

constexpr std::int64_t kMostSampled = 100'000;

void write_report(resp::Writer& reply, const AuditReport& report) {
  const std::pair<const char*, std::uint64_t> rows[] = {{"checked", report.checked},
                                                        {"changed_meanwhile", report.changed},
                                                        {"stale", report.stale},
                                                        {"unknown", report.unknown},
                                                        {"violations", report.violations}};
  reply.map(std::size(rows) + 1);
  for (const auto& [name, count] : rows) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(count));
  }
  reply.bulk("keys");
  reply.array(report.keys.size());
  for (const std::string& key : report.keys) reply.bulk(key);
}

}  // namespace

void forebay_audit(Context& context) {
  std::string space;
  std::int64_t sample = 100;
  for (std::size_t at = 2; at < context.args.size(); at += 2) {
    const bool value = at + 1 < context.args.size();
    if (value && equals_ignoring_case(context.args[at], "namespace")) {
      space = context.args[at + 1];
      if (const auto unknown = unknown_namespace(context.layer.stats(), space))
        return context.reply.error(*unknown);
    } else if (value && equals_ignoring_case(context.args[at], "sample")) {
      const auto number = parse_integer(context.args[at + 1]);
      if (!number || *number < 1 || *number > kMostSampled)
        return context.reply.error("ERR SAMPLE must be 1 to 100000");
      sample = *number;
    } else {
      return context.reply.error(kSyntaxError);
    }
  }
  context.layer.audit(space, static_cast<std::size_t>(sample),
                      [slot = context.defer()](Result<AuditReport> report) {
                        slot->complete([report = std::move(report)](resp::Writer& reply) {
                          if (!report) return reply.error(error_text(report.error()));
                          write_report(reply, *report);
                        });
                      });
}

}  // namespace forebay::server
