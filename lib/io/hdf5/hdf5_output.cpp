#include "io/hdf5/hdf5_output.h"

#include <fmt/format.h>
#include <hdf5.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hdf5_mutex.h"
#include "ckpt/hdf5_handles.h"

namespace dl {

// What a file driver of HDF5 is given. A failed write is kept and not told to HDF5 1.10, which does not get over it.
struct Hdf5Output::Driver {
  int fd;
  uint64_t offset;
  std::string name;
  int error = 0;
  uint64_t end = 0;  // of what was written
};

namespace {

using namespace hdf5;

constexpr size_t kMaxAttributeBytes = 64512;  // Keras's HDF5_OBJECT_HEADER_LIMIT

// ---- the driver
struct OutputFile {
  H5FD_t base;  // first: HDF5 sees this
  void* driver;
  haddr_t allocated;
  haddr_t end;
};

struct Target {
  int fd;
  uint64_t offset;
  int* error;
  uint64_t* end;
};
static_assert(std::is_trivially_copyable_v<Target>);

Target& target_of(H5FD_t* file) { return *static_cast<Target*>(reinterpret_cast<OutputFile*>(file)->driver); }

H5FD_t* open_output(const char*, unsigned, hid_t access, haddr_t) {
  auto* file = new OutputFile{};
  file->driver = new Target(*static_cast<const Target*>(H5Pget_driver_info(access)));
  return &file->base;
}
herr_t close_output(H5FD_t* base) {
  auto* file = reinterpret_cast<OutputFile*>(base);
  delete static_cast<Target*>(file->driver);
  delete file;
  return 0;
}
herr_t query_output(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}
haddr_t allocated_of(const H5FD_t* base, H5FD_mem_t) { return reinterpret_cast<const OutputFile*>(base)->allocated; }
herr_t set_allocated(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  reinterpret_cast<OutputFile*>(base)->allocated = address;
  return 0;
}
haddr_t end_of(const H5FD_t* base, H5FD_mem_t) { return reinterpret_cast<const OutputFile*>(base)->end; }

herr_t read_output(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* buffer) {
  Target& target = target_of(base);
  char* next = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = pread(target.fd, next, size, static_cast<off_t>(target.offset + address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && *target.error == 0) *target.error = errno;
    if (got <= 0) break;
    next += got;
    address += static_cast<haddr_t>(got);
    size -= static_cast<size_t>(got);
  }
  memset(next, 0, size);
  return 0;
}

herr_t write_output(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, const void* buffer) {
  Target& target = target_of(base);
  auto* file = reinterpret_cast<OutputFile*>(base);
  file->end = std::max<haddr_t>(file->end, address + size);
  *target.end = std::max<uint64_t>(*target.end, address + size);
  const char* next = static_cast<const char*>(buffer);
  while (size > 0 && *target.error == 0) {
    const ssize_t written = pwrite(target.fd, next, size, static_cast<off_t>(target.offset + address));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      *target.error = written < 0 ? errno : ENOSPC;
      break;
    }
    next += written;
    address += static_cast<haddr_t>(written);
    size -= static_cast<size_t>(written);
  }
  return 0;
}

H5FD_class_t output_class() {
  H5FD_class_t c;
  memset(&c, 0, sizeof c);
#ifdef H5FD_CLASS_VERSION
  c.version = H5FD_CLASS_VERSION;
  c.value = 600;
#endif
  c.name = "dltool-output";
  c.maxaddr = static_cast<haddr_t>(INT64_MAX);
  c.fc_degree = H5F_CLOSE_STRONG;
  c.fapl_size = sizeof(Target);
  c.open = open_output;
  c.close = close_output;
  c.query = query_output;
  c.get_eoa = allocated_of;
  c.set_eoa = set_allocated;
  c.get_eof = end_of;
  c.read = read_output;
  c.write = write_output;
  const H5FD_mem_t map[] = H5FD_FLMAP_SINGLE;
  std::copy(std::begin(map), std::end(map), c.fl_map);
  return c;
}

hid_t output_driver() {
  static const hid_t id = [] {
    set_up_hdf5();
    static const H5FD_class_t kClass = output_class();
    return H5FDregister(&kClass);
  }();
  DL_CHECK(id >= 0, "HDF5: H5FDregister failed");
  return id;
}

Id open_object(hid_t file, const std::string& path) {
  return Id(H5Oopen(file, path.empty() ? "/" : path.c_str(), H5P_DEFAULT), H5Oclose, ("H5Oopen of " + path).c_str());
}

void write_attribute(hid_t object, const std::string& name, hid_t type, hid_t space, const void* value) {
  const Id attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, ("H5Acreate of " + name).c_str());
  if (value) check(H5Awrite(attribute.get(), type, value), "H5Awrite");
}

void write_text_array(hid_t object, const std::string& name, const std::string* first, size_t count, size_t width) {
  std::string bytes(count * width, '\0');
  for (size_t i = 0; i < count; ++i) bytes.replace(i * width, first[i].size(), first[i]);
  const Id type = copy_type(H5T_C_S1);
  check(H5Tset_size(type.get(), width), "H5Tset_size");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  const hsize_t size = count;
  const Id space(H5Screate_simple(1, &size, nullptr), H5Sclose, "H5Screate_simple");
  write_attribute(object, name, type.get(), space.get(), bytes.data());
}

}  // namespace

Hdf5Output::Hdf5Output(int fd, uint64_t offset, const std::string& name)
    : lock_(hdf5_mutex()), driver_(new Driver{fd, offset, name, 0, 0}) {
  const Id access = property_list(H5P_FILE_ACCESS), creation = property_list(H5P_FILE_CREATE);
  const Target target{fd, offset, &driver_->error, &driver_->end};
  check(H5Pset_driver(access.get(), output_driver(), &target), "H5Pset_driver");
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  file_ = H5Fcreate("output", H5F_ACC_TRUNC, creation.get(), access.get());
  DL_CHECK(file_ >= 0, "HDF5: H5Fcreate failed");
}

Hdf5Output::~Hdf5Output() {
  if (file_ >= 0) H5Fclose(file_);
}

void Hdf5Output::add_group(const std::string& path) {
  if (path.empty() || H5Lexists(file_, path.substr(0, path.find('/')).c_str(), H5P_DEFAULT) > 0) {
    // H5Lexists wants every group above to be there.
    bool found = true;
    for (size_t slash = path.find('/'); found && slash != std::string::npos; slash = path.find('/', slash + 1))
      found = H5Lexists(file_, path.substr(0, slash).c_str(), H5P_DEFAULT) > 0;
    if (path.empty() || (found && H5Lexists(file_, path.c_str(), H5P_DEFAULT) > 0)) return;
  }
  const Id creation = property_list(H5P_GROUP_CREATE);
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  const Id group(H5Gcreate2(file_, path.c_str(), link_creation().get(), creation.get(), H5P_DEFAULT), H5Gclose,
                 ("H5Gcreate of " + path).c_str());
}

void Hdf5Output::add_dataset(const std::string& path, const Tensor& tensor) {
  const Id type = stored_type(tensor.dtype()), space = space_of(tensor), creation = dataset_creation();
  const Id dataset(H5Dcreate2(file_, path.c_str(), type.get(), space.get(), link_creation().get(), creation.get(), H5P_DEFAULT), H5Dclose,
                   ("H5Dcreate of " + path).c_str());
  if (tensor.size() > 0) check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.raw()), "H5Dwrite");
  if (tensor.dtype() == DType::kBFloat16) set_text(path, "dtype", "bfloat16");
}

void Hdf5Output::set_text(const std::string& object, const std::string& name, std::string_view value) {
  const std::string text(value);
  const char* pointer = text.c_str();
  const Id type = copy_type(H5T_C_S1);
  check(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  const Id space(H5Screate(H5S_SCALAR), H5Sclose, "H5Screate"), opened = open_object(file_, object);
  write_attribute(opened.get(), name, type.get(), space.get(), &pointer);
}

void Hdf5Output::set_texts(const std::string& object, const std::string& name, const std::vector<std::string>& values) {
  const Id opened = open_object(file_, object);
  size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  if (values.empty()) {
    // What numpy makes of an empty list.
    const hsize_t none = 0;
    const Id type = copy_type(H5T_IEEE_F64LE), space(H5Screate_simple(1, &none, nullptr), H5Sclose, "H5Screate_simple");
    return write_attribute(opened.get(), name, type.get(), space.get(), nullptr);
  }
  DL_CHECK(width <= kMaxAttributeBytes, fmt::format("HDF5: a name of {} bytes", width));
  const size_t room = kMaxAttributeBytes / width;
  if (values.size() <= room) return write_text_array(opened.get(), name, values.data(), values.size(), width);
  const size_t parts = (values.size() + room - 1) / room;
  // numpy.array_split: the first ones are longer by one.
  size_t begin = 0;
  for (size_t p = 0; p < parts; ++p) {
    const size_t count = values.size() / parts + (p < values.size() % parts ? 1 : 0);
    write_text_array(opened.get(), fmt::format("{}{}", name, p), &values[begin], count, width);
    begin += count;
  }
}

uint64_t Hdf5Output::close() {
  const herr_t closed = H5Fclose(std::exchange(file_, -1));
  if (driver_->error != 0) throw_file_error(driver_->name, "cannot write", driver_->error);
  check(closed, "H5Fclose");
  return driver_->end;
}

}  // namespace dl
