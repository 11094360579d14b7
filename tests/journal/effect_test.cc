#include "journal/effect.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "base/row_json.h"
#include "support/manual_time.h"

namespace forebay::journal {
namespace {

using testing::HasSubstr;
using From = Effect::Set::From;

Upsert json_row(std::string_view json) {
  Upsert upsert;
  upsert.fields = *fields_of_row(json, &upsert.strings);
  return upsert;
}

std::vector<Step> combined(const std::vector<Write>& writes) {
  std::vector<Step> steps;
  std::uint64_t seq = 0;
  for (const Write& write : writes) combine(steps, effect_of(write), ++seq);
  return steps;
}

std::vector<std::string> texts(const std::vector<Step>& steps) {
  std::vector<std::string> out;
  for (const Step& step : steps) out.push_back(encode(step.effect));
  return out;
}

std::string refusal(std::string_view text) {
  auto effect = decode(text);
  if (effect) return "decoded";
  EXPECT_EQ(effect.error().code, ErrorCode::kInvalidArgument);
  return effect.error().message;
}

TEST(Addition, IsTheEffectThatItStandsFor) {
  for (const std::int64_t amount :
       {std::int64_t{0}, std::int64_t{-3}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    for (const char* column : {"n", "", "a \"b\"", "line\nend", "\xff", "gr\u00f6\u00dfe"}) {
      std::string text = "before";
      encode(Addition{column, amount}, text);
      EXPECT_EQ(text, "before" + encode(effect_of(Add{column, std::to_string(amount)})));
    }
  }
}

TEST(Addition, CombinesAsItsEffectWouldWhateverCameBefore) {
  const std::vector<Write> before = {Remove{},
                                     Upsert{{{"n", "5"}}},
                                     Upsert{{{"n", "5"}}, {}, true},
                                     Upsert{{{"m", "x"}}},
                                     Upsert{},
                                     Update{{{"m", "x"}}},
                                     Update{{{"n", "1"}}, true},
                                     Add{"n", "7"},
                                     Add{"m", "7"},
                                     Add{"n", "0.5", true},
                                     Add{"n", std::to_string(std::numeric_limits<std::int64_t>::max())},
                                     json_row(R"({"n":"5"})")};
  for (std::size_t a = 0; a < before.size(); ++a) {
    for (std::size_t b = 0; b <= before.size(); ++b) {
      std::vector<Write> writes{before[a]};
      if (b < before.size()) writes.push_back(before[b]);
      auto one = combined(writes);
      auto other = one;
      for (std::uint64_t seq = 10; seq < 13; ++seq) {
        combine(one, Addition{"n", 2}, seq);
        combine(other, effect_of(Add{"n", "2"}), seq);
      }
      ASSERT_EQ(texts(one), texts(other)) << a << ' ' << b;
      for (std::size_t i = 0; i < one.size(); ++i) {
        EXPECT_EQ(one[i].effect, other[i].effect);
        EXPECT_EQ(one[i].first, other[i].first);
        EXPECT_EQ(one[i].last, other[i].last);
        EXPECT_EQ(one[i].ops, other[i].ops);
      }
    }
  }
}

// ---- The text form

TEST(EffectText, IsWhatThePagesSay) {
  EXPECT_EQ(encode(effect_of(Add{"n", "-3"})), R"({"add":{"n":"-3"}})");
  EXPECT_EQ(encode(effect_of(Add{"f", "0.5", true})), R"({"add":{"f":"0.5"},"float":["f"]})");
  EXPECT_EQ(encode(effect_of(Remove{})), R"({"remove":true})");
  EXPECT_EQ(encode(effect_of(Upsert{{{"v", "a\"b"}, {"w", std::nullopt}}})),
            R"({"fields":{"v":"a\"b","w":null}})");
  EXPECT_EQ(encode(effect_of(Update{{{"v", "x"}}})), R"({"fields":{"v":"x"},"update":true})");
  EXPECT_EQ(encode(effect_of(Update{{{"v", "x"}}, true})), R"({"fields":{"v":"x"}})");
  EXPECT_EQ(encode(effect_of(Upsert{{{"v", "\xff"}, {"w", "ok"}}})),
            R"({"fields":{"w":"ok"},"bytes":{"v":"/w=="}})");
  EXPECT_EQ(encode(effect_of(json_row(R"({"s":"12","n":12,"b":true,"z":null,"o":{"a":[1, 2]}})"))),
            R"({"row":{"s":"12","n":12,"b":true,"z":null,"o":{"a":[1,2]}}})");
  EXPECT_EQ(encode(effect_of(json_row("{}"))), R"({"row":{}})");
  Effect effect = effect_of(Upsert{{{"v", "x"}}, {}, true});
  effect.revives = DeadId{"ab", 3, 7};
  EXPECT_EQ(encode(effect),
            R"({"insert":true,"fields":{"v":"x"},"revives":{"journal":"ab","lane":3,"seq":7}})");
}

TEST(EffectText, AnAppliedEffectIsTheWritesItCameFrom) {
  const std::vector<Write> writes = writes_of(*decode(
      R"({"remove":true,"row":{"a":"1","b":2},"fields":{"c":null},"add":{"n":"1","f":"0.5"},"float":["f"]})"));
  ASSERT_EQ(writes.size(), 4u);
  EXPECT_TRUE(std::holds_alternative<Remove>(writes[0]));
  const auto& upsert = std::get<Upsert>(writes[1]);
  EXPECT_EQ(upsert.fields, (Fields{{"a", "1"}, {"b", "2"}, {"c", std::nullopt}}));
  EXPECT_EQ(upsert.strings, (std::vector<bool>{true, false, false}));
  EXPECT_FALSE(upsert.insert);
  EXPECT_EQ(std::get<Add>(writes[2]).amount, "1");
  EXPECT_FALSE(std::get<Add>(writes[2]).floating);
  EXPECT_TRUE(std::get<Add>(writes[3]).floating);
  EXPECT_TRUE(std::get<Upsert>(writes_of(*decode(R"({"insert":true})"))[0]).insert);
  EXPECT_TRUE(std::get<Upsert>(writes_of(*decode(R"({"row":{}})"))[0]).fields.empty());
  EXPECT_FALSE(std::get<Update>(writes_of(*decode(R"({"fields":{"a":"1"},"update":true})"))[0]).create);
  EXPECT_TRUE(writes_of(*decode("{}")).empty());
  EXPECT_EQ(*decode(R"({"update":true})"), Effect());
}

// Column names and values that are hard to carry as text.
std::string hostile(Random& random) {
  static const std::string kPieces[] = {"",         "a",    std::string("\0", 1), "\"", "\\", "\n", "\x7f",
                                        "\xc3\xa9", "\xff", "\xf0\x9f",           "{}", "12", "[1", "null"};
  std::string out;
  for (std::uint64_t i = random.next() % 4; i > 0; --i) out += kPieces[random.next() % std::size(kPieces)];
  return out;
}

TEST(EffectText, ComesBackAsItWasWhateverTheBytes) {
  test::SeededRandom random(1);
  for (int round = 0; round < 3000; ++round) {
    Effect effect;
    const auto chance = [&](std::uint64_t of) { return random.next() % of == 0; };
    effect.remove = chance(3);
    effect.insert = !effect.remove && chance(3);
    std::map<std::string, bool> columns;
    for (std::uint64_t i = random.next() % 4; i > 0; --i) {
      std::string column = hostile(random);
      if (!is_utf8(column) || !columns.emplace(column, true).second) continue;
      OptionalText text = hostile(random);
      if (chance(5)) text.reset();
      From from = From::kText;
      if (chance(2) && (!text || is_utf8(*text))) {
        from = text ? From::kJsonString : From::kJsonOther;
        if (text && chance(2)) {
          from = From::kJsonOther;
          text = chance(2) ? "-1.50e3" : R"([{"a":"\u0001"},null])";
        }
      }
      effect.sets.push_back({std::move(column), std::move(text), from});
    }
    effect.update = !effect.insert && chance(3) && std::ranges::none_of(effect.sets, [](const auto& set) {
      return set.from != From::kText;
    });
    effect.make = !effect.update && effect.sets.empty() && chance(2);
    if (effect.sets.empty()) effect.update = false;
    if (chance(3)) effect.sums.push_back({"n", chance(2) ? "-9223372036854775808" : "+5", false});
    if (chance(3)) effect.sums.push_back({"f\"", chance(2) ? "-0.1e-3" : "12", true});
    if (chance(4)) effect.revives = DeadId{"\"j", 7, 1ULL << 60};
    const std::string text = encode(effect);
    ASSERT_TRUE(is_json(text)) << text;
    auto back = decode(text);
    ASSERT_TRUE(back) << text << ": " << back.error().message;
    EXPECT_EQ(encode(*back), text);
    std::ranges::sort(effect.sets, {}, &Effect::Set::column);
    std::ranges::sort(back->sets, {}, &Effect::Set::column);
    ASSERT_EQ(*back, effect) << text;
  }
}

TEST(EffectText, NamesThatAreNoUtf8StayTwoNames) {
  auto effect = decode(encode(effect_of(Upsert{{{"\xff", "a"}, {"\xfe", "b"}}})));
  ASSERT_TRUE(effect) << effect.error().message;
  EXPECT_EQ(effect->sets.size(), 2u);
}

TEST(EffectText, CarriesARowAsDeepAsAClientMaySendIt) {
  std::string deep = "1";
  for (std::size_t i = 0; i < kJsonDepthMax; ++i) deep = R"({"a":)" + deep + "}";
  const Effect effect = effect_of(json_row(deep));
  auto back = decode(encode(effect));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, effect);
}

TEST(EffectText, WhatAProgramGaveAsJsonAndIsNoneIsKeptAsText) {
  auto back = decode(encode(effect_of(Upsert{{{"a", "no json"}}, {false}})));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->sets[0].text, "no json");
  EXPECT_EQ(back->sets[0].from, From::kText);
}

TEST(EffectText, MistakesAreToldWithTheirPlace) {
  EXPECT_THAT(refusal(""), HasSubstr("it is no JSON, at byte 1"));
  EXPECT_THAT(refusal(R"({"add":{"n":"1"})"), HasSubstr("it is no JSON, at byte 17: incomplete"));
  EXPECT_THAT(refusal(R"({"add":{"n":"1"},})"), HasSubstr("it is no JSON, at byte 18"));
  EXPECT_THAT(refusal("{} x"), HasSubstr("at byte 4"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal("\xff"), HasSubstr("at byte 1"));
  EXPECT_THAT(refusal(R"({"remove":true,"remove":true})"), HasSubstr("names a member twice"));
  EXPECT_THAT(refusal(R"({"sets":{}})"), HasSubstr("there is no member \"sets\" (insert, remove, row"));
  EXPECT_THAT(refusal(R"({"remove":"true"})"), HasSubstr("\"remove\" is true or false"));
  EXPECT_THAT(refusal(R"({"insert":1})"), HasSubstr("\"insert\" is true or false"));
  EXPECT_THAT(refusal(R"({"insert":true,"remove":true})"), HasSubstr("not with \"remove\" or \"update\""));
  EXPECT_THAT(refusal(R"({"row":{"a":1},"update":true})"), HasSubstr("\"row\" makes the row"));
  EXPECT_THAT(refusal(R"({"row":"{}"})"), HasSubstr("\"row\" is no JSON object"));
  EXPECT_THAT(refusal(R"({"row":null})"), HasSubstr("\"row\" is no JSON object"));
  EXPECT_THAT(refusal(R"({"row":{"a":1,"a":2}})"),
              HasSubstr("\"row\" is no JSON object, or names a column twice"));
  EXPECT_THAT(refusal(R"({"row":{"a":1},"fields":{"a":"2"}})"), HasSubstr("column a is given twice"));
  EXPECT_THAT(refusal(R"({"fields":{"a":2}})"), HasSubstr("\"fields\": the value of column a is no string"));
  EXPECT_THAT(refusal(R"({"bytes":{"a":"="}})"), HasSubstr("\"bytes\": the value of column a is no base64"));
  EXPECT_THAT(refusal(R"({"bytes":{"a":null}})"), HasSubstr("\"bytes\": the value of column a is no base64"));
  EXPECT_THAT(refusal(R"({"add":{"n":null}})"), HasSubstr("\"add\": the amount of column n is no number"));
  EXPECT_THAT(refusal(R"({"add":{"n":"1.5"}})"),
              HasSubstr("\"add\": the amount of column n is no 64-bit integer"));
  EXPECT_THAT(refusal(R"({"add":{"n":"+-5"}})"), HasSubstr("is no 64-bit integer"));
  EXPECT_THAT(refusal(R"({"add":{"n":"9223372036854775808"}})"), HasSubstr("is no 64-bit integer"));
  EXPECT_THAT(refusal(R"({"add":{"n":"nan"},"float":["n"]})"), HasSubstr("column n is no decimal number"));
  EXPECT_THAT(refusal(R"({"add":{"n":"1e999999999"},"float":["n"]})"), HasSubstr("is no decimal number"));
  EXPECT_THAT(refusal(R"({"float":["n"]})"), HasSubstr("\"float\": column n is not in \"add\""));
  EXPECT_THAT(refusal(R"({"float":"n"})"), HasSubstr("\"float\" is an array of columns"));
  EXPECT_THAT(refusal(R"({"revives":{"journal":"a","lane":0}})"), HasSubstr("\"revives\" is {\"journal\""));
  EXPECT_THAT(refusal(R"({"revives":{"journal":"a","lane":-1,"seq":1}})"), HasSubstr("\"revives\" is"));
  EXPECT_EQ(decode(R"({"add":{"n":3}})")->sums[0].amount, "3");  // as a person would write it
}

// ---- Combining

TEST(EffectCombine, TheLastValueWinsAdditionsAddUpAndARemovalSwallows) {
  EXPECT_EQ(texts(combined({Add{"n", "5"}, Add{"n", "-7"}, Add{"n", "1"}})),
            std::vector<std::string>{R"({"add":{"n":"-1"}})"});
  EXPECT_EQ(texts(combined({Upsert{{{"v", "40"}}}, Add{"v", "2"}})),
            std::vector<std::string>{R"({"fields":{"v":"42"}})"});
  EXPECT_EQ(texts(combined({Upsert{{{"v", std::nullopt}}}, Add{"v", "2"}})),
            std::vector<std::string>{R"({"fields":{"v":"2"}})"});
  EXPECT_EQ(texts(combined({Add{"v", "2"}, Upsert{{{"v", "x"}}}})),
            std::vector<std::string>{R"({"fields":{"v":"x"}})"});
  EXPECT_EQ(texts(combined({Add{"v", "2"}, Upsert{{{"v", "x"}}}, Remove{}})),
            std::vector<std::string>{R"({"remove":true})"});
  EXPECT_EQ(texts(combined({Remove{}, Upsert{{{"v", "x"}}}, Update{{{"w", "y"}}}})),
            std::vector<std::string>{R"({"remove":true,"fields":{"v":"x","w":"y"}})"});
  EXPECT_EQ(texts(combined({Remove{}, Update{{{"w", "y"}}}})),
            std::vector<std::string>{R"({"remove":true})"});
  EXPECT_EQ(texts(combined({Upsert{{{"v", "one"}}}, Add{"v", "2"}})),
            std::vector<std::string>{R"({"fields":{"v":"one"},"add":{"v":"2"}})"});
}

TEST(EffectCombine, DecimalsAddUpExactlyInPlainNotation) {
  const auto sum = [](std::string a, std::string b) {
    const auto steps = combined({Add{"f", std::move(a), true}, Add{"f", std::move(b), true}});
    return steps.size() == 1 ? steps[0].effect.sums[0].amount : "two steps";
  };
  EXPECT_EQ(sum("0.1", "0.2"), "0.3");
  EXPECT_EQ(sum("-0.05", "0.04"), "-0.01");
  EXPECT_EQ(sum("5.50", "0.5"), "6.00");
  EXPECT_EQ(sum("1e3", "1.5e-2"), "1000.015");
  EXPECT_EQ(sum("99999999999999999999.99", "0.01"), "100000000000000000000.00");
  EXPECT_EQ(sum("9223372036854775807", "0.5"), "9223372036854775807.5");
  EXPECT_EQ(sum("010", "0.5"), "10.5");  // not octal
  EXPECT_EQ(sum(".5", "-.5"), "0.0");
  const auto mixed = combined({Add{"f", "1"}, Add{"f", "0.5", true}});
  EXPECT_EQ(encode(mixed[0].effect), R"({"add":{"f":"1.5"},"float":["f"]})");
}

TEST(EffectCombine, IntegersThatLeave64BitsTogetherAreTwoSteps) {
  const auto steps = combined({Add{"n", "9223372036854775807"}, Add{"n", "1"}, Add{"n", "-1"}});
  EXPECT_EQ(texts(steps),
            (std::vector<std::string>{R"({"add":{"n":"9223372036854775807"}})", R"({"add":{"n":"0"}})"}));
  EXPECT_EQ(steps[0].last, 1u);
  EXPECT_EQ(steps[1].first, 2u);
  EXPECT_EQ(steps[1].ops, 2u);
}

TEST(EffectCombine, AppendsAndRevivedDeadLettersStayAlone) {
  Effect revived = effect_of(Add{"n", "1"});
  revived.revives = DeadId{"j", 0, 1};
  std::vector<Step> steps;
  combine(steps, effect_of(Add{"n", "1"}), 1);
  combine(steps, effect_of(Upsert{{{"n", "1"}}, {}, true}), 2);
  combine(steps, effect_of(Add{"n", "1"}), 3);
  combine(steps, effect_of(Add{"n", "1"}), 5);
  combine(steps, revived, 6);
  combine(steps, effect_of(Add{"n", "1"}), 7);
  combine(steps, effect_of(Remove{}), 8);
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[2].first, 3u);
  EXPECT_EQ(steps[2].last, 5u);
  EXPECT_EQ(steps[4].first, 7u);
  EXPECT_EQ(steps[4].ops, 2u);
}

// A table's row as a database keeps it: one write after another.
class Table {
 public:
  explicit Table(Fields defaults) : defaults_(std::move(defaults)) {}

  using Row = std::map<std::string, OptionalText>;
  std::optional<Row> row;

  // All or none, as in a transaction.
  void apply(const std::vector<Write>& writes) {
    const auto before = row;
    for (const Write& write : writes) {
      if (!apply_one(write)) {
        row = before;
        return;
      }
    }
  }

 private:
  bool apply_one(const Write& write) {
    if (const auto* upsert = std::get_if<Upsert>(&write)) {
      if (upsert->insert && row) return false;
      set(upsert->fields);
    } else if (const auto* update = std::get_if<Update>(&write)) {
      if (row || update->create) set(update->fields);
    } else if (const auto* add = std::get_if<Add>(&write)) {
      if (!row) {
        set({{add->field, add->amount}});
      } else {
        // Of two decimals at most; exact as a sum of hundredths.
        const double sum = std::stod((*row)[add->field].value_or("0")) + std::stod(add->amount);
        (*row)[add->field] = hundredths(sum);
      }
    } else {
      row.reset();
    }
    return true;
  }
  static std::string hundredths(double number) {
    const long long n = std::llround(number * 100);
    return fmt::format("{}{}.{:02}", n < 0 ? "-" : "", std::llabs(n) / 100, std::llabs(n) % 100);
  }
  void set(const Fields& fields) {
    if (!row) {
      row.emplace();
      for (const auto& [column, text] : defaults_) (*row)[column] = text;
    }
    for (const auto& [column, text] : fields) (*row)[column] = text;
  }

  const Fields defaults_;
};

// Numbers by what they say.
OptionalText normal(OptionalText text) {
  if (!text) return text;
  char* end = nullptr;
  const double number = std::strtod(text->c_str(), &end);
  if (end == text->c_str() || *end != '\0') return text;
  return std::to_string(std::llround(number * 100));
}

Write random_write(Random& random) {
  const auto pick = [&](std::uint64_t of) { return random.next() % of; };
  static const std::string kNumbers[] = {"0", "1", "-7", "12", "1000000"};
  static const std::string kDecimals[] = {"0.25", "-1.5", "3", "10.10"};
  Fields fields;
  std::vector<bool> strings;
  const bool from_json = pick(2) == 0;
  if (pick(2) == 0) fields.emplace_back("a", pick(4) == 0 ? OptionalText() : OptionalText("text"));
  if (pick(2) == 0) fields.emplace_back("n", pick(4) == 0 ? OptionalText() : OptionalText(kNumbers[pick(5)]));
  if (pick(3) == 0) fields.emplace_back("f", kDecimals[pick(4)]);
  if (from_json) {
    for (const auto& [column, text] : fields) strings.push_back(column == "a" && text);
  }
  switch (pick(8)) {
    case 0:
      return Remove{};
    case 1:
      return Update{std::move(fields), false};
    case 2:
      return Update{std::move(fields), true};
    case 3:
    case 4:
      return Add{"n", kNumbers[pick(5)]};
    case 5:
      return Add{"f", kDecimals[pick(4)], true};
    default:
      return Upsert{std::move(fields), std::move(strings), pick(6) == 0};
  }
}

TEST(EffectCombine, ComesToTheSameRowAsTheWritesOneByOne) {
  test::SeededRandom random(7);
  for (int round = 0; round < 6000; ++round) {
    // The defaults must differ from what a sum begins with, else its place would not matter.
    const Fields defaults = {{"a", "default"}, {"n", "10"}, {"f", "0.5"}};
    Table one_by_one(defaults);
    Table at_once(defaults);
    if (random.next() % 2 == 0) {
      one_by_one.row = Table::Row{{"a", "there"}, {"n", "3"}, {"f", std::nullopt}};
      at_once.row = one_by_one.row;
    }
    std::vector<Step> steps;
    std::string told;
    const std::uint64_t count = 1 + random.next() % 10;
    for (std::uint64_t seq = 1; seq <= count; ++seq) {
      const Write write = random_write(random);
      const std::string text = encode(effect_of(write));
      told += text + "\n";
      combine(steps, *decode(text), seq);  // as after a restart
      one_by_one.apply({write});
    }
    std::uint64_t next = 1;
    for (const Step& step : steps) {
      ASSERT_EQ(step.first, next) << told;
      ASSERT_EQ(step.last, step.first + step.ops - 1) << told;
      next = step.last + 1;
      at_once.apply(writes_of(step.effect));
    }
    ASSERT_EQ(next, count + 1);
    ASSERT_EQ(one_by_one.row.has_value(), at_once.row.has_value()) << told;
    if (one_by_one.row) {
      for (const std::string column : {"a", "n", "f"}) {
        ASSERT_EQ(normal((*one_by_one.row)[column]), normal((*at_once.row)[column])) << column << "\n"
                                                                                     << told;
      }
    }
  }
}

// ---- Values

const Shape kRows{ValueKind::kJson, "", {{"id", "7"}}};
const Shape kTexts{ValueKind::kText, "v", {}};
const Shape kCounters{ValueKind::kCounter, "v", {}};

// What a value becomes; "-": no row; an error's message.
std::string merged(const Shape& shape, std::optional<std::string> value, const std::vector<Write>& writes) {
  auto after = merge(shape, std::move(value), combined(writes));
  if (!after) {
    EXPECT_EQ(after.error().code, ErrorCode::kInvalidArgument);
    return after.error().message;
  }
  return after->value_or("-");
}

TEST(EffectMerge, ShowsTextsAndCounters) {
  EXPECT_EQ(merged(kTexts, "old", {}), "old");
  EXPECT_EQ(merged(kTexts, "old", {Upsert{{{"v", "new"}}}}), "new");
  EXPECT_EQ(merged(kTexts, "old", {Upsert{{{"v", std::nullopt}}}}), "-");
  EXPECT_EQ(merged(kTexts, std::nullopt, {Update{{{"v", "new"}}}}), "-");
  EXPECT_EQ(merged(kTexts, "old", {Update{{{"v", "new"}}}}), "new");
  EXPECT_EQ(merged(kTexts, "10.50", {Add{"v", "0.25", true}}), "10.75");
  EXPECT_EQ(merged(kTexts, "old", {Add{"v", "1"}}), "column v does not hold a number");
  EXPECT_EQ(merged(kTexts, std::nullopt, {Upsert{{{"v", "once"}}, {}, true}}), "once");
  EXPECT_EQ(merged(kTexts, "there", {Upsert{{{"v", "once"}}, {}, true}}), "there");
  EXPECT_EQ(merged(kCounters, std::nullopt, {Add{"v", "-5"}}), "-5");
  EXPECT_EQ(merged(kCounters, "37", {Add{"v", "5"}, Add{"v", "0"}}), "42");
  EXPECT_EQ(merged(kCounters, "37", {Remove{}}), "-");
  EXPECT_EQ(merged(kCounters, "37", {Remove{}, Add{"v", "5"}}), "5");
  EXPECT_EQ(merged(kCounters, "1.5", {Add{"v", "5"}}), "column v does not hold an integer");
  EXPECT_EQ(merged(kCounters, "9223372036854775807", {Add{"v", "1"}}), "column v would overflow 64 bits");
}

TEST(EffectMerge, ShowsRowsInTheirKinds) {
  const std::string row = R"({"id":7,"s":"a","n":1,"b":true,"o":{"x":1},"z":null})";
  EXPECT_EQ(merged(kRows, row, {Update{{{"s", "5"}, {"n", "2"}, {"b", "false"}, {"o", "[]"}, {"z", "9"}}}}),
            R"({"id":7,"s":"5","n":2,"b":false,"o":[],"z":"9"})");
  EXPECT_EQ(merged(kRows, row, {Update{{{"n", "x"}, {"b", "x"}, {"o", "x"}}}}),
            R"({"id":7,"s":"a","n":"x","b":"x","o":"x","z":null})");
  EXPECT_EQ(merged(kRows, row, {json_row(R"({"s":5,"n":"2","o":"12","z":{"y":2},"new":[1]})")}),
            R"({"id":7,"s":"5","n":2,"b":true,"o":"12","z":{"y":2},"new":[1]})");
  EXPECT_EQ(merged(kRows, row, {Add{"n", "41"}, Add{"z", "0.5", true}}),
            R"({"id":7,"s":"a","n":42,"b":true,"o":{"x":1},"z":0.5})");
  EXPECT_EQ(merged(kRows, row, {Add{"s", "1"}}), "column s does not hold a number");
  EXPECT_EQ(merged(kRows, row, {Remove{}}), "-");
  EXPECT_EQ(merged(kRows, row, {Remove{}, Add{"n", "3"}}), R"({"id":7,"n":3})");
  EXPECT_EQ(merged(kRows, std::nullopt, {json_row(R"({"s":"new"})")}), R"({"id":7,"s":"new"})");
  EXPECT_EQ(merged(kRows, std::nullopt, {json_row("{}")}), R"({"id":7})");
  EXPECT_EQ(merged(kRows, "no row", {Add{"n", "3"}}), "the value is not a JSON object");
}

// A table that knows its columns: id and n are integers, b is a truth value, s a text, v is not written.
class KnownColumns final : public Columns {
 public:
  Shown shown(std::string_view column, Given given, std::string& text) const override {
    if (column == "id" && given != Given::kKey) return Shown::kIgnored;
    if (column == "v") return Shown::kIgnored;
    if (column == "s") return Shown::kString;
    if (column == "b") text = text == "t" ? "true" : "false";
    if ((column == "n" || column == "id") && text.starts_with('+')) text.erase(0, 1);
    return column == "b" || column == "n" || column == "id" ? Shown::kJson : Shown::kUnknown;
  }
};

TEST(EffectMerge, ShowsColumnsAsTheirTableWillWhereThatIsKnown) {
  const KnownColumns columns;
  const Shape rows{ValueKind::kJson, "", {{"id", "7"}}, &columns};
  const std::string row = R"({"id":7,"s":null,"n":"odd","b":null,"v":3,"u":null})";
  EXPECT_EQ(merged(rows, row, {Update{{{"s", "007"}, {"n", "+5"}, {"b", "t"}, {"v", "4"}, {"u", "6"}}}}),
            R"({"id":7,"s":"007","n":5,"b":true,"v":3,"u":"6"})");
  EXPECT_EQ(merged(rows, row, {json_row(R"({"id":"+7","s":12,"n":"6","b":null,"v":null,"u":6})")}),
            R"({"id":7,"s":"12","n":6,"b":null,"v":3,"u":6})");
  EXPECT_EQ(merged(rows, std::nullopt, {Update{{{"n", "+1"}, {"v", "1"}}, true}}), R"({"id":7,"n":1})");
  EXPECT_EQ(merged(rows, std::nullopt, {Add{"n", "2"}, Add{"s", "3"}}), R"({"id":7,"n":2,"s":"3"})");
  const Shape named{ValueKind::kJson, "", {{"s", "7"}}, &columns};
  EXPECT_EQ(merged(named, std::nullopt, {json_row(R"({"n":1})")}), R"({"s":"7","n":1})");
  const Shape text{ValueKind::kText, "b", {}, &columns};
  EXPECT_EQ(merged(text, std::nullopt, {Upsert{{{"b", "t"}}}}), "true");
  const Shape counter{ValueKind::kCounter, "n", {}, &columns};
  EXPECT_EQ(merged(counter, std::nullopt, {Upsert{{{"n", "+5"}}}}), "5");
}

TEST(EffectMerge, TellsWhenTheRowBeforeDoesNotMatter) {
  const auto known = [](const Shape& shape, const std::vector<Write>& writes) {
    return absolute(shape, combined(writes));
  };
  EXPECT_FALSE(known(kTexts, {}));
  EXPECT_TRUE(known(kTexts, {Upsert{{{"v", "x"}}}}));
  EXPECT_TRUE(known(kTexts, {Add{"v", "1"}, Upsert{{{"v", "x"}}}}));
  EXPECT_TRUE(known(kCounters, {Remove{}, Add{"v", "1"}}));
  EXPECT_FALSE(known(kCounters, {Add{"v", "1"}}));
  EXPECT_FALSE(known(kTexts, {Update{{{"v", "x"}}}}));
  EXPECT_FALSE(known(kTexts, {Upsert{{{"v", "x"}}, {}, true}}));
  EXPECT_FALSE(known(kRows, {json_row(R"({"v":1})")}));
  EXPECT_TRUE(known(kRows, {Remove{}, json_row(R"({"v":1})")}));
}

TEST(EffectMerge, GivesAColumnsText) {
  EXPECT_EQ(column_of(kRows, R"({"id":7,"n":1.50,"z":null})", "n"), "1.50");
  EXPECT_EQ(column_of(kRows, R"({"id":7,"n":1.50,"z":null})", "z"), std::nullopt);
  EXPECT_EQ(column_of(kRows, R"({"id":7})", "n"), std::nullopt);
  EXPECT_EQ(column_of(kRows, std::nullopt, "n"), std::nullopt);
  EXPECT_EQ(column_of(kTexts, "x", "v"), "x");
  EXPECT_EQ(column_of(kTexts, "x", "other"), std::nullopt);
}

TEST(EffectMerge, ShowsWhatTheWritesOneByOneMake) {
  test::SeededRandom random(11);
  for (int round = 0; round < 4000; ++round) {
    Table table({});  // a value does not show what a database would give columns that nobody named
    std::optional<std::string> value;
    if (random.next() % 2 == 0) {
      table.row = Table::Row{{"a", "there"}, {"n", "3"}, {"f", std::nullopt}};
      value = R"({"id":7,"a":"there","n":3,"f":null})";
    }
    const std::optional<std::string> before = value;
    std::vector<Write> writes;
    std::string told;
    for (std::uint64_t i = random.next() % 10; i > 0; --i) {
      writes.push_back(random_write(random));
      told += encode(effect_of(writes.back())) + "\n";
      table.apply({writes.back()});
      auto next = merge(kRows, std::move(value), combined({writes.back()}));
      ASSERT_TRUE(next) << told << next.error().message;
      value = std::move(*next);
    }
    const auto steps = combined(writes);
    auto at_once = merge(kRows, before, steps);
    ASSERT_TRUE(at_once) << told << at_once.error().message;
    ASSERT_EQ(value.has_value(), table.row.has_value()) << told;
    ASSERT_EQ(at_once->has_value(), table.row.has_value()) << told;
    if (absolute(kRows, steps)) {
      ASSERT_EQ(*merge(kRows, std::nullopt, steps), *at_once) << told;
    }
    if (!table.row) continue;
    ASSERT_EQ(column_of(kRows, value, "id"), "7");
    for (const std::string column : {"a", "n", "f"}) {
      const OptionalText wanted = normal((*table.row)[column]);
      ASSERT_EQ(normal(column_of(kRows, value, column)), wanted) << column << "\n" << told << *value;
      ASSERT_EQ(normal(column_of(kRows, *at_once, column)), wanted) << column << "\n" << told << **at_once;
    }
  }
}

}  // namespace
}  // namespace forebay::journal
