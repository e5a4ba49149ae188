// Steps of texts: the first line is the step as YAML, the others are texts; learning from them, encoding them again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/text_encoder.h"
#include "spec/yaml.h"

using namespace dl;

namespace {

std::unique_ptr<TextEncoder> make(const spec::Node& step, const spec::Node& learned) {
  spec::Problems problems;
  const std::optional<spec::NamedConfig> named = spec::read_named(step, "step", problems);
  problems.throw_if_any();
  spec::Node config = named->config && named->config->is_map() ? *named->config : spec::Node::map({});
  if (learned.is_map())
    for (const auto& [key, value] : learned.entries()) config.set(key, value);
  spec::Reader reader(config, "step", problems);
  auto encoder = make_text_encoder(named->name, reader);
  reader.finish();
  problems.throw_if_any();
  return encoder;
}

void run(std::string_view text) {
  const size_t line = std::min(text.find('\n'), text.size());
  const spec::Node step = spec::parse_yaml(text.substr(0, line), "f.yaml");
  std::vector<std::string> texts;
  for (std::string_view rest = text.substr(line); !rest.empty() && texts.size() < 50;) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('\n'), rest.size());
    texts.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  auto encoder = make(step, {});
  if (!encoder) return;
  if (encoder->learns()) {
    for (const std::string& one : texts) encoder->learn(std::span(&one, 1));
    encoder = make(step, encoder->learned());
    if (encoder->learns()) {
      std::fprintf(stderr, "learned, and has still to learn\n");
      std::abort();
    }
  }
  const int64_t elements = element_count(encoder->output({1}));
  if (elements > 1 << 20) return;
  std::vector<std::byte> row(static_cast<size_t>(4 * elements));
  for (const std::string& one : texts) encoder->encode(std::span(&one, 1), row.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    run(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const UserError&) {
  }
  return 0;
}
