#pragma once

// Streams of plain keys (memory/collection/stream.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory/collection/stream_groups.h"
#include "server/resp/commands/collections.h"

namespace forebay::server {

using memory::Stream;
using memory::StreamConsumer;
using memory::StreamEntry;
using memory::StreamGroup;
using memory::StreamGroups;
using memory::StreamId;
using memory::StreamReaders;

inline constexpr std::string_view kBadStreamId = "ERR Invalid stream ID specified as stream command argument";

// `ms` or `ms-sequence`. `sequence`: the one that an id without one has.
std::optional<StreamId> parse_stream_id(std::string_view text, std::uint64_t sequence = 0);
// The same, and answers the error.
std::optional<StreamId> stream_id_or_error(Context& context, std::string_view text);
// Of a range, whose ends may be `-` and `+`, and with `(` before them are not part of it. Nothing: an error has been
// answered.
std::optional<StreamId> parse_range_start(Context& context, std::string_view text);
std::optional<StreamId> parse_range_end(Context& context, std::string_view text);

std::string text_of(const StreamId& id);
void write_id(resp::Writer& reply, const StreamId& id);
// [id, [field, value, …]]
void write_entry(resp::Writer& reply, const StreamEntry& entry);
// The entries from `first` to `last`, at most `count`; 0: all.
void write_entries(resp::Writer& reply, const Stream& stream, const StreamId& first, const StreamId& last,
                   std::size_t count = 0, bool backwards = false);

std::int64_t wall_ms(const Context& context);

Seen see_stream(Context& context, std::string_view key, FunctionRef<void(Collection&, const Stream&)> show);
// False: an error has been answered.
bool edit_stream(Context& context, std::string_view key, Missing missing, Growth growth,
                 FunctionRef<void(Collection&, Stream&)> change);
// What an edit of a stream needs that adds no more than a few records.
inline constexpr Growth kFewRecords{8, 1024};

// How many entries there had been when the one of this id, or the last one before it, was added; -1: that can't be
// told.
std::int64_t entries_up_to(const Stream& stream, const StreamId& id);
// Whether an entry behind this id may have been deleted by itself.
bool may_have_gaps(const Stream& stream, const StreamId& after);

// "NOGROUP No such key '…' or consumer group '…'"
std::string no_such_group(std::string_view key, std::string_view group);

// streams_read.cc
void xread(Context& context);
void xreadgroup(Context& context);
// The keys of both, which come behind STREAMS, each with its id behind all of them.
void visit_read_keys(std::span<const std::string_view> args, FunctionRef<void(std::size_t at)> visit);
// streams_groups.cc
void xgroup(Context& context);
void xack(Context& context);
// streams_pending.cc
void xpending(Context& context);
void xclaim(Context& context);
void xautoclaim(Context& context);
// streams_info.cc
void xinfo(Context& context);

}  // namespace forebay::server
