#pragma once

#include <librdkafka/rdkafka.h>
// It needs the one above.
#include <librdkafka/rdkafka_mock.h>

#include <stdexcept>
#include <string>

namespace forebay::test {

// librdkafka's mock of a Kafka cluster, in this process: one broker on a real port, and a producer. Not thread-safe.
class MockKafka {
 public:
  explicit MockKafka(const std::string& topic, int partitions = 1) : topic_(topic) {
    char text[512];
    rd_kafka_conf_t* settings = rd_kafka_conf_new();
    rd_kafka_conf_set(settings, "test.mock.num.brokers", "1", text, sizeof text);
    rd_kafka_conf_set(settings, "linger.ms", "0", text, sizeof text);
    rd_kafka_conf_set_log_cb(settings, [](const rd_kafka_t*, int, const char*, const char*) {});
    producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
    if (producer_ == nullptr) throw std::runtime_error(text);
    cluster_ = rd_kafka_handle_mock_cluster(producer_);
    rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1);
  }
  ~MockKafka() { rd_kafka_destroy(producer_); }
  MockKafka(const MockKafka&) = delete;
  MockKafka& operator=(const MockKafka&) = delete;

  std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  // Returns when the broker has it.
  void produce(const std::string& text, int partition = 0) {
    const auto error =
        rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE(const_cast<char*>(text.data()), text.size()), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
    if (rd_kafka_flush(producer_, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw std::runtime_error("it was not taken");
  }
  void set_down() { rd_kafka_mock_broker_set_down(cluster_, 1); }
  void set_up() { rd_kafka_mock_broker_set_up(cluster_, 1); }
  // The next fetch is answered so.
  void fail_fetch(rd_kafka_resp_err_t error) {
    constexpr int kFetch = 1;
    rd_kafka_mock_push_request_errors(cluster_, kFetch, 1, error);
  }

 private:
  const std::string topic_;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;  // the producer's
};

}  // namespace forebay::test
