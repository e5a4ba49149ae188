// NumPy's .npy (format versions 1-3) and .npz files. Every integer, float and bool dtype of DType is read, in either byte order
// and in C or Fortran order; the result is always native and row-major. Objects (pickle), strings, structures, complex
// numbers and dates are refused, since none of them is a tensor and a pickle can run code.
// Who uses it: the npy and npz sources, predict's output, tests.
// Errors: FileError naming the file (and member); memory is bounded by what the file really holds.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/array_rows.h"
#include "tensor/named_tensors.h"

namespace dl {

Tensor read_npy(const std::string& path);                                    // "-": standard input
Tensor read_npy(std::span<const std::byte> bytes, const std::string& name);  // `name` begins messages
ArrayRows read_npy_rows(const std::string& path);                            // in bounded memory, but for Fortran order
std::string npy_bytes(const Tensor& tensor);                                 // as np.save writes it; bfloat16 as float32
std::string npy_header(DType dtype, std::span<const int64_t> dims);          // all before the data
void write_npy(const std::string& path, const Tensor& tensor);               // replaced whole; "-": standard output

// In file order, without ".npy" in the names. With `only`, other members are not decoded; a missing name is a FileError.
NamedTensors read_npz(const std::string& path, const std::vector<std::string>& only = {});
NamedTensors read_npz(std::span<const std::byte> bytes, const std::string& name, const std::vector<std::string>& only = {});
std::map<std::string, ArrayRows> read_npz_rows(const std::string& path, const std::vector<std::string>& only);
void write_npz(const std::string& path, const NamedTensors& tensors);

}  // namespace dl
