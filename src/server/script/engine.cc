#include "server/script/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/detail/sha1.hpp>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <lua.hpp>
#include <new>
#include <utility>

#include "server/script/sandbox.h"
#include "server/script/values.h"

namespace forebay::server::script {
namespace {

constexpr int kInstructionsPerTick = 100;             // as each may be a call that handles megabytes
constexpr std::size_t kStack = std::size_t{8} << 20;  // LuaJIT nests up to 200 calls of C
constexpr std::size_t kLongestSource = std::size_t{4} << 20;
constexpr const char* kChunk = "@user_script";
constexpr int kMostArguments = 1'000'000;  // of one command

std::string sha1(std::string_view text) {
  boost::uuids::detail::sha1 hash;
  hash.process_bytes(text.data(), text.size());
  boost::uuids::detail::sha1::digest_type digest;
  hash.get_digest(digest);
  std::string hex;
  for (const unsigned word : digest) hex += fmt::format("{:08x}", word);
  return hex;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// The first line of a script may say what it is: #!lua name=… flags=a,b
struct FirstLine {
  std::size_t bytes = 0;  // without its end
  bool no_writes = false;
};
Result<FirstLine> first_line_of(std::string_view source) {
  FirstLine line;
  if (!source.starts_with("#!")) return line;
  if (source.find('\n') == std::string_view::npos)
    return Error{ErrorCode::kInvalidArgument, "ERR Invalid script shebang"};
  std::string_view text = source.substr(0, source.find('\n'));
  line.bytes = text.size();
  text.remove_prefix(2);
  const auto word = [&] {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r"), text.size()));
    const std::string_view next = text.substr(0, text.find_first_of(" \t\r"));
    text.remove_prefix(next.size());
    return next;
  };
  if (const std::string_view engine = word(); lower(engine) != "lua")
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("ERR Unexpected engine in script shebang: #!{}", engine)};
  for (std::string_view part = word(); !part.empty(); part = word()) {
    if (part.starts_with("name=")) continue;
    if (!part.starts_with("flags="))
      return Error{ErrorCode::kInvalidArgument, fmt::format("ERR Unknown lua shebang option: {}", part)};
    part.remove_prefix(6);
    while (!part.empty()) {
      const std::string_view flag = part.substr(0, part.find(','));
      part.remove_prefix(std::min(part.size(), flag.size() + 1));
      if (flag == "no-writes") {
        line.no_writes = true;
      } else if (flag != "allow-oom" && flag != "allow-stale" && flag != "no-cluster" &&
                 flag != "allow-cross-slot-keys") {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("ERR Unexpected flag in script shebang: {}", flag)};
      }
    }
  }
  return line;
}

// The number of the last line that has something on it.
int lines_of(std::string_view source) {
  while (!source.empty() && std::isspace(static_cast<unsigned char>(source.back())) != 0)
    source.remove_suffix(1);
  return 1 + static_cast<int>(std::ranges::count(source, '\n'));
}

std::string_view text_at(lua_State* lua, int index) {
  std::size_t bytes = 0;
  const char* text = lua_tolstring(lua, index, &bytes);
  return text == nullptr ? std::string_view() : std::string_view(text, bytes);
}

void push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

int sha1_hex(lua_State* lua) {
  if (lua_gettop(lua) != 1) return luaL_error(lua, "wrong number of arguments");
  luaL_checkstring(lua, 1);
  char hex[40];
  {
    const std::string digest = sha1(text_at(lua, 1));
    std::ranges::copy(digest, hex);
  }
  lua_pushlstring(lua, hex, sizeof(hex));
  clockwork_of(lua).tick(lua);
  return 1;
}
// Of the one argument, a table of one field; otherwise an error.
int one_field(lua_State* lua, const char* field) {
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
    push_error(lua, "ERR wrong number or type of arguments");
    return 1;
  }
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, field);
  return 1;
}
int status_reply(lua_State* lua) {
  return one_field(lua, "ok");
}
int error_reply(lua_State* lua) {
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) return one_field(lua, "err");
  std::string_view text = text_at(lua, 1);
  if (text.starts_with('-')) text.remove_prefix(1);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  push_error(lua, text);
  return 1;
}
int always_true(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}
int nothing(lua_State*) {
  return 0;
}

}  // namespace

Clockwork& clockwork_of(lua_State* lua) {
  void* engine = nullptr;
  lua_getallocf(lua, &engine);
  return *static_cast<Clockwork*>(engine);
}
Engine& Engine::of(lua_State* lua) {
  return static_cast<Engine&>(clockwork_of(lua));
}

void* Engine::allocate(void* self, void* block, std::size_t before, std::size_t bytes) {
  auto& engine = static_cast<Engine&>(*static_cast<Clockwork*>(self));
  const std::size_t held = engine.memory_.load(std::memory_order_relaxed);
  if (bytes == 0) {
    std::free(block);
    engine.memory_.store(held - before, std::memory_order_relaxed);
    return nullptr;
  }
  const std::size_t after = held - (block == nullptr ? 0 : before) + bytes;
  if (engine.bounded_ && bytes > before && after > kMemory) return nullptr;
  void* const result = std::realloc(block, bytes);
  if (result != nullptr) engine.memory_.store(after, std::memory_order_relaxed);
  return result;
}

Engine::Engine() : stack_(kStack) {
  lua_ = lua_newstate(allocate, static_cast<Clockwork*>(this));
  if (lua_ == nullptr) throw std::bad_alloc();
  luaJIT_setmode(lua_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  if (lua_cpcall(lua_, set_up, nullptr) != 0) {
    lua_close(lua_);
    throw std::bad_alloc();
  }
}

Engine::~Engine() {
  lua_close(lua_);
}

int Engine::set_up(lua_State* lua) {
  lua_settop(lua, 0);
  add_redis(lua);
  make_sandbox(lua);
  lua_pushcfunction(lua, explain);
  lua_setfield(lua, LUA_REGISTRYINDEX, "explain");
  return 0;
}

void Engine::add_redis(lua_State* lua) {
  constexpr luaL_Reg kFunctions[] = {{"call", call},
                                     {"pcall", pcall},
                                     {"error_reply", error_reply},
                                     {"status_reply", status_reply},
                                     {"sha1hex", sha1_hex},
                                     {"log", log},
                                     {"setresp", set_resp},
                                     {"replicate_commands", always_true},
                                     {"set_repl", nothing},
                                     {"breakpoint", nothing},
                                     {"debug", nothing},
                                     {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
  constexpr std::pair<const char*, int> kNumbers[] = {{"LOG_DEBUG", 0},  {"LOG_VERBOSE", 1},
                                                      {"LOG_NOTICE", 2}, {"LOG_WARNING", 3},
                                                      {"REPL_NONE", 0},  {"REPL_AOF", 1},
                                                      {"REPL_SLAVE", 2}, {"REPL_REPLICA", 2},
                                                      {"REPL_ALL", 3},   {"REDIS_VERSION_NUM", 0x00070400}};
  for (const auto& [name, number] : kNumbers) {
    lua_pushinteger(lua, number);
    lua_setfield(lua, -2, name);
  }
  lua_pushliteral(lua, "7.4.0");
  lua_setfield(lua, -2, "REDIS_VERSION");
}

// ---- Compiling

int Engine::compile(lua_State* lua) {
  const Engine& engine = of(lua);
  if (luaL_loadbufferx(lua, engine.source_.data(), engine.source_.size(), kChunk, "t") != 0)
    return lua_error(lua);
  return 1;
}

int Engine::try_to_compile() {
  bounded_ = true;
  lua_pushcfunction(lua_, compile);
  const int status = lua_pcall(lua_, 0, 1, 0);
  bounded_ = false;
  return status;
}

void Engine::forget_oldest() {
  const auto last = scripts_.find(evaluated_.back());
  luaL_unref(lua_, LUA_REGISTRYINDEX, last->second.function);
  scripts_.erase(last);
  evaluated_.pop_back();
}

// It is used now.
const Script* Engine::use(Script& script) {
  if (!script.loaded) evaluated_.splice(evaluated_.begin(), evaluated_, script.place);
  return &script;
}

Result<const Script*> Engine::load(std::string_view source, bool keep) {
  if (source.size() > kLongestSource)
    return Error{ErrorCode::kInvalidArgument, "ERR a script can be at most 4 MiB long"};
  std::string sha = sha1(source);
  if (const auto known = scripts_.find(sha); known != scripts_.end()) {
    if (keep && !std::exchange(known->second.loaded, true)) evaluated_.erase(known->second.place);
    return use(known->second);
  }
  auto first = first_line_of(source);
  if (!first) return first.error();
  source_ = source.substr(first->bytes);
  int status = try_to_compile();
  // Those that were only evaluated make room.
  while (status == LUA_ERRMEM && !evaluated_.empty()) {
    lua_settop(lua_, 0);
    for (std::size_t i = evaluated_.size() / 2 + 1; i > 0; --i) forget_oldest();
    lua_gc(lua_, LUA_GCCOLLECT, 0);
    status = try_to_compile();
  }
  if (status != 0) {
    std::string text = fmt::format("ERR Error compiling script (new function): {}", text_at(lua_, -1));
    lua_settop(lua_, 0);
    return Error{ErrorCode::kInvalidArgument, std::move(text)};
  }
  Script script{sha, luaL_ref(lua_, LUA_REGISTRYINDEX), first->no_writes, keep, lines_of(source), {}};
  if (!keep) {
    evaluated_.push_front(sha);
    script.place = evaluated_.begin();
    if (evaluated_.size() > kMostEvaluated) forget_oldest();
  }
  return &scripts_.emplace(std::move(sha), std::move(script)).first->second;
}

const Script* Engine::find(std::string_view sha) {
  if (sha.size() != 40) return nullptr;
  auto found = scripts_.find(sha);
  if (found == scripts_.end()) found = scripts_.find(lower(sha));
  return found == scripts_.end() ? nullptr : use(found->second);
}

void Engine::flush() {
  for (const auto& [sha, script] : scripts_) luaL_unref(lua_, LUA_REGISTRYINDEX, script.function);
  scripts_.clear();
  evaluated_.clear();
  lua_gc(lua_, LUA_GCCOLLECT, 0);
}

// ---- Running

void Engine::on_hook(lua_State* lua, lua_Debug*) {
  of(lua).tick(lua);
}

void Engine::tick(lua_State* lua) {
  if (std::chrono::steady_clock::now() >= slice_ends_) coroutine_->pause();
  // LuaJIT collects by its own pace only, and doesn't try once more where memory is refused.
  if (const std::size_t held = memory(); held > kMemory / 4 && held > collected_at_ + kMemory / 8) {
    lua_gc(lua, LUA_GCCOLLECT, 0);
    collected_at_ = memory();
  }
  if (const char* why = killed_.load(std::memory_order_relaxed)) {
    // No pcall() of the script may hold it up.
    lua_sethook(lua, on_hook, LUA_MASKCOUNT, 1);
    lua_pushstring(lua, why);
    lua_error(lua);
  }
}

bool Engine::start(const Script& script, std::span<const std::string_view> keys,
                   std::span<const std::string_view> arguments, Host& host, resp::Protocol protocol) {
  run_ = {&script, keys, arguments, &host, protocol, resp::Protocol::kResp2};
  reply_.clear();
  lua_sethook(lua_, on_hook, LUA_MASKCOUNT, kInstructionsPerTick);
  coroutine_.emplace(stack_, [this] {
    bounded_ = true;
    const int status = lua_cpcall(lua_, execute, nullptr);
    bounded_ = false;
    finish(status);
  });
  return slice();
}

bool Engine::go_on() {
  return slice();
}

bool Engine::slice() {
  slice_ends_ = std::chrono::steady_clock::now() + kSlice;
  if (!coroutine_->resume()) return false;
  coroutine_.reset();
  return true;
}

// The whole of a run, protected.
int Engine::execute(lua_State* lua) {
  Engine& engine = of(lua);
  const Run& run = engine.run_;
  lua_settop(lua, 0);
  lua_getfield(lua, LUA_REGISTRYINDEX, "explain");
  lua_rawgeti(lua, LUA_REGISTRYINDEX, run.script->function);
  lua_getfield(lua, LUA_REGISTRYINDEX, "globals");
  for (const auto& [name, texts] : {std::pair("KEYS", run.keys), std::pair("ARGV", run.arguments)}) {
    lua_createtable(lua, static_cast<int>(texts.size()), 0);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      push_text(lua, texts[i]);
      lua_rawseti(lua, -2, static_cast<int>(i) + 1);
    }
    lua_setfield(lua, -2, name);
  }
  lua_pop(lua, 1);
  const int failed = lua_pcall(lua, 0, 1, 1);
  resp::Writer out(engine.reply_, run.protocol);
  if (failed == 0) {
    write_value(lua, out, run.own_protocol == resp::Protocol::kResp3);
    return 0;
  }
  // explain() has made it { err, source, line }; of an error in there, or of too little memory, there is a text.
  std::string_view text = text_at(lua, -1);
  std::string_view source;
  // A call that is the last thing a script does leaves no trace of where it stood.
  lua_Integer line = run.script->lines;
  if (lua_istable(lua, -1)) {
    lua_getfield(lua, -1, "line");
    if (lua_isnumber(lua, -1) != 0) line = lua_tointeger(lua, -1);
    lua_getfield(lua, -2, "source");
    source = text_at(lua, -1);
    lua_getfield(lua, -3, "err");
    text = text_at(lua, -1);
  }
  lua_pushfstring(lua, "%s%s script: %s, on %s:%d.", lua_istable(lua, 2) ? "" : "ERR ",
                  text.empty() ? "unknown error" : text.data(), run.script->sha.c_str(),
                  source.empty() ? kChunk : source.data(), static_cast<int>(line));
  out.error(text_at(lua, -1));
  return 0;
}

// The handler of errors: where it was, while that can be told.
int Engine::explain(lua_State* lua) {
  lua_Debug where{};
  bool known = false;
  for (int level = 1; !known && lua_getstack(lua, level, &where) != 0; ++level)
    known = lua_getinfo(lua, "Sl", &where) != 0 && *where.what != 'C';
  if (!lua_istable(lua, 1)) {
    const char* text = lua_tostring(lua, 1);
    lua_pushfstring(lua, "ERR %s", text != nullptr ? text : "(error object is not a string)");
    lua_createtable(lua, 0, 4);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, "err");
    lua_replace(lua, 1);
  }
  lua_settop(lua, 1);
  if (known) {
    lua_pushstring(lua, where.source);
    lua_setfield(lua, 1, "source");
    lua_pushinteger(lua, where.currentline);
    lua_setfield(lua, 1, "line");
  }
  return 1;
}

void Engine::finish(int status) {
  lua_sethook(lua_, nullptr, 0, 0);
  if (status != 0) {
    reply_.clear();
    resp::Writer(reply_, run_.protocol)
        .error(fmt::format("ERR {} script: {}, on {}:0.", text_at(lua_, -1), run_.script->sha, kChunk));
  }
  lua_settop(lua_, 0);
  // What the script had goes. Nothing here is bounded, so nothing here fails.
  lua_getfield(lua_, LUA_REGISTRYINDEX, "globals");
  for (const char* name : {"KEYS", "ARGV"}) {
    lua_pushnil(lua_);
    lua_setfield(lua_, -2, name);
  }
  lua_pop(lua_, 1);
  clean_sandbox(lua_);
  collected_at_ = 0;
  if (memory() > kMemory / 4) lua_gc(lua_, LUA_GCCOLLECT, 0);
  run_ = {};
}

// ---- redis.*

int Engine::set_resp(lua_State* lua) {
  const lua_Integer version = lua_gettop(lua) == 1 ? luaL_checkinteger(lua, 1) : 0;
  if (lua_gettop(lua) != 1) return luaL_error(lua, "redis.setresp() requires one argument.");
  if (version != 2 && version != 3) return luaL_error(lua, "RESP version must be 2 or 3.");
  of(lua).run_.own_protocol = version == 3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  return 0;
}

int Engine::log(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count < 2) return luaL_error(lua, "redis.log() requires two arguments or more.");
  if (lua_type(lua, 1) != LUA_TNUMBER) return luaL_error(lua, "First argument must be a number (log level).");
  const lua_Integer level = lua_tointeger(lua, 1);
  if (level < 0 || level > 3) return luaL_error(lua, "Invalid debug level.");
  luaL_checkstack(lua, 2 * count, "in redis.log()");
  int pushed = 0;
  for (int i = 2; i <= count; ++i) {
    if (lua_tostring(lua, i) == nullptr) continue;
    if (pushed++ > 0) {
      lua_pushliteral(lua, " ");
      ++pushed;
    }
    lua_pushvalue(lua, i);
  }
  lua_concat(lua, pushed);
  of(lua).run_.host->log(static_cast<int>(level), text_at(lua, -1));
  return 0;
}

int Engine::call(lua_State* lua) {
  return run_command(lua, true);
}
int Engine::pcall(lua_State* lua) {
  return run_command(lua, false);
}

int Engine::run_command(lua_State* lua, bool raises) {
  Engine& engine = of(lua);
  const int count = lua_gettop(lua);
  const char* wrong = nullptr;
  if (count == 0) wrong = "ERR Please specify at least one argument for this redis lib call";
  if (count > kMostArguments) wrong = "ERR too many arguments for one command";
  // The arguments as texts, which Lua keeps where they are on the stack.
  for (int i = 1; wrong == nullptr && i <= count; ++i) {
    switch (lua_type(lua, i)) {
      case LUA_TSTRING:
        break;
      case LUA_TNUMBER: {
        const double number = lua_tonumber(lua, i);
        char text[32];
        const bool whole = number == std::floor(number) && std::abs(number) < 0x1p63;
        const int bytes = whole ? std::snprintf(text, sizeof(text), "%lld", static_cast<long long>(number))
                                : std::snprintf(text, sizeof(text), "%.17g", number);
        lua_pushlstring(lua, text, static_cast<std::size_t>(bytes));
        lua_replace(lua, i);
        break;
      }
      default:
        wrong = "ERR Lua redis lib command arguments must be strings or integers";
        break;
    }
  }
  if (wrong == nullptr) {
    constexpr int kUsually = 16;
    std::string_view few[kUsually];
    std::string_view* args = few;
    if (count > kUsually)
      args = static_cast<std::string_view*>(
          lua_newuserdata(lua, static_cast<std::size_t>(count) * sizeof(std::string_view)));
    for (int i = 0; i < count; ++i) new (&args[i]) std::string_view(text_at(lua, i + 1));
    engine.inner_reply_.clear();
    resp::Writer writer(engine.inner_reply_, engine.run_.own_protocol);
    engine.run_.host->call({args, static_cast<std::size_t>(count)}, writer);
    std::string_view encoded = engine.inner_reply_;
    lua_settop(lua, 0);
    push_reply(lua, encoded);
    // One large reply doesn't keep its room for ever.
    constexpr std::size_t kUsual = std::size_t{64} << 10;
    if (engine.inner_reply_.capacity() > kUsual) std::string().swap(engine.inner_reply_);
    engine.tick(lua);
    if (!raises || !lua_istable(lua, -1)) return 1;
    lua_pushliteral(lua, "err");
    lua_rawget(lua, -2);
    const bool failed = lua_type(lua, -1) == LUA_TSTRING;
    lua_pop(lua, 1);
    return failed ? lua_error(lua) : 1;
  }
  push_error(lua, wrong);
  return raises ? lua_error(lua) : 1;
}

}  // namespace forebay::server::script
