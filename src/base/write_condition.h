#pragma once

// Whether a write's condition (forebay/dataset.h) holds: for whoever makes the write. Pure functions; thread-safe.

#include "forebay/dataset.h"

namespace forebay {

// The write's condition; null: it has none.
const WriteCondition* condition_of(const Write& write);

// `before`: what its column has, as text (nothing: NULL). What is no number counts as less than every number, and as
// nothing that could be added to.
bool holds(const WriteCondition& condition, const Write& write, bool exists, const OptionalText& before);

}  // namespace forebay
