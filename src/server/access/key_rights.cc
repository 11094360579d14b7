#include "server/access/key_rights.h"

#include <algorithm>
#include <string>

#include "server/resp/commands/command.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/registry.h"

namespace forebay::server::access {
namespace {

using Where = KeyRule::Where;
using Options = KeyRule::Options;

struct Row {
  std::string_view name;
  KeyRule rule;
};

constexpr KeyRule only(Rights rights) {
  return {Where::kRow, rights, rights, Options::kNone};
}
constexpr KeyRule from_to(Rights first, Rights others) {
  return {Where::kRow, first, others, Options::kNone};
}
constexpr KeyRule at(Where where, Rights rights) {
  return {where, rights, rights, Options::kNone};
}

// Commands that write see what was there before, unless they are here: as the flags of Redis' key specifications have
// it.
constexpr std::string_view kOnlyWrite[] = {
    "append",
    "del",
    "expire",
    "expireat",
    "geoadd",
    "hdel",
    "hmset",
    "hset",
    "hsetnx",
    "hexpire",
    "hexpireat",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "linsert",
    "lpush",
    "lpushx",
    "lrem",
    "lset",
    "ltrim",
    "mset",
    "msetnx",
    "persist",
    "pexpire",
    "pexpireat",
    "pfadd",
    "psetex",
    "rpush",
    "rpushx",
    "sadd",
    "setex",
    "setnx",
    "setrange",
    "srem",
    "unlink",
    "xack",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xsetid",
    "xtrim",
    "zadd",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
};
// Those that tell nothing of what is in a key.
constexpr std::string_view kOnlyTell[] = {
    "exists", "hexists", "hlen",  "hstrlen", "llen",  "scard",  "sismember", "strlen",
    "touch",  "type",    "watch", "xlen",    "zcard", "memory", "object",
};
// Those that write their first key from the others.
constexpr std::string_view kStore[] = {
    "bitop",      "geosearchstore", "sdiffstore",  "sinterstore", "sunionstore",
    "zdiffstore", "zinterstore",    "zrangestore", "zunionstore",
};
// Those that move something from their first key to the next.
constexpr std::string_view kMove[] = {"blmove",   "brpoplpush", "lmove", "rename",
                                      "renamenx", "rpoplpush",  "smove"};

constexpr Row kOthers[] = {
    {"bitfield", {Where::kRow, kReadAndWrite, kReadAndWrite, Options::kBitfield}},
    {"copy", from_to(kRead, kWrite)},
    {"eval", at(Where::kCounted, kReadAndWrite)},
    {"eval_ro", at(Where::kCounted, kRead)},
    {"evalsha", at(Where::kCounted, kReadAndWrite)},
    {"evalsha_ro", at(Where::kCounted, kRead)},
    {"georadius", from_to(kRead, kWrite)},
    {"georadiusbymember", from_to(kRead, kWrite)},
    {"pfmerge", from_to(kReadAndWrite, kRead)},
    {"set", {Where::kRow, kWrite, kWrite, Options::kSet}},
    {"sort", from_to(kRead, kWrite)},
    {"xgroup", only(kWrite)},
    {"xreadgroup", only(kRead)},
    {"forebay|explain", at(Where::kThird, kRead)},
    {"forebay|flushed", at(Where::kThird, kNoRights)},
    {"forebay|read", at(Where::kThird, kRead)},
    {"forebay|remove", at(Where::kThird, kWrite)},
    {"forebay|tag", at(Where::kThird, kWrite)},
    {"forebay|warm", at(Where::kFromThird, kRead)},
    {"forebay|write", at(Where::kThird, kWrite)},
};

template <std::size_t N>
bool has(const std::string_view (&names)[N], std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

bool gives_the_old_value(std::span<const std::string_view> args) {
  return args.size() > 3 && std::ranges::any_of(args.subspan(3), [](std::string_view arg) {
           return equals_ignoring_case(arg, "get");
         });
}

// BITFIELD key [GET type at] [SET type at value] [INCRBY type at by] [OVERFLOW how]: whether there are only GETs.
bool only_gets(std::span<const std::string_view> args) {
  constexpr std::size_t kOfGet = 3;
  std::size_t place = 2;
  while (place + 2 < args.size() && equals_ignoring_case(args[place], "get")) place += kOfGet;
  return place == args.size();
}

Rights first_rights(const KeyRule& rule, std::span<const std::string_view> args) {
  if (rule.options == Options::kSet && gives_the_old_value(args)) return kReadAndWrite;
  if (rule.options == Options::kBitfield && only_gets(args)) return kRead;
  return rule.first;
}

}  // namespace

KeyRule key_rule(const Command& command, std::string_view subcommand) {
  std::string name(command.name);
  if (command.name == "forebay" && !subcommand.empty()) name.append("|").append(subcommand);
  const auto* const row = std::ranges::find(kOthers, name, &Row::name);
  if (row != std::end(kOthers)) return row->rule;
  if (has(kOnlyWrite, name)) return only(kWrite);
  if (has(kOnlyTell, name)) return only(kNoRights);
  if (has(kStore, name)) return from_to(kWrite, kRead);
  if (has(kMove, name)) return from_to(kReadAndWrite, kWrite);
  return only((command.flags & CommandFlag::kWrite) != 0 ? kReadAndWrite : kRead);
}

void visit_key_rights(const Command& command, const KeyRule& rule, std::span<const std::string_view> args,
                      FunctionRef<void(std::size_t at, Rights rights)> visit) {
  bool is_first = true;
  const auto each = [&](std::size_t place) {
    visit(place, is_first ? first_rights(rule, args) : rule.others);
    is_first = false;
  };
  switch (rule.where) {
    case Where::kRow:
      return visit_keys(command, args, each);
    case Where::kCounted:
      return visit_counted_keys(args, 2, each);
    case Where::kThird:
      if (args.size() > 2) each(2);
      return;
    case Where::kFromThird:
      for (std::size_t place = 3; place < args.size(); ++place) each(place);
      return;
  }
}

}  // namespace forebay::server::access
