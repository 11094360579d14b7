#pragma once

// Whether a namespace fits its table, and what it reads there.

#include "source/mysql/catalog.h"

namespace forebay::source::mysql {

// kConfig: something is missing, which the message names.
Result<void> check(const Table& table, const DatasetSpec& spec);

// Watched columns are others' wishes. Where one is missing, images lack it, and those others see that.
DatasetSpec with_known_columns(DatasetSpec spec, const Table& table);

// What the namespace reads: all columns that the role may, or the value and what is watched.
TableShape shape_of(const Table& table, const DatasetSpec& spec);

}  // namespace forebay::source::mysql
