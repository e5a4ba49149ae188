// Keras's weight initialisers: reading them from a spec and computing a parameter's first value on the host.
// A value is a function of (seed, parameter name, shape) alone, so it does not depend on the order of layers or on ranks.
// Who uses it: layers (through ConfigKey), train (to start a run).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "graph/program.h"
#include "spec/reader.h"
#include "tensor/tensor.h"

namespace dl {

// {class_name, config} with every key filled in; a null Node after reporting a problem.
spec::Node read_initializer(const spec::Node& node, const std::string& path, spec::Problems& problems);
// From what read_initializer returned.
Initializer make_initializer(const spec::Node& node);
Initializer named_initializer(const std::string& class_name);  // with Keras's defaults

// First value of a parameter. An initialiser with a seed of its own depends on that seed alone, as in Keras.
// UserError where the initialiser does not fit the shape (Orthogonal of rank 1, Identity of rank 3).
Tensor initial_value(const Initializer& initializer, const std::string& name, DType dtype, const Dims& dims, uint64_t seed);
Tensor initial_value(const Program& program, const Parameter& parameter, uint64_t seed);

struct Fans {
  int64_t in, out;
};
// Connections into and out of one unit, as Keras counts them: kernels are [receptive field..., in, out].
Fans compute_fans(const Dims& dims);

}  // namespace dl
