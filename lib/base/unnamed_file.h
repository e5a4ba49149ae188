// A temporary file without a name in the folder for such files (TMPDIR, else /tmp), which vanishes when it is closed, whatever happens.
// Who uses it: samples that do not fit into memory (data/spill), members of archives that have to be unpacked (io/keras).
#pragma once

#include <string>

namespace dl {

// The folder, fit for messages.
std::string temporary_folder();
// A descriptor to read and write. EnvError "FOLDER: cannot make a temporary file for PURPOSE: ...; set TMPDIR to ...".
int open_unnamed_file(const std::string& purpose);

}  // namespace dl
