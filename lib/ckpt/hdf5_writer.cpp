#include "ckpt/hdf5_writer.h"

#include <hdf5.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "ckpt/hdf5_handles.h"

namespace dl {
namespace {

using namespace hdf5;

Id scalar_space() { return Id(H5Screate(H5S_SCALAR), H5Sclose, "H5Screate"); }

// bfloat16 and bool, which HDF5 lacks, are marked by the attribute "dtype".
bool needs_mark(DType dtype) { return dtype == DType::kBFloat16 || dtype == DType::kBool; }

Id text_type(size_t bytes) {
  Id type = copy_type(H5T_C_S1);
  check(H5Tset_size(type.get(), std::max<size_t>(bytes, 1)), "H5Tset_size");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

void put_attribute(hid_t object, const char* name, const Id& type, const void* value) {
  const Id space = scalar_space();
  const Id attribute(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "H5Acreate");
  check(H5Awrite(attribute.get(), type.get(), value), "H5Awrite");
}
void put_attribute(hid_t object, const char* name, uint32_t value) { put_attribute(object, name, stored_type(DType::kUInt32), &value); }

Id create_dataset(hid_t file, const std::string& path, const Id& type, const Id& space) {
  const Id links = link_creation(), creation = dataset_creation();
  return Id(H5Dcreate2(file, path.c_str(), type.get(), space.get(), links.get(), creation.get(), H5P_DEFAULT), H5Dclose,
            ("H5Dcreate of " + path).c_str());
}

// Memory and file hold the same bytes, so the file's type describes both and HDF5 converts nothing.
uint64_t write_bytes(const Id& dataset, const Id& type, const void* bytes) {
  check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes), "H5Dwrite");
  const haddr_t offset = H5Dget_offset(dataset.get());
  DL_CHECK(offset != HADDR_UNDEF, "HDF5: H5Dget_offset failed");
  return offset;
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

Hdf5Writer::Hdf5Writer(size_t user_block_bytes, size_t expected_bytes) : user_block_bytes_(user_block_bytes) {
  set_up_hdf5();
  const Id access = property_list(H5P_FILE_ACCESS), creation = property_list(H5P_FILE_CREATE);
  check(H5Pset_fapl_core(access.get(), std::max<size_t>(expected_bytes, 1 << 16), false), "H5Pset_fapl_core");
  check(H5Pset_userblock(creation.get(), user_block_bytes), "H5Pset_userblock");
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  // The driver keeps the file in memory; the name is never opened.
  file_ = H5Fcreate("checkpoint-in-memory", H5F_ACC_TRUNC, creation.get(), access.get());
  DL_CHECK(file_ >= 0, "HDF5: H5Fcreate failed");
}

Hdf5Writer::~Hdf5Writer() { H5Fclose(file_); }

uint64_t Hdf5Writer::write_tensor(const std::string& path, const Tensor& tensor, uint32_t crc) {
  const Id type = stored_type(tensor.dtype());
  const Id space = space_of(tensor);
  const Id dataset = create_dataset(file_, path, type, space);
  put_attribute(dataset.get(), "crc32c", crc);
  if (needs_mark(tensor.dtype())) {
    const std::string_view name = name_of(tensor.dtype());
    put_attribute(dataset.get(), "dtype", text_type(name.size()), name.data());
  }
  return tensor.size() > 0 ? write_bytes(dataset, type, tensor.raw()) : 0;
}

uint64_t Hdf5Writer::write_text(const std::string& path, const std::string& text) {
  const Id type = text_type(text.size());
  return write_bytes(create_dataset(file_, path, type, scalar_space()), type, text.c_str());
}

void Hdf5Writer::write_attribute(const std::string& path, const char* name, uint32_t value) {
  const Id object(H5Oopen(file_, path.c_str(), H5P_DEFAULT), H5Oclose, "H5Oopen");
  put_attribute(object.get(), name, value);
}

std::string_view Hdf5Writer::finish() {
  check(H5Fflush(file_, H5F_SCOPE_LOCAL), "H5Fflush");
  const ssize_t image_bytes = H5Fget_file_image(file_, nullptr, 0);
  DL_CHECK(image_bytes > 0, "HDF5: H5Fget_file_image failed");
  void** memory = nullptr;
  check(H5Fget_vfd_handle(file_, H5P_DEFAULT, reinterpret_cast<void**>(&memory)), "H5Fget_vfd_handle");
  return {static_cast<const char*>(*memory), user_block_bytes_ + static_cast<size_t>(image_bytes)};
}

}  // namespace dl
