// The config of one layer, from the words of any Keras version to those of dltool and back.
// Who uses it: config_reader.cpp, config_writer.cpp.
#pragma once

#include <string>
#include <string_view>

#include "layers/layer.h"
#include "spec/node.h"

namespace dl {

// 2: hard_sigmoid of Keras 1 and 2 keeps its numbers, and configs are in their form.
enum class KerasVersion { k2, k3 };

// The map that parse_model takes for the class, without name and inputs. What is not understood stays and is refused there.
spec::Node import_layer_config(std::string_view class_name, const spec::Node& config, KerasVersion version);

// "float32", "mixed_bfloat16"; "" when the config says nothing.
std::string import_dtype(const spec::Node& config);

// What .weights.h5 calls a layer of the class: "Conv2D" -> "conv2d".
std::string weight_group_name(const std::string& class_name);

// A Keras object {class_name, config} with module and registered_name where version 3 wants them.
spec::Node keras_object(const std::string& module, const std::string& class_name, spec::Node config, KerasVersion version);
// Every key that Keras needs, with name, trainable and dtype.
spec::Node export_layer_config(const Layer& layer, KerasVersion version);
// Why Keras has no such layer or not with this config; "" when it has.
std::string why_not_keras(const Layer& layer, KerasVersion version);

}  // namespace dl
