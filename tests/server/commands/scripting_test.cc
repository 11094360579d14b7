// Scripts: what they get and answer, what they must not do, and what is left of them.

#include <string>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

class Scripting : public PlainKeys {
 protected:
  std::string eval(const std::string& script) { return run("EVAL", script, "2", "k1", "k2", "7", "v"); }
  // Without the place where it happened.
  std::string error(const std::string& script) {
    const std::string reply = eval(script);
    return reply.substr(0, reply.find(" script: "));
  }
};

TEST_F(Scripting, KeysAndArgumentsComeInAndValuesGoOut) {
  EXPECT_EQ(eval("return {KEYS[1], ARGV[2], #KEYS + #ARGV}"), "*3|$2|k1|$1|v|:4");
  EXPECT_EQ(eval("return 3.9"), ":3");
  EXPECT_EQ(eval("return true"), ":1");
  EXPECT_EQ(eval("return false"), "$-1");
  EXPECT_EQ(eval("return {1, 2, nil, 4}"), "*2|:1|:2");
  EXPECT_EQ(eval("return {ok = 'FINE'}"), "+FINE");
  EXPECT_EQ(eval("return redis.status_reply('a\\r\\nb')"), "+a  b");
  EXPECT_EQ(eval("return {err = 'MY error'}"), "-MY error");
  EXPECT_EQ(eval("return redis.error_reply('OOPS')"), "-ERR OOPS");
  EXPECT_EQ(run3("EVAL", "redis.setresp(3) return {map = {a = 1}}", "0"), "%1|$1|a|:1");
  EXPECT_EQ(run3("EVAL", "redis.setresp(3) return true", "0"), "#t");
}

TEST_F(Scripting, CommandsAnswerAsValues) {
  EXPECT_EQ(eval("return redis.call('set', KEYS[1], ARGV[1])"), "+OK");
  EXPECT_EQ(eval("return redis.call('incrby', KEYS[1], 3)"), ":10");
  EXPECT_EQ(eval("return redis.call('get', KEYS[1])"), "$2|10");
  EXPECT_EQ(eval("return redis.call('get', 'none') == false"), ":1");
  EXPECT_EQ(eval("redis.setresp(3) return redis.call('get', 'none') == nil"), ":1");
  EXPECT_EQ(eval("return redis.call('mget', KEYS[1], 'none')"), "*2|$2|10|$-1");
  EXPECT_EQ(eval("return redis.call('ping').ok"), "$4|PONG");
  EXPECT_EQ(run("GET", "k1"), "$2|10");
}

TEST_F(Scripting, ErrorsOfCommandsSayWhereAndCanBeCaught) {
  run("SET", "k1", "text");
  const std::string sha = run("SCRIPT", "LOAD", "\n\nreturn redis.call('incr', KEYS[1])").substr(4);
  EXPECT_EQ(run("EVALSHA", sha, "1", "k1"),
            "-ERR value is not an integer or out of range script: " + sha + ", on @user_script:3.");
  EXPECT_EQ(error("local n = redis.call('incr', KEYS[1]) return n"),
            "-ERR value is not an integer or out of range");
  EXPECT_EQ(eval("return redis.pcall('incr', KEYS[1])"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(eval("local ok, e = pcall(redis.call, 'incr', KEYS[1]) return e.err"),
            "$43|ERR value is not an integer or out of range");
  EXPECT_EQ(error("error('boom')"), "-ERR user_script:1: boom");
  EXPECT_EQ(error("error({})"), "-unknown error");
  EXPECT_EQ(error("return redis.call('nosuch')"), "-ERR Unknown Redis command called from script");
  EXPECT_EQ(error("return redis.call('get')"), "-ERR Wrong number of args calling Redis command from script");
  EXPECT_EQ(error("return redis.call('get', {})"),
            "-ERR Lua redis lib command arguments must be strings or integers");
  for (const char* command :
       {"multi", "eval", "script", "config", "info", "auth", "select", "forebay", "monitor"}) {
    const std::string reply = error("return redis.call('" + std::string(command) + "', '1', '0', '1')");
    EXPECT_TRUE(reply.starts_with("-ERR")) << command << ": " << reply;
  }
}

TEST_F(Scripting, AScriptIsKnownByItsDigest) {
  EXPECT_EQ(run("SCRIPT", "LOAD", "return 1"), "$40|e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  EXPECT_EQ(run("EVALSHA", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", "0"), ":1");
  EXPECT_EQ(run("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8da", "0"),
            "-NOSCRIPT No matching script. Please use EVAL.");
  eval("return 2");
  EXPECT_EQ(run("SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "x",
                "7f923f79fe76194c868d7e1d0820de36700eb649"),
            "*3|:1|:0|:1");
  EXPECT_NE(run("INFO", "memory").find("number_of_cached_scripts:2|"), std::string::npos);
  EXPECT_EQ(run("SCRIPT", "FLUSH"), "+OK");
  EXPECT_NE(run("INFO", "memory").find("number_of_cached_scripts:0|"), std::string::npos);
  EXPECT_EQ(run("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"),
            "-NOSCRIPT No matching script. Please use EVAL.");
  EXPECT_EQ(run("SCRIPT", "KILL"), "-NOTBUSY No scripts in execution right now.");
  EXPECT_EQ(run("EVAL", "return 1", "x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(run("EVAL", "return 1", "-1"), "-ERR Number of keys can't be negative");
  EXPECT_EQ(run("EVAL", "return 1", "2", "a"), "-ERR Number of keys can't be greater than number of args");
}

TEST_F(Scripting, ScriptsSentWithEvalAreForgottenWhenThereAreVeryMany) {
  const std::string kept = run("SCRIPT", "LOAD", "return 'kept'").substr(4);
  for (int i = 0; i < 600; ++i) eval("return " + std::to_string(i));
  EXPECT_EQ(run("EVALSHA", kept, "0"), "$4|kept");
  EXPECT_EQ(run("SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"), "*1|:0");  // return 1
}

TEST_F(Scripting, WhoOnlyReadsChangesNothing) {
  EXPECT_EQ(run("EVAL_RO", "return redis.call('get', KEYS[1])", "1", "k1"), "$-1");
  const std::string refused = "-ERR Write commands are not allowed from read-only scripts.";
  EXPECT_TRUE(run("EVAL_RO", "return redis.call('set', KEYS[1], 1)", "1", "k1").starts_with(refused));
  EXPECT_TRUE(eval("#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)").starts_with(refused));
  EXPECT_EQ(run("EXISTS", "k1"), ":0");
  EXPECT_EQ(eval("#!lua name=x\nreturn 1"), ":1");
  EXPECT_EQ(eval("#!python\nreturn 1"), "-ERR Unexpected engine in script shebang: #!python");
  EXPECT_EQ(eval("#!lua flags=what\nreturn 1"), "-ERR Unexpected flag in script shebang: what");
}

TEST_F(Scripting, InATransactionItSeesWhatWentBefore) {
  run("MULTI");
  run("SET", "a", "1");
  run("EVAL", "return redis.call('incr', 'a') + redis.call('incr', 'undeclared')", "0");
  run("GET", "a");
  EXPECT_EQ(run("EXEC"), "*3|+OK|:3|$1|2");
}

TEST_F(Scripting, LibrariesThatScriptsForRedisUse) {
  EXPECT_EQ(eval("return cjson.encode({1, {a = 'x'}})"), "$13|[1,{\"a\":\"x\"}]");
  EXPECT_EQ(eval("return cjson.decode('[1,{\"a\":null}]')[2].a == cjson.null"), ":1");
  EXPECT_EQ(eval("return {cmsgpack.unpack(cmsgpack.pack({1, -5, 'x', 2.5, {a = true}}))}"),
            "*1|*5|:1|:-5|$1|x|:2|*0");
  EXPECT_EQ(eval("return cmsgpack.unpack(cmsgpack.pack({a = {b = 'c'}})).a.b"), "$1|c");
  EXPECT_EQ(eval("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2))}"), "*2|:1|:1");
  EXPECT_EQ(error("return cmsgpack.unpack('\\221')"), "-ERR Missing bytes in input.");
  EXPECT_EQ(eval("return {struct.unpack('>I2i4sc3', struct.pack('>I2i4sc3', 258, -2, 'ab', 'xyz'))}"),
            "*5|:258|:-2|$2|ab|$3|xyz|:13");
  EXPECT_EQ(eval("return struct.size('!4bi4')"), ":8");
  EXPECT_EQ(error("return struct.unpack('I4', 'abc')"),
            "-ERR bad argument #2 to '?' (data string too short)");
  EXPECT_EQ(eval("return bit.bor(bit.lshift(1, 4), 3)"), ":19");
  EXPECT_EQ(eval("return redis.sha1hex('')"), "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST_F(Scripting, PatternsAreThoseOfLua) {
  EXPECT_EQ(eval("return {string.find('hello world', '(o)%s(w)')}"), "*4|:5|:7|$1|o|$1|w");
  EXPECT_EQ(eval("return {string.match('key:12:x', '^(%a+):(%d+)')}"), "*2|$3|key|$2|12");
  EXPECT_EQ(eval("return {string.gsub('abc', '%w', '%0%0')}"), "*2|$6|aabbcc|:3");
  EXPECT_EQ(eval("return {string.gsub('abc', '', '-')}"), "*2|$7|-a-b-c-|:4");
  EXPECT_EQ(eval("return {string.gsub('THE (quick) fox', '%f[%a]%a+', string.lower)}"),
            "*2|$15|the (quick) fox|:3");
  EXPECT_EQ(eval("return {('x[[y]]z'):find('%b[]')}"), "*2|:2|:6");
  EXPECT_EQ(eval("return ('  trim '):match('^%s*(.-)%s*$')"), "$4|trim");
  EXPECT_EQ(eval("return {('a.b'):find('.', 2, true)}"), "*2|:2|:2");
  EXPECT_EQ(
      eval("local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t + 1] = k .. v end return t"),
      "*2|$2|a1|$2|b2");
  EXPECT_EQ(eval("return {('aXbX'):match('()X()')}"), "*2|:2|:3");
  EXPECT_EQ(eval("return ('abab'):match('^(ab)%1$')"), "$2|ab");
  EXPECT_EQ(eval("return ('a-z]'):match('[]%-]+', 2)"), "$1|-");
  for (const char* bad : {"[a", "%", "(", "a)", "%1", "%f", "%b"}) {
    EXPECT_TRUE(error("return ('aa'):match('" + std::string(bad) + "')").starts_with("-ERR")) << bad;
  }
}

TEST_F(Scripting, NothingPassesFromOneScriptToTheNext) {
  EXPECT_EQ(error("x = 1"), "-ERR user_script:1: Attempt to modify a readonly table");
  EXPECT_EQ(error("return x"),
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'x'");
  for (const char* change : {"string.rep = 1", "rawset(string, 'rep', 1)", "redis.call = 1", "_G.y = 1",
                             "setmetatable(_G, {})", "setmetatable(string, nil)",
                             "getmetatable('').__index = {}", "string.dump(print)", "cjson.encode = nil"}) {
    EXPECT_TRUE(eval(change).starts_with("-ERR")) << change;
  }
  eval("table.insert(_G, 'left') table.insert(string, 'left')");
  EXPECT_EQ(eval("return {next(_G) == nil, next(string) == nil}"), "*2|:1|:1");
  EXPECT_EQ(eval("return ('x'):rep(3)"), "$3|xxx");
  eval("KEYS.left = 'x' ARGV = nil");
  EXPECT_EQ(eval("return {KEYS.left == nil, #ARGV}"), "*2|:1|:2");
}

// Each of these was, or is near to, a published fault of Lua in Redis.
TEST_F(Scripting, WhatIsDangerousIsNotThere) {
  for (const char* name : {"io", "os", "debug", "package", "require", "ffi", "jit", "dofile", "loadfile",
                           "print", "newproxy", "getfenv", "setfenv", "module"}) {
    EXPECT_TRUE(error("return " + std::string(name))
                    .ends_with("nonexistent global variable '" + std::string(name) + "'"))
        << name;
  }
  // `return 5`, as LuaJIT 2.1 has it in bytecode.
  EXPECT_EQ(eval("return "
                 "loadstring('"
                 "\\27\\76\\74\\2\\8\\8\\114\\101\\116\\117\\114\\110\\32\\53\\21\\2\\0\\1\\0\\0\\0\\2\\3\\0"
                 "\\1\\41\\0"
                 "\\5\\0\\76\\0\\2\\0\\1\\1\\0\\0') == nil"),
            ":1");
  EXPECT_EQ(eval("return loadstring('return 5')()"), ":5");
  EXPECT_EQ(error("return unpack({}, 0, 2147483647)"), "-ERR too many results to unpack");
  EXPECT_EQ(eval("return bit.tohex(1, -2147483648)"), "$0|");
  EXPECT_TRUE(error("return cmsgpack.unpack(('\\145'):rep(100000))").starts_with("-ERR"));
  EXPECT_TRUE(error("return struct.pack('i99999999999', 1)").starts_with("-ERR"));
  EXPECT_TRUE(error("return struct.unpack('c0', 'x')").starts_with("-ERR"));
  EXPECT_TRUE(error("return cjson.decode(('['):rep(100000))").starts_with("-Found too many nested") ||
              error("return cjson.decode(('['):rep(100000))").starts_with("-ERR Found too many nested"));
  EXPECT_TRUE(error("local t = {1} for i = 1, 100 do t = {t, t} end return cjson.encode(t)")
                  .ends_with("too large to be encoded"));
  EXPECT_TRUE(error("local t = {} t[1] = t return t").find("lua stack limit") != std::string::npos);
  EXPECT_EQ(eval("return loadstring(('('):rep(100000)) == nil"), ":1");
}

TEST_F(Scripting, MemoryIsBoundedAndGivenBack) {
  for (const char* greedy :
       {"local s = 'x' for i = 1, 60 do s = s .. s end", "local t = {} for i = 1, 1e9 do t[i] = i end",
        "return #string.rep('x', 2e9)", "return ('x'):rep(1e8):gsub('x', 'yyyy')"}) {
    EXPECT_NE(error(greedy).find("not enough memory"), std::string::npos) << greedy;
    EXPECT_EQ(eval("return 'goes on'"), "$7|goes on");
  }
}

TEST_F(Scripting, WhatNestsDeeplyOrContainsItselfEnds) {
  EXPECT_EQ(eval("local f f = function(d) if d == 0 then return 'x' end "
                 "return (string.gsub('x', 'x', function() return f(d - 1) end)) end return f(150)"),
            "$1|x");
  EXPECT_NE(error("local t = {} for i = 1, 3 do t[i] = t end return t").find("the reply is too large"),
            std::string::npos);
  EXPECT_NE(error("local s = ('x'):rep(1e6) local t = {} for i = 1, 1500 do t[i] = s end return t")
                .find("the reply is too large"),
            std::string::npos);
}

TEST_F(Scripting, GarbageOfOneScriptTakesNothingFromTheNext) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(eval("local s = ('x'):rep(20000000) for i = 1, 20 do s:upper() end return 1"), ":1");
    EXPECT_EQ(eval("local t = {} for i = 1, 1000000 do t[i] = i end return #t"), ":1000000");
  }
}

TEST_F(Scripting, LargeScriptsMakeRoomForOthers) {
  const std::string filler(400'000, 'x');
  for (int i = 0; i < 400; ++i) {
    EXPECT_EQ(eval("local s = '" + filler + "' return " + std::to_string(i)), ":" + std::to_string(i));
  }
  EXPECT_TRUE(eval(std::string(5 << 20, ' ')).starts_with("-ERR a script can be at most 4 MiB"));
}

TEST_F(Scripting, TheOneUsedLongestAgoIsForgottenFirst) {
  eval("return 1");
  for (int i = 0; i < 700; ++i) {
    eval("return " + std::to_string(1000 + i));
    EXPECT_EQ(run("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"), ":1");
  }
}

TEST_F(Scripting, WhereEverybodyMayComeTheyAreOff) {
  config::Server open;
  open.scripts = false;
  const auto server = open_server(*layer_, open);
  Client client(*layer_, *server);
  EXPECT_TRUE(client("EVAL", "return 1", "0").starts_with("-NOPERM scripts are off"));
  EXPECT_TRUE(client("SCRIPT", "LOAD", "return 1").starts_with("-NOPERM scripts are off"));
}

}  // namespace
}  // namespace forebay::server
