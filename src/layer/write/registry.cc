#include "layer/write/registry.h"

#include "layer/write/around.h"
#include "layer/write/aside.h"
#include "layer/write/behind.h"
#include "layer/write/through.h"

namespace forebay::layer {
namespace {

constexpr WriteStrategyRow kRows[] = {
    {config::WriteStrategy::kAside, make_aside},
    {config::WriteStrategy::kThrough, make_through},
    {config::WriteStrategy::kAround, make_around},
    {config::WriteStrategy::kBehind, make_behind},
};

}  // namespace

std::span<const WriteStrategyRow> write_strategies() {
  return kRows;
}

}  // namespace forebay::layer
