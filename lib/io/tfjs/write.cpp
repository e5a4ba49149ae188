#include "io/tfjs/write.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/scratch_folder.h"
#include "io/keras/json_node.h"
#include "io/refuse.h"
#include "io/tfjs/network.h"
#include "io/tfjs/test_pairs.h"
#include "tensor/cast.h"

namespace dl::tfjs {
namespace {

namespace fs = std::filesystem;
using spec::Node;

constexpr size_t kShardBytes = size_t{4} << 20;
constexpr size_t kMaxTestBytes = size_t{256} << 10;
constexpr float kHalfMax = 65504;
constexpr const char* kKerasVersion = "2.15.0";  // whose words the topology is in

// ---- topology

Node ref_node(const Emitter& emitter, const Ref& ref, bool with_arguments) {
  std::vector<Node> items = {Node::string(emitter.layers()[ref.layer].name), Node::integer(static_cast<int64_t>(ref.node)),
                             Node::integer(static_cast<int64_t>(ref.tensor))};
  if (with_arguments) items.push_back(Node::map({}));
  return Node::list(std::move(items));
}

Node named_config(const std::string& name, bool trainable, const Node& config) {
  Node map = Node::map({{"name", Node::string(name)}, {"trainable", Node::boolean(trainable)}, {"dtype", Node::string("float32")}});
  for (const auto& [key, value] : config.entries()) map.set(key, value);
  return map;
}

Node layer_node(const Emitter& emitter, const OutLayer& layer) {
  std::string class_name = layer.class_name;
  Node config = named_config(layer.wrapped > 0 ? layer.name + "_step" : layer.name, layer.trainable, layer.config);
  for (size_t i = 0; i < layer.wrapped; ++i) {
    const Node inner = Node::map({{"class_name", Node::string(class_name)}, {"config", config}});
    const std::string name = i + 1 == layer.wrapped ? layer.name : fmt::format("{}_steps{}", layer.name, i + 1);
    config = named_config(name, layer.trainable, Node::map({{"layer", inner}}));
    class_name = "TimeDistributed";
  }
  std::vector<Node> nodes;
  for (const std::vector<Ref>& inputs : layer.nodes) {
    std::vector<Node> refs;
    for (const Ref& ref : inputs) refs.push_back(ref_node(emitter, ref, true));
    nodes.push_back(Node::list(std::move(refs)));
  }
  return Node::map({{"class_name", Node::string(class_name)},
                    {"config", std::move(config)},
                    {"name", Node::string(layer.name)},
                    {"inbound_nodes", Node::list(std::move(nodes))}});
}

Node topology(const Network& net, const std::string& name) {
  std::vector<Node> layers, inputs, outputs;
  for (const OutLayer& layer : net.emitter.layers()) layers.push_back(layer_node(net.emitter, layer));
  for (const Ref& ref : net.inputs) inputs.push_back(ref_node(net.emitter, ref, false));
  for (const Ref& ref : net.outputs) outputs.push_back(ref_node(net.emitter, ref, false));
  Node config = Node::map({{"name", Node::string(name.empty() ? "model" : name)},
                           {"trainable", Node::boolean(true)},
                           {"layers", Node::list(std::move(layers))},
                           {"input_layers", Node::list(std::move(inputs))},
                           {"output_layers", Node::list(std::move(outputs))}});
  return Node::map({{"keras_version", Node::string(kKerasVersion)},
                    {"backend", Node::string("tensorflow")},
                    {"model_config", Node::map({{"class_name", Node::string("Model")}, {"config", std::move(config)}})}});
}

// ---- weights

struct Stored {
  std::string name;
  const OutWeight* weight;
  bool half;
  size_t bytes;
};

std::vector<Stored> list_weights(const Network& net, bool half) {
  std::vector<Stored> stored;
  for (const OutLayer& layer : net.emitter.layers())
    for (const OutWeight& weight : layer.weights)
      stored.push_back({layer.name + "/" + weight.leaf, &weight, half,
                        static_cast<size_t>(element_count(weight.dims)) * (half ? sizeof(uint16_t) : sizeof(float))});
  return stored;
}

Node manifest(const std::vector<Stored>& stored, const std::vector<std::string>& files) {
  std::vector<Node> paths, weights;
  for (const std::string& file : files) paths.push_back(Node::string(file));
  for (const Stored& s : stored) {
    std::vector<Node> dims;
    for (const int64_t size : s.weight->dims) dims.push_back(Node::integer(size));
    Node entry = Node::map({{"name", Node::string(s.name)}, {"shape", Node::list(std::move(dims))}, {"dtype", Node::string("float32")}});
    if (s.half) entry.set("quantization", Node::map({{"dtype", Node::string("float16")}, {"original_dtype", Node::string("float32")}}));
    weights.push_back(std::move(entry));
  }
  return Node::list({Node::map({{"paths", Node::list(std::move(paths))}, {"weights", Node::list(std::move(weights))}})});
}

std::vector<std::string> shard_names(size_t bytes) {
  const size_t count = std::max<size_t>((bytes + kShardBytes - 1) / kShardBytes, bytes > 0 ? 1 : 0);
  std::vector<std::string> names;
  for (size_t i = 1; i <= count; ++i) names.push_back(fmt::format("group1-shard{}of{}.bin", i, count));
  return names;
}

// One stream of bytes, cut into files.
class Shards {
 public:
  Shards(const fs::path& folder, const std::vector<std::string>& names) : folder_(folder), names_(names) {}

  void write(const void* bytes, size_t count) {
    const auto* from = static_cast<const char*>(bytes);
    while (count > 0) {
      if (room_ == 0) begin_next();
      const size_t part = std::min(room_, count);
      file_->write(from, part);
      from += part;
      count -= part;
      room_ -= part;
    }
  }
  void finish() {
    if (file_) file_->commit();
  }

 private:
  void begin_next() {
    finish();
    file_ = std::make_unique<AtomicFile>((folder_ / names_[next_++]).string());
    room_ = kShardBytes;
  }

  const fs::path& folder_;
  const std::vector<std::string>& names_;
  std::unique_ptr<AtomicFile> file_;
  size_t next_ = 0, room_ = 0;
};

void write_shards(const std::vector<Stored>& stored, const fs::path& folder, const std::vector<std::string>& names) {
  Shards shards(folder, names);
  for (const Stored& s : stored) {
    const Tensor value = s.weight->make();
    DL_CHECK(value.dims() == s.weight->dims, "weight '" + s.name + "' has another shape");
    for_each_piece(value, s.half ? DType::kFloat16 : value.dtype(), [&](const void* bytes, size_t count) { shards.write(bytes, count); });
  }
  shards.finish();
}

void check_half(const std::vector<Stored>& stored, std::vector<std::string>& problems) {
  for (const Stored& s : stored) {
    const Tensor value = s.weight->make();
    for (const float v : value.values<float>())
      if (std::abs(v) > kHalfMax && std::isfinite(v)) {
        problems.push_back(fmt::format("weight '{}': {} is above {}, the largest float16; write without half", s.name, v, kHalfMax));
        break;
      }
  }
}

std::string model_json(const SavedModel& model, const Network& net, const std::vector<Stored>& stored,
                       const std::vector<std::string>& files) {
  Node root = Node::map({{"format", Node::string("layers-model")},
                         {"generatedBy", Node::string(std::string("keras v") + kKerasVersion)},
                         {"convertedBy", Node::string("dltool")},
                         {"modelTopology", topology(net, model.model.name)},
                         {"weightsManifest", manifest(stored, files)}});
  if (const std::string tests = test_pairs_text(model.tests, kMaxTestBytes); !tests.empty())
    root.set("userDefinedMetadata", Node::map({{kTestKey, Node::string(tests)}}));
  return to_json(root);
}

// ---- folders

void write_files(const SavedModel& model, const Network& net, const fs::path& folder, bool half) {
  const std::vector<Stored> stored = list_weights(net, half);
  size_t bytes = 0;
  for (const Stored& s : stored) bytes += s.bytes;
  const std::vector<std::string> files = shard_names(bytes);
  write_shards(stored, folder, files);
  atomic_write((folder / "model.json").string(), model_json(model, net, stored, files));
}

}  // namespace

std::vector<std::string> unsupported(const SavedModel& model, const WriteOptions& options) {
  Network net = lower_model(model);
  if (options.half && net.problems.empty()) check_half(list_weights(net, true), net.problems);
  return std::move(net.problems);
}

void write(const SavedModel& model, const std::string& path, const WriteOptions& options) {
  Network net = lower_model(model);
  if (options.half && net.problems.empty()) check_half(list_weights(net, true), net.problems);
  refuse_if_any(net.problems, path, "tfjs");
  if (const fs::path file(path); file.filename() == "model.json")
    return write_files(model, net, fs::absolute(file).parent_path(), options.half);
  ScratchFolder folder(path);
  write_files(model, net, folder.path(), options.half);
  folder.become_target();
}

}  // namespace dl::tfjs
