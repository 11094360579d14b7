#include "layer/open.h"

#include <utility>

#include "config/reader.h"
#include "layer/layer_impl.h"
#include "layer/port/threaded_source.h"
#include "memory/eviction/registry.h"
#include "source/registry.h"

namespace forebay {
namespace layer {
namespace {

// What the reader of a configuration has to know of other rooms.
struct Words {
  std::vector<std::string_view> policies = memory::policy_names();
  std::vector<std::string_view> with_options = memory::policy_names_with_options();
  config::ReadOptions options() const {
    return {.policies = policies, .policies_with_options = with_options, .folder = {}};
  }
};

Result<config::Model> read_text(std::string_view toml) {
  return config::read(toml, "configuration", Words().options());
}

Result<config::Model> read_file(const std::string& path) {
  return config::read_file(path, Words().options());
}

}  // namespace

Result<std::unique_ptr<Layer>> open_layer(const config::Model& model, Environment environment) {
  Parts parts;
  parts.clock = environment.clock;
  parts.random = environment.random;
  parts.scheduler = environment.scheduler;
  parts.unreachable = environment.unreachable;
  parts.open_port = [functions = std::move(environment.functions), sources = std::move(environment.sources)](
                        const config::Source& wanted) -> Result<std::shared_ptr<SourcePort>> {
    std::shared_ptr<Source> source;
    if (const auto own = sources.find(wanted.name); own != sources.end()) {
      source = own->second;
    } else {
      auto opened = source::open_source(wanted, functions);
      if (!opened) return std::move(opened).error();
      source = std::move(*opened);
    }
    return std::shared_ptr<SourcePort>(std::make_shared<ThreadedSource>(std::move(source)));
  };
  auto core = Core::open(model, std::move(parts));
  if (!core) return std::move(core).error();
  return Layer::Impl::wrap(std::move(*core));
}

Result<void> reload_layer(Layer& layer, const config::Model& model) {
  return Layer::Impl::core_of(layer).configuration().reload(model);
}

}  // namespace layer

Result<std::unique_ptr<Layer>> Layer::open(std::string_view toml, Environment environment) {
  auto model = layer::read_text(toml);
  if (!model) return std::move(model).error();
  return layer::open_layer(*model, std::move(environment));
}

Result<std::unique_ptr<Layer>> Layer::open_file(const std::string& path, Environment environment) {
  auto model = layer::read_file(path);
  if (!model) return std::move(model).error();
  return layer::open_layer(*model, std::move(environment));
}

Result<void> Layer::reload(std::string_view toml) {
  const auto model = layer::read_text(toml);
  return model ? layer::reload_layer(*this, *model) : Result<void>(model.error());
}

Result<void> Layer::reload_file(const std::string& path) {
  const auto model = layer::read_file(path);
  return model ? layer::reload_layer(*this, *model) : Result<void>(model.error());
}

}  // namespace forebay
