#pragma once

// The whole of Forebay from a configuration: the memory tier in front of databases, with every strategy a
// namespace may choose. The server is this class's first user.
//
//   auto layer = forebay::Layer::open_file("forebay.toml");
//   auto answer = (*layer)->get("package:curl");
//
// Thread-safe throughout. Three ways in, from easy to fast:
//   - get(), set(), … block until there is an answer;
//   - read(), write() take a callback. It runs on the calling thread if the answer is at hand, and on one of
//     Forebay's threads otherwise: it must be brief and must not block;
//   - look_up(), update() work on the memory tier alone, without copying, under a shard's lock.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/clock.h"
#include "forebay/entry.h"
#include "forebay/function_ref.h"
#include "forebay/result.h"
#include "forebay/source.h"

namespace forebay {

class KeyListener;  // forebay/key_listener.h
class Random;
class Scheduler;
namespace memory {
class Collection;
}

// How good an answer must be (docs/consistency.md, rule R8).
enum class Level : std::uint8_t {
  kAny,             // what the namespace's windows allow
  kReadYourWrites,  // includes at least the write whose token is given
  kFresh,           // the source as it is after this call began
};

struct ReadOptions {
  Level level = Level::kAny;
  std::uint64_t token = 0;  // kReadYourWrites: WriteAnswer::token
};

// Where an answer came from; also the `result` label of forebay_requests_total.
enum class ReadResult : std::uint8_t { kHit, kStale, kNegative, kMiss };

struct Answer {
  std::optional<Value> value;  // nothing: there is no such key
  ReadResult result = ReadResult::kMiss;
  std::chrono::milliseconds age{0};                    // since the load began or the client wrote it
  std::optional<std::chrono::milliseconds> fresh_for;  // nothing: no limit; zero or less: stale
  std::uint64_t version = 0;
};
using ReadCallback = std::move_only_function<void(Result<Answer>)>;

struct WriteOptions {
  // Names a write behind, so that it may be sent again without counting twice (docs/write-behind.md): 1
  // to 128 bytes of any kind. Empty: no name. The name is remembered for as long as `[journal] remember`
  // says, also after a restart. The same write with the same id writes nothing: it gets the first answer
  // again, once the first write is kept. Another write with the same id is kConflict. A write that was
  // refused leaves its id free. Where the journal is full the write is refused, whatever `when_full`
  // says. kUnsupported for namespaces that are not written behind.
  std::string_view op_id;
};

struct WriteAnswer {
  std::optional<Value> value;  // the value after the write as it is cached; nothing: dropped or removed
  bool existed = false;        // something was there before
  OptionalText added;          // Add: the new number
  std::uint64_t token = 0;     // for reads at Level::kReadYourWrites
  std::uint64_t ticket = 0;    // Layer::write_at_once(): what has to be kept before anybody is told
  // The write's op_id had been used before, and nothing was written now. `existed` and `added` are those
  // of the first answer, there is no `value`, and the token is a new one.
  bool repeated = false;
  // As Written's, of a write with a condition.
  bool held = true;
  OptionalText before = {};
};
// The answer of Layer::add_at_once().
struct AddAnswer {
  std::int64_t number = 0;   // the counter's new value
  std::uint64_t ticket = 0;  // as WriteAnswer's
};
using WriteCallback = std::move_only_function<void(Result<WriteAnswer>)>;

// What look_up() found out.
enum class LookUp : std::uint8_t {
  kAnswered,  // the visitor was called
  kAbsent,    // there is no such key, or its absence is remembered
  kLoad,      // the source must be asked: call load()
};

// A namespace, as a front needs to know it. Lives until the configuration is reloaded and every read has
// ended; hold the pointer for one call only.
struct NamespaceInfo {
  std::string name;            // empty for keys that no pattern covers
  std::uint32_t index = 0;     // 0 for those
  bool bound = false;          // it has a source
  bool read_through = false;   // misses are loaded
  bool writes_source = false;  // through, around or behind
  bool writes_behind = false;
  EntryType type = EntryType::kText;  // what its values are, when it has a source
  ValueKind kind = ValueKind::kJson;
  std::string value_column;
  bool zset = false;  // an entry is one member's score: its key is zset_entry()
};

// The key of the entry that holds a member's score, in a namespace of type "zset".
std::string zset_entry(std::string_view key, std::string_view member);

// What Forebay knows about one key (FOREBAY EXPLAIN), as name and value in words, in a stable order. Names:
// key, namespace, tier, state, age_ms, fresh_for_ms, expires_in_ms, version, evidence, load_cost_us, size,
// in_flight, source, pending_writes, pending_age_ms, pending, pending_state, miss_cause, last_invalidation,
// last_invalidation_cause.
struct Explanation {
  std::vector<std::pair<std::string, std::string>> facts;
};

// Shares of the present memory limit for which the hit rate is predicted.
inline constexpr std::array<double, 4> kPredictedMemory = {0.5, 1, 2, 4};
// The share of a namespace's reads that memory would answer at each of them, 0 to 1 (docs/what-if.md).
using PredictedHitRate = std::array<double, kPredictedMemory.size()>;

// What comparing cached copies with their source has found (docs/audit.md).
struct AuditCounts {
  std::uint64_t right = 0;       // equal
  std::uint64_t changed = 0;     // the row changed meanwhile, and the copy was ended by that
  std::uint64_t stale = 0;       // differs, where no feed promises that it does not
  std::uint64_t unknown = 0;     // no proof in time, the source failed, or it answers another thing each time
  std::uint64_t violations = 0;  // differs, though every change up to then is known
};
struct AuditReport : AuditCounts {
  std::uint64_t checked = 0;
  std::vector<std::string> keys;  // of violations, at most 100
};

struct NamespaceStats {
  std::string name;
  std::uint64_t hits = 0, stale = 0, negative = 0, misses = 0, errors = 0;  // requests by result
  std::uint64_t coalesced = 0;  // reads that joined another's flight
  std::uint64_t refreshes = 0;  // background loads
  std::uint64_t fenced = 0;     // loads whose result an invalidation kept out
  std::uint64_t invalidations = 0;
  std::size_t entries = 0;
  std::optional<PredictedHitRate> predicted_hit_rate;  // nothing: too little is known, or memory has no limit
  // Writes behind that the source doesn't have yet.
  std::uint64_t pending_records = 0, pending_bytes = 0;
  double pending_oldest_seconds = 0;
  AuditCounts audit;
};
// Writes behind of one namespace, since the start.
struct FlushStats {
  std::string source;
  std::string space;                // the namespace
  std::uint64_t batches = 0;        // transactions with writes of this namespace
  std::uint64_t writes = 0;         // in these transactions
  std::uint64_t retries = 0;        // of whole batches
  std::uint64_t dead = 0;           // writes that were put aside
  std::uint64_t passed_over = 0;    // retries of dead letters that were refused again
  std::size_t dead_letters = 0;     // now, of this journal
  double flush_seconds = 0;         // sum over batches, from the first try to the end
  std::uint64_t largest_batch = 0;  // the namespace's writes in one
};
// The journal of writes behind (docs/write-behind.md).
struct JournalStats {
  double fill = 0;  // of the bound that is nearest, max_bytes or max_records; 1: it refuses writes
  double ack_delay_seconds = 0;  // by which acknowledgements are held back now
  std::uint64_t held_back = 0;   // acknowledgements that were, since the start
  std::size_t op_ids = 0;        // remembered (WriteOptions::op_id)
  std::uint64_t repeats = 0;     // writes that came again with a known id, since the start
};
// A write behind that the database refused (docs/write-behind.md).
struct PutAside {
  std::string id;  // "source/journal/lane/seq": names it to the calls of Layer
  std::string source;
  DeadLetter letter;
};
// Upper bounds of SourceStats::load_seconds, in seconds, rising; the last bucket has none.
inline constexpr std::array<double, 13> kLoadSecondsBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                              0.1,    0.25,  0.5,    1,     2.5,  10};
struct SourceStats {
  std::string name;
  std::uint64_t loads = 0, load_keys = 0, writes = 0, errors = 0, timeouts = 0, rejected = 0;
  std::uint64_t load_microseconds = 0;
  std::array<std::uint64_t, kLoadSecondsBounds.size() + 1> load_seconds{};  // loads by how long they took
  std::size_t in_flight = 0, queued = 0, limit = 0;
  std::string breaker;   // closed | open | half-open
  bool reached = false;  // it has answered at least once since it was configured
};
// How others' changes at a source are heard of.
struct FeedStats {
  std::string source;
  bool heard = false;           // false: they are not, for now
  double lag_seconds = 0;       // all that was committed longer ago has been done
  std::uint64_t changes = 0;    // rows that were told of
  std::uint64_t gaps = 0;       // times at which changes may have been missed
  std::uint64_t unsettled = 0;  // changes that the source does not show yet
};
// What applications say has changed, of one section [events.NAME].
struct EventStats {
  std::string name;
  bool connected = false;              // false: nothing is heard, for now
  std::uint64_t invalidated = 0;       // messages that were done
  std::uint64_t malformed = 0;         // messages that made no sense, at least in part
  std::uint64_t too_large = 0;         // messages that were passed over unread
  std::uint64_t keys = 0;              // that messages named
  std::uint64_t gaps = 0;              // times at which messages may have been missed
  std::optional<double> last_seconds;  // since the last message; none: there was none
};
struct LayerStats {
  std::size_t entries = 0, bytes = 0, limit = 0, with_expiry = 0;
  std::uint64_t evicted = 0, expired = 0, too_large = 0, refused_full = 0;
  std::vector<NamespaceStats> namespaces;  // index 0: keys without one
  std::vector<SourceStats> sources;
  std::vector<FeedStats> feeds;
  std::vector<EventStats> events;
  double feed_lag_seconds = 0;      // the greatest of them
  std::vector<FlushStats> flushes;  // namespaces that are written behind, or were
  std::optional<JournalStats> journal;
  // What a person must see to about writes behind, one sentence each; empty: nothing.
  std::vector<std::string> health;
  std::vector<std::string> misfits;  // likewise, about namespaces that do not fit their tables
};

// A loader for a source of kind "function": all keys at once, one Loaded each, in order. Runs on Forebay's
// threads.
using LoadFunction =
    std::function<Result<std::vector<Loaded>>(std::span<const KeyFields>, const CallContext&)>;
using WriteFunction = std::function<Result<Written>(const KeyFields&, const Write&, const CallContext&)>;
struct Function {
  LoadFunction load;
  WriteFunction write;  // optional: then the namespaces bound to it may write
};

// What open() does about a source that it can't reach.
enum class Unreachable : std::uint8_t {
  kRefuse,  // fails, and says so
  // Starts without it: its circuit breaker begins open and probes it, and until it is back its keys are
  // answered with kUnavailable. Its tables and columns are checked by the first call that reaches it. Not for
  // a source with a change log (changes = true), whose feed has to be there before anything is cached.
  kServeWithout,
};

// What a program brings along. Everything is optional and, where it is a pointer, borrowed for the layer's
// life.
struct Environment {
  std::map<std::string, Function> functions;  // by source name
  // A source of your own in place of the configured one of that name
  std::map<std::string, std::shared_ptr<Source>> sources;
  Unreachable unreachable = Unreachable::kRefuse;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Scheduler* scheduler = nullptr;
};

class Layer {
 public:
  // Checks the configuration completely, connects to every source, and starts. All mistakes come in one
  // Error. Sources that can't be reached: as Environment::unreachable says.
  static Result<std::unique_ptr<Layer>> open(std::string_view toml, Environment environment = {});
  static Result<std::unique_ptr<Layer>> open_file(const std::string& path, Environment environment = {});
  // Waits for calls in progress; callbacks not yet answered get kCancelled.
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Takes over namespaces, default, memory limit and policy from a new configuration; sources whose settings
  // changed are reconnected. Entries of unchanged namespaces stay. On an Error nothing has changed.
  Result<void> reload(std::string_view toml);
  Result<void> reload_file(const std::string& path);

  // ---- Blocking.
  Result<Answer> get(std::string_view key, const ReadOptions& options = {});
  std::vector<Result<Answer>> get_many(std::span<const std::string_view> keys,
                                       const ReadOptions& options = {});
  // Writes under the namespace's strategy: a whole value (a row as JSON object text, or plain text).
  Result<WriteAnswer> set(std::string_view key, std::string_view value);
  // Columns of a row that exists, or of a new one.
  Result<WriteAnswer> set_fields(std::string_view key, Fields fields);
  Result<WriteAnswer> add(std::string_view key, std::int64_t amount);  // counters
  Result<WriteAnswer> remove(std::string_view key);                    // deletes the row itself

  // ---- Callbacks.
  void read(std::string_view key, const ReadOptions& options, ReadCallback done);
  // The rest of a read() for a key of which look_up() has just said kLoad.
  void load(std::string_view key, ReadCallback done);
  // Sends what read() has gathered to the sources. Call after a group of reads, so that they share queries; a
  // timer sends it within a millisecond otherwise.
  void dispatch();
  // Lives while a caller asks for a group of reads that takes a while: it holds that timer back, so that no
  // part of the group is sent alone. The caller still calls dispatch() after the group.
  class Gather {
   public:
    explicit Gather(Layer& layer);
    ~Gather();
    Gather(const Gather&) = delete;
    Gather& operator=(const Gather&) = delete;

   private:
    Layer& layer_;
  };
  // Returns whether the write is in effect already, so that everything asked from now on sees it. `done` may
  // still come later, as for a write behind that the journal has yet to keep.
  bool write(std::string_view key, Write write, WriteCallback done, const WriteOptions& options = {});
  // The same from a whole value as a client sends it.
  bool write_value(std::string_view key, std::string_view value, WriteCallback done,
                   const WriteOptions& options = {});
  // The short way for a write behind that has to wait for nothing but the journal: the write is in
  // effect when this returns. If it returns nothing, it has done nothing, and write() is the call to
  // make: the write has to wait for something else, its op_id is known already, or the namespace is not
  // written behind.
  //
  // The caller must ask when_kept() for the answer's `ticket`, if there is one, and must not show the
  // answer to anybody before that has called back without an error: until then a crash may lose the
  // write. Later writes have larger tickets. The answer's `value` is not set. `now` is the clock's time.
  std::optional<Result<WriteAnswer>> write_at_once(std::string_view key, const Write& write, Instant now,
                                                   const WriteOptions& options = {});
  std::optional<Result<WriteAnswer>> write_value_at_once(std::string_view key, std::string_view value,
                                                         Instant now, const WriteOptions& options = {});
  // The same for an addition to a counter whose value is cached, without an allocation. Returns nothing also
  // where the addition would be an error; write() says which.
  std::optional<AddAnswer> add_at_once(std::string_view key, std::int64_t amount, Instant now);
  // Calls back once the journal has kept the writes with the tickets from `first` to `last`; one call is
  // enough for many writes. An error is about all of them. kUnknownOutcome: some may not have been kept,
  // which shows once the journal is open again. kUnavailable: none has been kept.
  void when_kept(std::uint64_t first, std::uint64_t last, std::move_only_function<void(Result<void>)> done);

  // ---- The memory tier.
  const NamespaceInfo& route(std::string_view key) const;
  // Answers from memory if the namespace's policy allows; starts a refresh if one is due.
  LookUp look_up(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit);
  // Visits the key's entry if it is in memory and neither expired nor invalidated. Counts neither as a
  // use nor as a request.
  bool peek(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit);
  // Looks at the entry and changes it in one step, in the memory tier only. In a namespace with a source this
  // may change the times of the cached copy; its value is changed by write().
  PutOutcome update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide);
  // Edits the collection of a key without a source: `edit` gets the entry or null, and what the tier has of it
  // (memory/collection/, which is inside of the library), and returns the stamp for a new one, or nothing if it
  // has edited nothing. `room`: bytes that the edit may add, at most; 0: none.
  PutOutcome edit_collection(std::string_view key, Instant now, std::size_t room,
                             FunctionRef<std::optional<Stamp>(const EntryView*, memory::Collection&)> edit);
  // The Stamp that a client's own value for this key gets (default or namespace ttl, jitter).
  Stamp stamp_for(std::string_view key, Instant now);
  // Drops the cached copy and fences loads in progress. True: there was one. (DEL)
  bool drop(std::string_view key, Instant now);
  // Holds the shards of some keys (or all shards) for this thread, so that several calls of update(), peek(),
  // look_up() and drop() on keys without a source are one step for everybody else. Meanwhile no reload takes
  // effect, so what route() says of a key stays true. A thread has at most one Guard.
  class Guard {
   public:
    Guard(Guard&&) noexcept;
    ~Guard();

   private:
    friend class Layer;
    struct Held;
    explicit Guard(std::unique_ptr<Held> held);
    std::unique_ptr<Held> held_;
  };
  Guard lock(std::span<const std::string_view> keys, bool all = false);
  // The same for a thread that can't say beforehand which keys it will want: shards are locked one after the
  // other, as keys are met, and held until this goes. There is one at a time, and no Guard is made meanwhile.
  class Alone {
   public:
    Alone(Alone&&) noexcept;
    ~Alone();
    void lock(std::string_view key);
    void lock_all();

   private:
    friend class Layer;
    struct Held;
    explicit Alone(std::unique_ptr<Held> held);
    std::unique_ptr<Held> held_;
  };
  // Nothing: another thread has it, or a Guard is in force.
  std::optional<Alone> try_alone();
  // A hint for who would rather not wait: whether the key's shard is held by who locks alone.
  bool locked_alone(std::string_view key) const;
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Instant now,
                     FunctionRef<void(const EntryView&)> visit);
  bool random_entry(Instant now, FunctionRef<void(const EntryView&)> visit);
  std::size_t size() const;
  // How often the entry was used lately, 1 to 127, where the eviction policy ranks by that (`lfu`,
  // `volatile-lfu`); nothing under other policies and without an entry.
  std::optional<unsigned> frequency(std::string_view key) const;

  // ---- Writes behind (docs/write-behind.md). Callbacks run once, on one of Forebay's threads or the calling
  // one, and must be brief. `timeout`: zero for none.
  using Flushed = std::move_only_function<void(bool)>;
  // Answers true once the database has everything that is pending for the key now, or has put it aside.
  // False: not in time, or the layer ends.
  void when_flushed(std::string_view key, std::chrono::milliseconds timeout, Flushed done);
  // Sends what is pending now, of one namespace (empty: of all), without waiting for more. False: not all of
  // it got through in time.
  void drain(std::string_view space, std::chrono::milliseconds timeout, Flushed done);
  bool drain(std::chrono::milliseconds timeout);  // all, blocking
  // Writes that were put aside, oldest first: of a source (empty: of all), at most `limit` of those after the
  // one with the id `after` (empty: from the first).
  void dead_letters(std::string_view source, std::string_view after, std::size_t limit,
                    std::move_only_function<void(Result<std::vector<PutAside>>)> done);
  void dead_letter(std::string_view id, std::move_only_function<void(Result<std::optional<PutAside>>)> done);
  // Answers false where there is no such letter (any more).
  using Found = std::move_only_function<void(Result<bool>)>;
  // Writes the letter again, as a new write of its key, and answers once the journal has that. Where later
  // writes of the key are held (after_dead_letter = "hold"), all of the key's letters are written, in order.
  // What the database refuses again stays a dead letter.
  void retry_dead_letter(std::string_view id, Found done);
  // Replaces what is to be written; kInvalidArgument says what is wrong with the text.
  void edit_dead_letter(std::string_view id, std::string_view operation, Found done);
  void drop_dead_letter(std::string_view id, Found done);

  // ---- Invalidation and warming.
  void purge_all();                                     // FLUSHALL: everything, O(1)
  Result<void> purge_namespace(std::string_view name);  // O(1)
  // Every entry that has the tag, by its namespace's `tags` or by tag(), is gone from here on; a load in progress
  // whose value turns out to have it is not kept. O(namespaces), whatever number of entries has it.
  void purge_tag(std::string_view tag);
  // Gives the key's entry these tags in place of those that this gave it before; none: takes them away. They last as
  // long as there is an entry of the key, also over new values. False: there is none. kInvalidArgument: more than 64
  // with those of its namespace; kUnsupported: a collection that a table holds.
  Result<bool> tag(std::string_view key, std::span<const std::string_view> tags);
  std::size_t purge_match(std::string_view glob);  // scans in bounded steps; returns how many were dropped
  // Loads keys of a namespace that are not fresh, in batches, behind foreground loads. Calls `done` with how
  // many were loaded.
  void warm(std::span<const std::string> keys, std::move_only_function<void(Result<std::size_t>)> done);

  // ---- Seeing.
  // Compares up to `sample` copies, chosen at random, with what their source has; of one namespace, or of all that can
  // be audited (empty). Answers within some ten seconds. kInvalidArgument: there is no such namespace.
  void audit(std::string_view space, std::size_t sample,
             std::move_only_function<void(Result<AuditReport>)> done);
  // The listener is told what becomes of keys from now on, in place of the one before; null: nobody is. Not
  // while the calling thread has a Guard. The layer keeps every listener that it was ever given as long as it
  // lives, as calls to it may be on their way.
  void listen(std::shared_ptr<KeyListener> listener);
  Explanation explain(std::string_view key);
  LayerStats stats() const;
  void reset_stats();
  const Clock& clock() const;
  // Runtime settings that CONFIG SET may change: "maxmemory" and "maxmemory-policy".
  Result<void> set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy);
  std::string memory_policy() const;

  struct Impl;

 private:
  explicit Layer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay
