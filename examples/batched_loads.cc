// Batching: keys that are missing at the same time are loaded together. A list of keys becomes one query
// instead of one query each, and so do single reads that are dispatched as a group.

#include <atomic>
#include <latch>
#include <string>
#include <string_view>
#include <vector>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database(R"(
    CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT);
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO words SELECT i, 'word ' || i FROM n;)");
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.dictionary]
kind = "sqlite"
path = ")" + database.path() + R"("

[namespace.word]
key    = "word:{id}"
source = "dictionary"
table  = "words"
type   = "text"
value  = "word"
read   = "through"
ttl    = "5m"
)"));
  const auto queries = [&] { return layer->stats().sources.at(0).loads; };

  std::printf("500 missing keys in one call:\n");
  std::vector<std::string> names;
  for (int i = 1; i <= 500; ++i) names.push_back("word:" + std::to_string(i));
  const std::vector<std::string_view> keys(names.begin(), names.end());
  const auto answers = layer->get_many(keys);
  show::expect(answers.size() == 500 && answers[499] && show::text(*answers[499]) == "word 500",
               "every key has its value");
  show::expect(queries() == 1, "from one query");

  std::printf("200 single reads with callbacks, sent together:\n");
  std::latch done(200);
  std::atomic<int> right{0};
  {
    // Without it, what has gathered is sent after a millisecond, though more may be coming.
    const forebay::Layer::Gather together(*layer);
    for (int i = 501; i <= 700; ++i) {
      layer->read("word:" + std::to_string(i), {},
                  [&done, &right, i](forebay::Result<forebay::Answer> answer) {
                    if (answer && show::text(*answer) == "word " + std::to_string(i)) ++right;
                    done.count_down();
                  });
    }
  }
  layer->dispatch();
  done.wait();
  show::expect(right == 200, "every callback got its value");
  show::expect(queries() - 1 <= 8, "by batched queries: " + std::to_string(queries() - 1));
}
