#include "server/lobby.h"

#include <gtest/gtest.h>

#include <string>

#include "server/admission.h"

namespace forebay::server {
namespace {

constexpr Lobby::Room kRoom{.per_address = 3, .in_all = 5};

TEST(Lobby, TheOldestOfAnAddressMakesRoomForItsNext) {
  Lobby lobby;
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(lobby.enter(id, "a", kRoom), 0u);
  EXPECT_EQ(lobby.enter(4, "b", kRoom), 0u);
  EXPECT_EQ(lobby.enter(5, "a", kRoom), 1u);
  EXPECT_EQ(lobby.enter(6, "a", kRoom), 2u);
}

TEST(Lobby, TheOldestOfAllMakesRoomWhereItIsFull) {
  Lobby lobby;
  for (std::uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(lobby.enter(id, std::to_string(id), kRoom), 0u);
  lobby.leave(1);
  EXPECT_EQ(lobby.enter(6, "6", kRoom), 0u);
  EXPECT_EQ(lobby.enter(7, "7", kRoom), 2u);
  lobby.leave(2);  // is not there any more
  EXPECT_EQ(lobby.take_oldest(), 3u);
  for (const std::uint64_t id : {4u, 5u, 6u, 7u}) lobby.leave(id);
  EXPECT_EQ(lobby.take_oldest(), 0u);
}

TEST(Lobby, ANetworkOfIpv6CountsAsOneAddress) {
  EXPECT_EQ(address_group("2001:db8:1:2:3:4:5:6"), address_group("2001:db8:1:2::9"));
  EXPECT_NE(address_group("2001:db8:1:2::9"), address_group("2001:db8:1:3::9"));
  EXPECT_NE(address_group("::ffff:10.0.0.1"), address_group("::ffff:10.0.0.2"));
  EXPECT_EQ(address_group("10.0.0.1"), "10.0.0.1");
}

}  // namespace
}  // namespace forebay::server
