#pragma once

// The configuration after every check: what the other rooms are built from. Plain data, no behaviour;
// src/config/reader.h makes one from TOML. A value that is absent from the file has the default given here.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "forebay/eviction.h"
#include "forebay/source.h"

namespace forebay::config {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

// Where something stands in the file; lines and columns from 1, 0 for "not in a file".
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  bool operator==(const Position&) const = default;
};

// Somebody who may log in, and the rules of what they may do: docs/security.md. Rules are the server's business, which
// checks them for ReadOptions.
struct User {
  std::string name;
  std::string acl;
  Position at;
  bool operator==(const User&) const = default;
};

// What is wrong with a user's rules.
struct WrongRules {
  std::size_t offset = 0;  // bytes of the text before what is wrong
  std::string what;
};

enum class ClientAuth : std::uint8_t { kNo, kOptional, kRequired };

// The Redis front once more, encrypted: [server.tls].
struct Tls {
  std::string address;      // host:port; empty: there is none
  std::string certificate;  // PEM file: the server's, then those that vouch for it
  std::string key;          // PEM file
  std::string client_ca;    // PEM file: who vouches for clients; empty: nobody
  ClientAuth client_auth = ClientAuth::kNo;
  bool only_1_3 = false;     // min_version; false: 1.2
  std::string ciphers;       // of TLS 1.2, as OpenSSL names them; empty: its own choice
  std::string ciphersuites;  // of TLS 1.3
  bool operator==(const Tls&) const = default;
};

struct Server {
  std::string resp = "127.0.0.1:6380";  // host:port; empty: no Redis front
  std::string http = "127.0.0.1:8380";  // host:port; empty: no HTTP front
  Tls tls;
  std::string unix_socket;           // a path; empty: none
  unsigned unix_socket_mode = 0700;  // permissions of its file
  unsigned threads = 0;              // event loops; 0: one per core; at most 256
  std::string password;        // the default user's; empty: none, and then only loopback peers are served
  std::vector<User> users;     // [user.NAME], which stand outside of [server]
  bool protected_mode = true;  // false: serve beyond loopback without a password (a choice to be sorry for)
  // Names under which the HTTP front may be asked for without a password, beside addresses and localhost
  std::vector<std::string> http_hosts;
  bool metrics_password = false;  // /metrics, too, wants the password
  std::optional<bool>
      scripts;              // whether clients may send scripts; none: with a password, or on loopback only
  unsigned databases = 16;  // that clients may SELECT: 1 to 16
  std::size_t max_clients = 10'000;
  std::size_t max_value = std::size_t{64} << 20;          // largest bulk string a client may send, bytes
  std::size_t max_query_buffer = std::size_t{128} << 20;  // most bytes of unprocessed requests per client
  // Most bytes of unread replies per client, then it is closed
  std::size_t max_output_buffer = std::size_t{64} << 20;
  // Most bytes of all clients' requests and replies together; 0: no bound
  std::size_t max_client_memory = std::size_t{512} << 20;
  std::size_t max_arguments = 1'000'000;  // of one command
  milliseconds idle_timeout{0};           // close a client silent for this long; 0: never
  milliseconds request_timeout{10s};      // close a client whose half-sent request is this old; 0: never
  milliseconds login_timeout{10s};        // close a client that has not logged in by then; 0: never
  milliseconds drain_timeout{10s};        // on SIGTERM: how long replies in progress may take
};

struct Memory {
  std::size_t limit = std::size_t{512} << 20;  // bytes of keys, values and overhead; 0: unbounded
  std::string policy = "lru";                  // a name from memory/eviction/registry
  Weigh weigh = Weigh::kNothing;               // some policies only
  Admission admission = Admission::kAll;       // some policies only
  // Values larger than one of these are served, not kept.
  std::size_t max_value = 0;  // bytes; 0: not set
  double max_share = 0;       // of the limit, (0, 1]; 0: not set, and 1/16 if max_value isn't either
};

// What keys without a namespace get.
struct Default {
  milliseconds ttl{0};  // 0: no expiry unless the client sets one
  double jitter = 0.0;  // share of ttl by which it is randomly shortened, 0 to 0.9
};

enum class ReadStrategy : std::uint8_t { kAside, kThrough };
enum class WriteStrategy : std::uint8_t { kAside, kThrough, kAround, kBehind };
inline constexpr std::size_t kWriteStrategies = 4;

// What the reply to a write waits for with WriteStrategy::kBehind.
enum class Durability : std::uint8_t {
  kNone,   // nothing: a crash loses the last of them
  kOs,     // the journal has given it to the operating system: survives the process, not the machine
  kFsync,  // the journal has it on its disk
};
// What becomes of a key's later writes once the database refused one.
enum class AfterDeadLetter : std::uint8_t { kContinue, kHold };
// What becomes of a write that the journal has no room for.
enum class WhenFull : std::uint8_t { kRefuse, kThrough };

// Where acknowledged writes wait until the databases have them.
struct Journal {
  // The data directory, relative to the configuration file; made if absent, by who opens it. Empty: there is
  // no [journal]
  std::string path;
  std::size_t max_bytes = std::size_t{1} << 30;  // of keys and writes that wait; at least 1 MiB
  std::size_t max_records = 1'000'000;           // writes that wait
  milliseconds max_age{0};                       // of the oldest write that waits; 0: no bound
  milliseconds remember{1h};        // how long the op-ids of writes are remembered; 0: none is taken
  std::size_t max_ids = 1'000'000;  // op-ids remembered at once
  bool operator==(const Journal&) const = default;
};

// What stands between Forebay and a PostgreSQL server, if anything does that lends its sessions to many clients.
enum class Pooler : std::uint8_t {
  kNone,
  kTransaction,  // a session is lent for one transaction
};

// How a source's changes are heard of, besides its own change log.
enum class Feed : std::uint8_t {
  kNone,
  kLogical,  // PostgreSQL's logical replication
  kBinlog,   // the binary log of MySQL and MariaDB
};

struct Source {
  std::string name;
  std::string kind;               // sqlite | postgres | function
  std::string path;               // sqlite: the database file, relative to the configuration file
  std::string url;                // postgres: a libpq URI or connection string
  Pooler pooler = Pooler::kNone;  // postgres
  std::size_t pool = 4;           // connections, 1 to 256
  milliseconds timeout{2s};       // hard: one load or write, also sent to the database
  milliseconds connect_timeout{2s};
  bool changes = false;     // sqlite: keep a change log by triggers, so that others' writes are noticed
  Feed feed = Feed::kNone;  // how else others' changes are heard of
  std::string feed_url;     // where the feed connects to; empty: url
  std::string publication = "forebay";  // kLogical
  std::string slot;                     // kLogical: of the server, and kept there; empty: a temporary one
  bool unbounded_wal = false;           // kLogical: the slot may keep all of the server's log
  milliseconds poll_interval{50ms};     // how often the change log is read
  // Circuit breaker: opens when, within a window, at least breaker_minimum calls failed by breaker_ratio or
  // more.
  double breaker_ratio = 0.5;        // (0, 1]
  std::size_t breaker_minimum = 20;  // 1 to 10,000
  milliseconds breaker_window{10s};
  milliseconds breaker_open{1s};  // first pause; doubles up to breaker_open_max while probes fail
  milliseconds breaker_open_max{30s};
  std::size_t max_queue = 10'000;  // keys waiting for a connection; beyond: overloaded
  Position at;
  bool operator==(const Source&) const = default;
};

// `depends_on = ["table"]` or `["table(column -> field, …)"]`.
using Dependency = TableDependency;

// A key pattern, split: literal, field, literal, field, …, literal. `order:{region}:{id}` has literals
// {"order:", ":", ""} and fields {"region", "id"}. A field matches one or more bytes: up to the first
// occurrence of the literal after it, but for the last field, which reaches to the closing literal at the
// very end of the key.
struct Pattern {
  std::string text;
  std::vector<std::string> literals;  // one more than fields
  std::vector<std::string> fields;
  bool operator==(const Pattern&) const = default;
};

// Between the key of a sorted set and one of its members, in the key of the member's entry.
inline constexpr char kMemberSeparator = '\0';

// What the rows of a table are together, where they are one value.
enum class CollectionType : std::uint8_t { kNone, kSet, kSortedSet, kList };

// What becomes of copies while nobody hears of changes at their source.
enum class OnFeedLoss : std::uint8_t {
  kTtl,     // they are good for their ttl, as without a feed
  kBypass,  // they are dropped, and nothing is kept until the feed is heard again
};

struct Namespace {
  std::string name;
  Pattern key;         // of an entry; with `zset` its last field, after kMemberSeparator, is the member
  std::string source;  // empty: none (a plain cache with a policy of its own)
  std::string table;
  std::string query;
  ValueKind kind = ValueKind::kJson;  // `type`
  bool zset = false;                  // type = "zset": `kind` is kText then, of a member's score
  // With `zset`: that of the sets themselves, which the layer adds. A value is the rows that a key finds, then.
  CollectionType collection = CollectionType::kNone;
  std::string member_column;          // of a collection but a list
  std::size_t max_members = 100'000;  // of a collection that is loaded, 1 to 10,000,000
  std::string value_column;           // `value`
  std::string version_column;         // `version`
  std::vector<Dependency> depends_on;
  std::vector<Pattern> tags;  // fields are the key's or, in a json value, columns; at most kMostTags
  OnFeedLoss on_feed_loss = OnFeedLoss::kTtl;
  milliseconds audit_every{0};    // a copy is compared with its source that often (`audit`); 0: never
  bool audit_repair = false;      // a copy that is found wrong is dropped
  milliseconds max_staleness{0};  // an answer was right that long ago at most; 0: no such bound
  ReadStrategy read = ReadStrategy::kThrough;  // kAside where there is no source
  WriteStrategy write = WriteStrategy::kAside;
  milliseconds ttl{0};  // 0: fresh until invalidated or evicted
  double jitter = 0.0;  // 0 to 0.9
  milliseconds stale_while_revalidate{0};
  milliseconds stale_if_error{0};
  // After a failed load: how long the stale copy is served without asking again
  milliseconds stale_throttle{1s};
  double refresh_ahead = 0.0;    // share of ttl after which a read starts a refresh; 0: off; below 1
  double xfetch = 0.0;           // beta of XFetch; 0: off; 1 is the paper's default
  milliseconds negative_ttl{0};  // 0: absence is not remembered; at most 30 s
  milliseconds soft_timeout{0};  // after this a caller gets the stale copy if there is one; 0: off
  milliseconds timeout{0};  // hard: after this a caller gets an error (or stale_if_error); 0: the source's
  std::size_t max_batch = 500;  // most keys of one query, 1 to 10,000
  // The rest is for WriteStrategy::kBehind: a write goes to the database once it has waited for flush_every,
  // or flush_batch keys wait (1 to 10,000),
  milliseconds flush_every{1s};
  std::size_t flush_batch = 500;
  std::size_t flush_bytes = std::size_t{1} << 20;  // or what waits comes to this, 1 KiB to 1 GiB
  Durability durability = Durability::kFsync;
  AfterDeadLetter after_dead_letter = AfterDeadLetter::kContinue;
  WhenFull when_full = WhenFull::kRefuse;
  bool append = false;  // a SET inserts a row that must not exist; it is not cached before it is read
  // The health check says so when a write waits this much longer than flush_every, or so many dead letters
  // are there; 0: never
  milliseconds alarm_age{60s};
  std::size_t alarm_dead_letters = 1;
  Position at;
  bool operator==(const Namespace&) const = default;
};

// What an event makes stale, as [events.NAME] writes it: a text with fields of the message, `order:{order.id}`.
struct KeyTemplate {
  enum class Target : std::uint8_t {
    kNamespace,  // a key of a namespace
    kPlain,      // "key …": one of no namespace
    kTag,        // "tag …": whatever carries the tag
  };
  Target target = Target::kNamespace;
  std::string text;  // as it is written
  // Its fields are paths into the message: names with dots between them. One may stand there more than once, and
  // nothing need stand between two.
  Pattern pattern;
  bool operator==(const KeyTemplate&) const = default;
};

enum class EventsKind : std::uint8_t { kRedisChannel, kRedisStream, kKafka };

// Messages of applications that say what has changed: docs/events.md.
struct Events {
  std::string name;
  EventsKind kind = EventsKind::kRedisChannel;
  std::string url;           // redis-channel, redis-stream: redis://[user[:password]@]host[:port][/database]
  std::string password_env;  // the variable of the environment that holds the password; empty: none does
  std::string channel;       // redis-channel
  std::string stream;        // redis-stream: its key
  std::string brokers;       // kafka: host:port, with commas between them
  std::string topic;         // kafka
  std::string group;         // kafka: whose offsets are kept by the brokers; empty: they are not kept
  std::vector<std::pair<std::string, std::string>> kafka;  // settings of librdkafka, as it names them
  std::vector<KeyTemplate> invalidate;                     // not empty
  // How long after an event nothing that is loaded of its keys is stored; 0: not at all; at most 1 min
  milliseconds hold_off{2s};
  std::size_t max_message = std::size_t{1} << 20;  // bytes; larger ones are skipped, 1 KiB to 64 MiB
  std::size_t max_keys = 1000;                     // of one message, 1 to 100,000
  Position at;
  bool operator==(const Events&) const = default;
};

struct Log {
  std::string level = "info";  // trace | debug | info | warn | error
};

struct Model {
  std::string file;  // for messages
  Server server;
  Memory memory;
  Default defaults;
  Log log;
  Journal journal;
  std::vector<Source> sources;
  std::vector<Namespace> namespaces;
  std::vector<Events> events;
};

// Whether two say the same, wherever they stand in their files: what a reload compares.
template <class Section>
bool same_settings(Section a, Section b) {
  a.at = b.at = Position{};
  return a == b;
}

}  // namespace forebay::config
