// Lists that make up onednn_rows(), one per file.
#pragma once

#include <vector>

#include "backend/kernel.h"

namespace dl::cpu {

void append_onednn_conv(std::vector<KernelRow>& rows);

}  // namespace dl::cpu
