#include <fmt/format.h>

#include <memory>
#include <set>

#include "base/error.h"
#include "layers/cells.h"

namespace dl {
namespace {

void check_stacked_rnn_cells(Layer& layer, spec::Reader& reader) {
  const spec::Node cells = layer.config.node("cells");
  if (!cells.is_list() || cells.items().empty()) return reader.report("cells", "must be a list of cells, such as [LSTMCell: {units: 8}]");
  std::set<std::string> names;  // of the weights: cells without names of their own are numbered
  for (size_t i = 0; i < cells.items().size(); ++i) {
    const auto child = read_cell(cells.items()[i], fmt::format("{}[{}]", reader.path_of("cells"), i), reader.problems());
    if (!child) continue;
    auto named = std::make_shared<Layer>(*child);
    for (int n = 1; !names.insert(named->name).second; ++n) named->name = fmt::format("{}_{}", child->name, n);
    layer.children[cell_key(i)] = std::move(named);
  }
}

}  // namespace

const LayerDef layer_stacked_rnn_cells = {
    .class_name = "StackedRNNCells",
    .summary = "Cells on top of each other, for RNN.",
    .max_inputs = -1,
    .keys = {any_key("cells", {}, true)},
    .check = check_stacked_rnn_cells,
    .build = [](LayerContext&, std::span<const MaskedVar>) -> std::vector<MaskedVar> {
      throw UserError("StackedRNNCells works inside of RNN only");
    },
};

}  // namespace dl
