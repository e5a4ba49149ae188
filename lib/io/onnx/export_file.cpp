#include "io/onnx/export_file.h"

#include <filesystem>
#include <limits>
#include <map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "onnx.pb.h"
#include "tensor/cast.h"

namespace dl::onnx_export {
namespace {

constexpr size_t kExternalFrom = 1024;               // bytes; smaller weights stay in the model
constexpr size_t kAlignment = 4096;                  // of weights in the data file, so that they can be mapped
constexpr size_t kLargestFile = size_t{1900000000};  // protobuf reads 2 GiB

// AttributeProto.AttributeType
enum AttributeType { kFloat = 1, kInt = 2, kString = 3, kFloats = 6, kInts = 7, kStrings = 8 };

int64_t ir_version(int opset) { return opset <= 14 ? 7 : opset <= 18 ? 8 : opset <= 20 ? 9 : 10; }

void set(onnx::AttributeProto& attribute, const NodeAttr& value) {
  struct Visitor {
    onnx::AttributeProto& a;
    void operator()(int64_t v) const { a.set_type(kInt), a.set_i(v); }
    void operator()(float v) const { a.set_type(kFloat), a.set_f(v); }
    void operator()(const std::string& v) const { a.set_type(kString), a.set_s(v); }
    void operator()(const Ints& v) const { a.set_type(kInts), a.mutable_ints()->Add(v.begin(), v.end()); }
    void operator()(const std::vector<float>& v) const { a.set_type(kFloats), a.mutable_floats()->Add(v.begin(), v.end()); }
    void operator()(const Names& v) const {
      a.set_type(kStrings);
      for (const std::string& s : v) a.add_strings(s);
    }
  };
  std::visit(Visitor{attribute}, value);
}

// A name of a size is written; other expressions are left open.
void set(onnx::ValueInfoProto& info, const GraphValue& value) {
  info.set_name(value.name);
  onnx::TypeProto::Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_type(value.type.dtype));
  tensor.mutable_shape();
  for (Dim d : value.type.shape) {
    onnx::TensorShapeProto::Dimension& dim = *tensor.mutable_shape()->add_dim();
    if (d.known())
      dim.set_dim_value(d.value());
    else if (const std::string text = to_string(d); Dim::symbol(text) == d)
      dim.set_dim_param(text);
  }
}

// Names of a subgraph are those of the graph around it where `names` says so, else its own.
void rename(onnx::GraphProto& graph, std::map<std::string, std::string> names, const std::string& prefix) {
  const auto own = [&](std::string* name) {
    if (!name->empty()) *name = names[*name] = prefix + *name;
  };
  const auto renamed = [&](std::string* name) {
    if (const auto found = names.find(*name); found != names.end()) *name = found->second;
  };
  graph.clear_value_info();
  for (onnx::TensorProto& t : *graph.mutable_initializer()) own(t.mutable_name());
  for (onnx::ValueInfoProto& in : *graph.mutable_input())
    if (names.count(in.name()) && names[in.name()].starts_with(prefix))
      renamed(in.mutable_name());  // the default of an input
    else
      own(in.mutable_name());
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (std::string& name : *node.mutable_input()) renamed(&name);
    for (onnx::AttributeProto& attribute : *node.mutable_attribute())
      if (attribute.has_g()) rename(*attribute.mutable_g(), names, prefix);
    for (std::string& name : *node.mutable_output()) own(&name);
  }
  for (onnx::ValueInfoProto& out : *graph.mutable_output()) renamed(out.mutable_name());
}

void add_written(onnx::NodeProto& proto, const OnnxNode& node) {
  onnx::NodeProto written;
  DL_CHECK(written.ParseFromString(node.written), "attributes of " + node.type + " are damaged");
  std::map<std::string, std::string> names;
  for (size_t i = 0; i < node.captured.size(); ++i) names[node.captured[i]] = node.captured_here[i];
  for (onnx::AttributeProto& attribute : *written.mutable_attribute()) {
    if (attribute.has_g()) rename(*attribute.mutable_g(), names, node.prefix);
    *proto.add_attribute() = std::move(attribute);
  }
}

// The graph without its weights.
onnx::GraphProto skeleton(const OnnxGraph& graph) {
  onnx::GraphProto proto;
  proto.set_name(graph.name);
  for (const OnnxNode& node : graph.nodes) {
    onnx::NodeProto& n = *proto.add_node();
    n.set_name(node.name);
    n.set_op_type(node.type);
    for (const std::string& name : node.inputs) n.add_input(name);
    for (const std::string& name : node.outputs) n.add_output(name);
    for (const auto& [name, value] : node.attrs) {
      onnx::AttributeProto& attribute = *n.add_attribute();
      attribute.set_name(name);
      set(attribute, value);
    }
    if (!node.written.empty()) add_written(n, node);
  }
  for (const GraphValue& value : graph.inputs) set(*proto.add_input(), value);
  for (const GraphValue& value : graph.outputs) set(*proto.add_output(), value);
  return proto;
}

onnx::ModelProto header(const FileOptions& options) {
  onnx::ModelProto model;
  model.set_ir_version(ir_version(options.opset));
  model.set_producer_name("dltool");
  model.set_producer_version(DLTOOL_VERSION);
  model.add_opset_import()->set_version(options.opset);
  model.mutable_opset_import(0)->set_domain("");
  for (const auto& [key, value] : options.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

// A field of bytes in protobuf's encoding: tag, length; the content follows.
std::string bytes_field(int number, size_t length) {
  std::string out;
  const auto varint = [&](uint64_t value) {
    for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
    out += static_cast<char>(value);
  };
  varint((static_cast<uint64_t>(number) << 3) | 2);
  varint(length);
  return out;
}
constexpr int kModelGraph = 7, kGraphInitializer = 5, kTensorRawData = 9;  // field numbers

// One weight on its way: the TensorProto before its data, and where the data goes.
struct Entry {
  const Initializer* weight;
  std::string head;
  size_t inside = 0;  // bytes of raw_data
  size_t offset = 0;  // in the data file
  bool external = false;
};

std::vector<Entry> make_entries(const OnnxGraph& graph, bool external, const std::string& location) {
  std::vector<Entry> entries;
  size_t end = 0;
  for (const Initializer& weight : graph.initializers) {
    Entry entry{&weight, "", weight.bytes()};
    onnx::TensorProto proto;
    proto.set_name(weight.name);
    proto.set_data_type(onnx_type(weight.dtype));
    for (int64_t d : weight.dims) proto.add_dims(d);
    if (external && weight.bytes() > kExternalFrom) {
      entry.external = true;
      entry.inside = 0;
      entry.offset = (end + kAlignment - 1) / kAlignment * kAlignment;
      end = entry.offset + weight.bytes();
      proto.set_data_location(1);
      const auto add = [&](const char* key, const std::string& value) {
        onnx::StringStringEntryProto& item = *proto.add_external_data();
        item.set_key(key);
        item.set_value(value);
      };
      add("location", location);
      add("offset", std::to_string(entry.offset));
      add("length", std::to_string(weight.bytes()));
    }
    entry.head = proto.SerializeAsString();
    if (entry.inside > 0) entry.head += bytes_field(kTensorRawData, entry.inside);
    entries.push_back(std::move(entry));
  }
  return entries;
}

void write_content(AtomicFile& file, const Initializer& weight) {
  const Tensor value = weight.make();
  DL_CHECK(value.size() == element_count(weight.dims), "weight '" + weight.name + "' has another size");
  for_each_piece(value, weight.dtype, [&](const void* bytes, size_t count) { file.write(bytes, count); });
}

void write_data(const std::vector<Entry>& entries, AtomicFile& file) {
  size_t end = 0;
  for (const Entry& entry : entries) {
    if (!entry.external) continue;
    file.write(std::string(entry.offset - end, '\0'));
    write_content(file, *entry.weight);
    end = entry.offset + entry.weight->bytes();
  }
}

}  // namespace

void write_file(const OnnxGraph& graph, const std::string& path, const FileOptions& options) {
  size_t total = 0;
  for (const Initializer& weight : graph.initializers) total += weight.bytes();
  const bool external = options.external_data || total > kLargestFile;
  const std::string data_path = path + ".data";
  const std::vector<Entry> entries = make_entries(graph, external, std::filesystem::path(data_path).filename().string());
  const std::string nodes = skeleton(graph).SerializeAsString();
  size_t length = nodes.size();
  for (const Entry& entry : entries) {
    const size_t content = entry.head.size() + entry.inside;
    length += bytes_field(kGraphInitializer, content).size() + content;
  }
  if (length > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw FileError(path + ": the graph alone is above the 2 GiB that an ONNX file can have");
  if (external) {
    AtomicFile data(data_path);
    write_data(entries, data);
    data.commit();
  }
  AtomicFile file(path);
  file.write(header(options).SerializeAsString());
  file.write(bytes_field(kModelGraph, length));
  file.write(nodes);
  for (const Entry& entry : entries) {
    file.write(bytes_field(kGraphInitializer, entry.head.size() + entry.inside));
    file.write(entry.head);
    if (entry.inside > 0) write_content(file, *entry.weight);
  }
  file.commit();
}

}  // namespace dl::onnx_export
