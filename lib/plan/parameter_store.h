// ParameterStore: named state (weights, statistics, optimizer slots, counters) on one device, shared by every Executable
// of a Session. Buffers keep their address for the store's life.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "tensor/tensor.h"

namespace dl {

class ParameterStore {
 public:
  explicit ParameterStore(Backend& backend) : backend_(backend) {}
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  std::vector<std::string> names() const;  // sorted
  // Adds the parameter, or overwrites its content (type and shape must then be the same).
  void set(const std::string& name, const Tensor& value);
  // Adds the parameter for programs that do not update it: where the device computes in host memory the tensor's own is used, not a copy.
  void lend(const std::string& name, const Tensor& value);
  Tensor get(const std::string& name) const;  // a host copy
  void* data(const std::string& name) const;  // device memory
  const Dims& dims(const std::string& name) const { return entry(name).dims; }
  DType dtype(const std::string& name) const { return entry(name).dtype; }
  // Grows with every change; what was derived from parameters (packed weights) is stale when it differs.
  uint64_t version() const { return version_; }
  void touch() { ++version_; }

 private:
  struct Entry {
    DType dtype;
    Dims dims;
    void* memory;
    size_t bytes;
    Tensor lent;  // whose memory it is; without bytes where the memory is the store's
  };
  const Entry& entry(const std::string& name) const;

  Backend& backend_;
  std::map<std::string, Entry> entries_;
  uint64_t version_ = 0;
};

}  // namespace dl
