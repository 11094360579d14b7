// A typed cache: keys and values are types of the program. Values are moved in and handed out by shared
// pointer; they are never copied and need not be copyable, so a large one costs the same as a small one.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "forebay/cache.h"
#include "show.h"

namespace {

struct Image {
  int id = 0;
  std::unique_ptr<std::vector<unsigned char>> pixels;  // so it can be moved and not copied
};

}  // namespace

int main() {
  std::atomic<int> decoded{0};
  forebay::CacheOptions options;
  options.name = "images";
  options.limit = std::size_t{256} << 20;
  options.ttl = std::chrono::minutes(5);
  options.negative_ttl = std::chrono::seconds(10);
  using Images = forebay::Cache<int, Image>;
  auto images = show::value_of(Images::open(
      options,
      [&](const int& id) -> forebay::Result<std::optional<Image>> {
        ++decoded;
        if (id < 0) return std::optional<Image>();  // there is no such image
        return std::optional<Image>(Image{id, std::make_unique<std::vector<unsigned char>>(4 << 20)});
      },
      // What an image counts for in the limit.
      [](const Image& image) { return sizeof image + image.pixels->size(); }));

  std::printf("A four-megabyte image, twice:\n");
  const auto first = show::value_of(images->get(7));
  const auto second = show::value_of(images->get(7));
  show::expect(first && first->id == 7 && first == second, "both readers hold the same object");
  show::expect(decoded == 1, "it was decoded once");
  show::expect(images->stats().bytes > (std::size_t{4} << 20), "and counts with its pixels");

  std::printf("One that doesn't exist, twice:\n");
  show::expect(!show::value_of(images->get(-1)) && !show::value_of(images->get(-1)), "null");
  show::expect(decoded == 2, "asked for once");

  std::printf("The image changes:\n");
  images->invalidate(7);
  const auto third = show::value_of(images->get(7));
  show::expect(third != first && decoded == 3, "it is decoded again");
  show::expect(first->pixels->size() == std::size_t{4} << 20,
               "who still holds the old one goes on holding it");

  std::printf("A loader for many keys at once:\n");
  int calls = 0;
  using Squares = forebay::Cache<int, int>;
  auto squares = show::value_of(Squares::open_batched(
      {}, [&](std::span<const int> keys) -> forebay::Result<std::vector<std::optional<int>>> {
        ++calls;
        std::vector<std::optional<int>> values;
        for (const int key : keys) values.emplace_back(key * key);
        return values;
      }));
  const std::vector<int> keys{1, 2, 3, 4, 5};
  const auto values = squares->get_many(keys);
  show::expect(values.size() == 5 && *show::value_of(values[4]) == 25 && calls == 1, "five values, one call");
}
