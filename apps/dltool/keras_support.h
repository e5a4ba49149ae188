// Which of Keras's classes dltool has: asked of the tables of layers, losses and so on, so that the answer follows from what is there.
// Used by inspect --support and the man page dltool-layers(7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dl::app {

enum class Support { kYes, kOtherwise, kNo, kBaseClass };

struct KerasClass {
  std::string_view kind;  // "layer", "loss", "metric", ...
  std::string_view name;
  Support support;
  std::string_view note;  // what there is instead, or why there is nothing
};

// By kind and name, every row of keras_api.def.
std::vector<KerasClass> keras_classes();

// "yes", "otherwise", "no", "base class".
std::string_view name_of(Support support);

}  // namespace dl::app
