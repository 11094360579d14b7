#pragma once

// A collection that lies in no entry: what a load brings before it is a copy, and what answers where nothing was
// stored. An entry's copy of it is made by Collection::copy().

#include <string>

#include "forebay/function_ref.h"
#include "memory/collection/collection.h"
#include "memory/collection/node_memory.h"

namespace forebay::memory {

// Edited by one thread; then any number may read it at once.
class OwnCollection {
 public:
  explicit OwnCollection(CollectionKind kind) : kind_(kind) {}
  OwnCollection(const OwnCollection&) = delete;
  OwnCollection& operator=(const OwnCollection&) = delete;

  // Shows it to be edited; nothing that came from an earlier read is valid afterwards.
  void edit(FunctionRef<void(Collection&)> edit);
  // To be read, by this thread. Nothing was ever put in: it does not exist().
  Collection read() const { return Collection(bytes_); }
  // Becomes a copy of what an entry has. Requires that nothing was put in yet.
  void copy(std::string_view bytes);

  CollectionKind kind() const { return kind_; }
  bool empty() const;
  std::size_t charge() const { return bytes_.size() + memory_.allocated(); }  // bytes

 private:
  const CollectionKind kind_;
  NodeMemory memory_;  // gives back all of its nodes by itself
  std::string bytes_;
};

}  // namespace forebay::memory
