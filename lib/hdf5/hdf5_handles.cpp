#include "hdf5/hdf5_handles.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <type_traits>
#include <vector>

#include "base/error.h"

namespace dl::hdf5 {

static_assert(std::is_same_v<hid_t, int64_t> && std::is_same_v<herr_t, int>, "the header passes them so");

Id::Id(int64_t id, int (*close)(int64_t), const char* call) : id_(id), close_(close) {
  DL_CHECK(id >= 0, fmt::format("HDF5: {} failed", call));
}

void check(int status, const char* call) { DL_CHECK(status >= 0, fmt::format("HDF5: {} failed", call)); }

Id property_list(int64_t cls) { return Id(H5Pcreate(cls), H5Pclose, "H5Pcreate"); }
Id copy_type(int64_t type) { return Id(H5Tcopy(type), H5Tclose, "H5Tcopy"); }

namespace {

// IEEE half precision is no predefined type.
Id float16_type() {
  Id type = copy_type(H5T_IEEE_F32LE);
  check(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "H5Tset_fields");
  check(H5Tset_size(type.get(), 2), "H5Tset_size");
  check(H5Tset_ebias(type.get(), 15), "H5Tset_ebias");
  return type;
}

}  // namespace

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

Id stored_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return copy_type(H5T_IEEE_F32LE);
    case DType::kFloat64:
      return copy_type(H5T_IEEE_F64LE);
    case DType::kFloat16:
      return float16_type();
    case DType::kInt8:
      return copy_type(H5T_STD_I8LE);
    case DType::kUInt8:
    case DType::kBool:
      return copy_type(H5T_STD_U8LE);
    case DType::kInt16:
      return copy_type(H5T_STD_I16LE);
    case DType::kUInt16:
    case DType::kBFloat16:
      return copy_type(H5T_STD_U16LE);
    case DType::kInt32:
      return copy_type(H5T_STD_I32LE);
    case DType::kUInt32:
      return copy_type(H5T_STD_U32LE);
    case DType::kInt64:
      return copy_type(H5T_STD_I64LE);
    case DType::kUInt64:
      return copy_type(H5T_STD_U64LE);
  }
  DL_CHECK(false, "unknown element type");
  return copy_type(-1);
}

Id space_of(const Tensor& tensor) {
  const std::vector<hsize_t> sizes(tensor.dims().begin(), tensor.dims().end());
  return Id(sizes.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose,
            "H5Screate_simple");
}

Id link_creation() {
  Id links = property_list(H5P_LINK_CREATE);
  check(H5Pset_create_intermediate_group(links.get(), 1), "H5Pset_create_intermediate_group");
  check(H5Pset_char_encoding(links.get(), H5T_CSET_UTF8), "H5Pset_char_encoding");
  return links;
}

Id dataset_creation() {
  Id creation = property_list(H5P_DATASET_CREATE);
  check(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "H5Pset_layout");
  check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time");
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  return creation;
}

}  // namespace dl::hdf5
