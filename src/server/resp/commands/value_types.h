#pragma once

// What clients are told of a value's type (EntryType), and which commands may work on it. A key that is in
// memory has the type of its entry; one of a namespace with a source that isn't there, its namespace's.

#include <string_view>

#include "memory/collection/collection.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

// TYPE's answer: a row is a hash of its columns, texts and counters are strings.
std::string_view type_name(EntryType type);
std::string_view type_name(memory::CollectionKind kind);
std::string_view type_name(const EntryView& entry);

// OBJECT ENCODING's answer: Redis's name for how it would hold the value. A client that asks wants to know
// whether it is a number.
std::string_view encoding_name(const EntryView& entry);

// What a family of commands works on. The string commands take every type that there is: they see a row as
// its JSON text.
enum class WorksOn : std::uint8_t { kHashes, kSortedSets };

// Answers WRONGTYPE unless commands of that family may work on values of this type. True: answered.
bool refuse_wrong_type(Context& context, WorksOn family, EntryType type);

}  // namespace forebay::server
