#include "layer/write/behind/ownership.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <random>
#include <string_view>
#include <utility>

namespace forebay::layer {
namespace {

constexpr std::string_view kOwner = "owner ";  // in front of the source's name, in the journal's notes

std::string random_process() {
  std::random_device device;
  std::string process;
  for (int i = 0; i < 4; ++i) process += fmt::format("{:08x}", device());
  return process;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string home_of(const std::string& journal_file) {
  struct stat there{};
  if (stat(journal_file.c_str(), &there) != 0) return {};
  std::string machine;
  std::getline(std::ifstream("/etc/machine-id") >> std::ws, machine);
  return fmt::format("{} {} {} {}", host_name(), machine, there.st_dev, there.st_ino);
}

Ownership::Ownership(const Parts& parts)
    : journal_(parts.journal),
      queue_(parts.queue),
      home_(parts.home),
      place_(parts.place),
      process_(random_process()) {
  for (const auto& [name, value] : parts.notes) {
    if (!name.starts_with(kOwner)) continue;
    Known known;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), known.epoch);
    if (wrong == std::errc() && end != value.data() + value.size())
      known.home.assign(end + 1, value.data() + value.size());
    known_.emplace(name.substr(kOwner.size()), std::move(known));
  }
}

void Ownership::begin(const std::string& source) {
  {
    MutexLock lock(mutex_);
    const auto known = known_.find(source);
    if (known == known_.end() || known->second.confirmed || known->second.home == home_) return;
  }
  queue_.refuse(
      source,
      "the journal is not where it last ran, so that it may be a copy; it takes no writes before its "
      "database has confirmed it");
}

LedgerOwner Ownership::owner(const std::string& source) const {
  LedgerOwner owner;
  owner.journal = journal_.id();
  owner.home = home_;
  owner.place = place_;
  owner.process = process_;
  const bool pending = !queue_.spaces(source).empty();
  MutexLock lock(mutex_);
  if (const auto known = known_.find(source); known != known_.end()) {
    owner.epoch = known->second.epoch;
    owner.known = pending;
  }
  return owner;
}

bool Ownership::confirmed(const std::string& source) const {
  MutexLock lock(mutex_);
  const auto known = known_.find(source);
  return known != known_.end() && known->second.confirmed;
}

Ownership::Verdict Ownership::refused(const std::string& source, Verdict verdict) {
  queue_.refuse(source, verdict.why);
  return verdict;
}

Ownership::Verdict Ownership::took(const std::string& source, const LedgerClaim& claim) {
  using Kind = Verdict::Kind;
  using State = LedgerClaim::State;
  bool change = false;
  bool moved = false;
  bool first = false;
  bool renewed = false;
  std::uint64_t epoch = 0;
  {
    MutexLock lock(mutex_);
    Known& known = known_[source];
    epoch = known.epoch;
    change = known.epoch != claim.epoch || known.home != home_;
    moved = !known.home.empty() && known.home != home_;
    first = !known.confirmed && known.renewals == 0;
    if (claim.state == State::kWaits) {
      renewed = known.renewals != 0 && claim.renewals > known.renewals;
      known.renewals = claim.renewals;
    }
  }
  switch (claim.state) {
    case State::kFenced:
      return refused(source,
                     {Kind::kFenced,
                      fmt::format("the journal was taken over by that of {} (epoch {}, this copy has {}); "
                                  "what this one holds can be had by `forebay journal export`",
                                  claim.place, claim.epoch, epoch)});
    case State::kWaits:
      if (renewed) {
        return refused(source,
                       {Kind::kFenced, fmt::format("the journal is a copy of one that is in use, at {}; "
                                                   "each server needs a journal of its own",
                                                   claim.place)});
      }
      if (first)
        spdlog::warn(
            "source {}: the journal at {} may still be in use, of which this one is a copy; no "
            "writes are taken before its lease has ended",
            source, claim.place);
      return refused(source,
                     {Kind::kWaits, fmt::format("the journal is a copy of that at {}, whose lease has not "
                                                "ended; no writes are taken before that",
                                                claim.place)});
    case State::kUnknown:
      return refused(
          source,
          {Kind::kUnknown,
           fmt::format(
               "its database does not know journal {}, which holds writes that were made for a database "
               "that does: let the source lead there again and the journal drain (forebay drain) before "
               "it leads elsewhere, or move the journal away to give these writes up",
               journal_.id())});
    case State::kOwned:
      break;
  }
  if (change) {
    auto noted = journal_.note({{std::string(kOwner) + source, fmt::format("{} {}", claim.epoch, home_)}});
    if (!noted) return refused(source, {Kind::kWaits, noted.error().message});
  }
  if (moved) {
    spdlog::warn(
        "source {}: the journal was copied, moved or brought back from a backup, and is the owner now "
        "(epoch {}); what the original acknowledged after that is not in it",
        source, claim.epoch);
  }
  Verdict owner;
  {
    MutexLock lock(mutex_);
    Known& known = known_[source];
    owner.fresh = known.fresh || !claim.known;
    known = {claim.epoch, home_, true, owner.fresh, 0};
  }
  queue_.refuse(source, {});
  return owner;
}

}  // namespace forebay::layer
