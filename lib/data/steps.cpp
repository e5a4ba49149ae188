#include "data/steps.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/philox.h"
#include "data/source.h"
#include "data/text_encoder.h"
#include "data/text_steps.h"

namespace dl {
namespace {

// [height, width, channels].
struct Size {
  int64_t height = 0, width = 0, channels = 0;
  int64_t elements() const { return height * width * channels; }
};

// Four independent random words of a (sample, step); null outside of training.
using Random = const PhiloxBlock*;
int64_t below(uint32_t word, int64_t bound) { return static_cast<int64_t>((uint64_t{word} * static_cast<uint64_t>(bound)) >> 32); }

class Step {
 public:
  virtual ~Step() = default;
  virtual Size output(const Size& in) const { return in; }  // UserError without a place
  virtual void run(const float* in, const Size& size, float* out, Random random) const = 0;
};
using StepPtr = std::unique_ptr<const Step>;

void copy_window(const float* in, const Size& size, int64_t top, int64_t left, const Size& window, float* out) {
  for (int64_t y = 0; y < window.height; ++y)
    std::copy_n(in + ((top + y) * size.width + left) * size.channels, window.width * size.channels,
                out + y * window.width * window.channels);
}

class ZeroPadding : public Step {
 public:
  explicit ZeroPadding(spec::Reader& reader) {
    if (const spec::Node* node = reader.get("padding"))
      read_padding(reader, *node);
    else
      top_ = bottom_ = left_ = right_ = 1;
  }
  Size output(const Size& in) const override { return {in.height + top_ + bottom_, in.width + left_ + right_, in.channels}; }
  void run(const float* in, const Size& size, float* out, Random) const override {
    const Size to = output(size);
    std::fill_n(out, to.elements(), 0.0f);
    for (int64_t y = 0; y < size.height; ++y)
      std::copy_n(in + y * size.width * size.channels, size.width * size.channels, out + ((y + top_) * to.width + left_) * to.channels);
  }

 private:
  void read_padding(spec::Reader& reader, const spec::Node& node) {
    const auto bad = [&] { reader.report("padding", "expected N, [height, width] or [[top, bottom], [left, right]], none below 0"); };
    const auto count = [&](const spec::Node& n, int64_t& value) {
      if (n.kind() != spec::Kind::kInt || n.as_int() < 0 || n.as_int() > 1 << 15) return false;
      value = n.as_int();
      return true;
    };
    if (node.is_list()) {
      const auto& items = node.items();
      if (items.size() != 2) return bad();
      int64_t* sides[2][2] = {{&top_, &bottom_}, {&left_, &right_}};
      for (size_t axis = 0; axis < 2; ++axis) {
        const bool pair = items[axis].is_list() && items[axis].items().size() == 2;
        for (size_t side = 0; side < 2; ++side)
          if (!count(pair ? items[axis].items()[side] : items[axis], *sides[axis][side])) return bad();
      }
    } else if (count(node, top_)) {
      bottom_ = left_ = right_ = top_;
    } else {
      bad();
    }
  }

  int64_t top_ = 0, bottom_ = 0, left_ = 0, right_ = 0;
};

class Crop : public Step {
 public:
  Crop(spec::Reader& reader, bool random)
      : random_(random), height_(reader.get_int("height", {}, {1, 1 << 15})), width_(reader.get_int("width", {}, {1, 1 << 15})) {}
  Size output(const Size& in) const override {
    if (in.height < height_ || in.width < width_)
      throw UserError(fmt::format("cannot cut {} x {} out of images of {} x {}", height_, width_, in.height, in.width));
    return {height_, width_, in.channels};
  }
  void run(const float* in, const Size& size, float* out, Random random) const override {
    int64_t top = (size.height - height_) / 2, left = (size.width - width_) / 2;
    if (random && random_) {
      top = below((*random)[0], size.height - height_ + 1);
      left = below((*random)[1], size.width - width_ + 1);
    }
    copy_window(in, size, top, left, {height_, width_, size.channels}, out);
  }

 private:
  bool random_;
  int64_t height_, width_;
};

class Flip : public Step {
 public:
  explicit Flip(spec::Reader& reader) {
    static constexpr std::string_view kModes[] = {"horizontal", "vertical", "horizontal_and_vertical"};
    const std::string mode = reader.get_choice("mode", kModes, "horizontal_and_vertical");
    horizontal_ = mode != "vertical";
    vertical_ = mode != "horizontal";
  }
  void run(const float* in, const Size& size, float* out, Random random) const override {
    const bool mirror = random && horizontal_ && (*random)[0] >> 31, turn = random && vertical_ && (*random)[1] >> 31;
    for (int64_t y = 0; y < size.height; ++y) {
      const float* row = in + (turn ? size.height - 1 - y : y) * size.width * size.channels;
      if (!mirror) {
        out = std::copy_n(row, size.width * size.channels, out);
        continue;
      }
      for (int64_t x = size.width; x-- > 0;) out = std::copy_n(row + x * size.channels, size.channels, out);
    }
  }

 private:
  bool horizontal_, vertical_;
};

class Translation : public Step {
 public:
  explicit Translation(spec::Reader& reader) {
    static constexpr std::string_view kFills[] = {"reflect", "constant", "wrap", "nearest"};
    static constexpr std::string_view kInterpolations[] = {"bilinear", "nearest"};
    height_ = read_factor(reader, "height_factor");
    width_ = read_factor(reader, "width_factor");
    const std::string fill = reader.get_choice("fill_mode", kFills, "reflect");
    fill_ = static_cast<Fill>(std::find(std::begin(kFills), std::end(kFills), fill) - std::begin(kFills));
    nearest_ = reader.get_choice("interpolation", kInterpolations, "bilinear") == "nearest";
    fill_value_ = static_cast<float>(reader.get_float("fill_value", 0.0));
  }
  void run(const float* in, const Size& size, float* out, Random random) const override {
    if (!random) {
      std::copy_n(in, size.elements(), out);
      return;
    }
    const std::vector<Taps> rows = taps(size.height, height_, (*random)[0]), columns = taps(size.width, width_, (*random)[1]);
    const auto at = [&](int64_t y, int64_t x, int64_t c) {
      return y < 0 || x < 0 ? fill_value_ : in[(y * size.width + x) * size.channels + c];
    };
    for (const Taps& y : rows)
      for (const Taps& x : columns)
        for (int64_t c = 0; c < size.channels; ++c) {
          const float low = at(y.low, x.low, c) * (1 - x.weight) + at(y.low, x.high, c) * x.weight;
          const float high = at(y.high, x.low, c) * (1 - x.weight) + at(y.high, x.high, c) * x.weight;
          *out++ = low * (1 - y.weight) + high * y.weight;
        }
  }

 private:
  enum class Fill { kReflect, kConstant, kWrap, kNearest };
  struct Range {
    double low = 0, high = 0;
  };
  struct Taps {
    int64_t low, high;  // -1: outside, the fill value
    float weight;       // of high
  };

  // A fraction of the size, as Keras: f is [-f, f], or [low, high] within [-1, 1]. Positive moves down and right.
  static Range read_factor(spec::Reader& reader, std::string_view key) {
    const spec::Node* node = reader.get(key);
    if (!node) {
      reader.report(key, "required: the largest shift as a fraction of the size, or [low, high]");
      return {};
    }
    const auto fraction = [](const spec::Node& n) { return n.is_number() && std::abs(n.as_double()) <= 1; };
    if (fraction(*node)) return {-std::abs(node->as_double()), std::abs(node->as_double())};
    if (node->is_list() && node->items().size() == 2 && fraction(node->items()[0]) && fraction(node->items()[1])) {
      const Range range{node->items()[0].as_double(), node->items()[1].as_double()};
      if (range.low <= range.high) return range;
    }
    reader.report(key, "expected a fraction from -1 to 1, or [low, high]");
    return {};
  }

  int64_t inside(int64_t i, int64_t n) const {
    if (i >= 0 && i < n) return i;
    switch (fill_) {
      case Fill::kConstant:
        return -1;
      case Fill::kNearest:
        return i < 0 ? 0 : n - 1;
      case Fill::kWrap:
        return (i % n + n) % n;
      case Fill::kReflect:
        break;
    }
    const int64_t folded = (i % (2 * n) + 2 * n) % (2 * n);
    return folded < n ? folded : 2 * n - 1 - folded;
  }

  std::vector<Taps> taps(int64_t n, const Range& range, uint32_t word) const {
    const double shift = (range.low + (range.high - range.low) * to_unit_float(word)) * static_cast<double>(n);
    std::vector<Taps> all;
    for (int64_t i = 0; i < n; ++i) {
      const double from = static_cast<double>(i) - shift;
      if (nearest_) {
        const int64_t near = inside(static_cast<int64_t>(std::floor(from + 0.5)), n);
        all.push_back({near, near, 0});
        continue;
      }
      const double floor = std::floor(from);
      all.push_back({inside(static_cast<int64_t>(floor), n), inside(static_cast<int64_t>(floor) + 1, n), static_cast<float>(from - floor)});
    }
    return all;
  }

  Range height_, width_;
  Fill fill_ = Fill::kReflect;
  bool nearest_ = false;
  float fill_value_ = 0;
};

struct StepRow {
  std::string_view name;
  StepPtr (*make)(spec::Reader&);
};
const StepRow kSteps[] = {
    {"ZeroPadding2D", [](spec::Reader& r) -> StepPtr { return std::make_unique<ZeroPadding>(r); }},
    {"CenterCrop", [](spec::Reader& r) -> StepPtr { return std::make_unique<Crop>(r, false); }},
    {"RandomCrop", [](spec::Reader& r) -> StepPtr { return std::make_unique<Crop>(r, true); }},
    {"RandomFlip", [](spec::Reader& r) -> StepPtr { return std::make_unique<Flip>(r); }},
    {"RandomTranslation", [](spec::Reader& r) -> StepPtr { return std::make_unique<Translation>(r); }},
};

StepPtr parse_step(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  static const spec::Node kEmpty = spec::Node::map({});
  const std::optional<spec::NamedConfig> named = spec::read_named(node, path, problems);
  if (!named) return nullptr;
  std::vector<std::string_view> names;
  for (const StepRow& row : kSteps) names.push_back(row.name);
  for (const std::string_view name : text_encoder_names()) {
    if (name == named->name) {
      problems.add(node.place(), path, fmt::format("{} makes numbers of texts and comes first, alone", name));
      return nullptr;
    }
    names.push_back(name);
  }
  for (const StepRow& row : kSteps) {
    if (row.name != named->name) continue;
    spec::Reader reader(named->config ? *named->config : kEmpty, path + "." + named->name, problems);
    StepPtr step = row.make(reader);
    reader.finish();
    return step;
  }
  problems.add(node.place(), path,
               fmt::format("no step '{}'{}; steps are {}", named->name, spec::suggestion(named->name, names), fmt::join(names, ", ")));
  return nullptr;
}

struct Chain {
  size_t field = 0;
  std::vector<StepPtr> steps;
  std::vector<Size> sizes;  // before each step, and after the last
  std::vector<uint64_t> streams;
  int64_t largest = 0;  // elements of the largest value between
};

class StepDataset : public Decorator {
 public:
  StepDataset(DatasetPtr base, std::vector<Chain> chains)
      : Decorator(std::move(base)), chains_(std::move(chains)), fields_(base_->fields()) {
    for (const Chain& chain : chains_) {
      const Size& last = chain.sizes.back();
      fields_[chain.field].dims = {last.height, last.width, last.channels};
    }
  }
  const std::vector<Field>& fields() const override { return fields_; }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    std::vector<std::vector<float>> scratch;
    std::vector<std::byte*> targets(rows.begin(), rows.end());
    for (const Chain& chain : chains_) {
      scratch.emplace_back(static_cast<size_t>(chain.largest));
      targets[chain.field] = reinterpret_cast<std::byte*>(scratch.back().data());
    }
    if (!base_->get(index, targets, draw)) return false;
    std::vector<float> other;
    for (size_t c = 0; c < chains_.size(); ++c)
      run(chains_[c], index, draw, scratch[c], other, reinterpret_cast<float*>(rows[chains_[c].field]));
    return true;
  }

 private:
  // From `in`, by turns through `other`, into `row`.
  static void run(const Chain& chain, int64_t index, const Draw* draw, std::vector<float>& in, std::vector<float>& other, float* row) {
    other.resize(static_cast<size_t>(chain.largest));
    std::vector<float>*from = &in, *to = &other;
    for (size_t s = 0; s < chain.steps.size(); ++s) {
      const bool last = s + 1 == chain.steps.size();
      PhiloxBlock random{};
      if (draw) random = random_block(draw->seed, chain.streams[s] + static_cast<uint64_t>(draw->epoch), static_cast<uint64_t>(index));
      chain.steps[s]->run(from->data(), chain.sizes[s], last ? row : to->data(), draw ? &random : nullptr);
      std::swap(from, to);
    }
  }

  std::vector<Chain> chains_;
  std::vector<Field> fields_;
};

Chain make_chain(const std::vector<Field>& fields, size_t f, const std::string& path, const std::vector<spec::Node>& list) {
  const Field& field = fields[f];
  if (field.dtype != DType::kFloat32 || field.dims.size() != 3)
    throw UserError(fmt::format("{}: {}: field '{}' is {} {}, steps take images, float32 [height, width, channels]",
                                to_string(list[0].place()), path, field.name, name_of(field.dtype),
                                to_string(std::span<const int64_t>(field.dims))));
  Chain chain;
  chain.field = f;
  chain.sizes = {{field.dims[0], field.dims[1], field.dims[2]}};
  chain.largest = chain.sizes[0].elements();
  for (size_t s = 0; s < list.size(); ++s) {
    spec::Problems problems;
    const std::string at = fmt::format("{}[{}]", path, s);
    chain.steps.push_back(parse_step(list[s], at, problems));
    problems.throw_if_any();
    try {
      chain.sizes.push_back(chain.steps.back()->output(chain.sizes.back()));
    } catch (UserError& e) {
      e.add_context(fmt::format("{}: {}", to_string(list[s].place()), at));
      throw;
    }
    chain.largest = std::max(chain.largest, chain.sizes.back().elements());
    if (chain.largest > int64_t{1} << 28) throw UserError(fmt::format("{}: {}: more than 2^28 elements", to_string(list[s].place()), at));
    const std::string name = fmt::format("data.step/{}/{}", field.name, s);
    chain.streams.push_back(hash_name(name.data(), name.size()));
  }
  return chain;
}

}  // namespace

void each_step_list(const spec::Node& steps, const std::string& path, spec::Problems& problems,
                    const std::function<void(const std::string&, const std::string&, const std::vector<spec::Node>&)>& f) {
  if (steps.is_null()) return;
  if (steps.is_list()) return f("x", path, steps.items());
  if (!steps.is_map()) return problems.add(steps.place(), path, "expected a list of steps, or a map from fields to lists");
  for (const auto& [field, list] : steps.entries()) {
    if (list.is_list())
      f(field, path + "." + field, list.items());
    else
      problems.add(list.place(), path + "." + field, "expected a list of steps");
  }
}

void check_steps(const spec::Node& steps, const std::string& path, spec::Problems& problems) {
  each_step_list(steps, path, problems, [&](const std::string&, const std::string& at, const std::vector<spec::Node>& list) {
    if (!list.empty() && is_text_step(list[0])) return check_text_step(list, at, problems);
    for (size_t s = 0; s < list.size(); ++s) parse_step(list[s], fmt::format("{}[{}]", at, s), problems);
  });
}

DatasetPtr apply_steps(DatasetPtr base, const spec::Node& steps, bool inputs_only) {
  base = apply_text_steps(std::move(base), steps, inputs_only);
  std::vector<Chain> chains;
  spec::Problems problems;
  each_step_list(
      steps, "data.preprocess", problems, [&](const std::string& name, const std::string& path, const std::vector<spec::Node>& list) {
        if (list.empty() || is_text_step(list[0])) return;
        const std::vector<Field>& fields = base->fields();
        const Field* field = find_field(fields, name);
        if (!field && inputs_only) return;
        if (!field) {
          std::vector<std::string_view> known;
          for (const Field& f : fields) known.push_back(f.name);
          throw UserError(fmt::format("{}: {}: no field '{}'{}", to_string(list[0].place()), path, name, spec::suggestion(name, known)));
        }
        chains.push_back(make_chain(fields, static_cast<size_t>(field - fields.data()), path, list));
      });
  problems.throw_if_any();
  if (chains.empty()) return base;
  return std::make_shared<StepDataset>(std::move(base), std::move(chains));
}

}  // namespace dl
