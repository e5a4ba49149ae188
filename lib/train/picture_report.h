// What an autoencoder of images makes of its input: originals above, reconstructions below, as one picture in the report.
// Who uses it: report, the training loop.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

// Both [height, width], [height, width, 1] or [height, width, 3], float32, in the units of the data.
struct ReconstructedPicture {
  Tensor original, result;
};

// Whether samples of these sizes are images that can be drawn.
bool is_picture(const Dims& dims);
// <section>; "" without pictures. The smallest value of the originals is black, the largest white.
std::string render_pictures(const std::vector<ReconstructedPicture>& pictures, const std::string& data_name);

}  // namespace dl
