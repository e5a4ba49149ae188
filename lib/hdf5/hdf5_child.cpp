#include "hdf5/hdf5_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <hdf5.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "hdf5/hdf5_handles.h"

namespace dl {
namespace {

constexpr rlim_t kMemoryBytes = rlim_t{2} << 30;  // beyond what the parent held at the fork
constexpr rlim_t kListingSeconds = 4;             // of the processor: a crafted file can keep HDF5 1.10 busy for ever
constexpr rlim_t kCpuSeconds = 1800;              // of the processor; the parent watches for stalls
constexpr size_t kMaxObjects = 200'000;
constexpr int kMaxDepth = 40;
constexpr int kMaxRank = 16;
constexpr uint64_t kMaxAttributeBytes = kMaxFrameBytes / 2;
constexpr uint64_t kAlwaysFine = uint64_t{64} << 20;  // bytes of a dataset whatever it takes in the file
constexpr uint64_t kMaxRatio = 1100;                  // deflate gets to 1032
constexpr size_t kSlabBytes = size_t{4} << 20;

struct Problem {
  std::string message;
};
[[noreturn]] void fail(const std::string& object, const std::string& message) {
  throw Problem{object.empty() ? message : object + ": " + message};
}

// What cannot be had is told the parent.
struct Id : hdf5::Id {
  Id(hid_t id, herr_t (*close)(hid_t), const std::string& object, const char* what) : hdf5::Id(checked(id, object, what), close, what) {}
  static hid_t checked(hid_t id, const std::string& object, const char* what) {
    if (id < 0) fail(object, std::string("is damaged: ") + what + " cannot be read");
    return id;
  }
};

// ---- the file as memory
struct Image {
  char* bytes = nullptr;
  size_t length = 0;
};

void* image_malloc(size_t, H5FD_file_image_op_t, void* image) { return static_cast<Image*>(image)->bytes; }
void* image_memcpy(void* destination, const void*, size_t, H5FD_file_image_op_t, void*) { return destination; }
void* image_realloc(void*, size_t, H5FD_file_image_op_t, void*) { return nullptr; }
herr_t image_free(void*, H5FD_file_image_op_t, void*) { return 0; }
void* keep_data(void* data) { return data; }
herr_t free_data(void*) { return 0; }

class Child {
 public:
  Child(const FileRange& range, int socket) : range_(range), socket_(socket) {}

  void run() {
    map_file();
    open_file();
    list_group("", 0, H5Gopen2(file_, "/", H5P_DEFAULT));
    frame('L', "");
    flush();
    rlimit cpu{};
    if (getrlimit(RLIMIT_CPU, &cpu) == 0) {
      cpu.rlim_cur = cpu.rlim_max;
      setrlimit(RLIMIT_CPU, &cpu);
    }
    uint32_t number = 0;
    while (receive(&number)) {
      if (number >= datasets_.size()) fail("", "there is no such dataset");
      send_data(datasets_[number]);
    }
  }

  void report(const std::string& message) {
    frame('E', message.substr(0, 4096));
    flush();
  }

 private:
  // ---- talking to the parent
  void flush() {
    write_all(out_.data(), out_.size());
    out_.clear();
  }

  void write_all(const void* source, size_t bytes) {
    const char* next = static_cast<const char*>(source);
    while (bytes > 0) {
      const ssize_t sent = ::send(socket_, next, bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) _exit(0);  // the parent wants no more
      next += sent;
      bytes -= static_cast<size_t>(sent);
    }
  }

  bool receive(uint32_t* number) {
    char* next = reinterpret_cast<char*>(number);
    size_t left = sizeof *number;
    while (left > 0) {
      const ssize_t got = read(socket_, next, left);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      next += got;
      left -= static_cast<size_t>(got);
    }
    return true;
  }

  void frame(char type, const std::string& payload) {
    const uint64_t length = payload.size();
    out_ += type;
    out_.append(reinterpret_cast<const char*>(&length), sizeof length);
    out_ += payload;
    if (out_.size() > (1 << 16)) flush();
  }

  template <class T>
  static void put(std::string& payload, T value) {
    payload.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void put_text(std::string& payload, std::string_view text) {
    put(payload, static_cast<uint32_t>(text.size()));
    payload += text;
  }

  // ---- opening
  void map_file() {
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), begin = range_.offset / page * page;
    const size_t length = range_.length + (range_.offset - begin);
    void* mapped = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, range_.fd, static_cast<off_t>(begin));
    if (mapped == MAP_FAILED) fail("", fmt::format("cannot be mapped into memory: {}", strerror(errno)));
    image_ = {static_cast<char*>(mapped) + (range_.offset - begin), range_.length};
  }

  void open_file() {
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    const Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "", "the file");
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free, keep_data, free_data, &image_};
    H5Pset_fapl_core(access.get(), 1 << 16, false);
    H5Pset_file_image_callbacks(access.get(), &callbacks);
    H5Pset_file_image(access.get(), image_.bytes, image_.length);
    file_ = H5Fopen("image", H5F_ACC_RDONLY, access.get());
    if (file_ < 0) fail("", "is no HDF5 file, or its begin is damaged or it is cut short");
  }

  // ---- listing
  struct Links {
    std::vector<std::string> names;
    std::string refused;
  };

  static herr_t add_link(hid_t, const char* name, const H5L_info_t* info, void* data) {
    Links& links = *static_cast<Links*>(data);
    if (info->type != H5L_TYPE_HARD) {
      links.refused = fmt::format("{}: is {} link, which may lead to other files; such files are not read", name,
                                  info->type == H5L_TYPE_SOFT ? "a soft" : "an external");
      return 1;
    }
    links.names.emplace_back(name);
    return links.names.size() > kMaxObjects ? -1 : 0;
  }

  void list_group(const std::string& path, int depth, hid_t opened) {
    const Id group(opened, H5Gclose, path, "the group");
    if (depth > kMaxDepth) fail(path, "is nested too deeply, or lies inside itself");
    count_object(path);
    frame('G', path);
    list_attributes(path, group.get());
    Links links;
    if (H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, add_link, &links) < 0)
      fail(path, "is damaged: its list of members cannot be read");
    if (!links.refused.empty()) fail(path, links.refused);
    for (const std::string& name : links.names) list_object(path.empty() ? name : path + "/" + name, depth, group.get(), name);
  }

  void list_object(const std::string& path, int depth, hid_t group, const std::string& name) {
    const Id object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose, path, "the object");
    switch (H5Iget_type(object.get())) {
      case H5I_GROUP:
        return list_group(path, depth + 1, H5Gopen2(group, name.c_str(), H5P_DEFAULT));
      case H5I_DATASET:
        count_object(path);
        list_dataset(path, object.get());
        return list_attributes(path, object.get());
      default:
        return;  // a named type
    }
  }

  void count_object(const std::string& path) {
    if (++objects_ > kMaxObjects) fail(path, fmt::format("is object number {}; a model has fewer", objects_));
  }

  static herr_t add_name(hid_t, const char* name, const H5A_info_t*, void* data) {
    static_cast<std::vector<std::string>*>(data)->emplace_back(name);
    return 0;
  }

  void list_attributes(const std::string& path, hid_t object) {
    std::vector<std::string> names;
    if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, add_name, &names) < 0)
      fail(path, "is damaged: its attributes cannot be read");
    for (const std::string& name : names) {
      const Id attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, path, "an attribute");
      list_attribute(path, name, attribute.get());
    }
  }

  void list_attribute(const std::string& path, const std::string& name, hid_t attribute) {
    const std::string where = fmt::format("{}: attribute '{}'", path.empty() ? "the root group" : path, name);
    const Id type(H5Aget_type(attribute), H5Tclose, where, "its type"), space(H5Aget_space(attribute), H5Sclose, where, "its shape");
    const bool is_text = H5Tget_class(type.get()) == H5T_STRING, scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    const size_t size = H5Tget_size(type.get());
    if (count < 0 || size == 0 || static_cast<uint64_t>(count) > kMaxAttributeBytes / size) fail(where, "is too large or damaged");
    std::string payload;
    put_text(payload, path);
    put_text(payload, name);
    put(payload, static_cast<uint8_t>(scalar));
    put(payload, static_cast<uint8_t>(is_text));
    const std::vector<std::string> texts =
        is_text && count > 0 ? read_texts(where, attribute, type.get(), static_cast<size_t>(count), size) : std::vector<std::string>();
    put(payload, static_cast<uint32_t>(texts.size()));
    for (const std::string& text : texts) put_text(payload, text);
    if (payload.size() > kMaxFrameBytes) fail(where, "is too large");
    frame('A', payload);
  }

  std::vector<std::string> read_texts(const std::string& where, hid_t attribute, hid_t type, size_t count, size_t size) {
    std::vector<std::string> texts;
    if (H5Tis_variable_str(type) > 0) {
      std::vector<char*> pointers(count, nullptr);
      const Id memory(H5Tcopy(type), H5Tclose, where, "its type");
      if (H5Aread(attribute, memory.get(), pointers.data()) < 0) fail(where, "is damaged");
      for (const char* pointer : pointers) texts.emplace_back(pointer ? pointer : "");
      return texts;  // the process ends soon: nothing is given back
    }
    std::string bytes(count * size, '\0');
    const Id memory(H5Tcopy(type), H5Tclose, where, "its type");
    if (H5Aread(attribute, memory.get(), bytes.data()) < 0) fail(where, "is damaged");
    const bool spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
    for (size_t i = 0; i < count; ++i) {
      std::string text = bytes.substr(i * size, size);
      text.resize(std::min(text.find('\0'), text.size()));
      if (spaces) text.erase(text.find_last_not_of(' ') + 1);
      texts.push_back(std::move(text));
    }
    return texts;
  }

  // ---- datasets
  struct Dataset {
    std::string path;
    DType dtype = DType::kFloat32;
    std::vector<hsize_t> dims;
    uint64_t bytes = 0;
    std::string problem;
  };

  void list_dataset(const std::string& path, hid_t object) {
    Dataset dataset;
    dataset.path = path;
    try {
      describe(dataset, object);
    } catch (const Problem& problem) {
      dataset.problem = problem.message;
    }
    std::string payload;
    put_text(payload, path);
    put(payload, static_cast<uint8_t>(dataset.dtype));
    put(payload, static_cast<uint32_t>(dataset.dims.size()));
    for (hsize_t size : dataset.dims) put(payload, static_cast<int64_t>(size));
    put_text(payload, dataset.problem);
    frame('D', payload);
    datasets_.push_back(std::move(dataset));
  }

  void describe(Dataset& dataset, hid_t object) {
    const Id type(H5Dget_type(object), H5Tclose, "", "its type"), space(H5Dget_space(object), H5Sclose, "", "its shape");
    const Id creation(H5Dget_create_plist(object), H5Pclose, "", "its layout");
    check_storage(creation.get());
    const H5S_class_t kind = H5Sget_simple_extent_type(space.get());
    const int rank = kind == H5S_SIMPLE ? H5Sget_simple_extent_ndims(space.get()) : 0;
    if ((kind != H5S_SIMPLE && kind != H5S_SCALAR) || rank < 0 || rank > kMaxRank) fail("", "has no shape that a tensor can have");
    dataset.dims.resize(static_cast<size_t>(rank));
    if (rank > 0) H5Sget_simple_extent_dims(space.get(), dataset.dims.data(), nullptr);
    dataset.dtype = element_type(type.get(), object);
    dataset.bytes = size_of(dataset.dtype);
    for (hsize_t size : dataset.dims)
      if (__builtin_mul_overflow(dataset.bytes, size, &dataset.bytes) || dataset.bytes > (uint64_t{1} << 46))
        fail("", "has an absurd shape");
    const uint64_t stored = H5Dget_storage_size(object);
    if (dataset.bytes > kAlwaysFine && dataset.bytes / kMaxRatio > stored)
      fail("", fmt::format("has {} bytes, of which the file holds {}: refused", dataset.bytes, stored));
  }

  static void check_storage(hid_t creation) {
    const H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_VIRTUAL) fail("", "is a virtual dataset, which takes its data from other files; such files are not read");
    if (layout < 0) fail("", "has a damaged layout");
    if (layout != H5D_COMPACT && H5Pget_external_count(creation) != 0) fail("", "has its data in another file; such files are not read");
    const int filters = H5Pget_nfilters(creation);
    for (int i = 0; i < filters; ++i) {
      unsigned flags = 0, config = 0;
      size_t values = 0;
      const H5Z_filter_t filter = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, &config);
      if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
        fail("", fmt::format("is packed by the HDF5 filter {}, which is unknown here; known: gzip, shuffle, fletcher32",
                             static_cast<int>(filter)));
    }
  }

  DType element_type(hid_t type, hid_t object) {
    const size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
      case H5T_FLOAT: {
        size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
        H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
        if (size == 4 && exponent_bits == 8 && mantissa_bits == 23) return DType::kFloat32;
        if (size == 8 && exponent_bits == 11 && mantissa_bits == 52) return DType::kFloat64;
        if (size == 2 && exponent_bits == 5 && mantissa_bits == 10) return DType::kFloat16;
        if (size == 2 && exponent_bits == 8 && mantissa_bits == 7) return DType::kBFloat16;
        break;
      }
      case H5T_INTEGER: {
        if (H5Tget_precision(type) != size * 8) break;
        const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
        if (size == 1) return is_signed ? DType::kInt8 : DType::kUInt8;
        if (size == 2 && !is_signed && is_bfloat16(object)) return DType::kBFloat16;
        if (size == 2) return is_signed ? DType::kInt16 : DType::kUInt16;
        if (size == 4) return is_signed ? DType::kInt32 : DType::kUInt32;
        if (size == 8) return is_signed ? DType::kInt64 : DType::kUInt64;
        break;
      }
      case H5T_ENUM:
        if (size == 1) return DType::kBool;
        break;
      case H5T_OPAQUE:
        if (size == 2 && is_bfloat16(object)) return DType::kBFloat16;
        break;
      default:
        break;
    }
    fail("", "holds elements that are no numbers, or numbers of an unknown kind");
  }

  bool is_bfloat16(hid_t object) {
    if (H5Aexists(object, "dtype") <= 0) return false;
    const Id attribute(H5Aopen(object, "dtype", H5P_DEFAULT), H5Aclose, "", "the attribute 'dtype'");
    const Id type(H5Aget_type(attribute.get()), H5Tclose, "", "the attribute 'dtype'");
    const size_t size = H5Tget_size(type.get());
    if (H5Tget_class(type.get()) != H5T_STRING || size == 0 || size > 64) return false;
    return read_texts("", attribute.get(), type.get(), 1, size)[0] == "bfloat16";
  }

  void send_data(const Dataset& dataset) {
    if (!dataset.problem.empty()) fail("", dataset.problem);
    const Id object(H5Dopen2(file_, dataset.path.c_str(), H5P_DEFAULT), H5Dclose, "", "it");
    const Id type(H5Dget_type(object.get()), H5Tclose, "", "its type"),
        creation(H5Dget_create_plist(object.get()), H5Pclose, "", "its layout");
    const H5T_order_t order = H5Tget_order(type.get());
    const bool native = order == H5T_ORDER_LE || order == H5T_ORDER_NONE || H5Tget_size(type.get()) == 1;
    const haddr_t offset = H5Pget_layout(creation.get()) == H5D_CONTIGUOUS ? H5Dget_offset(object.get()) : HADDR_UNDEF;
    if (dataset.bytes == 0) return begin_data();
    if (native && offset != HADDR_UNDEF) {
      // As it lies in the file: no copy.
      if (offset > image_.length || dataset.bytes > image_.length - offset) fail("", "is cut short: its data end beyond the file");
      begin_data();
      return write_all(image_.bytes + offset, dataset.bytes);
    }
    const Id memory(H5Tcopy(type.get()), H5Tclose, "", "its type");
    if (!native) H5Tset_order(memory.get(), H5T_ORDER_LE);
    if (dataset.dims.empty()) return send_slab(object.get(), memory.get(), H5S_ALL, H5S_ALL, dataset.bytes, true);
    send_slabs(dataset, object.get(), memory.get(), creation.get());
  }

  void begin_data() {
    frame('B', "");
    flush();
  }

  void send_slab(hid_t object, hid_t type, hid_t memory_space, hid_t file_space, uint64_t bytes, bool first) {
    slab_.resize(bytes);
    if (H5Dread(object, type, memory_space, file_space, H5P_DEFAULT, slab_.data()) < 0) {
      // After the first slab the parent expects data, so all that is left is to go.
      if (first) fail("", "is damaged: its data cannot be read");
      _exit(1);
    }
    if (first) begin_data();
    write_all(slab_.data(), slab_.size());
  }

  // Some rows of the first axis at a time, whole chunks of them.
  void send_slabs(const Dataset& dataset, hid_t object, hid_t type, hid_t creation) {
    const size_t rank = dataset.dims.size();
    hsize_t step = 1;
    if (H5Pget_layout(creation) == H5D_CHUNKED) {
      std::vector<hsize_t> chunk(rank, 1);
      if (H5Pget_chunk(creation, static_cast<int>(rank), chunk.data()) < 0 || chunk[0] == 0) fail("", "has damaged chunks");
      step = chunk[0];
    }
    const uint64_t row_bytes = dataset.bytes / dataset.dims[0];
    step *= std::max<hsize_t>(1, kSlabBytes / std::max<uint64_t>(1, std::min(row_bytes, kSlabBytes) * step));
    const Id file_space(H5Dget_space(object), H5Sclose, "", "its shape");
    for (hsize_t begin = 0; begin < dataset.dims[0];) {
      const hsize_t rows = std::min(step, dataset.dims[0] - begin);
      std::vector<hsize_t> start(rank, 0), count = dataset.dims;
      start[0] = begin;
      count[0] = rows;
      H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
      const Id memory_space(H5Screate_simple(static_cast<int>(rank), count.data(), nullptr), H5Sclose, "", "its shape");
      send_slab(object, type, memory_space.get(), file_space.get(), rows * row_bytes, begin == 0);
      begin += rows;
    }
  }

  FileRange range_;
  int socket_;
  std::string out_;
  Image image_;
  hid_t file_ = -1;
  size_t objects_ = 0;
  std::vector<Dataset> datasets_;
  std::vector<char> slab_;
};

void limit(decltype(RLIMIT_CPU) what, rlim_t value) {
  rlimit current{};
  getrlimit(what, &current);
  const rlimit wanted = {std::min(value, current.rlim_max), std::min(value, current.rlim_max)};
  setrlimit(what, &wanted);
}

// Bytes of private memory that the process may write, as RLIMIT_DATA counts them.
[[maybe_unused]] rlim_t data_bytes() {
  char text[256] = {};
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return RLIM_INFINITY;
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  unsigned long field = 0;
  const char* next = text;
  for (int i = 0; i < 6 && got > 0; ++i) {
    char* end = nullptr;
    field = strtoul(next, &end, 10);
    next = end;
  }
  return static_cast<rlim_t>(field) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void confine(int keep_a, int keep_b) {
  prctl(PR_SET_NAME, "hdf5-reader");
  for (int s = 1; s < NSIG; ++s) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGINT, SIG_IGN);  // the terminal sends it to all; the parent decides
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= 2 && null >= 0; ++fd) dup2(null, fd);
  const auto [low, high] = std::minmax(keep_a, keep_b);
  if (low > 3) close_range(3, static_cast<unsigned>(low) - 1, 0);
  if (high > low + 1) close_range(static_cast<unsigned>(low) + 1, static_cast<unsigned>(high) - 1, 0);
  close_range(static_cast<unsigned>(high) + 1, ~0U, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers take more memory than any limit
  const rlim_t held = data_bytes();
  if (held != RLIM_INFINITY) limit(RLIMIT_DATA, held + kMemoryBytes);
#endif
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, kCpuSeconds);
  rlimit cpu{};
  if (getrlimit(RLIMIT_CPU, &cpu) == 0) {
    cpu.rlim_cur = std::min(kListingSeconds, cpu.rlim_max);  // run() lifts it
    setrlimit(RLIMIT_CPU, &cpu);
  }
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NOFILE, 0);  // external files and plugins cannot be opened, whatever the file says
}

}  // namespace

void run_hdf5_child(const FileRange& range, int socket) {
  confine(range.fd, socket);
  Child child(range, socket);
  try {
    child.run();
  } catch (const Problem& problem) {
    child.report(problem.message);
  } catch (const std::exception& error) {
    child.report(fmt::format("is damaged or hostile: {}", error.what()));
  } catch (...) {
    _exit(1);
  }
  _exit(0);
}

}  // namespace dl
