// Files of Keras 1 in the words of Keras 2: class names, keys and merges of a config, and how its arrays lie. Layers that later versions
// no longer have become models of those they have; what has no exact counterpart is refused by name.
// Who uses it: h5_file.cpp and json_file.cpp (the config), import.cpp (the arrays). Private to lib/io/keras.
//
// A layer whose arrays or borders differ carries a mark beside its class_name, under kKeras1Mark: {class_name, config, theano} of Keras 1.
// Theano turns the kernels of its convolutions by 180 degrees and pads otherwise than TensorFlow; Keras 1 does not say which of them ran,
// but TensorFlow ends the names of its weights with ":0".
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/reader.h"
#include "tensor/dim.h"
#include "tensor/tensor.h"

namespace dl {

inline constexpr const char* kKeras1Mark = "keras1";

// What the file says beside the config.
struct Keras1File {
  std::string path;  // begins messages
  bool theano = false;
  // Shapes of the arrays of a top-level layer; none where there are no weights.
  std::function<std::vector<Dims>(const std::string& layer)> arrays;
};

// Convolution2D, AtrousConv1D, Deconvolution2D ...; not ConvLSTM2D.
inline bool is_keras1_convolution(std::string_view class_name) {
  return (class_name.find("Conv") != class_name.npos || class_name.starts_with("Deconv")) && class_name.find("LSTM") == class_name.npos;
}

// By the version, or where there is none by words that only Keras 1 has.
bool is_keras1(const spec::Node& model, const std::string& version);

// {class_name, config} of Keras 2, with marks.
spec::Node upgrade_keras1(const spec::Node& model, const Keras1File& file, spec::Problems& problems, std::vector<std::string>& warnings);

// One layer {class_name, config} likewise; its name stays in the config. A layer that needs several becomes a Functional model.
class Keras1Layers {
 public:
  Keras1Layers(const Keras1File& file, spec::Problems& problems, std::vector<std::string>& warnings)
      : file_(file), problems_(problems), warnings_(warnings) {}
  // Layers that say where their channels are: others say nothing and are taken to be like these.
  void see_channels(const spec::Node& model);
  spec::Node upgrade(const std::string& class_name, const spec::Node& config);

 private:
  struct Layer;
  void report(const Layer& layer, const std::string& message);
  void warn(const Layer& layer, const std::string& message);
  void rename_keys(Layer& layer);
  void add_data_format(Layer& layer);
  void upgrade_wrapped(Layer& layer);
  spec::Node upgrade_convolution(Layer& layer);
  spec::Node upgrade_merge(Layer& layer);
  spec::Node upgrade_special(Layer& layer);

  const Keras1File& file_;
  spec::Problems& problems_;
  std::vector<std::string>& warnings_;
  bool channels_first_ = false, channels_last_ = false, told_ = false;
};

// How many arrays Keras 1 stores where the layer has `weights` now.
size_t keras1_array_count(const spec::Node& mark, size_t weights);
// The arrays as Keras 2 orders and shapes them. FileError saying which array has a wrong rank.
std::vector<Tensor> convert_keras1_arrays(const spec::Node& mark, std::vector<Tensor> arrays, const std::string& place);
// Why the layer computes something else with these shapes than its counterpart; "" when it does not.
std::string keras1_difference(const spec::Node& mark, const Shape& input, const Shape& output);

}  // namespace dl
