// The synthetic format: samples computed from (seed, index), for tests, benchmarks and first steps. Options in config.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/philox.h"
#include "data/source.h"

namespace dl {
namespace {

enum class Pattern { kBlobs, kRandom, kSine };
constexpr std::string_view kPatternNames[] = {"blobs", "random", "sine"};

struct SyntheticSpec {
  Pattern pattern = Pattern::kBlobs;
  int64_t samples = 0, classes = 2;
  Dims shape;
  uint64_t seed = 0;
  double noise = 1;
};

constexpr uint64_t kCenterStream = 1, kSampleStream = uint64_t{1} << 32;  // sample i has its own stream

class SyntheticDataset : public Dataset {
 public:
  explicit SyntheticDataset(const SyntheticSpec& spec) : spec_(spec), elements_(element_count(spec.shape)) {
    fields_.push_back({"x", DType::kFloat32, spec.shape, false, {}});
    if (spec.pattern == Pattern::kSine)
      fields_.push_back({"y", DType::kFloat32, {1}, true, {}});
    else
      fields_.push_back({"y", DType::kInt32, {}, true, number_names(spec.classes)});
    if (spec.pattern != Pattern::kBlobs) return;
    RandomSequence random(spec.seed, kCenterStream);
    for (int64_t i = 0; i < spec.classes * elements_; ++i) centers_.push_back(static_cast<float>(4 * random.next_normal()));
  }
  int64_t size() const override { return spec_.samples; }
  const std::vector<Field>& fields() const override { return fields_; }

  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    RandomSequence random(spec_.seed, kSampleStream + static_cast<uint64_t>(index));
    auto* x = reinterpret_cast<float*>(rows[0]);
    if (spec_.pattern == Pattern::kSine) {
      // A sine of random phase and period; y is the value after the last.
      const double phase = random.next_unit(), period = 8 + 24 * random.next_unit();
      const auto value = [&](int64_t t) { return std::sin(2 * std::numbers::pi * (phase + static_cast<double>(t) / period)); };
      for (int64_t t = 0; t < elements_; ++t) x[t] = static_cast<float>(value(t) + 0.1 * spec_.noise * random.next_normal());
      *reinterpret_cast<float*>(rows[1]) = static_cast<float>(value(elements_));
      return true;
    }
    const auto label = static_cast<int32_t>(random.next_below(static_cast<uint64_t>(spec_.classes)));
    *reinterpret_cast<int32_t*>(rows[1]) = label;
    for (int64_t e = 0; e < elements_; ++e) {
      const float center = centers_.empty() ? 0.0f : centers_[static_cast<size_t>(label * elements_ + e)];
      x[e] = center + static_cast<float>(spec_.noise * random.next_normal());
    }
    return true;
  }

 private:
  SyntheticSpec spec_;
  int64_t elements_;
  std::vector<Field> fields_;
  std::vector<float> centers_;  // [class][element]
};

class SyntheticSource : public Source {
 public:
  explicit SyntheticSource(SyntheticSpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions&) const override { return {std::make_shared<SyntheticDataset>(spec_), {}, {}, false}; }

 private:
  SyntheticSpec spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string&) {
  SyntheticSpec spec;
  const std::string pattern = reader.get_choice("pattern", kPatternNames, "blobs");
  spec.pattern = static_cast<Pattern>(std::find(std::begin(kPatternNames), std::end(kPatternNames), pattern) - std::begin(kPatternNames));
  spec.samples = reader.get_int("samples", {}, {1, int64_t{1} << 40});
  spec.shape = reader.get_ints("shape", {}, {1, 1 << 24});
  double elements = 1;
  for (const int64_t d : spec.shape) elements *= static_cast<double>(d);
  if (elements > 1 << 28) {
    reader.report("shape", "more than 2^28 elements per sample");
    spec.shape = {1};
  }
  spec.classes = reader.get_int("classes", 2, {2, 100'000});
  if (spec.pattern == Pattern::kBlobs && elements * static_cast<double>(spec.classes) > 1 << 28)
    reader.report("classes", "more than 2^28 elements in all class centers");
  spec.seed = static_cast<uint64_t>(reader.get_int("seed", 0, {0}));
  spec.noise = reader.get_float("noise", 1.0, {0, 1e6});
  return std::make_shared<SyntheticSource>(std::move(spec));
}

}  // namespace

const SourceFormat kSyntheticFormat{"synthetic", "", parse};

}  // namespace dl
