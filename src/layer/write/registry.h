#pragma once

// All write strategies. To add one: a pair of files in this folder, a row in registry.cc, and its name in
// config::WriteStrategy.

#include <memory>
#include <span>

#include "config/model.h"
#include "layer/key/copy_store.h"
#include "layer/key/key_loader.h"
#include "layer/key/key_table.h"
#include "layer/write/strategy.h"
#include "layer/write/tokens.h"

namespace forebay::layer {

class JournaledWrites;
class SourceWrites;

// What strategies are made of. Everything is borrowed.
struct WriteParts {
  CopyStore& copies;
  KeyTable& keys;
  KeyLoader& loader;
  SourceWrites& source_writes;
  WriteDoor& door;
  const Clock& clock;
  WriteTokens& tokens;
  JournaledWrites* journaled;  // null: there is no [journal]
};

struct WriteStrategyRow {
  config::WriteStrategy kind;
  // Null: these parts do not suffice.
  std::unique_ptr<WriteStrategy> (*make)(const WriteParts& parts);
};

std::span<const WriteStrategyRow> write_strategies();

}  // namespace forebay::layer
