#pragma once

// Lua for scripts: one state for the whole server, in which one script runs at a time.
//
// A script runs on a stack of its own. When its slice of time is over it pauses, wherever it is, and goes on
// when it is resumed. So an event loop can serve others while a script runs, and a script can be ended.
//
// What a script must not do: it has no files, no modules, no debug library, no bytecode, no compiler to machine
// code, and no globals of its own; libraries can't be changed, so nothing passes from one script to the next;
// what it allocates is bounded; what takes long can be paused and ended, also inside pcall() and patterns.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "forebay/result.h"
#include "resp/writer.h"
#include "server/script/clockwork.h"
#include "server/script/coroutine.h"

struct lua_State;
struct lua_Debug;

namespace forebay::server::script {

// Does what a script asks of the server.
class Host {
 public:
  virtual ~Host() = default;
  // Runs a command. Its reply, or its error, is written to `reply`.
  virtual void call(std::span<const std::string_view> args, resp::Writer& reply) = 0;
  // redis.log(): 0 (debug) to 3 (warning).
  virtual void log(int level, std::string_view text) = 0;
};

struct Script {
  std::string sha;         // 40 hexadecimal digits
  int function = 0;        // its place in Lua's registry
  bool no_writes = false;  // said in its first line: #!lua flags=no-writes
  bool loaded = false;     // by SCRIPT LOAD: kept until SCRIPT FLUSH
  int lines = 1;
  std::list<std::string>::iterator place = {};  // among the evaluated ones, unless it is loaded
};

// Not thread-safe: whoever calls has been told that nobody else does (Scripts). kill() and memory() may be
// called from any thread.
class Engine final : private Clockwork {
 public:
  static constexpr std::size_t kMemory = std::size_t{128} << 20;  // bytes, of all scripts and what they hold
  // Scripts that were sent with EVAL are forgotten beyond so many, the ones used longest ago first.
  static constexpr std::size_t kMostEvaluated = 500;
  static constexpr std::chrono::milliseconds kSlice{1};

  Engine();
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Compiles a script, unless it is known. The error is the text of the reply.
  Result<const Script*> load(std::string_view source, bool keep);
  // `sha` in any case; null: there is none.
  const Script* find(std::string_view sha);
  void flush();
  std::size_t scripts() const { return scripts_.size(); }

  // Starts a script. True: it has ended, and reply() has what it answered. Otherwise go_on() is to be called,
  // on the same thread. Requires: none runs. `host` outlives the run.
  bool start(const Script& script, std::span<const std::string_view> keys,
             std::span<const std::string_view> arguments, Host& host, resp::Protocol protocol);
  bool go_on();
  std::string& reply() { return reply_; }
  // The script that runs, or is started next, ends at once with an error; null: it doesn't.
  void kill(const char* why) { killed_.store(why, std::memory_order_relaxed); }
  std::size_t memory() const { return memory_.load(std::memory_order_relaxed); }

 private:
  void tick(lua_State* lua) override;
  static void on_hook(lua_State* lua, lua_Debug*);
  static void* allocate(void* self, void* block, std::size_t before, std::size_t bytes);
  static int set_up(lua_State* lua);
  static int compile(lua_State* lua);
  static int execute(lua_State* lua);
  static int explain(lua_State* lua);
  static int call(lua_State* lua);
  static int pcall(lua_State* lua);
  static int set_resp(lua_State* lua);
  static int log(lua_State* lua);
  static int run_command(lua_State* lua, bool raises);
  static Engine& of(lua_State* lua);
  static void add_redis(lua_State* lua);
  int try_to_compile();
  void forget_oldest();
  const Script* use(Script& script);
  void finish(int status);
  bool slice();

  struct Run {
    const Script* script = nullptr;
    std::span<const std::string_view> keys;
    std::span<const std::string_view> arguments;
    Host* host = nullptr;
    resp::Protocol protocol{};
    resp::Protocol own_protocol = resp::Protocol::kResp2;  // as the script sees replies
  };

  lua_State* lua_ = nullptr;
  std::atomic<std::size_t> memory_{0};  // bytes; relaxed: read by others for statistics only
  std::size_t collected_at_ = 0;        // what was left when the script's garbage was collected last
  bool bounded_ = false;                // allocations beyond kMemory fail: only where Lua can raise an error
  std::atomic<const char*> killed_{nullptr};  // why; relaxed: looked at again and again
  std::unordered_map<std::string, Script, StringHash, std::equal_to<>> scripts_;
  std::list<std::string> evaluated_;  // used last first
  CoroutineStack stack_;
  std::optional<Coroutine> coroutine_;
  std::chrono::steady_clock::time_point slice_ends_;
  Run run_;
  std::string reply_;
  std::string inner_reply_;
  std::string_view source_;  // being compiled
};

}  // namespace forebay::server::script
