#include "ckpt/hdf5_types.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <bit>
#include <type_traits>

#include "base/error.h"

namespace dl {

static_assert(std::is_same_v<hid_t, int64_t> && std::is_same_v<herr_t, int>, "hdf5_file.h passes identifiers as int64_t");

void set_up_hdf5() {
  static const bool done = [] {
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    return true;
  }();
  (void)done;
}

int64_t check_id(int64_t id, const char* call) {
  DL_CHECK(id >= 0, fmt::format("HDF5: {} failed", call));
  return id;
}
void check_status(herr_t status, const char* call) { DL_CHECK(status >= 0, fmt::format("HDF5: {} failed", call)); }

Hdf5Id property_list(int64_t class_id) { return Hdf5Id(check_id(H5Pcreate(class_id), "H5Pcreate"), H5Pclose); }

namespace {

// IEEE half precision is no predefined type.
hid_t make_float16() {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

}  // namespace

Hdf5Id stored_type(DType dtype) {
  const auto copy = [](hid_t type) { return Hdf5Id(check_id(H5Tcopy(type), "H5Tcopy"), H5Tclose); };
  switch (dtype) {
    case DType::kFloat32:
      return copy(H5T_IEEE_F32LE);
    case DType::kFloat64:
      return copy(H5T_IEEE_F64LE);
    case DType::kFloat16:
      return Hdf5Id(make_float16(), H5Tclose);
    case DType::kInt8:
      return copy(H5T_STD_I8LE);
    case DType::kUInt8:
    case DType::kBool:
      return copy(H5T_STD_U8LE);
    case DType::kInt16:
      return copy(H5T_STD_I16LE);
    case DType::kUInt16:
    case DType::kBFloat16:
      return copy(H5T_STD_U16LE);
    case DType::kInt32:
      return copy(H5T_STD_I32LE);
    case DType::kUInt32:
      return copy(H5T_STD_U32LE);
    case DType::kInt64:
      return copy(H5T_STD_I64LE);
    case DType::kUInt64:
      return copy(H5T_STD_U64LE);
  }
  DL_CHECK(false, "unknown element type");
  return {};
}

Hdf5Id memory_type(DType dtype) {
  Hdf5Id type = stored_type(dtype);
  if constexpr (std::endian::native == std::endian::big) check_status(H5Tset_order(type.get(), H5T_ORDER_BE), "H5Tset_order");
  return type;
}

Hdf5Id text_type(size_t bytes) {
  Hdf5Id type(check_id(H5Tcopy(H5T_C_S1), "H5Tcopy"), H5Tclose);
  check_status(H5Tset_size(type.get(), std::max<size_t>(bytes, 1)), "H5Tset_size");
  check_status(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  check_status(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

}  // namespace dl
