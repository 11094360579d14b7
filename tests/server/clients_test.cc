#include "server/clients.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/commands/harness.h"
#include "server/resp/session.h"

namespace forebay::server {
namespace {

class Clients : public PlainKeys {
 protected:
  // A client that holds so many bytes, named by its place in `sessions_`.
  Session& add(std::size_t bytes) {
    Session::Origin origin;
    origin.id = clients_.next_id();
    const std::size_t place = sessions_.size();
    sessions_.push_back(
        std::make_unique<Session>(std::move(origin), control_, server_->users().default_user(), true));
    sessions_.back()->set_memory(bytes);
    clients_.add(*sessions_.back(), [this, place] { killed_.push_back(place); }, [](const auto&) {}, [] {});
    return *sessions_.back();
  }

  IdleControl control_{*server_};
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::size_t> killed_;
  ClientRegistry clients_;
};

TEST_F(Clients, TheLargestIsClosedWhenAllTogetherHoldTooMuch) {
  add(100);
  add(700);
  add(300);
  EXPECT_FALSE(clients_.close_largest(1'100));
  EXPECT_TRUE(clients_.close_largest(1'000));
  EXPECT_EQ(killed_, std::vector<std::size_t>{1});
}

TEST_F(Clients, NobodyIsClosedForWhatOneHoldsThatIsBeingClosed) {
  add(100);
  Session& greedy = add(2'000);
  ASSERT_TRUE(clients_.close_largest(1'000));
  greedy.set_memory(50'000);  // its loop is at work for it still
  EXPECT_FALSE(clients_.close_largest(1'000));
  EXPECT_EQ(killed_, std::vector<std::size_t>{1});
}

}  // namespace
}  // namespace forebay::server
