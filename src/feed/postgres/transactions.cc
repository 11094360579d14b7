#include "feed/postgres/transactions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay::feed::postgres {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

// One image of a row: the columns that are wanted. `nulls_known`: what is null in it is null in the row. `other`: an
// image that has what stayed as it was; null: there is none.
void add_image(Fields& fields, const Transactions::Relation& relation, const pgoutput::Tuple& tuple,
               bool nulls_known, const pgoutput::Tuple* other) {
  const std::size_t count = std::min(tuple.size(), relation.columns.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Transactions::Column& column = relation.columns[i];
    if (!column.wanted) continue;
    const pgoutput::Cell* cell = &tuple[i];
    if (cell->kind == pgoutput::Cell::Kind::kUnchanged && other != nullptr && i < other->size())
      cell = &(*other)[i];
    switch (cell->kind) {
      case pgoutput::Cell::Kind::kUnchanged:
        break;  // nobody knows: it is as if there were no such column
      case pgoutput::Cell::Kind::kNull:
        if (nulls_known) fields.emplace_back(column.name, std::nullopt);
        break;
      case pgoutput::Cell::Kind::kText:
        fields.emplace_back(column.name, source::postgres::plain_text(column.type, cell->text));
    }
  }
}

}  // namespace

void Transactions::restart() {
  current_ = 0;
  streaming_ = 0;
  parts_.clear();
  described_.clear();
  relations_.clear();
}

Result<void> Transactions::take(std::string_view bytes,
                                const std::function<std::uint64_t(std::uint32_t)>& widen,
                                Delivery& delivery) {
  auto message = pgoutput::parse(bytes, streaming_ != 0);
  if (!message) return std::move(message).error();
  return std::visit(Overloaded{
                        [&](const pgoutput::Begin& begin) -> Result<void> {
                          current_ = widen(begin.xid);
                          return {};
                        },
                        [&](const pgoutput::Commit& commit) -> Result<void> {
                          current_ = 0;
                          delivery.position = commit.end;
                          return {};
                        },
                        [&](const pgoutput::StreamStart& start) -> Result<void> {
                          streaming_ = start.xid;
                          parts_.try_emplace(start.xid);
                          return {};
                        },
                        [&](const pgoutput::StreamStop&) -> Result<void> {
                          streaming_ = 0;
                          return {};
                        },
                        [&](const pgoutput::StreamCommit& commit) -> Result<void> {
                          commit_stream(commit, widen(commit.xid), delivery);
                          return {};
                        },
                        [&](const pgoutput::StreamAbort& abort) -> Result<void> {
                          if (abort.subtransaction == abort.xid) {
                            parts_.erase(abort.xid);
                          } else if (const auto parts = parts_.find(abort.xid); parts != parts_.end()) {
                            std::erase_if(parts->second.changes, [&](const Part& part) {
                              return part.subtransaction == abort.subtransaction;
                            });
                          }
                          return {};
                        },
                        [&](const auto&) { return add(*message, delivery); },
                    },
                    message->what);
}

Result<void> Transactions::add(const pgoutput::Message& message, Delivery& delivery) {
  return std::visit(
      Overloaded{
          [&](const pgoutput::Relation& relation) -> Result<void> {
            Described& described = described_[relation.id];
            described.columns.clear();
            for (const pgoutput::Column& column : relation.columns)
              described.columns.emplace_back(column.name, column.type);
            relations_.erase(relation.id);
            return {};
          },
          [&](const pgoutput::Row& row) { return add_row(row, message.subtransaction, delivery); },
          [&](const pgoutput::Truncate& truncate) {
            return add_truncate(truncate, message.subtransaction, delivery);
          },
          [&](const pgoutput::Note& note) -> Result<void> {
            if (note.prefix == kNotePrefix) note_ = note.content;
            return {};
          },
          [](const auto&) -> Result<void> { return {}; },
      },
      message.what);
}

Result<const Transactions::Relation*> Transactions::relation(std::uint32_t number) {
  if (const auto found = relations_.find(number); found != relations_.end()) return &found->second;
  const auto described = described_.find(number);
  if (described == described_.end())
    return Error{ErrorCode::kUnavailable,
                 fmt::format("the server sent a row of the table {} and did not describe it", number)};
  pgoutput::Relation told{number, {}};
  for (const auto& [name, type] : described->second.columns) told.columns.push_back({name, type});
  auto made = describe_(told);
  if (!made) return std::move(made).error();
  return &relations_.insert_or_assign(number, std::move(*made)).first->second;
}

Result<void> Transactions::add_row(const pgoutput::Row& row, std::uint32_t subtransaction,
                                   Delivery& delivery) {
  const auto found = relation(row.relation);
  if (!found) return found.error();
  const Relation& relation = **found;
  if (relation.root.empty()) return {};
  RowChange change;
  change.table = relation.root;
  const pgoutput::Tuple* after = row.after ? &*row.after : nullptr;
  if (after != nullptr)
    add_image(change.images.after, relation, *after, true, row.whole_before ? &*row.before : nullptr);
  if (row.before) {
    add_image(change.images.before, relation, *row.before, row.whole_before, nullptr);
  } else if (after != nullptr && row.existed) {
    // The identity's columns are what they were; of the others nobody knows.
    for (std::size_t i = 0; i < relation.columns.size() && i < after->size(); ++i) {
      const Column& column = relation.columns[i];
      if (!column.wanted || !column.identity) continue;
      const auto value =
          std::ranges::find(change.images.after, column.name, &std::pair<std::string, OptionalText>::first);
      if (value != change.images.after.end()) change.images.before.push_back(*value);
    }
  }
  // An image without any of the wanted columns would be that of no row: such a change may concern any key.
  if ((row.existed && change.images.before.empty()) || (after != nullptr && change.images.after.empty()))
    change.whole_table = true;
  deliver(std::move(change), subtransaction, delivery);
  return {};
}

Result<void> Transactions::add_truncate(const pgoutput::Truncate& truncate, std::uint32_t subtransaction,
                                        Delivery& delivery) {
  for (const std::uint32_t number : truncate.relations) {
    const auto found = relation(number);
    if (!found) return found.error();
    if ((*found)->root.empty()) continue;
    RowChange change;
    change.table = (*found)->root;
    change.whole_table = true;
    deliver(std::move(change), subtransaction, delivery);
  }
  return {};
}

void Transactions::deliver(RowChange change, std::uint32_t subtransaction, Delivery& delivery) {
  if (streaming_ == 0) return delivery.changes.push_back({std::move(change), current_});
  Parts& parts = parts_[streaming_];
  if (parts.changes.size() < kMostKept) return parts.changes.push_back({subtransaction, std::move(change)});
  parts.whole.insert(change.table);
}

void Transactions::commit_stream(const pgoutput::StreamCommit& commit, std::uint64_t transaction,
                                 Delivery& delivery) {
  if (const auto parts = parts_.find(commit.xid); parts != parts_.end()) {
    for (Part& part : parts->second.changes)
      delivery.changes.push_back({std::move(part.change), transaction});
    for (const std::string& table : parts->second.whole) {
      RowChange change;
      change.table = table;
      change.whole_table = true;
      delivery.changes.push_back({std::move(change), transaction});
    }
    parts_.erase(parts);
  }
  delivery.position = commit.end;
}

}  // namespace forebay::feed::postgres
