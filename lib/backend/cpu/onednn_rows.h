// Lists that make up onednn_rows(), one per file, and the order of rows for one operator.
#pragma once

#include <vector>

#include "backend/kernel.h"

namespace dl::cpu {

void append_small_matmul(std::vector<KernelRow>& rows);
void append_onednn_matmul(std::vector<KernelRow>& rows);
void append_onednn_conv(std::vector<KernelRow>& rows);
void append_pool(std::vector<KernelRow>& rows);
void append_batch_norm(std::vector<KernelRow>& rows);

}  // namespace dl::cpu
