#include "layer/write/around.h"

#include <utility>

#include "layer/write/source_write.h"

namespace forebay::layer {
namespace {

class Around final : public WriteStrategy {
 public:
  explicit Around(SourceWrites& writes) : writes_(writes) {}

  bool write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions&) override {
    writes_.write(at, std::move(write), AfterCommit::kDrop, std::move(done));
    return false;
  }

 private:
  SourceWrites& writes_;
};

}  // namespace

std::unique_ptr<WriteStrategy> make_around(const WriteParts& parts) {
  return std::make_unique<Around>(parts.source_writes);
}

}  // namespace forebay::layer
