// The weights of a TF.js model: the groups of `weightsManifest`, each a list of weights that lie one after the other in the files of its
// `paths`, taken as one. Everything is checked against the sizes of the files before any weight is read; quantized weights come as what
// TF.js makes of them.
// Who uses it: tfjs_file.cpp. Errors: FileError "FILE: weight 'x': ...".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/contained_file.h"
#include "spec/node.h"
#include "tensor/tensor.h"

namespace dl::tfjs {

enum class Quantization { kNone, kUint8, kUint16, kFloat16 };

struct WeightEntry {
  std::string name;
  Dims dims;
  DType dtype = DType::kFloat32;
  Quantization quantization = Quantization::kNone;
  double min = 0, scale = 1;
  size_t group = 0;
  uint64_t offset = 0, bytes = 0;  // in the files of its group
};

class StoredWeights {
 public:
  // `manifest`: the value of weightsManifest. Weights of the optimizer are left out.
  StoredWeights(const spec::Node& manifest, const std::string& folder, std::string file);

  const std::vector<WeightEntry>& entries() const { return entries_; }
  Tensor read(const WeightEntry& entry) const;

 private:
  // The files of one group, and where each begins.
  struct Group {
    std::vector<ContainedFile> files;
    std::vector<uint64_t> begins;
    uint64_t bytes = 0;
  };
  void add_group(const spec::Node& group, const std::string& folder);
  void read_bytes(const Group& group, uint64_t offset, void* to, size_t bytes) const;

  std::string file_;
  std::vector<Group> groups_;
  std::vector<WeightEntry> entries_;
};

}  // namespace dl::tfjs
