// The other side of Hdf5File: what runs in the forked child. It never returns, and it touches nothing of the parent but the socket and
// the file. Private to lib/hdf5.
// Frames to the parent: type (1 byte), payload length (8 bytes), payload. Texts in payloads: length (4 bytes), bytes.
//   G path                                   a group
//   A object name scalar is_text count texts an attribute (count 0 where it holds no strings)
//   D path dtype rank dims... problem        a dataset, numbered in this order from 0
//   L                                        the end of the listing; from here on the child answers requests
//   B                                        the data of the dataset follow, as many bytes as its shape says
//   E message                                an error; the child ends
// Requests: the number of a dataset, 4 bytes.
#pragma once

#include "hdf5/hdf5_file.h"

namespace dl {

inline constexpr uint64_t kMaxFrameBytes = uint64_t{64} << 20;

[[noreturn]] void run_hdf5_child(const FileRange& range, int socket);

}  // namespace dl
