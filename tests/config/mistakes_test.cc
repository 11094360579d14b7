// Every mistake that the configuration reader knows, one row each: a text, where the mistake stands, and what
// is said.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "config/reader.h"

namespace forebay::config {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPolicies[] = {"lru", "noeviction", "sieve"};
constexpr std::string_view kPoliciesWithOptions[] = {"lru"};

// What most rows build on: two sources and a good namespace, in lines 1 to 11. Rows begin in line 12.
constexpr std::string_view kBase = R"([source.db]
kind = "sqlite"
path = "a.db"
[source.pg]
kind = "postgres"
url = "postgres://localhost/x"
[source.fn]
kind = "function"
[namespace.user]
key = "user:{id}"
ttl = "5m"
)";

struct Row {
  const char* name;
  std::string_view toml;
  std::uint32_t line, column;
  std::string_view what;  // a part of what is said
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

const Row kAlone[] = {
    // Syntax.
    {"HeaderNotClosed", "[server\n", 1, 8, "not valid TOML: table header"},
    {"HeaderWithoutName", "[log]\n[=\n", 2, 1, "not valid TOML: neither a [table] nor a key = value"},
    {"HeaderWithAControlCharacter", "[log]\n[\x01]\n", 2, 1, "not valid TOML"},
    {"ValueWithoutQuotes", "[memory]\npolicy = lru\n", 2, 10, "not valid TOML"},
    {"TextNotClosed", "[log]\nlevel = \"info\n", 2, 14, "not valid TOML: string"},
    {"ListNotClosed", "[log]\nlevel = [1,\n2\n[server]\n", 3, 3, "not valid TOML: array"},
    {"TwoStatementsInALine", "[memory]\nlimit = 5 m\n", 2, 11, "saw 'm'"},
    {"NotUtf8", "[log]\nlevel = \"\xff\"\n", 2, 0, "not valid TOML"},
    {"KeyTwice", "[memory]\nlimit = 0\nlimit = 0\n", 3, 0, "redefine existing"},
    {"TableTwice", "[memory]\n[server]\n[memory]\n", 3, 0, "redefine existing table 'memory'"},
    {"SourceTwice", "[source.a]\nkind = \"function\"\n[source.a]\nkind = \"function\"\n", 3, 0,
     "redefine existing table"},
    // Names of tables and keys.
    {"UnknownTable", "[sever]\n", 1, 2, "unknown table \"sever\"; did you mean \"server\"?"},
    {"UnknownTableFarFromAny", "[qqqqqqqq]\n", 1, 2, "unknown table \"qqqqqqqq\""},
    {"KeyOutsideOfTables", "ttl = 5\n", 1, 1, "unknown key outside of any table \"ttl\""},
    {"TableWrittenAsKey", "memory = \"1MiB\"\n", 1, 1, "memory must be a table: write [memory]"},
    {"SourceWrittenAsKey", "source = \"a.db\"\n", 1, 1, "write [source.NAME]"},
    {"SourceWithoutName", "[source]\nkind = \"sqlite\"\n", 2, 1,
     "write [source.NAME], and \"kind\" under it"},
    {"ArrayOfTables", "[[namespace]]\n", 1, 3, "write [namespace.NAME]"},
    {"UnknownServerKey", "[server]\nthread = 4\n", 2, 1,
     "unknown key \"thread\" in [server]; did you mean \"threads\"?"},
    {"UnknownKeyFarFromAny", "[log]\nfile = \"x\"\n", 2, 1, "unknown key \"file\" in [log]"},
    {"RemoteTier", "[remote]\nkind = \"redis\"\n", 1, 2,
     "[remote]: a shared remote tier is not available in this version"},
    {"NameWithASpace", "[source.\"a b\"]\nkind = \"function\"\n", 1, 9, "\"a b\" is no name of a source"},
    // Types.
    {"NumberForText", "[server]\npassword = 5\n", 2, 12, "password must be a text, not an integer"},
    {"TextForFlag", "[server]\nprotected_mode = \"no\"\n", 2, 18,
     "protected_mode must be true or false, not a text"},
    {"TextForInteger", "[server]\nthreads = \"4\"\n", 2, 11, "threads must be an integer, not a text"},
    {"DecimalForInteger", "[server]\nthreads = 1.5\n", 2, 11,
     "threads must be an integer, not a decimal number"},
    {"DateForDuration", "[default]\nttl = 2026-01-01\n", 2, 7,
     "ttl must be a duration such as \"5m\", not a date or time"},
    {"TableForSize", "[memory]\nlimit = { a = 1 }\n", 2, 9,
     "limit must be a size such as \"512MiB\", not a table"},
    {"ListForNumber", "[default]\njitter = [0.1]\n", 2, 10, "jitter must be a number, not a list"},
    {"ZeroByte", "[server]\npassword = \"a\\u0000b\"\n", 2, 12, "must not contain a zero byte"},
    // Durations and sizes.
    {"DurationWithoutUnit", "[default]\nttl = 5\n", 2, 7, "ttl = 5 needs a unit: write \"5ms\" or \"5s\""},
    {"DurationWithStrangeUnit", "[default]\nttl = \"5 minutes\"\n", 2, 7, "is no duration"},
    {"DurationTooLong", "[default]\nttl = \"4000d\"\n", 2, 7, "is no duration"},
    {"DurationNegative", "[default]\nttl = \"-5m\"\n", 2, 7, "is no duration"},
    {"SizeWithStrangeUnit", "[memory]\nlimit = \"5 pages\"\n", 2, 9, "is no size"},
    {"SizeNegative", "[memory]\nlimit = -1\n", 2, 9, "limit must not be negative"},
    // [server]
    {"ThreadsOutOfRange", "[server]\nthreads = 300\n", 2, 11, "threads must be 0 to 256, not 300"},
    {"ThreadsNegative", "[server]\nthreads = -1\n", 2, 11, "threads must be 0 to 256, not -1"},
    {"ClientsZero", "[server]\nmax_clients = 0\n", 2, 15, "max_clients must be 1 to"},
    {"ValueTooSmall", "[server]\nmax_value = 5\n", 2, 13, "max_value must be 1KiB to"},
    {"DrainTooLong", "[server]\ndrain_timeout = \"2h\"\n", 2, 17,
     "drain_timeout must be \"0\" to \"1h\", not \"2h\""},
    {"AddressWithoutPort", "[server]\nresp = \"localhost\"\n", 2, 8, "resp = \"localhost\" is no address"},
    {"AddressWithPortTooLarge", "[server]\nhttp = \"localhost:70000\"\n", 2, 8, "is no address"},
    {"AddressIpv6WithoutBrackets", "[server]\nresp = \"::1:6380\"\n", 2, 8, "is no address"},
    {"BeyondLoopback", "[server]\nresp = \"0.0.0.0:6380\"\n", 2, 8, "there is no password"},
    {"BeyondLoopbackByName", "[server]\nresp = \"cache.example:6380\"\n", 2, 8, "there is no password"},
    {"BeyondLoopbackHttp", "[server]\nhttp = \"[::]:8380\"\n", 2, 8, "there is no password"},
    {"BeyondLoopbackTls", "[server.tls]\naddress = \"0.0.0.0:6390\"\ncertificate = \"c\"\nkey = \"k\"\n", 2,
     11, "there is no password"},
    {"TlsWithoutKey", "[server.tls]\naddress = \"127.0.0.1:6390\"\ncertificate = \"c\"\n", 1, 1, "needs key"},
    {"TlsVersion", "[server.tls]\naddress = \"\"\ncertificate = \"c\"\nkey = \"k\"\nmin_version = \"1.1\"\n",
     5, 15, "min_version"},
    {"TlsClientsWithoutAuthority",
     "[server.tls]\naddress = \"\"\ncertificate = \"c\"\nkey = \"k\"\nclient_auth = \"required\"\n", 5, 15,
     "client_auth needs client_ca"},
    {"UnixSocketMode", "[server]\nunix_socket_mode = \"0888\"\n", 2, 20, "must be an octal number"},
    {"UnixSocketNowhere", "[server]\nunix_socket = \"\"\n", 2, 15, "unix_socket must name a file"},
    {"UserWithoutRules", "[user.a]\n", 1, 7, "[user.a] needs its rules"},
    {"UserWithABadName", "[user.\"a b\"]\nacl = \"on\"\n", 1, 7, "\"a b\" is no name of a user"},
    {"OneAddressTwice", "[server]\nresp = \"127.0.0.1:1\"\nhttp = \"127.0.0.1:1\"\n", 3, 8,
     "can't both listen"},
    {"ValueLargerThanBuffer", "[server]\nmax_value = \"256MiB\"\n", 2, 13,
     "does not fit into max_query_buffer (128MiB)"},
    {"BufferSmallerThanValue", "[server]\nmax_query_buffer = \"1MiB\"\n", 2, 20,
     "max_value (64MiB) does not fit"},
    // [memory], [default], [log]
    {"UnknownPolicy", "[memory]\npolicy = \"lruu\"\n", 2, 10,
     "no eviction policy \"lruu\"; did you mean \"lru\"? (there is \"lru\","},
    {"WeighByAnotherWord", "[memory]\nweigh = \"size\"\n", 2, 9, "\"cost_per_byte\""},
    {"WeighNotHeeded", "[memory]\npolicy = \"sieve\"\nweigh = \"cost\"\n", 3, 9,
     "the policy \"sieve\" does not heed weigh (of \"lru\")"},
    {"AdmissionNotHeeded", "[memory]\nadmission = \"frequent\"\npolicy = \"noeviction\"\n", 2, 13,
     "the policy \"noeviction\" does not heed admission (of \"lru\")"},
    {"LimitTooSmall", "[memory]\nlimit = \"4kB\"\n", 2, 9, "limit must be 0 (unbounded) or at least 1MiB"},
    {"MemoryValueAboveLimit", "[memory]\nlimit = \"1MiB\"\nmax_value = \"2MiB\"\n", 3, 13,
     "must not exceed limit"},
    {"MemoryShareZero", "[memory]\nmax_share = 0\n", 2, 13, "max_share must be above 0"},
    {"MemoryShareNegative", "[memory]\nmax_share = -0.5\n", 2, 13, "max_share must be 0 to 1, not -0.5"},
    {"MemoryShareAboveOne", "[memory]\nmax_share = 1.5\n", 2, 13, "max_share must be 0 to 1, not 1.5"},
    {"MemoryShareText", "[memory]\nmax_share = \"5%\"\n", 2, 13, "a number"},
    {"DefaultJitter", "[default]\njitter = 0.95\n", 2, 10, "jitter must be 0 to 0.9, not 0.95"},
    {"JitterNan", "[default]\njitter = nan\n", 2, 10, "jitter must be 0 to 0.9, not nan"},
    {"UnknownLevel", "[log]\nlevel = \"warning\"\n", 2, 9, "not \"warning\"; did you mean \"warn\"?"},
    // [source.X]
    {"KindMissing", "[source.a]\npath = \"x\"\n", 1, 9, "[source.a] needs a kind"},
    {"KindUnknown", "[source.a]\nkind = \"sqlit\"\npath = \"x\"\n", 2, 8, "did you mean \"sqlite\"?"},
    {"KindHttp", "[source.a]\nkind = \"http\"\n", 2, 8, "kind = \"http\" is not available in this version"},
    {"PathMissing", "[source.a]\nkind = \"sqlite\"\n", 1, 9, "[source.a] needs a path"},
    {"PathEmpty", "[source.a]\nkind = \"sqlite\"\npath = \"\"\n", 3, 8, "path must name the database file"},
    {"PathInMemory", "[source.a]\nkind = \"sqlite\"\npath = \":memory:\"\n", 3, 8,
     "an empty database of its own"},
    {"SqliteWithUrl", "[source.a]\nkind = \"sqlite\"\npath = \"x\"\nurl = \"y\"\n", 4, 1,
     "url is for kind = \"postgres\""},
    {"UrlMissing", "[source.a]\nkind = \"postgres\"\n", 1, 9, "[source.a] needs a url"},
    {"UrlEmpty", "[source.a]\nkind = \"postgres\"\nurl = \"\"\n", 3, 7, "url must name the database"},
    {"PostgresWithPath", "[source.a]\nkind = \"postgres\"\nurl = \"y\"\npath = \"x\"\n", 4, 1,
     "path is for kind = \"sqlite\""},
    {"FunctionWithPath", "[source.a]\nkind = \"function\"\npath = \"x\"\n", 3, 1,
     "a function source has no path"},
    {"PoolZero", "[source.a]\nkind = \"function\"\npool = 0\n", 3, 8, "pool must be 1 to 256, not 0"},
    {"SourceTimeoutZero", "[source.a]\nkind = \"function\"\ntimeout = 0\n", 3, 11,
     "timeout must be \"1ms\" to \"1h\", not \"0\""},
    {"BinlogOfPostgres", "[source.a]\nkind = \"postgres\"\nurl = \"y\"\nfeed = \"binlog\"\n", 4, 8,
     "feed = \"binlog\" needs kind = \"mysql\""},
    {"LogicalOfMysql", "[source.a]\nkind = \"mysql\"\nurl = \"y\"\nfeed = \"logical\"\n", 4, 8,
     "feed = \"logical\" needs kind = \"postgres\""},
    {"SlotOfABinlog", "[source.a]\nkind = \"mysql\"\nurl = \"y\"\nfeed = \"binlog\"\nslot = \"s\"\n", 5, 1,
     "slot is for feed = \"logical\""},
    {"FeedUrlWithoutAFeed", "[source.a]\nkind = \"mysql\"\nurl = \"y\"\nfeed_url = \"z\"\n", 4, 1,
     "feed_url is for feed = \"logical\" or \"binlog\""},
    {"ChangesOnPostgres", "[source.a]\nkind = \"postgres\"\nurl = \"y\"\nchanges = true\n", 4, 11,
     "needs kind = \"sqlite\""},
    {"BreakerRatioZero", "[source.a]\nkind = \"function\"\nbreaker_ratio = 0\n", 3, 17,
     "breaker_ratio must be above 0"},
    {"BreakerPauses", "[source.a]\nkind = \"function\"\nbreaker_open = \"1m\"\n", 3, 16,
     "must not exceed breaker_open_max (\"30s\")"},
};

const Row kAfterBase[] = {
    // The key pattern.
    {"KeyMissing", "[namespace.a]\n", 12, 12, "[namespace.a] needs a key pattern"},
    {"KeyEmpty", "[namespace.a]\nkey = \"\"\n", 13, 8, "must not be empty"},
    {"FieldEmpty", "[namespace.a]\nkey = \"a:{}\"\n", 13, 10, "an empty field"},
    {"FieldTwice", "[namespace.a]\nkey = \"a:{x}:{x}\"\n", 13, 14,
     "the field {x} stands in the pattern twice"},
    {"FieldsTouch", "[namespace.a]\nkey = \"a:{x}{y}\"\n", 13, 13, "nothing separates {x} from {y}"},
    {"FieldName", "[namespace.a]\nkey = \"a:{x-y}\"\n", 13, 11, "\"x-y\" is no field name"},
    {"BraceNotClosed", "[namespace.a]\nkey = \"a:{x\"\n", 13, 10, "this { is never closed"},
    {"BraceNotOpened", "[namespace.a]\nkey = \"a:x}\"\n", 13, 11, "this } closes no field"},
    {"ColumnsCountCharacters", "[namespace.a]\nkey = \"\u00e9\u00e9:{}\"\n", 13, 11, "an empty field"},
    {"EscapesHideColumns", "[namespace.a]\nkey = \"a\\u0041:{}\"\n", 13, 7, "an empty field"},
    // Patterns that compete.
    {"SamePattern", "[namespace.a]\nkey = \"user:{name}\"\n", 13, 7,
     "collides with \"user:{id}\" of [namespace.user] in line 10"},
    {"PatternWithin", "[namespace.a]\nkey = \"user:{id}:posts\"\n", 13, 7, "both cover \"user:x:posts\""},
    // The source.
    {"SourceUnknown", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"pgg\"\ntable = \"t\"\n", 14, 10,
     "there is no [source.pgg]; did you mean \"pg\"?"},
    {"NeitherTableNorQuery", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\n", 14, 10,
     "needs a table or a query"},
    {"TableAndQuery",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nquery = \"SELECT {x}\"\n", 16, 1,
     "exclude each other"},
    {"TableWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\ntable = \"t\"\n", 14, 1, "table needs a source"},
    {"DependsWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\ndepends_on = [\"t\"]\n", 14, 1,
     "depends_on needs a source"},
    {"TableOfFunction", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ntable = \"t\"\n", 15, 1,
     "is a function, which knows what to load"},
    {"TableEmpty", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"\"\n", 15, 9,
     "table must name a table"},
    {"TableWithoutField", "[namespace.a]\nkey = \"a\"\nsource = \"db\"\ntable = \"t\"\n", 13, 7,
     "has no field, so it can't name a row"},
    {"TextWithoutColumn", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"text\"\n",
     16, 8, "needs value = "},
    {"CounterWithoutColumn",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"counter\"\n", 16, 8,
     "type = \"counter\" of a table needs value"},
    {"ValueOfJson", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nvalue = \"v\"\n", 16, 1,
     "a json value is the whole row"},
    {"VersionIsAField", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nversion = \"x\"\n",
     16, 11, "is a field of the key"},
    {"VersionIsTheValue",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"text\"\nvalue = "
     "\"v\"\nversion = \"v\"\n",
     18, 11, "both the value and the version"},
    {"TypeHash", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"hash\"\n", 16, 8,
     "type = \"hash\" is not available in this version"},
    {"ZsetWithoutMember",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"zset\"\nvalue = \"v\"\n", 16,
     8, "type = \"zset\" needs member"},
    {"ZsetMemberIsAField",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"zset\"\nvalue = \"v\"\n"
     "member = \"x\"\n",
     18, 10, "member = \"x\" is a field of the key already"},
    {"MemberOfText",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"text\"\nvalue = \"v\"\n"
     "member = \"m\"\n",
     18, 1, "member is for type = \"zset\""},
    {"MaxMembersOfText",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"text\"\nvalue = \"v\"\n"
     "max_members = 5\n",
     18, 1, "max_members is for type = \"zset\""},
    {"SetWithoutMember", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"set\"\n",
     16, 8, "type = \"set\" needs member"},
    {"SetWithValue",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"set\"\nmember = \"m\"\n"
     "value = \"v\"\n",
     18, 1, "value is not for type = \"set\""},
    {"SetThatIsWritten",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"set\"\nmember = \"m\"\n"
     "write = \"through\"\n",
     18, 9, "read from a table and not written"},
    {"TypeUnknown", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"jsn\"\n", 16, 8,
     "did you mean \"json\"?"},
    // The query.
    {"QueryParameterUnknown",
     "[namespace.a]\nkey = \"a:{name}\"\nsource = \"db\"\nquery = \"SELECT {name}, {nmae}\"\n", 15, 25,
     "the query's {nmae} is no field of the key \"a:{name}\" (its fields: {name}); did you mean \"name\"?"},
    {"QueryParameterInALaterLine",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"\"\"\nSELECT {x}\n  WHERE y = {y}\"\"\"\n",
     17, 13, "the query's {y} is no field"},
    {"QueryWithoutField", "[namespace.a]\nkey = \"a:{x}:{y}\"\nsource = \"db\"\nquery = \"SELECT {x}\"\n", 15,
     9, "the key's field {y} is missing from the query"},
    {"QueryEmpty", "[namespace.a]\nkey = \"a\"\nsource = \"db\"\nquery = \" \"\n", 15, 9,
     "the query is empty"},
    {"QueryBraceNotClosed", "[namespace.a]\nkey = \"a\"\nsource = \"db\"\nquery = \"SELECT {x\"\n", 15, 17,
     "a { that is not closed"},
    {"QueryBraceNotOpened", "[namespace.a]\nkey = \"a\"\nsource = \"db\"\nquery = \"SELECT x}\"\n", 15, 18,
     "a } without a { before it"},
    {"QueryQuoteNotClosed", "[namespace.a]\nkey = \"a\"\nsource = \"db\"\nquery = \"SELECT 'x\"\n", 15, 17,
     "the query has a string literal that is not closed"},
    {"QueryWithAParameterOfItsOwn", "[namespace.a]\nkey = \"a\"\nsource = \"pg\"\nquery = \"SELECT $1\"\n",
     15, 17, "the query has a parameter of its own"},
    {"QueryCounter",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"SELECT {x}\"\ntype = \"counter\"\n", 16, 8,
     "needs a table"},
    {"QueryVersion",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"SELECT {x}\"\nversion = \"v\"\n", 16, 1,
     "version is a column of a table"},
    // depends_on
    {"DependencyNotAList", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = \"t\"\n", 15, 14,
     "must be a list of texts, not a text"},
    {"DependencyNotAText", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"t\", 5]\n", 15,
     20, "this is an integer"},
    {"DependencyNotClosed", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"t(c -> x\"]\n",
     15, 15, "is no dependency"},
    {"DependencyWithoutTable",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"(c -> x)\"]\n", 15, 15,
     "is no dependency"},
    {"DependencyWithoutArrow", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"t(c)\"]\n",
     15, 15, "each pair is written column -> field"},
    {"DependencyOnAnUnknownField",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"t(c -> z)\"]\n", 15, 15,
     "has no field {z} (its fields: {x})"},
    {"DependencyWithAFieldTwice",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ndepends_on = [\"t(c -> x, d -> x)\"]\n", 15, 15,
     "gives the field {x} twice"},
    // Strategies.
    {"ReadThroughWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\nread = \"through\"\n", 14, 8,
     "needs a source to load from"},
    {"WriteThroughWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\nwrite = \"through\"\n", 14, 9,
     "write = \"through\" needs a source"},
    {"WriteAroundWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\nwrite = \"around\"\n", 14, 9,
     "write = \"around\" needs a source"},
    {"WriteThroughToAQuery",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"SELECT {x}\"\nwrite = \"through\"\n", 16, 9,
     "result of a query can't be written"},
    {"WriteAroundToAQuery",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"SELECT {x}\"\nwrite = \"around\"\n", 16, 9,
     "result of a query can't be written"},
    // Write-behind.
    {"WriteBehindWithoutJournal",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = \"behind\"\n", 16, 9,
     "write = \"behind\" needs a [journal] with the path of a directory"},
    {"WriteBehindWithoutSource",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nwrite = \"behind\"\n", 16, 9,
     "write = \"behind\" needs a source"},
    {"WriteBehindToAQuery",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\nquery = \"SELECT "
     "{x}\"\nwrite = \"behind\"\n",
     18, 9, "result of a query can't be written"},
    {"WriteBehindToAFunction",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nwrite = \"behind\"\n", 17, 9,
     "needs a source of kind \"sqlite\", \"postgres\" or \"mysql\", which records what has been applied; "
     "\"fn\" "
     "is a function"},
    {"WriteUnknown",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = \"behnd\"\nflush = { batch = 3 "
     "}\n",
     16, 9, "did you mean \"behind\"?"},
    {"FlushWithoutWriteBehind", "[namespace.a]\nkey = \"a:{x}\"\nflush = { every = \"1s\" }\n", 14, 1,
     "flush is for write = \"behind\""},
    {"DurabilityWithWriteThrough",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = \"through\"\ndurability = "
     "\"os\"\n",
     17, 1, "durability is for write = \"behind\""},
    {"AfterDeadLetterWithoutWriteBehind", "[namespace.a]\nkey = \"a:{x}\"\nafter_dead_letter = \"hold\"\n",
     14, 1, "after_dead_letter is for write = \"behind\""},
    {"WhenFullWithoutWriteBehind", "[namespace.a]\nkey = \"a:{x}\"\nwhen_full = \"refuse\"\n", 14, 1,
     "when_full is for write = \"behind\""},
    {"AppendWithoutWriteBehind", "[namespace.a]\nkey = \"a:{x}\"\nappend = true\n", 14, 1,
     "append is for write = \"behind\""},
    {"AlarmWithoutWriteBehind", "[namespace.a]\nkey = \"a:{x}\"\nalarm = { age = \"1m\" }\n", 14, 1,
     "alarm is for write = \"behind\""},
    {"AlarmWithAnUnknownKey",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nalarm = { deadletters = 1 }\n",
     19, 11, "unknown key \"deadletters\" in alarm; did you mean \"dead_letters\"?"},
    {"FlushIsNoTable",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nflush = \"1s\"\n",
     19, 9, "flush must be a table in braces, not a text"},
    {"FlushWithAnUnknownKey",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nflush = { evry = \"1s\" }\n",
     19, 11, "unknown key \"evry\" in flush; did you mean \"every\"?"},
    {"FlushTooLong",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nflush = { every = \"2h\" }\n",
     19, 19, "every must be"},
    {"FlushOfNothing",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nflush = { batch = 0 }\n",
     19, 19, "batch must be 1 to 10000, not 0"},
    {"FlushOfFewBytes",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nflush = { bytes = 100 }\n",
     19, 19, "bytes must be 1KiB to 1GiB, not 100"},
    {"DurabilityUnknown",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\ndurability = \"fsnc\"\n",
     19, 14, "did you mean \"fsync\"?"},
    {"AfterDeadLetterUnknown",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nafter_dead_letter = \"stop\"\n",
     19, 21, "after_dead_letter must be \"continue\" or \"hold\", not \"stop\""},
    {"WhenFullUnknown",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nwhen_full = \"block\"\n",
     19, 13, "when_full must be \"refuse\" or \"through\", not \"block\""},
    {"AppendIsNoFlag",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\nappend = 1\n",
     19, 10, "append must be true or false"},
    {"AppendOfACounter",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\ntype = \"counter\"\nvalue = \"n\"\nappend = true\n",
     21, 10, "not for type = \"counter\""},
    {"AppendOfASortedSet",
     "[journal]\npath = \"j\"\n[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\nwrite = "
     "\"behind\"\ntype = \"zset\"\nmember = \"m\"\nvalue = \"n\"\nappend = true\n",
     22, 10, "not for type = \"zset\""},
    {"JournalWithoutPath", "[journal]\n", 12, 2, "[journal] needs a path"},
    {"JournalPathEmpty", "[journal]\npath = \"\"\n", 13, 8, "path must name a directory"},
    {"JournalTooSmall", "[journal]\npath = \"j\"\nmax_bytes = \"1kB\"\n", 14, 13, "max_bytes must be"},
    {"JournalOfNoRecords", "[journal]\npath = \"j\"\nmax_records = 0\n", 14, 15,
     "max_records must be 1 to 1000000000, not 0"},
    {"JournalAgeWithoutUnit", "[journal]\npath = \"j\"\nmax_age = 5\n", 14, 11, "max_age = 5 needs a unit"},
    {"JournalRemembersTooLong", "[journal]\npath = \"j\"\nremember = \"31d\"\n", 14, 12, "remember must be"},
    {"JournalOfNoIds", "[journal]\npath = \"j\"\nmax_ids = 0\n", 14, 11,
     "max_ids must be 1 to 100000000, not 0"},
    {"JournalKeyMisspelled", "[journal]\npath = \"j\"\nremeber = \"1h\"\n", 14, 1,
     "did you mean \"remember\"?"},
    {"JournalMisspelled", "[journl]\npath = \"j\"\n", 12, 0, "did you mean \"journal\"?"},
    {"TagOfAFieldThatTheKeyHasNot", "[namespace.a]\nkey = \"a:{x}\"\ntags = [\"v:{y}\"]\n", 14, 9,
     "the key \"a:{x}\" has no field {y} (its fields: {x})"},
    {"TagOfAColumnOfAText",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"text\"\nvalue = \"v\"\n"
     "tags = [\"v:{y}\"]\n",
     18, 9, "only rows that are read as json have columns"},
    {"AuditWithoutATime", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\naudit = \"5\"\n",
     16, 9, "audit = \"5\": write how many checks in which time"},
    {"AuditTooOften", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\naudit = \"1001/s\"\n",
     16, 9, "at most 1000/s"},
    {"AuditOfAPlainCache", "[namespace.a]\nkey = \"a:{x}\"\naudit = \"1/s\"\n", 14, 9,
     "it is for namespaces that are read through"},
    {"AuditRepairAlone",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\naudit_repair = true\n", 16, 16,
     "audit_repair needs audit"},
    {"TagThatIsNoPattern", "[namespace.a]\nkey = \"a:{x}\"\ntags = [\"v:{x\"]\n", 14, 9, "tag \"v:{x\": "},
    {"TagsOfASortedSet",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"db\"\ntable = \"t\"\ntype = \"zset\"\nvalue = \"v\"\n"
     "member = \"m\"\ntags = [\"v:{x}\"]\n",
     19, 1, "tags are not for type = \"zset\""},
    {"ReadUnknown", "[namespace.a]\nkey = \"a:{x}\"\nread = \"trough\"\n", 14, 8,
     "did you mean \"through\"?"},
    // Times.
    {"RevalidateWithoutTtl",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nstale_while_revalidate = \"1m\"\n", 15, 26,
     "stale_while_revalidate needs a ttl"},
    {"StaleIfErrorWithTtlZero",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nttl = 0\nstale_if_error = \"1m\"\n", 16, 18,
     "stale_if_error needs a ttl"},
    {"RefreshAheadWithoutTtl", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nrefresh_ahead = 0.5\n", 15,
     17, "refresh_ahead needs a ttl"},
    {"XfetchWithoutTtl", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nxfetch = 1\n", 15, 10,
     "xfetch needs a ttl"},
    {"RefreshAheadOne",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nttl = \"1m\"\nrefresh_ahead = 1.0\n", 16, 17,
     "refresh_ahead must be below 1"},
    {"RefreshAheadTwo", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nttl = \"1m\"\nrefresh_ahead = 2\n",
     16, 17, "refresh_ahead must be 0 to 1, not 2"},
    {"StaleWithoutSource", "[namespace.a]\nkey = \"a:{x}\"\nttl = \"1m\"\nstale_if_error = \"1m\"\n", 15, 18,
     "needs read = \"through\" and a source"},
    {"StaleReadAside",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nread = \"aside\"\nttl = \"1m\"\nstale_if_error = "
     "\"1m\"\n",
     17, 18, "needs read = \"through\": here"},
    {"NegativeTooLong", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nnegative_ttl = \"31s\"\n", 15, 16,
     "negative_ttl must be \"0\" to \"30s\", not \"31s\""},
    {"Jitter", "[namespace.a]\nkey = \"a:{x}\"\njitter = 1\n", 14, 10, "jitter must be 0 to 0.9, not 1"},
    {"SoftTimeoutNotShorter",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nsoft_timeout = \"1s\"\ntimeout = \"1s\"\n", 15, 16,
     "must be shorter than the timeout (\"1s\")"},
    {"SoftTimeoutNotShorterThanTheSources",
     "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\nsoft_timeout = \"2s\"\n", 15, 16,
     "shorter than the timeout of [source.fn] (\"2s\")"},
    {"TimeoutLongerThanTheSources", "[namespace.a]\nkey = \"a:{x}\"\nsource = \"fn\"\ntimeout = \"3s\"\n", 15,
     11, "timeout (\"3s\") must not be longer than the timeout of [source.fn] (\"2s\")"},
    {"BatchZero", "[namespace.a]\nkey = \"a:{x}\"\nmax_batch = 0\n", 14, 13,
     "max_batch must be 1 to 10000, not 0"},
    {"UnknownNamespaceKey", "[namespace.a]\nkey = \"a:{x}\"\nttll = \"1m\"\n", 14, 1,
     "unknown key \"ttll\" in [namespace.a]; did you mean \"ttl\"?"},
};

void expect_single_mistake(const std::string& toml, const Row& row) {
  const auto checked = check(toml, "f.toml", {kPolicies, kPoliciesWithOptions, ""});
  ASSERT_FALSE(checked.has_value()) << "accepted";
  const auto& mistakes = checked.error();
  std::string all;
  for (const Mistake& mistake : mistakes) {
    all += std::to_string(mistake.at.line) + ":" + std::to_string(mistake.at.column) + ": " + mistake.what +
           "\n";
  }
  ASSERT_EQ(mistakes.size(), 1U) << all;
  EXPECT_EQ(mistakes[0].at.line, row.line) << all;
  // 0: the column is the TOML library's choice.
  if (row.column != 0) {
    EXPECT_EQ(mistakes[0].at.column, row.column) << all;
  }
  EXPECT_THAT(mistakes[0].what, HasSubstr(std::string(row.what)));
}

class Alone : public testing::TestWithParam<Row> {};
TEST_P(Alone, IsTheOnlyMistakeAndStandsThere) {
  expect_single_mistake(std::string(GetParam().toml), GetParam());
}

class AfterBase : public testing::TestWithParam<Row> {};
TEST_P(AfterBase, IsTheOnlyMistakeAndStandsThere) {
  expect_single_mistake(std::string(kBase) + std::string(GetParam().toml), GetParam());
}

std::string row_name(const testing::TestParamInfo<Row>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Mistake, Alone, testing::ValuesIn(kAlone), row_name);
INSTANTIATE_TEST_SUITE_P(Mistake, AfterBase, testing::ValuesIn(kAfterBase), row_name);

TEST(Mistakes, TheTextThatTheRowsBuildOnIsGood) {
  EXPECT_TRUE(check(kBase, "f.toml").has_value());
}

TEST(Mistakes, AllComeAtOnceInTheOrderOfTheFileWithFileLineAndColumn) {
  const auto result = read(
      "[server]\n"
      "thread = 4\n"
      "[memory]\n"
      "policy = lru\n"
      "limit = 1\n"
      "[namespace.b]\n"
      "key = \"b:{}\"\n"
      "ttl = \"x\"\n",
      "conf/f.toml");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kConfig);
  EXPECT_THAT(result.error().message, testing::MatchesRegex("conf/f\\.toml:2:1: unknown key.*\n"
                                                            "conf/f\\.toml:4:10: not valid TOML.*\n"
                                                            "conf/f\\.toml:5:9: limit must be.*\n"
                                                            "conf/f\\.toml:7:10: an empty field.*\n"
                                                            "conf/f\\.toml:8:7: ttl = .*"));
}

TEST(Mistakes, EveryBrokenStatementIsReportedAndNothingElse) {
  const auto checked = check(
      "[server\n"  // the keys below belong to no other table because of this
      "resp = \"127.0.0.1:1\"\n"
      "[memory]\n"
      "limit = 5 m\n"
      "limit = \"1MiB\"\n"
      "limit = \"2MiB\"\n"  // twice
      "[log]\n"
      "level = [1,\n"
      "  2\n"
      "[default]\n"
      "ttl = \"5m\n"
      "jitter = 0.1\n"
      "[log]\n"  // twice
      "level = \"wrong\"\n"
      "[namespace.x]\n"
      "key = \"x:{id}\"\n"
      "source = \"absent\"\n",  // not said: a broken statement may have been it
      "f.toml");
  ASSERT_FALSE(checked.has_value());
  std::vector<std::uint32_t> lines;
  for (const Mistake& mistake : checked.error()) lines.push_back(mistake.at.line);
  EXPECT_THAT(lines, testing::ElementsAre(1, 4, 6, 9, 11, 13));
}

TEST(Mistakes, WhatABrokenStatementMayHaveSaidIsNotCalledMissing) {
  const auto checked =
      check("[namespace.x]\nkey = \"x:{id}\nsource = \"db\"\n[source.db\nkind = \"function\"\n", "f.toml");
  ASSERT_FALSE(checked.has_value());
  for (const Mistake& mistake : checked.error())
    EXPECT_THAT(mistake.what, testing::StartsWith("not valid TOML"));
}

TEST(Mistakes, BeyondAHundredOnlyTheirNumberIsSaid) {
  std::string toml = "[log]\n";
  for (int i = 0; i < 130; ++i) toml += "unknown_" + std::to_string(i) + " = 1\n";
  const auto checked = check(toml, "f.toml");
  ASSERT_FALSE(checked.has_value());
  ASSERT_EQ(checked.error().size(), kMaxMistakes + 1);
  EXPECT_EQ(checked.error().back().what, "and 30 more mistakes");
}

std::string all_of(std::string_view toml) {
  const Result<Model> result = read(toml, "f.toml");
  return result ? std::string() : result.error().message;
}

TEST(Mistakes, NestingIsBoundedHoweverItIsWritten) {
  const auto repeat = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  for (const int depth : {40, 100'000}) {
    for (const std::string& text : {
             "x = " + repeat("[", depth) + repeat("]", depth),
             "x = " + repeat("[", depth),
             "x = " + repeat("{a=", depth) + "1" + repeat("}", depth),
             "[" + repeat("a.", depth) + "a]\n",
             repeat("a.", depth) + "a = 1\n",
             repeat("\"a\" . ", depth) + "a = 1\n",
             "x = {" + repeat("a.", depth) + "a = 1}\n",
             "x = [\n" + repeat("[\n", depth),
         }) {
      EXPECT_THAT(all_of(text), HasSubstr("nested too deeply")) << depth << text.substr(0, 20);
    }
  }
  // What is wide is not deep.
  std::string wide = "[server]\nhttp_hosts = [";
  for (int i = 0; i < 1'000; ++i) wide += "\"a.b.c.d\", ";
  EXPECT_EQ(all_of(wide + "]\n"), "");
}

TEST(Mistakes, ATextOfMistakesOnlyIsGivenUpEarly) {
  std::string text;
  while (text.size() < 4'000'000) text += "=\n";
  EXPECT_THAT(all_of(text), HasSubstr("and 900 more mistakes"));
}

// A password that is written wrongly, or in the wrong place, is no less secret.
TEST(Mistakes, NothingOfAPasswordIsQuoted) {
  for (const char* text : {
           "[server]\npassword = \"ab\"hunter2\n",
           "[server]\npassword = hunter2\n",
           "[server]\npassword = \"\"\"hunter2\n",
           "[server]\npassword = \"x\nhunter2\"\n",
           "[server]\npassword = [\"hunter2\"]\n",
           "[server]\nresp = \"redis://:hunter2@localhost:6379\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:\"hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:x@hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:hunter2/x@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:12/hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:hunter2?x@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgres://u:12?hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"postgresql://u:x@h:hunter2/d\"\n",
           "[source.a]\nkind = \"sqlite\"\npath = \"postgres://u:hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres://u:hunter2@h/d\"\n",
           "[source.a]\nkind = \"postgres\"\nurl = \"x\"\ntimeout = \"postgres://u:hunter2@h/d\"\n",
       }) {
    const std::string said = all_of(text);
    EXPECT_NE(said, "") << text;
    EXPECT_THAT(said, testing::Not(HasSubstr("hunter2"))) << text;
    EXPECT_THAT(said, testing::Not(HasSubstr("saw 'h"))) << text;
  }
}

TEST(Mistakes, GoodUrlsAreTaken) {
  for (const char* url :
       {"postgres://localhost/x", "postgresql://u:p%40ss@h:5432/d?sslmode=require",
        "postgresql://u@[::1]:5432/d", "postgresql://a:1,b:2/d", "postgresql:///d?host=/tmp&user=ada@corp",
        "host=h password=a@b/c", "postgresql://u:p@/d?host=/var/run", "postgresql://"}) {
    EXPECT_EQ(all_of(std::string("[source.a]\nkind = \"postgres\"\nurl = \"") + url + "\"\n"), "") << url;
  }
}

TEST(Mistakes, OfClientsAndHosts) {
  EXPECT_THAT(all_of("[server]\nhttp_hosts = [\"a:80\"]\n"),
              HasSubstr("f.toml:2:15: http_hosts lists names"));
  EXPECT_THAT(all_of("[server]\nmetrics_password = true\n"), HasSubstr("needs a password"));
  EXPECT_THAT(all_of("[server]\nmax_client_memory = \"1MiB\"\n"), HasSubstr("at least 16MiB"));
}

}  // namespace
}  // namespace forebay::config
