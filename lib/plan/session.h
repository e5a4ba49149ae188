// Session: parameter buffers on one device and a cache of plans for the Programs that use them. The short last batch is
// another plan, so nothing is padded. Used by train, eval, predict, bench.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan/executable.h"

namespace dl {

class Session {
 public:
  Session(Backend& backend, CompileOptions options, Collectives* collectives = nullptr)
      : backend_(backend), options_(options), collectives_(collectives), store_(backend) {}

  ParameterStore& parameters() { return store_; }
  // Keeps a reference; the Program must outlive the Session. Every parameter must be in the store before it is run.
  // Returns the number to run it by.
  size_t add(const Program& program);
  // The plan for inputs of these shapes: symbolic sizes are taken from the tensors. UserError naming the input, both
  // shapes, when a tensor does not fit the Program.
  Executable& prepare(size_t program, const std::vector<Tensor>& inputs);
  // prepare, set_input, run.
  Executable& run(size_t program, const std::vector<Tensor>& inputs);

 private:
  struct Entry {
    const Program* program;
    std::map<std::vector<Dims>, std::unique_ptr<Executable>> plans;
  };
  Backend& backend_;
  CompileOptions options_;
  Collectives* collectives_;
  ParameterStore store_;
  std::vector<Entry> programs_;
};

// Sizes of the symbols that make `type` fit `dims`; UserError naming the input when none do.
void match_shape(const std::string& input_name, const Shape& shape, const Dims& dims, Bindings& bindings);

}  // namespace dl
