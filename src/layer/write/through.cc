#include "layer/write/through.h"

#include <utility>

#include "layer/write/source_write.h"

namespace forebay::layer {
namespace {

class Through final : public WriteStrategy {
 public:
  explicit Through(SourceWrites& writes) : writes_(writes) {}

  bool write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions&) override {
    writes_.write(at, std::move(write), AfterCommit::kStore, std::move(done));
    return false;
  }

 private:
  SourceWrites& writes_;
};

}  // namespace

std::unique_ptr<WriteStrategy> make_through(const WriteParts& parts) {
  return std::make_unique<Through>(parts.source_writes);
}

}  // namespace forebay::layer
