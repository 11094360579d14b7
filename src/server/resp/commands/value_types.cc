#include "server/resp/commands/value_types.h"

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"

namespace forebay::server {
namespace {

bool may_work_on(WorksOn family, EntryType type) {
  switch (family) {
    case WorksOn::kHashes:
      return type == EntryType::kRow;
    case WorksOn::kSortedSets:
      return false;  // a member's score is an entry of its own: no entry is a sorted set
  }
  return false;
}

}  // namespace

std::string_view type_name(EntryType type) {
  switch (type) {
    case EntryType::kText:
    case EntryType::kCounter:
    case EntryType::kCollection:  // whose entry says what it is
      break;
    case EntryType::kRow:
      return "hash";
  }
  return "string";
}

std::string_view type_name(const EntryView& entry) {
  return is_collection(entry) ? type_name(Collection::kind_of(entry.bytes())) : type_name(entry.type());
}

std::string_view type_name(CollectionKind kind) {
  switch (kind) {
    case CollectionKind::kHash:
      return "hash";
    case CollectionKind::kSet:
      return "set";
    case CollectionKind::kSortedSet:
      return "zset";
    case CollectionKind::kList:
      return "list";
    case CollectionKind::kStream:
      break;
  }
  return "stream";
}

namespace {

std::string_view encoding_of(const Collection& all) {
  if (all.kind() == CollectionKind::kStream) return "stream";
  if (all.encoding() == Collection::Encoding::kIntegers) return "intset";
  if (all.encoding() == Collection::Encoding::kPacked) return all.may_end() ? "listpackex" : "listpack";
  if (all.kind() == CollectionKind::kList) return "quicklist";
  return all.kind() == CollectionKind::kSortedSet ? "skiplist" : "hashtable";
}

}  // namespace

std::string_view encoding_name(const EntryView& entry) {
  if (is_collection(entry)) return encoding_of(Collection(entry.bytes()));
  constexpr std::size_t kLongestEmbedded = 44;
  const std::string_view text = payload(entry);
  // A row is told as its JSON text, like GET's answer. A client may have written a number as a text, and not
  // every counter is an integer.
  const bool may_be_integer = entry.type() != EntryType::kRow && !entry.stamp().edited;
  if (may_be_integer && parse_integer(text)) return "int";
  return !entry.stamp().edited && text.size() <= kLongestEmbedded ? "embstr" : "raw";
}

bool refuse_wrong_type(Context& context, WorksOn family, EntryType type) {
  if (may_work_on(family, type)) return false;
  context.reply.error(kWrongType);
  return true;
}

}  // namespace forebay::server
