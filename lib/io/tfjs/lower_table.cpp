#include <algorithm>
#include <iterator>

#include "io/tfjs/lowerings.h"

namespace dl::tfjs {
namespace {

constexpr LowerRow kRows[] = {
#define DL_TFJS_LAYER(class_name, name) {#class_name, lower_##name},
#include "io/tfjs/lowerings.def"
#undef DL_TFJS_LAYER
};

}  // namespace

Lower find_lowering(std::string_view class_name) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const LowerRow& r) { return r.class_name == class_name; });
  return row == std::end(kRows) ? nullptr : row->lower;
}

}  // namespace dl::tfjs
