#include "layers/initializers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "base/philox.h"
#include "layers/config.h"

namespace dl {

namespace {

enum class Family { kConstant, kNormal, kTruncatedNormal, kUniform, kScaling, kOrthogonal, kIdentity, kStft };

struct Row {
  const char* class_name;
  const char* alias;  // the function name Keras accepts as well
  Family family;
  double scale = 1;  // kScaling; the value of kConstant
  const char* mode = "fan_in";
  const char* distribution = "truncated_normal";
};

constexpr Row kRows[] = {
    {"Zeros", "zeros", Family::kConstant, 0},
    {"Ones", "ones", Family::kConstant, 1},
    {"Constant", "constant", Family::kConstant},
    {"RandomNormal", "random_normal", Family::kNormal},
    {"TruncatedNormal", "truncated_normal", Family::kTruncatedNormal},
    {"RandomUniform", "random_uniform", Family::kUniform},
    {"VarianceScaling", "variance_scaling", Family::kScaling},
    {"GlorotUniform", "glorot_uniform", Family::kScaling, 1, "fan_avg", "uniform"},
    {"GlorotNormal", "glorot_normal", Family::kScaling, 1, "fan_avg", "truncated_normal"},
    {"HeUniform", "he_uniform", Family::kScaling, 2, "fan_in", "uniform"},
    {"HeNormal", "he_normal", Family::kScaling, 2, "fan_in", "truncated_normal"},
    {"LecunUniform", "lecun_uniform", Family::kScaling, 1, "fan_in", "uniform"},
    {"LecunNormal", "lecun_normal", Family::kScaling, 1, "fan_in", "truncated_normal"},
    {"Orthogonal", "orthogonal", Family::kOrthogonal},
    {"Identity", "identity", Family::kIdentity},
    {"STFT", "stft", Family::kStft},
};

// Other names that Keras accepts.
constexpr std::pair<const char*, const char*> kAliases[] = {{"zero", "Zeros"},
                                                            {"one", "Ones"},
                                                            {"normal", "RandomNormal"},
                                                            {"uniform", "RandomUniform"},
                                                            {"OrthogonalInitializer", "Orthogonal"},
                                                            {"IdentityInitializer", "Identity"},
                                                            {"STFTInitializer", "STFT"}};

// Windows as sums of cosines: a0 - a1 cos(x) + a2 cos(2x) - ...; those of SciPy that need no further number.
struct CosineWindow {
  std::string_view name;
  std::vector<double> terms;
};
const std::vector<CosineWindow>& cosine_windows() {
  static const std::vector<CosineWindow> windows = {{"hann", {0.5, 0.5}},
                                                    {"hamming", {0.54, 0.46}},
                                                    {"blackman", {0.42, 0.5, 0.08}},
                                                    {"nuttall", {0.3635819, 0.4891775, 0.1365995, 0.0106411}},
                                                    {"blackmanharris", {0.35875, 0.48829, 0.14128, 0.01168}},
                                                    {"flattop", {0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368}},
                                                    {"boxcar", {1}}};
  return windows;
}

std::vector<std::string_view> window_names() {
  std::vector<std::string_view> names;
  for (const CosineWindow& window : cosine_windows()) names.push_back(window.name);
  names.insert(names.end(), {"bartlett", "cosine"});
  return names;
}

// A periodic window is a symmetric one with one point more, which is left out.
std::vector<double> window_values(const std::string& name, int64_t length, bool periodic) {
  std::vector<double> values(static_cast<size_t>(length), 1.0);
  const double last = static_cast<double>(periodic ? length : length - 1);
  if (length <= 1) return values;
  for (int64_t i = 0; i < length; ++i) {
    const double t = static_cast<double>(i);
    double& value = values[static_cast<size_t>(i)];
    if (name == "bartlett") value = t <= last / 2 ? 2 * t / last : 2 - 2 * t / last;
    if (name == "cosine") value = std::sin(std::numbers::pi / (last + 1) * (t + 0.5));
    for (const CosineWindow& window : cosine_windows()) {
      if (window.name != name) continue;
      value = 0;
      for (size_t k = 0; k < window.terms.size(); ++k)
        value += (k % 2 ? -1 : 1) * window.terms[k] * std::cos(2 * std::numbers::pi * static_cast<double>(k) * t / last);
    }
  }
  return values;
}

const Row* find_row(std::string_view name) {
  for (const auto& [alias, class_name] : kAliases)
    if (name == alias) name = class_name;
  for (const Row& row : kRows)
    if (name == row.class_name || name == row.alias) return &row;
  return nullptr;
}

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.emplace_back(row.class_name);
  for (const Row& row : kRows) names.emplace_back(row.alias);
  return names;
}

std::vector<ConfigKey> keys_of(const Row& row) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  switch (row.family) {
    case Family::kConstant:
      if (std::string_view(row.class_name) != "Constant") return {};
      return {float_key("value", 0, -kInf)};
    case Family::kNormal:
    case Family::kTruncatedNormal:
      return {float_key("mean", 0, -kInf), float_key("stddev", 0.05, 0), seed_key()};
    case Family::kUniform:
      return {float_key("minval", -0.05, -kInf), float_key("maxval", 0.05, -kInf), seed_key()};
    case Family::kScaling: {
      std::vector<ConfigKey> keys;
      if (std::string_view(row.class_name) == "VarianceScaling") {
        keys = {float_key("scale", 1, std::numeric_limits<double>::min()), choice_key("mode", {"fan_in", "fan_out", "fan_avg"}, "fan_in"),
                choice_key("distribution", {"truncated_normal", "untruncated_normal", "uniform", "normal"}, "truncated_normal")};
      }
      return join_keys(std::move(keys), {seed_key(), ints_key("input_axes"), ints_key("output_axes")});
    }
    case Family::kOrthogonal:
      return {float_key("gain", 1, -kInf), seed_key()};
    case Family::kIdentity:
      return {float_key("gain", 1, -kInf)};
    case Family::kStft: {
      ConfigKey window = choice_key("window", window_names(), "hann"), scaling = choice_key("scaling", {"density", "spectrum"}, "density");
      window.nullable = scaling.nullable = true;
      return {choice_key("side", {"real", "imag"}, "real"), window, scaling, bool_key("periodic", false)};
    }
  }
  return {};
}

const Row& row_of(const Initializer& initializer) {
  const Row* row = find_row(initializer.class_name);
  DL_CHECK(row, "unknown initializer " + initializer.class_name);
  return *row;
}

double real_or(const Attrs& config, std::string_view key, double fallback) { return config.has(key) ? config.real(key) : fallback; }

double truncated_normal(RandomSequence& random) {
  for (;;) {
    const double value = random.next_normal();
    if (std::abs(value) <= 2) return value;
  }
}

// A draw from U(low, high) in float64; the cast to the parameter's type may round up to `high`, as anywhere.
double uniform(RandomSequence& random, double low, double high) { return low + (high - low) * random.next_unit(); }

void fill_scaling(const Row& row, const Attrs& config, Tensor& t, RandomSequence& random) {
  Fans fans = compute_fans(t.dims());
  if (config.has("input_axes") && config.has("output_axes")) {
    const auto product = [&](const std::vector<int64_t>& axes) {
      int64_t count = 1;
      for (int64_t axis : axes) count *= t.dims().at(static_cast<size_t>(axis < 0 ? axis + t.rank() : axis));
      return count;
    };
    fans = {product(config.integers("input_axes")), product(config.integers("output_axes"))};
  }
  const std::string mode = config.has("mode") ? config.text("mode") : row.mode;
  std::string distribution = config.has("distribution") ? config.text("distribution") : row.distribution;
  if (distribution == "normal") distribution = "truncated_normal";
  const double in = static_cast<double>(fans.in), out = static_cast<double>(fans.out);
  const double fan = mode == "fan_in" ? in : mode == "fan_out" ? out : (in + out) / 2;
  const double scale = real_or(config, "scale", row.scale) / std::max(1.0, fan);
  // 0.8796...: standard deviation of a standard normal cut off at +-2.
  const double stddev = distribution == "truncated_normal" ? std::sqrt(scale) / 0.87962566103423978 : std::sqrt(scale);
  const double limit = std::sqrt(3 * scale);
  for (int64_t i = 0; i < t.size(); ++i) {
    const double value = distribution == "uniform"            ? uniform(random, -limit, limit)
                         : distribution == "truncated_normal" ? stddev * truncated_normal(random)
                                                              : stddev * random.next_normal();
    t.set(i, value);
  }
}

// Rows of `a` (count x length, count <= length) made orthonormal in place. Gram-Schmidt twice keeps them orthogonal to
// rounding; dividing by positive norms is the sign convention that makes the result uniform over orthogonal matrices.
void orthonormalize(std::vector<double>& a, int64_t count, int64_t length) {
  for (int64_t i = 0; i < count; ++i) {
    double* row = a.data() + i * length;
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t j = 0; j < i; ++j) {
        const double* other = a.data() + j * length;
        const double dot = std::inner_product(row, row + length, other, 0.0);
        for (int64_t k = 0; k < length; ++k) row[k] -= dot * other[k];
      }
    }
    const double norm = std::sqrt(std::inner_product(row, row + length, row, 0.0));
    for (int64_t k = 0; k < length; ++k) row[k] /= norm;
  }
}

void fill_orthogonal(const Attrs& config, const std::string& name, Tensor& t, RandomSequence& random) {
  if (t.rank() < 2) throw UserError(fmt::format("weight '{}' {}: Orthogonal needs at least two axes", name, to_string(to_shape(t.dims()))));
  if (t.size() == 0) return;
  const int64_t columns = t.dims().back(), rows = t.size() / columns;
  const int64_t count = std::min(rows, columns), length = std::max(rows, columns);
  std::vector<double> q(static_cast<size_t>(t.size()));
  for (double& value : q) value = random.next_normal();
  orthonormalize(q, count, length);
  const double gain = real_or(config, "gain", 1);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      t.set(r * columns + c, gain * q[static_cast<size_t>(rows < columns ? r * length + c : c * length + r)]);
}

void fill_identity(const Attrs& config, const std::string& name, Tensor& t) {
  if (t.rank() != 2) throw UserError(fmt::format("weight '{}' {}: Identity needs two axes", name, to_string(to_shape(t.dims()))));
  const double gain = real_or(config, "gain", 1);
  for (int64_t i = 0; i < std::min(t.dims()[0], t.dims()[1]); ++i) t.set(i * t.dims()[1] + i, gain);
}

// The real or imaginary part of the discrete Fourier transform of windowed frames, as a kernel [frame, 1, frequencies].
void fill_stft(const Attrs& config, const std::string& name, Tensor& t) {
  const Dims& dims = t.dims();
  if (dims.size() != 3 || dims[1] != 1 || dims[2] < 2)
    throw UserError(
        fmt::format("weight '{}' {}: STFT makes kernels [frame, 1, frequencies], at least two", name, to_string(to_shape(dims))));
  const bool periodic = config.has("periodic") && config.flag("periodic"), real = config.text("side") == "real";
  std::vector<double> window(static_cast<size_t>(dims[0]), 1.0);
  double scale = 1;
  if (config.has("window")) {
    window = window_values(config.text("window"), dims[0], periodic);
    double squares = 0, sizes = 0;
    for (const double w : window) squares += w * w, sizes += std::abs(w);
    if (config.has("scaling")) scale = config.text("scaling") == "density" ? std::sqrt(squares) : sizes;
  }
  for (int64_t time = 0; time < dims[0]; ++time)
    for (int64_t f = 0; f < dims[2]; ++f) {
      const double angle =
          -2 * std::numbers::pi * static_cast<double>(time) * static_cast<double>(f) / static_cast<double>(2 * (dims[2] - 1));
      t.set(time * dims[2] + f, (real ? std::cos(angle) : std::sin(angle)) * window[static_cast<size_t>(time)] / scale);
    }
}

// LSTM's bias [i f c o] with unit_forget_bias: the inner initialiser draws i and then c, o; f is 1.
Tensor unit_forget_bias(const Initializer& initializer, const std::string& name, DType dtype, const Dims& dims, uint64_t seed) {
  Initializer inner{initializer.config.text("inner"), {}};
  for (const auto& [key, value] : initializer.config.values())
    if (key != "inner") inner.config.set(key, value);
  Tensor bias(dtype, dims);
  const int64_t units = dims.at(0) / 4;
  const Tensor first = initial_value(inner, name + "/i", dtype, {units}, seed);
  const Tensor rest = initial_value(inner, name + "/co", dtype, {2 * units}, seed);
  for (int64_t i = 0; i < units; ++i) {
    bias.set(i, first.at(i));
    bias.set(units + i, 1);
    bias.set(2 * units + i, rest.at(i));
    bias.set(3 * units + i, rest.at(units + i));
  }
  return bias;
}

}  // namespace

spec::Node read_initializer(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return {};
  const Row* row = find_row(named->name);
  if (!row) {
    const std::vector<std::string_view> names = known_names();
    problems.add(node.place(), path, fmt::format("unknown initializer '{}'{}", named->name, spec::suggestion(named->name, names)));
    return {};
  }
  static const spec::Node kEmpty = spec::Node::map({});
  spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
  const Config config = read_config(reader, keys_of(*row));
  reader.finish();
  return spec::Node::map({{"class_name", spec::Node::string(row->class_name)}, {"config", config.values()}});
}

Initializer make_initializer(const spec::Node& node) {
  Initializer result{node.find("class_name")->as_string(), {}};
  for (const auto& [key, value] : node.find("config")->entries()) {
    switch (value.kind()) {
      case spec::Kind::kInt:
        result.config.set(key, value.as_int());
        break;
      case spec::Kind::kBool:
        result.config.set(key, int64_t{value.as_bool()});
        break;
      case spec::Kind::kFloat:
        result.config.set(key, value.as_double());
        break;
      case spec::Kind::kString:
        result.config.set(key, value.as_string());
        break;
      case spec::Kind::kList: {
        std::vector<int64_t> values;
        for (const spec::Node& item : value.items()) values.push_back(item.as_int());
        result.config.set(key, std::move(values));
        break;
      }
      default:
        break;
    }
  }
  return result;
}

Initializer named_initializer(const std::string& class_name) { return {class_name, {}}; }

Fans compute_fans(const Dims& dims) {
  if (dims.empty()) return {1, 1};
  if (dims.size() == 1) return {dims[0], dims[0]};
  int64_t receptive_field = 1;
  for (size_t i = 0; i + 2 < dims.size(); ++i) receptive_field *= dims[i];
  return {dims[dims.size() - 2] * receptive_field, dims.back() * receptive_field};
}

Tensor initial_value(const Initializer& initializer, const std::string& name, DType dtype, const Dims& dims, uint64_t seed) {
  const Attrs& config = initializer.config;
  if (initializer.class_name == "UnitForgetBias") return unit_forget_bias(initializer, name, dtype, dims, seed);
  if (const AttrValue* given = config.find("value"); given && std::holds_alternative<Tensor>(*given)) {
    const Tensor& value = std::get<Tensor>(*given);
    DL_CHECK(value.dims() == dims, "initial value of " + name + " has another shape");
    return value.cast(dtype).clone();
  }
  const Row& row = row_of(initializer);
  const bool own_seed = config.has("seed");
  RandomSequence random(own_seed ? static_cast<uint64_t>(config.integer("seed")) : seed,
                        own_seed ? 0 : hash_name(name.data(), name.size()));
  Tensor t(dtype, dims);
  const auto fill = [&](auto next) {
    for (int64_t i = 0; i < t.size(); ++i) t.set(i, next());
  };
  switch (row.family) {
    case Family::kConstant: {
      const double value = std::string_view(row.class_name) == "Constant" ? real_or(config, "value", 0) : row.scale;
      fill([&] { return value; });
      break;
    }
    case Family::kNormal:
      fill([&] { return real_or(config, "mean", 0) + real_or(config, "stddev", 0.05) * random.next_normal(); });
      break;
    case Family::kTruncatedNormal:
      fill([&] { return real_or(config, "mean", 0) + real_or(config, "stddev", 0.05) * truncated_normal(random); });
      break;
    case Family::kUniform:
      fill([&] { return uniform(random, real_or(config, "minval", -0.05), real_or(config, "maxval", 0.05)); });
      break;
    case Family::kScaling:
      fill_scaling(row, config, t, random);
      break;
    case Family::kOrthogonal:
      fill_orthogonal(config, name, t, random);
      break;
    case Family::kIdentity:
      fill_identity(config, name, t);
      break;
    case Family::kStft:
      fill_stft(config, name, t);
      break;
  }
  return t;
}

Tensor initial_value(const Program& program, const Parameter& parameter, uint64_t seed) {
  const TensorType& type = program.graph.type(parameter.value);
  return initial_value(parameter.initializer, parameter.name, type.dtype, known_dims(type.shape), seed);
}

}  // namespace dl
