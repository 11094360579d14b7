#include "events/kafka_topic.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "base/random.h"

namespace forebay::events {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

template <class T, void (*kDestroy)(T*)>
struct Destroy {
  void operator()(T* object) const { kDestroy(object); }
};
using Settings = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_t, rd_kafka_conf_destroy>>;
using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_t, rd_kafka_destroy>>;
using Topic = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_t, rd_kafka_topic_destroy>>;
using Polled = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_t, rd_kafka_message_destroy>>;
using Partitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t,
                    Destroy<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>>;

constexpr milliseconds kPollStep{100};  // a cancelled call returns after this
constexpr milliseconds kCommitEvery{1000};
// As rd_kafka_commit() has them.
constexpr int kWaiting = 0;
constexpr int kWithoutWaiting = 1;

Partitions make_partitions() {
  return Partitions(rd_kafka_topic_partition_list_new(1));
}

Error broken(std::string_view doing, rd_kafka_resp_err_t error) {
  return {ErrorCode::kUnavailable, fmt::format("{}: {}", doing, rd_kafka_err2str(error))};
}

// librdkafka's own words go to the log's details: what matters is said by the reader.
void log_detail(const rd_kafka_t* /*client*/, int /*level*/, const char* facility, const char* text) {
  spdlog::debug("kafka: {}: {}", facility, text);
}

// Never the value, which may be a password.
Result<void> set(rd_kafka_conf_t& settings, const std::string& name, const std::string& value) {
  std::array<char, 512> text{};
  switch (rd_kafka_conf_set(&settings, name.c_str(), value.c_str(), text.data(), text.size())) {
    case RD_KAFKA_CONF_OK:
      return {};
    case RD_KAFKA_CONF_UNKNOWN:
      return Error{ErrorCode::kConfig, fmt::format("librdkafka knows no setting \"{}\"", name)};
    default:
      return Error{ErrorCode::kConfig, fmt::format("librdkafka refuses the value of \"{}\"", name)};
  }
}

std::string own_group() {
  return fmt::format("forebay-{:016x}{:016x}", system_random().next(), system_random().next());
}

class KafkaTopic final : public EventSource {
 public:
  KafkaTopic(config::Events section, Settings settings, const KafkaTimes& times)
      : section_(std::move(section)), settings_(std::move(settings)), times_(times) {}
  ~KafkaTopic() override {
    if (client_ == nullptr || !grouped()) return;
    commit(kWaiting);
    rd_kafka_consumer_close(client_.get());
  }

  Result<Delivery> next(const CallContext& context) override {
    if (auto listening = listen(context); !listening) return std::move(listening).error();
    const Time now = std::chrono::steady_clock::now();
    if (now >= look_at_) {
      if (auto looked = look(); !looked) return std::move(looked).error();
      look_at_ = now + times_.look_every;
    }
    Delivery delivery = std::exchange(early_, {});
    // As long as the reader waits, or until it is time for a look.
    const Time until = std::min(now + context.timeout, look_at_);
    std::size_t bytes = 0;
    while (delivery.messages.size() < kMostMessages && bytes < kMostBytes) {
      const bool waits =
          delivery.messages.empty() && gap_.empty() && std::chrono::steady_clock::now() < until;
      if (context.cancel != nullptr && context.cancel->cancelled())
        return Error{ErrorCode::kCancelled, "cancelled"};
      const Polled polled(
          rd_kafka_consumer_poll(client_.get(), waits ? static_cast<int>(kPollStep.count()) : 0));
      if (polled == nullptr && !waits) break;
      if (polled == nullptr) continue;
      if (auto taken = take(*polled, delivery); !taken) return std::move(taken).error();
      bytes += delivery.messages.empty() ? 0 : delivery.messages.back().text.size();
    }
    delivery.gap = std::exchange(gap_, "");
    return delivery;
  }

  // librdkafka calls this within rd_kafka_consumer_poll().
  static void on_rebalance(rd_kafka_t* /*client*/, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t* partitions, void* self) {
    static_cast<KafkaTopic*>(self)->rebalance(what, *partitions);
  }

  void confirm() override {
    for (const auto& [partition, offset] : std::exchange(delivered_, {})) done_[partition] = offset;
    const Time now = std::chrono::steady_clock::now();
    if (now < commit_at_) return;
    commit(kWithoutWaiting);
    commit_at_ = now + kCommitEvery;
  }

  std::vector<std::string> warnings() const override {
    if (lost_.empty()) return {};
    return {lost_};
  }

 private:
  bool grouped() const { return !section_.group.empty(); }

  // Hands over the offsets of what is done. Those of partitions that went to another member meanwhile are refused, and are
  // its business.
  void commit(int async) {
    if (!grouped() || done_.empty()) return;
    const Partitions partitions = make_partitions();
    for (const auto& [partition, offset] : std::exchange(done_, {}))
      rd_kafka_topic_partition_list_add(partitions.get(), section_.topic.c_str(), partition)->offset = offset;
    if (const auto error = rd_kafka_commit(client_.get(), partitions.get(), async);
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
      spdlog::debug("kafka: committing: {}", rd_kafka_err2str(error));
  }

  // ---- Beginning.

  Result<void> listen(const CallContext& context) {
    if (client_ == nullptr) {
      if (auto started = start(); !started) return started;
    }
    if (listening_) return {};
    if (!grouped()) {
      auto known = partitions_of_topic();
      if (!known) return std::move(known).error();
      const Partitions all = make_partitions();
      for (int partition = 0; partition < *known; ++partition)
        rd_kafka_topic_partition_list_add(all.get(), section_.topic.c_str(), partition);
      if (auto assigned = assign_at_end(*all); !assigned) return assigned;
      partitions_ = *known;
      gap_ = "nobody has listened before";
      listening_ = true;
      return {};
    }
    if (!subscribed_) {
      const Partitions topic = make_partitions();
      rd_kafka_topic_partition_list_add(topic.get(), section_.topic.c_str(), RD_KAFKA_PARTITION_UA);
      if (const auto error = rd_kafka_subscribe(client_.get(), topic.get());
          error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return broken("subscribing", error);
      subscribed_ = true;
    }
    return join(context);
  }

  Result<void> start() {
    std::array<char, 512> text{};
    rd_kafka_conf_t* settings = rd_kafka_conf_dup(settings_.get());
    rd_kafka_conf_set_opaque(settings, this);
    client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, settings, text.data(), text.size()));
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(settings);
      return Error{ErrorCode::kUnavailable, fmt::format("librdkafka: {}", text.data())};
    }
    rd_kafka_poll_set_consumer(client_.get());
    topic_.reset(rd_kafka_topic_new(client_.get(), section_.topic.c_str(), nullptr));
    return {};
  }

  // Waits until the group has assigned partitions for the first time.
  Result<void> join(const CallContext& context) {
    const Time until = std::chrono::steady_clock::now() + times_.join;
    while (!listening_) {
      if (context.cancel != nullptr && context.cancel->cancelled())
        return Error{ErrorCode::kCancelled, "cancelled"};
      const Polled polled(rd_kafka_consumer_poll(client_.get(), static_cast<int>(kPollStep.count())));
      // The call that assigns them may bring a message, too.
      if (polled != nullptr) {
        if (auto taken = take(*polled, early_); !taken) return taken;
      }
      if (!listening_ && std::chrono::steady_clock::now() >= until)
        return Error{ErrorCode::kTimeout,
                     fmt::format("the group '{}' has assigned no partitions yet", section_.group)};
    }
    return {};
  }

  // ---- Partitions.

  // How many the topic has. It is also how a broker that is away is noticed.
  Result<int> partitions_of_topic() {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (const auto error = rd_kafka_metadata(client_.get(), 0, topic_.get(), &metadata, timeout());
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return broken("asking the brokers", error);
    const std::unique_ptr<const rd_kafka_metadata_t,
                          Destroy<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>>
        owner(metadata);
    if (metadata->topic_cnt != 1)
      return Error{ErrorCode::kUnavailable, "the brokers say nothing of the topic"};
    const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
    if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return broken(fmt::format("topic '{}'", section_.topic), topic.err);
    if (topic.partition_cnt == 0)
      return Error{ErrorCode::kUnavailable, fmt::format("topic '{}' has no partitions", section_.topic)};
    return topic.partition_cnt;
  }

  // Are the brokers there, and are there new partitions? These are read from their beginning: they are younger than this.
  Result<void> look() {
    auto known = partitions_of_topic();
    if (!known) return std::move(known).error();
    if (grouped() || *known <= partitions_) return {};
    const Partitions added = make_partitions();
    for (int partition = partitions_; partition < *known; ++partition)
      rd_kafka_topic_partition_list_add(added.get(), section_.topic.c_str(), partition)->offset =
          RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_error_t* error = rd_kafka_incremental_assign(client_.get(), added.get()); error != nullptr) {
      const Error failed = broken("taking new partitions", rd_kafka_error_code(error));
      rd_kafka_error_destroy(error);
      return failed;
    }
    partitions_ = *known;
    return {};
  }

  Result<void> seek_end(rd_kafka_topic_partition_list_t& partitions) {
    for (int i = 0; i < partitions.cnt; ++i) {
      rd_kafka_topic_partition_t& each = partitions.elems[i];
      std::int64_t low = 0;
      if (const auto error = rd_kafka_query_watermark_offsets(client_.get(), each.topic, each.partition, &low,
                                                              &each.offset, timeout());
          error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return broken("asking for the end of a partition", error);
    }
    return {};
  }

  Result<void> assign_at_end(rd_kafka_topic_partition_list_t& partitions) {
    if (auto sought = seek_end(partitions); !sought) return sought;
    if (const auto error = rd_kafka_assign(client_.get(), &partitions); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return broken("taking the partitions", error);
    return {};
  }

  // What this node read last is not there any more: from the present end on.
  Result<void> start_over() {
    rd_kafka_topic_partition_list_t* held = nullptr;
    if (const auto error = rd_kafka_assignment(client_.get(), &held); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return broken("starting over", error);
    const Partitions owner(held);
    return assign_at_end(*held);
  }

  // ---- Groups.
  void rebalance(rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t& partitions) {
    if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      rd_kafka_assign(client_.get(), nullptr);
      if (listening_) lost_ = fmt::format("the group '{}' assigns partitions anew", section_.group);
      return;
    }
    rd_kafka_committed(client_.get(), &partitions, timeout());
    for (int i = 0; i < partitions.cnt; ++i) {
      rd_kafka_topic_partition_t& each = partitions.elems[i];
      // Of a partition that nobody has committed anything of, the end.
      std::int64_t low = 0;
      std::int64_t high = RD_KAFKA_OFFSET_END;
      if (each.offset < 0 && rd_kafka_query_watermark_offsets(client_.get(), each.topic, each.partition, &low,
                                                              &high, timeout()) != RD_KAFKA_RESP_ERR_NO_ERROR)
        high = RD_KAFKA_OFFSET_END;
      if (each.offset < 0) each.offset = high;
    }
    rd_kafka_assign(client_.get(), &partitions);
    const auto topic = listening_ ? partitions_of_topic() : Result<int>(partitions.cnt);
    const int all = topic.value_or(partitions.cnt);
    lost_.clear();
    if (partitions.cnt < all)
      lost_ = fmt::format("the group '{}' has other members: this node hears of {} of {} partitions",
                          section_.group, partitions.cnt, all);
    gap_ = "the group has assigned partitions";
    listening_ = true;
  }

  // ---- Messages.

  Result<void> take(const rd_kafka_message_t& polled, Delivery& delivery) {
    switch (polled.err) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        gap_ = "what was read last is not kept any more";
        return start_over();
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return broken(fmt::format("topic '{}'", section_.topic), polled.err);
      default:
        spdlog::debug("kafka: {}", rd_kafka_message_errstr(&polled));
        return {};
    }
    Message message;
    message.too_large = polled.len > section_.max_message;
    if (!message.too_large && polled.payload != nullptr)
      message.text.assign(static_cast<const char*>(polled.payload), polled.len);
    delivery.messages.push_back(std::move(message));
    delivered_[polled.partition] = polled.offset + 1;
    return {};
  }

  int timeout() const { return static_cast<int>(times_.timeout.count()); }

  const config::Events section_;
  const Settings settings_;
  const KafkaTimes times_;
  Client client_;   // null: there is none yet
  Topic topic_;     // goes before the client
  Delivery early_;  // came while a group was joined
  bool subscribed_ = false;
  bool listening_ = false;
  int partitions_ = 0;  // without a group: of the topic, all taken
  std::string gap_;     // to be told of with the next delivery
  std::string lost_;    // with a group: why this node does not hear of all
  Time look_at_{};
  // With a group. Partition -> the offset after what was delivered, and after what is done and not handed over yet.
  std::map<std::int32_t, std::int64_t> delivered_;
  std::map<std::int32_t, std::int64_t> done_;
  Time commit_at_{};
};

}  // namespace

Result<std::unique_ptr<EventSource>> open_kafka_topic(const config::Events& section) {
  return open_kafka_topic(section, KafkaTimes{});
}

Result<std::unique_ptr<EventSource>> open_kafka_topic(const config::Events& section,
                                                      const KafkaTimes& times) {
  Settings settings(rd_kafka_conf_new());
  std::vector<std::pair<std::string, std::string>> all = {
      {"client.id", "forebay"},
      // A consumer without a group has a name all the same. Nobody keeps anything under it.
      {"group.id", section.group.empty() ? own_group() : section.group},
      {"auto.offset.reset", "error"},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"topic.metadata.refresh.interval.ms", "5000"},
      {"queued.max.messages.kbytes", "16384"},
      {"reconnect.backoff.max.ms", "2000"},
      {"bootstrap.servers", section.brokers}};
  all.insert(all.end(), section.kafka.begin(), section.kafka.end());
  if (!section.password_env.empty()) {
    const char* password = std::getenv(section.password_env.c_str());
    if (password == nullptr)
      return Error{ErrorCode::kConfig,
                   fmt::format("password_env: there is no {} in the environment", section.password_env)};
    all.emplace_back("sasl.password", password);
  }
  for (const auto& [name, value] : all) {
    if (auto taken = set(*settings, name, value); !taken) return std::move(taken).error();
  }
  rd_kafka_conf_set_log_cb(settings.get(), log_detail);
  if (!section.group.empty()) rd_kafka_conf_set_rebalance_cb(settings.get(), KafkaTopic::on_rebalance);
  return std::make_unique<KafkaTopic>(section, std::move(settings), times);
}

}  // namespace forebay::events
