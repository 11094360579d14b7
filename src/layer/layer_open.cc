#include <utility>

#include "config/reader.h"
#include "layer/layer_impl.h"
#include "layer/port/threaded_source.h"
#include "memory/eviction/registry.h"
#include "source/registry.h"

namespace forebay {

Result<std::unique_ptr<Layer>> Layer::open(std::string_view toml, Environment environment) {
  const auto policies = memory::policy_names();
  const auto with_options = memory::policy_names_with_options();
  auto model = config::read(toml, "configuration",
                            {.policies = policies, .policies_with_options = with_options, .folder = {}});
  if (!model) return std::move(model).error();
  return open_model(*model, std::move(environment));
}

Result<std::unique_ptr<Layer>> Layer::open_file(const std::string& path, Environment environment) {
  const auto policies = memory::policy_names();
  const auto with_options = memory::policy_names_with_options();
  auto model =
      config::read_file(path, {.policies = policies, .policies_with_options = with_options, .folder = {}});
  if (!model) return std::move(model).error();
  return open_model(*model, std::move(environment));
}

Result<std::unique_ptr<Layer>> Layer::open_model(const config::Model& model, Environment environment) {
  layer::Parts parts;
  parts.clock = environment.clock;
  parts.random = environment.random;
  parts.scheduler = environment.scheduler;
  parts.unreachable = environment.unreachable;
  parts.open_port = [functions = std::move(environment.functions), sources = std::move(environment.sources)](
                        const config::Source& wanted) -> Result<std::shared_ptr<layer::SourcePort>> {
    std::shared_ptr<Source> source;
    if (const auto own = sources.find(wanted.name); own != sources.end()) {
      source = own->second;
    } else {
      auto opened = source::open_source(wanted, functions);
      if (!opened) return std::move(opened).error();
      source = std::move(*opened);
    }
    return std::shared_ptr<layer::SourcePort>(std::make_shared<layer::ThreadedSource>(std::move(source)));
  };
  auto core = layer::Core::open(model, std::move(parts));
  if (!core) return std::move(core).error();
  auto impl = std::make_unique<Impl>();
  impl->core = std::move(*core);
  return std::unique_ptr<Layer>(new Layer(std::move(impl)));
}

}  // namespace forebay
