#include <fmt/format.h>
#include <hdf5.h>

#include <array>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/error.h"
#include "ckpt/hdf5_file.h"
#include "ckpt/hdf5_types.h"

namespace dl {
namespace {

constexpr int kMaxDepth = 256;
constexpr int64_t kMaxObjects = 1'000'000;
constexpr size_t kMaxAttributeBytes = 64;

}  // namespace

Hdf5Reader::Hdf5Reader(const std::string& path) : path_(path) {
  set_up_hdf5();
  std::error_code error;
  file_bytes_ = std::filesystem::file_size(path, error);
  if (error) throw EnvError(fmt::format("{}: cannot read: {}", path, error.message()));
  const Hdf5Id access = property_list(H5P_FILE_ACCESS);
  check_status(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "H5Pset_fclose_degree");
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get());
  if (id < 0) throw FileError(path + ": is damaged (HDF5 cannot open it)");
  file_ = Hdf5Id(id, H5Fclose);
}
Hdf5Reader::~Hdf5Reader() = default;

void Hdf5Reader::fail(const std::string& object, const std::string& what) const {
  throw FileError(fmt::format("{}: {}: {}", path_, object, what));
}

bool Hdf5Reader::exists(const std::string& path) const {
  // Each link on the way, since H5Lexists looks at the last one only.
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    const htri_t found = H5Lexists(file_.get(), part.c_str(), H5P_DEFAULT);
    if (found < 0) fail(part, "cannot be read");
    if (found == 0) return false;
    H5L_info_t link;
    if (H5Lget_info(file_.get(), part.c_str(), &link, H5P_DEFAULT) < 0) fail(part, "cannot be read");
    if (link.type != H5L_TYPE_HARD) fail(part, "is a soft or external link, which is not allowed in a checkpoint");
    if (slash == std::string::npos) return true;
  }
}

// A group or dataset that only hard links lead to, and only one.
Hdf5Id Hdf5Reader::open_object(const std::string& path, bool dataset) const {
  if (path != "/" && !exists(path)) fail(path, "is missing");
  H5O_info_t info;
  if (H5Oget_info_by_name2(file_.get(), path.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) fail(path, "cannot be read");
  if (info.type != (dataset ? H5O_TYPE_DATASET : H5O_TYPE_GROUP)) fail(path, dataset ? "is no dataset" : "is no group");
  if (path != "/" && info.rc != 1) fail(path, "has several names, which is not allowed in a checkpoint");
  const hid_t id = dataset ? H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT) : H5Gopen2(file_.get(), path.c_str(), H5P_DEFAULT);
  if (id < 0) fail(path, "cannot be opened");
  return Hdf5Id(id, dataset ? H5Dclose : H5Gclose);
}

namespace {

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  // No exception may cross HDF5's C frames.
  try {
    auto& names = *static_cast<std::vector<std::string>*>(out);
    if (static_cast<int64_t>(names.size()) >= kMaxObjects) return -1;
    names.emplace_back(name);
    return 0;
  } catch (...) {
    return -1;
  }
}

}  // namespace

void Hdf5Reader::for_each_dataset(const std::string& group, const std::function<void(const std::string&)>& visit) const {
  int64_t objects = 0;
  const std::function<void(const std::string&, const std::string&, int)> walk = [&](const std::string& path, const std::string& relative,
                                                                                    int depth) {
    if (depth > kMaxDepth) fail(path, fmt::format("groups are nested more than {} levels deep", kMaxDepth));
    std::vector<std::string> names;
    {
      const Hdf5Id id = open_object(path, false);
      if (H5Literate(id.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names) < 0) fail(path, "cannot be listed");
    }
    for (const std::string& name : names) {
      if (++objects > kMaxObjects) fail(path, fmt::format("more than {} objects", kMaxObjects));
      const std::string child = (path == "/" ? "/" : path + "/") + name, below = relative.empty() ? name : relative + "/" + name;
      if (name.empty() || name == "." || name.find('/') != std::string::npos || !exists(child))
        fail(path, "has a member without a usable name");
      H5O_info_t info;
      if (H5Oget_info_by_name2(file_.get(), child.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) fail(child, "cannot be read");
      if (info.type == H5O_TYPE_GROUP) {
        walk(child, below, depth + 1);
      } else if (info.type == H5O_TYPE_DATASET) {
        visit(below);
      } else {
        fail(child, "is neither group nor dataset");
      }
    }
  };
  walk(group, "", 0);
}

namespace {

// What is wrong with how a dataset is stored, or "".
std::string storage_problem(const Hdf5Id& dataset, uint64_t bytes) {
  const Hdf5Id creation(H5Dget_create_plist(dataset.get()), H5Pclose);
  if (!creation.valid()) return "cannot be read";
  if (H5Pget_external_count(creation.get()) != 0) return "keeps its data in another file, which is not allowed in a checkpoint";
  if (H5Pget_layout(creation.get()) != H5D_CONTIGUOUS) return "is chunked, compact or virtual; a checkpoint holds contiguous data only";
  if (H5Pget_nfilters(creation.get()) != 0) return "has filters; a checkpoint holds plain data only";
  if (H5Dget_storage_size(dataset.get()) != bytes) {
    return fmt::format("holds {} bytes instead of {}", H5Dget_storage_size(dataset.get()), bytes);
  }
  return "";
}

// Which of our types this is. `mark` is the attribute "dtype", or "".
std::optional<DType> find_dtype(const Hdf5Id& type, const std::string& mark) {
  constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt8,   DType::kUInt8,
                              DType::kInt16,   DType::kUInt16,  DType::kInt32,   DType::kUInt32, DType::kInt64,
                              DType::kUInt64,  DType::kBool,    DType::kBFloat16};
  for (const DType dtype : kTypes) {
    if (mark != (needs_mark(dtype) ? name_of(dtype) : "")) continue;
    if (H5Tequal(type.get(), stored_type(dtype).get()) > 0) return dtype;
  }
  return std::nullopt;
}

// A scalar attribute of at most kMaxAttributeBytes; nullopt when there is none or it is something else.
std::optional<Hdf5Id> open_scalar_attribute(const Hdf5Id& object, const char* name) {
  if (H5Aexists(object.get(), name) <= 0) return std::nullopt;
  Hdf5Id attribute(H5Aopen(object.get(), name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) return std::nullopt;
  const Hdf5Id space(H5Aget_space(attribute.get()), H5Sclose);
  if (!space.valid() || H5Sget_simple_extent_type(space.get()) != H5S_SCALAR) return std::nullopt;
  return attribute;
}

// "" when there is none; "?" when it is not a short text.
std::string read_mark(const Hdf5Id& object) {
  if (H5Aexists(object.get(), "dtype") == 0) return "";
  const std::optional<Hdf5Id> attribute = open_scalar_attribute(object, "dtype");
  if (!attribute) return "?";
  const Hdf5Id type(H5Aget_type(attribute->get()), H5Tclose);
  if (!type.valid() || H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0) return "?";
  const size_t bytes = H5Tget_size(type.get());
  if (bytes == 0 || bytes > kMaxAttributeBytes || H5Tequal(type.get(), text_type(bytes).get()) <= 0) return "?";
  std::string text(bytes, '\0');
  return H5Aread(attribute->get(), type.get(), text.data()) < 0 ? "?" : text;
}

}  // namespace

void Hdf5Reader::claim(const std::string& path, uint64_t bytes) const {
  // Distinct data cannot be more than the file; what claims more lets datasets overlap to fill the memory.
  if (bytes > file_bytes_ - read_bytes_) fail(path, "is larger than the file can hold");
  read_bytes_ += bytes;
}

std::pair<Tensor, uint32_t> Hdf5Reader::read_tensor(const std::string& path) const {
  const Hdf5Id dataset = open_object(path, true);
  const Hdf5Id type(H5Dget_type(dataset.get()), H5Tclose), space(H5Dget_space(dataset.get()), H5Sclose);
  if (!type.valid() || !space.valid()) fail(path, "cannot be read");
  const std::optional<DType> dtype = find_dtype(type, read_mark(dataset));
  if (!dtype) fail(path, "has an element type that checkpoints do not use");
  const H5S_class_t extent = H5Sget_simple_extent_type(space.get());
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if ((extent != H5S_SCALAR && extent != H5S_SIMPLE) || rank < 0 || rank > H5S_MAX_RANK) fail(path, "has no shape");
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  if (rank > 0 && H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr) != rank) fail(path, "has no shape");
  Dims dims;
  for (size_t i = 0; i < static_cast<size_t>(rank); ++i) {
    if (sizes[i] > static_cast<hsize_t>(std::numeric_limits<int64_t>::max())) fail(path, "is larger than the file can hold");
    dims.push_back(static_cast<int64_t>(sizes[i]));
  }
  uint64_t elements = 0;
  try {
    elements = static_cast<uint64_t>(element_count(dims));
  } catch (const FileError& error) {
    fail(path, error.what());
  }
  if (elements > file_bytes_ / size_of(*dtype)) fail(path, "is larger than the file can hold");
  const uint64_t bytes = elements * size_of(*dtype);
  claim(path, bytes);
  if (const std::string problem = storage_problem(dataset, bytes); !problem.empty()) fail(path, problem);
  Tensor tensor(*dtype, dims);
  if (elements > 0 && H5Dread(dataset.get(), memory_type(*dtype).get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.raw()) < 0) {
    fail(path, "cannot be read");
  }
  return {std::move(tensor), read_attribute(path, "crc32c")};
}

std::string Hdf5Reader::read_text(const std::string& path) const {
  const Hdf5Id dataset = open_object(path, true);
  const Hdf5Id type(H5Dget_type(dataset.get()), H5Tclose), space(H5Dget_space(dataset.get()), H5Sclose);
  if (!type.valid() || !space.valid() || H5Sget_simple_extent_type(space.get()) != H5S_SCALAR) fail(path, "is not a single text");
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0) fail(path, "is not a text of fixed length");
  const size_t bytes = H5Tget_size(type.get());
  claim(path, bytes);
  if (bytes == 0 || H5Tequal(type.get(), text_type(bytes).get()) <= 0) fail(path, "is not a text of fixed length");
  if (const std::string problem = storage_problem(dataset, bytes); !problem.empty()) fail(path, problem);
  std::string text(bytes, '\0');
  if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) < 0) fail(path, "cannot be read");
  text.resize(text.find_last_not_of('\0') + 1);  // npos + 1 == 0
  if (text.find('\0') != std::string::npos) fail(path, "holds a NUL character");
  return text;
}

uint32_t Hdf5Reader::read_attribute(const std::string& path, const char* name) const {
  const Hdf5Id object(H5Oopen(file_.get(), path.c_str(), H5P_DEFAULT), H5Oclose);
  if (!object.valid()) fail(path, "cannot be opened");
  const std::optional<Hdf5Id> attribute = open_scalar_attribute(object, name);
  if (!attribute) fail(path, fmt::format("has no number in its attribute '{}'", name));
  const Hdf5Id type(H5Aget_type(attribute->get()), H5Tclose);
  uint32_t value = 0;
  if (!type.valid() || H5Tequal(type.get(), stored_type(DType::kUInt32).get()) <= 0 ||
      H5Aread(attribute->get(), memory_type(DType::kUInt32).get(), &value) < 0) {
    fail(path, fmt::format("has no number in its attribute '{}'", name));
  }
  return value;
}

}  // namespace dl
