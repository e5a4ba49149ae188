#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/layer.h"

namespace dl {

namespace {

constexpr const LayerDef* kTable[] = {
#define DL_LAYER(name) &layer_##name,
#include "layers/layers.def"
#undef DL_LAYER
};

// Second names that Keras exports for its classes.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"AvgPool1D", "AveragePooling1D"},
    {"AvgPool2D", "AveragePooling2D"},
    {"AvgPool3D", "AveragePooling3D"},
    {"Convolution1D", "Conv1D"},
    {"Convolution1DTranspose", "Conv1DTranspose"},
    {"Convolution2D", "Conv2D"},
    {"Convolution2DTranspose", "Conv2DTranspose"},
    {"Convolution3D", "Conv3D"},
    {"Convolution3DTranspose", "Conv3DTranspose"},
    {"GlobalAvgPool1D", "GlobalAveragePooling1D"},
    {"GlobalAvgPool2D", "GlobalAveragePooling2D"},
    {"GlobalAvgPool3D", "GlobalAveragePooling3D"},
    {"GlobalMaxPool1D", "GlobalMaxPooling1D"},
    {"GlobalMaxPool2D", "GlobalMaxPooling2D"},
    {"GlobalMaxPool3D", "GlobalMaxPooling3D"},
    {"MaxPool1D", "MaxPooling1D"},
    {"MaxPool2D", "MaxPooling2D"},
    {"MaxPool3D", "MaxPooling3D"},
    {"SeparableConvolution1D", "SeparableConv1D"},
    {"SeparableConvolution2D", "SeparableConv2D"},
};

constexpr AbsentLayer kAbsent[] = {
    {"InputLayer", true, "the map 'inputs' of a model"},
    {"StringLookup", true, "a step of data.preprocess; its vocabulary is given or learned"},
    {"TextVectorization", true, "a step of data.preprocess; its vocabulary is given or learned"},
    {"MaxNumBoundingBoxes", false, "it cuts lists of boxes and leaves images as they are; a model here has no boxes, so leave it out"},
    {"FlaxLayer", false, "Python code"},
    {"JaxLayer", false, "Python code"},
    {"TFSMLayer", false, "a TensorFlow SavedModel; convert it to ONNX first"},
    {"TorchModuleWrapper", false, "Python code; export it to ONNX first"},
};

}  // namespace

std::span<const AbsentLayer> absent_layers() { return kAbsent; }

std::span<const LayerDef* const> layer_table() { return kTable; }

const LayerDef* find_layer_def(std::string_view class_name) {
  for (const auto& [alias, name] : kAliases)
    if (class_name == alias) class_name = name;
  for (const LayerDef* def : kTable)
    if (class_name == def->class_name) return def;
  return nullptr;
}

std::string layer_suggestion(std::string_view class_name) {
  for (const AbsentLayer& absent : kAbsent)
    if (class_name == absent.class_name)
      return (absent.otherwise ? "; here it is " : "; dltool does not have it: ") + std::string(absent.note);
  std::vector<std::string_view> names = {"Input"};
  for (const LayerDef* def : kTable) names.emplace_back(def->class_name);
  // Somebody who writes conv2d means Conv2D, whatever the edit distance says.
  const auto lower = [](std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::erase(result, '_');
    return result;
  };
  for (std::string_view name : names)
    if (lower(name) == lower(class_name)) return " (did you mean '" + std::string(name) + "'?)";
  const std::string near = spec::suggestion(class_name, names);
  return near.empty() ? "; 'dltool inspect --support' lists them all" : near;
}

std::string snake_case(std::string_view class_name) {
  // The two rules of Keras: a break before an upper-case letter that a lower-case one follows, and between a lower-case
  // and an upper-case letter. A digit is neither: Conv2D -> conv2d.
  const auto upper = [&](size_t i) { return i < class_name.size() && std::isupper(static_cast<unsigned char>(class_name[i])); };
  const auto lower = [&](size_t i) { return i < class_name.size() && std::islower(static_cast<unsigned char>(class_name[i])); };
  std::string result;
  for (size_t i = 0; i < class_name.size(); ++i) {
    if (i > 0 && upper(i) && (lower(i + 1) || lower(i - 1))) result += '_';
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(class_name[i])));
  }
  return result;
}

}  // namespace dl
