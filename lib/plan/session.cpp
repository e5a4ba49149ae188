#include "plan/session.h"

#include <fmt/format.h>

namespace dl {

void match_shape(const std::string& input_name, const Shape& shape, const Dims& dims, Bindings& bindings) {
  const auto mismatch = [&] {
    return UserError(fmt::format("input '{}' has shape {}, the model takes {}", input_name, to_string(std::span<const int64_t>(dims)),
                                 to_string(shape)));
  };
  if (shape.size() != dims.size()) throw mismatch();
  for (size_t i = 0; i < dims.size(); ++i) {
    const Dim d = shape[i].bind(bindings);
    if (d.known() ? d.value() != dims[i] : false) throw mismatch();
    if (!d.known()) bindings[to_string(d)] = dims[i];
  }
}

size_t Session::add(const Program& program) {
  programs_.push_back({&program, {}});
  return programs_.size() - 1;
}

Executable& Session::prepare(size_t program, const std::vector<Tensor>& inputs) {
  Entry& entry = programs_.at(program);
  std::vector<Dims> key;
  for (const Tensor& t : inputs) key.push_back(t.dims());
  std::unique_ptr<Executable>& plan = entry.plans[key];
  if (!plan) {
    const Program& p = *entry.program;
    DL_CHECK(inputs.size() == p.inputs.size(), "one tensor per input expected");
    Bindings bindings;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const TensorType& type = p.graph.type(p.inputs[k].value);
      match_shape(p.inputs[k].name, type.shape, inputs[k].dims(), bindings);
      if (type.dtype != inputs[k].dtype())
        throw UserError(
            fmt::format("input '{}' is {}, the model takes {}", p.inputs[k].name, name_of(inputs[k].dtype()), name_of(type.dtype)));
    }
    plan = std::make_unique<Executable>(compile(p, bindings, backend_, options_), backend_, store_, collectives_);
  }
  return *plan;
}

Executable& Session::run(size_t program, const std::vector<Tensor>& inputs) {
  Executable& plan = prepare(program, inputs);
  for (size_t k = 0; k < inputs.size(); ++k) plan.set_input(k, inputs[k]);
  plan.run();
  return plan;
}

}  // namespace dl
