#include "source/function.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "source/registry.h"

namespace forebay::source {
namespace {

const std::vector<KeyFields> kKeys = {{"a"}, {"b"}};

config::Source settings() {
  config::Source settings;
  settings.name = "prices";
  settings.kind = "function";
  settings.pool = 3;
  return settings;
}

Result<std::vector<Loaded>> echo(std::span<const KeyFields> keys, const CallContext&) {
  std::vector<Loaded> loaded;
  for (const KeyFields& key : keys) loaded.push_back({key.front(), 0, 0});
  return loaded;
}

TEST(FunctionSource, CallsTheProgramsFunctions) {
  Functions functions;
  functions["prices"] = {&echo,
                         [](const KeyFields& key, const Write&, const CallContext&) -> Result<Written> {
                           Written written;
                           written.after.value = key.front() + "!";
                           return written;
                         }};
  auto source = open_source(settings(), functions);
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ((*source)->concurrency(), 3U);
  EXPECT_TRUE((*source)->ping({}).has_value());
  DatasetSpec spec;
  spec.writable = true;
  auto dataset = (*source)->open_dataset(spec);
  ASSERT_TRUE(dataset.has_value());
  EXPECT_EQ((*dataset)->load(kKeys, {})->at(1).value, "b");
  EXPECT_EQ((*dataset)->write({"a"}, Remove{}, {})->after.value, "a!");
}

TEST(FunctionSource, WithoutAWriteFunctionNothingCanBeWritten) {
  Functions functions;
  functions["prices"].load = &echo;
  auto source = open_source(settings(), functions);
  DatasetSpec spec;
  spec.name = "price";
  spec.writable = true;
  auto refused = (*source)->open_dataset(spec);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kConfig);
  EXPECT_NE(refused.error().message.find("price"), std::string::npos);
  spec.writable = false;
  auto dataset = (*source)->open_dataset(spec);
  EXPECT_EQ((*dataset)->write({"a"}, Remove{}, {}).error().code, ErrorCode::kUnsupported);
}

TEST(FunctionSource, WhatAFunctionThrowsOrMiscountsIsAnError) {
  Functions functions;
  const auto error_of = [&](LoadFunction load) {
    functions["prices"].load = std::move(load);
    auto source = open_source(settings(), functions);
    auto dataset = (*source)->open_dataset({});
    auto loaded = (*dataset)->load(kKeys, {});
    EXPECT_FALSE(loaded.has_value());
    return loaded ? Error{} : loaded.error();
  };
  Error error = error_of(
      [](auto, const auto&) -> Result<std::vector<Loaded>> { throw std::runtime_error("no such price"); });
  EXPECT_EQ(error.code, ErrorCode::kInternal);
  EXPECT_NE(error.message.find("no such price"), std::string::npos);
  error = error_of([](auto, const auto&) -> Result<std::vector<Loaded>> { throw 7; });
  EXPECT_EQ(error.code, ErrorCode::kInternal);
  error = error_of([](auto, const auto&) -> Result<std::vector<Loaded>> { return std::vector<Loaded>(1); });
  EXPECT_EQ(error.code, ErrorCode::kInternal);
  error = error_of([](auto, const auto&) -> Result<std::vector<Loaded>> {
    return Error{ErrorCode::kUnavailable, "closed"};
  });
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
}

TEST(SourceRegistry, NamesWhatItDoesNotHave) {
  auto missing = open_source(settings(), {});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kConfig);
  EXPECT_NE(missing.error().message.find("prices"), std::string::npos);
  config::Source odd = settings();
  odd.kind = "oracle";
  auto unknown = open_source(odd, {});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kConfig);
  for (const std::string_view kind : source_kinds()) {
    EXPECT_NE(unknown.error().message.find(kind), std::string::npos) << unknown.error().message;
  }
}

}  // namespace
}  // namespace forebay::source
