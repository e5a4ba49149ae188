// Parsing models: names, connections, shared layers, and what the messages say.
#include <doctest/doctest.h>

#include "base/error.h"
#include "unit/layers/helpers.h"

namespace dl {

TEST_CASE("layers are named as Keras names them") {
  const Built b(
      "inputs: {x: {shape: [8, 8, 1]}}\nlayers:\n  - Conv2D: {filters: 2, kernel_size: 3}\n  - MaxPooling2D\n  - BatchNormalization:\n"
      "  - Flatten:\n  - Dense: {units: 3}\n  - Dense: {units: 2}\n");
  std::string names;
  for (const LayerCall& call : b.model.calls) names += call.name + " ";
  CHECK(names == "conv2d max_pooling2d batch_normalization flatten dense dense_1 ");
  std::string weights;
  for (const Weight& w : b.registry.weights()) weights += w.parameter.name + (w.parameter.trainable ? " " : "! ");
  CHECK(weights ==
        "conv2d/kernel conv2d/bias batch_normalization/gamma batch_normalization/beta batch_normalization/moving_mean! "
        "batch_normalization/moving_variance! dense/kernel dense/bias dense_1/kernel dense_1/bias ");
  CHECK(b.shape() == "[batch, 2]");
  CHECK(b.result.outputs[0].name == "dense_1");
}

TEST_CASE("snake_case follows Keras") {
  for (auto [name, expected] : {std::pair("Conv2D", "conv2d"),
                                {"MaxPooling2D", "max_pooling2d"},
                                {"LSTM", "lstm"},
                                {"BatchNormalization", "batch_normalization"},
                                {"DepthwiseConv2D", "depthwise_conv2d"},
                                {"Conv2DTranspose", "conv2d_transpose"},
                                {"GlobalMaxPooling1D", "global_max_pooling1d"},
                                {"ReLU", "re_lu"},
                                {"LeakyReLU", "leaky_re_lu"},
                                {"InputLayer", "input_layer"}})
    CHECK(snake_case(name) == expected);
}

TEST_CASE("a shared layer has one set of weights") {
  const Built b(
      "inputs: {x: [4], y: [4]}\nlayers:\n  - Dense: {name: a, units: 3, inputs: x}\n  - call: {layer: a, inputs: y, name: a_2}\n"
      "outputs: [a, a_2]\n");
  CHECK(b.registry.weights().size() == 2);
  CHECK(b.result.outputs.size() == 2);
  CHECK(!(b.output(0).value == b.output(1).value));
  CHECK_THROWS_WITH_AS(
      Built("inputs: {x: [4], y: [5]}\nlayers:\n  - Dense: {name: a, units: 3, inputs: x}\n  - call: {layer: a, inputs: y}\noutputs: [a, "
            "a_1]\n"),
      "m.yaml:4:5: layer 'a_1': weight 'a/kernel' is float32[4, 3] from an earlier use and cannot be float32[5, 3]: a shared layer needs "
      "inputs of equal size; inputs of 'a_1': 'y' float32[batch, 5]",
      UserError);
}

TEST_CASE("every problem of a model is reported with its place") {
  const std::string lines = problems_of(
      "inputs: {x: {shape: [28, 28, 1]}}\n"
      "layers:\n"
      "  - Conv2d: {filters: 3}\n"
      "  - Conv2D: {filters: 0, kernel_size: [3, 3, 3], paddin: same}\n"
      "  - Dense: {units: 3, activation: rellu, lora_rank: 4}\n");
  CHECK(lines.find("m.yaml:3:5: layers[0].Conv2d: unknown layer 'Conv2d' (did you mean 'Conv2D'?)") != std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - TFSMLayer: {}\n")
            .find("'TFSMLayer'; dltool does not have it: a TensorFlow SavedModel;") != std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - StringLookup: {}\n").find("'StringLookup'; here it is a step of data.preprocess") !=
        std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Zzz: {}\n").find("'Zzz'; 'dltool inspect --support' lists them all") !=
        std::string::npos);
  CHECK(lines.find("m.yaml:4:23: layers[1].Conv2D.filters: is 0, must be an integer >= 1") != std::string::npos);
  CHECK(lines.find("layers[1].Conv2D.kernel_size: is a list, must be an integer >= 1 or a list of 2 integers >= 1") != std::string::npos);
  CHECK(lines.find("(did you mean 'padding'?)") != std::string::npos);
  CHECK(lines.find("unknown activation 'rellu' (did you mean 'relu'?)") != std::string::npos);
  CHECK(lines.find("layers[2].Dense.lora_rank: is not supported yet; leave it out") != std::string::npos);
}

TEST_CASE("names must be known and lead somewhere") {
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3, inputs: z}\n").find("'z' is neither an input nor a layer above") !=
        std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Dense: {name: a, units: 3}\n  - Dense: {name: a, units: 3}\n")
            .find("the name 'a' is taken") != std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Dense: {name: a, units: 3}\n  - Dense: {name: b, units: 3, inputs: x}\n")
            .find("layer 'a' leads to no output") != std::string::npos);
  CHECK(
      problems_of("inputs: {x: [4], y: [4]}\nlayers:\n  - Dense: {units: 3}\n").find("the model has 2 inputs: say which with `inputs:`") !=
      std::string::npos);
  CHECK(problems_of("layers:\n  - Dense: {units: 3}\n").find("has nothing before it") != std::string::npos);
  CHECK(problems_of("inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3}\noutputs: [dens]\n").find("(did you mean 'dense'?)") !=
        std::string::npos);
}

TEST_CASE("a shape that does not fit names the layer and its place") {
  CHECK_THROWS_WITH_AS(Built("inputs: {x: {shape: [4, 4, 1]}}\nlayers:\n  - Conv2D: {filters: 2, kernel_size: 5, name: conv2}\n"),
                       doctest::Contains("m.yaml:3:5: layer 'conv2': conv("), UserError);
  CHECK_THROWS_WITH_AS(Built("inputs: {x: [4]}\nlayers:\n  - Conv2D: {filters: 2, kernel_size: 5}\n"),
                       "m.yaml:3:5: layer 'conv2d': Conv2D needs 4 axes [batch, height, width, channels], got [batch, 4]; inputs of "
                       "'conv2d': 'x' float32[batch, 4]",
                       UserError);
  CHECK_THROWS_WITH_AS(Built("inputs: {x: [8], z: {shape: [4], dtype: int32}}\nlayers:\n  - Reshape: {target_shape: [2, 4], inputs: x}\n"
                             "  - LSTM: {units: 3, return_state: true, name: l}\n  - Add: {name: sum, inputs: ['l:1', z]}\n"),
                       doctest::Contains("; inputs of 'sum': 'l:1' float32[batch, 3], 'z' int32[batch, 4]"), UserError);
  CHECK_THROWS_WITH_AS(Built("inputs: {x: [null]}\nlayers:\n  - Dense: {units: 2}\n"),
                       doctest::Contains("depends on 'time', which is not known"), UserError);
}

TEST_CASE("Keras's spelling of layers is accepted") {
  const Built b(
      "layers:\n  - {class_name: InputLayer, config: {batch_shape: [null, 4], dtype: float32, name: in}}\n"
      "  - {module: keras.layers, class_name: Dense, registered_name: null, config: {name: d, trainable: true, dtype: float32, units: 2, "
      "kernel_initializer: {module: keras.initializers, class_name: HeNormal, config: {seed: null}}, bias_constraint: null}}\n");
  CHECK(b.shape() == "[batch, 2]");
  CHECK(b.registry.weights()[0].parameter.initializer.class_name == "HeNormal");
}

TEST_CASE("building twice into one graph shares weights and inputs") {
  Built b("inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3}\n");
  const uint32_t nodes = b.graph.size();
  const ModelGraph again = build_model(b.model, b.graph, b.registry, {});
  CHECK(b.graph.size() == nodes);
  CHECK(b.registry.weights().size() == 2);
  CHECK(again.outputs[0].value.value == b.output().value);
}

TEST_CASE("a part of a model ends at the asked value") {
  const Model model = load_model_spec("models/iris-mlp.yaml");
  const std::vector<AdaptRequest> requests = layers_to_adapt(model);
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].mean == "normalization/mean");
  CHECK(requests[0].input.is_input);
  const Model part = model_up_to(model, {false, 1, 0});
  CHECK(part.calls.size() == 2);
  CHECK(part.outputs[0].name == "dense");
  verify(build_inference_program(part));
}

TEST_CASE("bfloat16 computes in bfloat16 and stores float32") {
  const Built b("inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3}\n  - Dense: {units: 2, dtype: float32}\n", Mode::kInference,
                *parse_precision("bfloat16"));
  CHECK(b.output().dtype() == DType::kFloat32);
  CHECK(b.result.calls[0].outputs[0].value.dtype() == DType::kBFloat16);
  for (const Weight& w : b.registry.weights()) CHECK(b.graph.type(w.parameter.value).dtype == DType::kFloat32);
}

}  // namespace dl
