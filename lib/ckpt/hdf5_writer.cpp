#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "ckpt/hdf5_file.h"
#include "ckpt/hdf5_types.h"

namespace dl {
namespace {

Hdf5Id scalar_space() { return Hdf5Id(check_id(H5Screate(H5S_SCALAR), "H5Screate"), H5Sclose); }

void put_attribute(int64_t object, const char* name, const Hdf5Id& type, const void* value) {
  const Hdf5Id space = scalar_space();
  const Hdf5Id attribute(check_id(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate"), H5Aclose);
  check_status(H5Awrite(attribute.get(), type.get(), value), "H5Awrite");
}
void put_attribute(int64_t object, const char* name, uint32_t value) { put_attribute(object, name, stored_type(DType::kUInt32), &value); }
void put_attribute(int64_t object, const char* name, std::string_view value) {
  put_attribute(object, name, text_type(value.size()), value.data());
}

Hdf5Id create_dataset(int64_t file, const std::string& path, const Hdf5Id& type, const Hdf5Id& space) {
  const Hdf5Id links = property_list(H5P_LINK_CREATE);
  check_status(H5Pset_create_intermediate_group(links.get(), 1), "H5Pset_create_intermediate_group");
  check_status(H5Pset_char_encoding(links.get(), H5T_CSET_UTF8), "H5Pset_char_encoding");
  const Hdf5Id creation = property_list(H5P_DATASET_CREATE);
  check_status(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "H5Pset_layout");
  check_status(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time");
  check_status(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");  // the same content gives the same bytes
  const hid_t id = H5Dcreate2(file, path.c_str(), type.get(), space.get(), links.get(), creation.get(), H5P_DEFAULT);
  DL_CHECK(id >= 0, fmt::format("HDF5: cannot create {}", path));
  return Hdf5Id(id, H5Dclose);
}

}  // namespace

Hdf5Writer::Hdf5Writer(size_t user_block_bytes, size_t expected_bytes) : user_block_bytes_(user_block_bytes) {
  set_up_hdf5();
  const Hdf5Id access = property_list(H5P_FILE_ACCESS);
  check_status(H5Pset_fapl_core(access.get(), std::max<size_t>(expected_bytes, 1 << 16), false), "H5Pset_fapl_core");
  const Hdf5Id creation = property_list(H5P_FILE_CREATE);
  check_status(H5Pset_userblock(creation.get(), user_block_bytes), "H5Pset_userblock");
  check_status(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  // The driver keeps the file in memory; the name is never opened.
  file_ = Hdf5Id(check_id(H5Fcreate("checkpoint-in-memory", H5F_ACC_TRUNC, creation.get(), access.get()), "H5Fcreate"), H5Fclose);
}
Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::write_tensor(const std::string& path, const Tensor& tensor, uint32_t crc) {
  const Hdf5Id type = stored_type(tensor.dtype());
  const std::vector<hsize_t> sizes(tensor.dims().begin(), tensor.dims().end());
  const Hdf5Id space(
      check_id(sizes.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
               "H5Screate_simple"),
      H5Sclose);
  const Hdf5Id dataset = create_dataset(file_.get(), path, type, space);
  if (tensor.size() > 0) {
    check_status(H5Dwrite(dataset.get(), memory_type(tensor.dtype()).get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.raw()), "H5Dwrite");
  }
  put_attribute(dataset.get(), "crc32c", crc);
  if (needs_mark(tensor.dtype())) put_attribute(dataset.get(), "dtype", std::string_view(name_of(tensor.dtype())));
}

void Hdf5Writer::write_text(const std::string& path, const std::string& text) {
  const Hdf5Id type = text_type(text.size());
  const Hdf5Id dataset = create_dataset(file_.get(), path, type, scalar_space());
  check_status(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()), "H5Dwrite");
}

void Hdf5Writer::write_attribute(const std::string& path, const char* name, uint32_t value) {
  const Hdf5Id object(check_id(H5Oopen(file_.get(), path.c_str(), H5P_DEFAULT), "H5Oopen"), H5Oclose);
  put_attribute(object.get(), name, value);
}

std::string_view Hdf5Writer::finish() {
  check_status(H5Fflush(file_.get(), H5F_SCOPE_LOCAL), "H5Fflush");
  const ssize_t image_bytes = H5Fget_file_image(file_.get(), nullptr, 0);
  DL_CHECK(image_bytes > 0, "HDF5: H5Fget_file_image failed");
  void** memory = nullptr;
  check_status(H5Fget_vfd_handle(file_.get(), H5P_DEFAULT, reinterpret_cast<void**>(&memory)), "H5Fget_vfd_handle");
  return {static_cast<const char*>(*memory), user_block_bytes_ + static_cast<size_t>(image_bytes)};
}

}  // namespace dl
