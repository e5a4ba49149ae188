// Tar archives, plain or compressed with gzip or Zstandard, as a list of their regular members (libarchive reads them).
// Who uses it: the webdataset source.
// Names never become paths: nothing is unpacked to disk under a name. Directories, links and devices are passed over, sparse members
// refused. Errors: FileError naming the archive and, where there is one, the member; EnvError when the system refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/spill.h"

namespace dl {

inline constexpr int64_t kMaxTextMember = 16 << 20;  // bytes of a member that is read while scanning

struct TarMember {
  std::string name;
  int64_t size = 0;
  std::vector<std::byte> bytes;  // of a member that was to be read
  // Of a member that was to be placed: where its bytes are, in the archive itself or, when `spilled`, in the Spill.
  int64_t offset = 0;
  bool spilled = false;
};

enum class TarUse { kSkip, kRead, kPlace };

// Calls `found` for each member that `use` does not skip, in the order of the archive. Members of a compressed archive and of standard
// input ("-") that are to be placed are copied to `spill`.
void scan_tar(const std::string& path, Spill& spill, const std::function<TarUse(const std::string& name)>& use,
              const std::function<void(TarMember&& member)>& found);

}  // namespace dl
