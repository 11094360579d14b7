#include "layer/key/boards.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "memory/collection/own_collection.h"
#include "memory/collection/ranking.h"

namespace forebay::layer {

// What has become of members since a load began.
struct Boards::Log {
  struct Member {
    bool known = false;           // what it is now
    std::optional<double> score;  // nothing: there is no such member
  };
  std::map<std::string, Member, std::less<>> members;
  bool lost = false;  // of some member nobody knows what it is
};

namespace {

using memory::OwnCollection;

std::string_view name_of(const KeyRef& member) {
  return member.text.substr(member.text.find(config::kMemberSeparator) + 1);
}

// As a source or a write behind shows it. Nothing: it is no number that a score can be.
std::optional<double> score_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double score = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), score);
  if (wrong != std::errc() || end != text.data() + text.size() || std::isnan(score)) return std::nullopt;
  return score;
}

std::string text_of(double score) {
  std::array<char, 32> digits{};
  const auto [end, wrong] = std::to_chars(digits.data(), digits.data() + digits.size(), score);
  return wrong == std::errc() ? std::string(digits.data(), end) : std::string();
}

void put(memory::Ranking& ranking, std::string_view name, std::optional<double> score) {
  if (score) {
    ranking.put(name, *score);
  } else {
    ranking.erase(name);
  }
}

// Edits what a load has brought; where that is nothing, there is something then.
void edit_loaded(LoadedValue& value, FunctionRef<void(memory::Ranking&)> edit) {
  if (value.collection == nullptr)
    value.collection = std::make_shared<OwnCollection>(memory::CollectionKind::kSortedSet);
  value.collection->edit([&](memory::Collection& all) {
    memory::Ranking ranking(all);
    edit(ranking);
  });
}

}  // namespace

KeyRef board_of(const KeyRef& member) {
  return {*member.space.boards, member.text.substr(0, member.text.find(config::kMemberSeparator))};
}

// ---- Members

void Boards::each_log(Shard& shard, const KeyRef& board, FunctionRef<void(Log&)> act) {
  if (shard.logs.empty()) return;
  const auto found = shard.logs.find(std::string(board.text));
  if (found == shard.logs.end()) return;
  std::erase_if(found->second, [](const auto& log) { return log.expired(); });
  for (const auto& weak : found->second) {
    if (const auto log = weak.lock()) act(*log);
  }
  if (found->second.empty()) shard.logs.erase(found);
}

void Boards::written(const KeyRef& member, std::optional<std::string_view> text, Instant now) {
  std::optional<double> score;
  if (text) {
    score = score_of(*text);
    if (!score) return lost(member, now);
  }
  const KeyRef board = board_of(member);
  const std::string_view name = name_of(member);
  Shard& shard = shard_of(board);
  const MutexLock lock(shard.mutex);
  each_log(shard, board,
           [&](Log& log) { log.members.insert_or_assign(std::string(name), Log::Member{true, score}); });
  edit(board, name, score, now);
}

void Boards::lost(const KeyRef& member, Instant now) {
  const KeyRef board = board_of(member);
  Shard& shard = shard_of(board);
  const MutexLock lock(shard.mutex);
  each_log(shard, board, [](Log& log) { log.lost = true; });
  copies_.drop(board, now);
}

void Boards::applying(const KeyRef& member) {
  const KeyRef board = board_of(member);
  Shard& shard = shard_of(board);
  const MutexLock lock(shard.mutex);
  each_log(shard, board, [&](Log& log) { log.members.try_emplace(std::string(name_of(member))); });
}

void Boards::edit(const KeyRef& board, std::string_view name, std::optional<double> score, Instant now) {
  bool there = false;
  bool known_empty = false;
  // No copy can come meanwhile: it is stored under the shard's lock.
  copies_.find(
      board, now,
      [&](const EntryView& entry) {
        there = entry.type() == EntryType::kCollection;
        known_empty = entry.stamp().negative;
      },
      Touch::kNo);
  if (known_empty && score) copies_.drop(board, now);
  // A write that began before a reload has the namespace of then, and there may be a copy of the one of now.
  if (!there && !known_empty) copies_.drop_invalid(board, now);
  if (!there || known_empty) return;
  const std::size_t room = score ? memory::Tier::edit_room(1, name.size() + board.text.size()) : 0;
  bool too_many = false;
  const PutOutcome outcome = copies_.edit_collection(
      board, now, room, [&](const EntryView* entry, memory::Collection& all) -> std::optional<Stamp> {
        if (entry == nullptr || !all.exists()) return std::nullopt;
        memory::Ranking ranking(all);
        put(ranking, name, score);
        too_many = ranking.size() > board.space.config.max_members;
        return entry->stamp();
      });
  const bool fits = outcome == PutOutcome::kStored || outcome == PutOutcome::kKept;
  if (!fits || too_many) copies_.drop(board, now);
}

// ---- Loads

void Boards::starting(Flight& flight) {
  auto log = std::make_shared<Log>();
  flight.log = log;
  Shard& shard = shard_of(flight.at());
  const MutexLock lock(shard.mutex);
  if (shard.logs.size() >= kSweep) {
    std::erase_if(shard.logs, [](const auto& board) {
      return std::ranges::all_of(board.second, [](const auto& each) { return each.expired(); });
    });
  }
  shard.logs[flight.key].push_back(log);
}

std::optional<std::optional<double>> Boards::by_copy(const KeyRef& member, Instant now) const {
  std::optional<std::optional<double>> found;
  copies_.find(
      member, now,
      [&](const EntryView& entry) {
        found.emplace();
        if (entry.stamp().negative) return;
        const auto score = score_of(entry.shared() != nullptr ? entry.shared()->view() : entry.bytes());
        if (score) {
          *found = score;
        } else {
          found.reset();
        }
      },
      Touch::kNo);
  return found;
}

bool Boards::lay_pending(const KeyRef& board, const Log& log, const Overlay& overlay, Instant now,
                         LoadedValue& value) const {
  Namespace& members = *board.space.members;
  std::string prefix(board.text);
  prefix += config::kMemberSeparator;
  std::set<std::string> doubtful;
  for (const auto& [name, member] : log.members) {
    if (!member.known) doubtful.insert(prefix + name);
  }
  std::vector<std::string> pending = overlay.pending(prefix);
  std::erase_if(pending, [&](const std::string& key) { return doubtful.contains(key); });
  for (const std::string& key : pending) {
    if (const auto known = log.members.find(std::string_view(key).substr(prefix.size()));
        known != log.members.end())
      continue;
    const KeyRef at(members, key);
    if (overlay.applying(at)) {
      doubtful.insert(key);
      continue;
    }
    edit_loaded(value, [&](memory::Ranking& ranking) {
      std::optional<Value> score;
      if (const auto read = ranking.score(name_of(at))) score = Value::bytes(text_of(*read));
      overlay.lay(at, {}, score);
      put(ranking, name_of(at), score ? score_of(score->view()) : std::nullopt);
    });
  }
  for (const std::string& key : doubtful) {
    const KeyRef at(members, key);
    const auto score = by_copy(at, now);
    if (!score) return false;
    edit_loaded(value, [&](memory::Ranking& ranking) { put(ranking, name_of(at), *score); });
  }
  return true;
}

bool Boards::land(const Flight& flight, LoadedValue& value, const Overlay& overlay, Instant now,
                  FunctionRef<void(bool may_be_stored)> store) {
  const KeyRef board = flight.at();
  const auto log = std::static_pointer_cast<Log>(flight.log);
  Shard& shard = shard_of(board);
  const MutexLock lock(shard.mutex);
  if (!lay_pending(board, *log, overlay, now, value)) return false;
  if (!log->members.empty()) {
    edit_loaded(value, [&](memory::Ranking& ranking) {
      for (const auto& [name, member] : log->members) {
        if (member.known) put(ranking, name, member.score);
      }
    });
  }
  value.value.reset();
  if (value.collection != nullptr && !value.collection->empty()) {
    value.value =
        Value::object(std::shared_ptr<const OwnCollection>(value.collection), value.collection->charge());
  }
  store(!log->lost);
  return true;
}

}  // namespace forebay::layer
