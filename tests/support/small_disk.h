#pragma once

// A file system of a few megabytes that is real to whoever runs in it: a tmpfs, mounted in a user and mount
// namespace of its own, which needs no privileges where the kernel allows such namespaces.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/eventually.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {

class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size)
      : holder_({"unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                 "mount -t tmpfs -o size=\"$1\" tmpfs \"$0\" && echo mounted && exec sleep infinity",
                 path().string(), size},
                {.output = outside_ / "holder"}) {
    eventually([this] { return said().find("mounted") != std::string::npos || !holder_.running(); });
  }

  // Why there is none here; empty: there is.
  std::string missing() {
    if (holder_.running() && said().find("mounted") != std::string::npos) return "";
    return "this kernel or container lets nobody mount a tmpfs in a namespace of one's own: " + said();
  }

  // Only what runs within() sees what is in it.
  std::filesystem::path path() const { return mount_.path(); }
  // Goes before a program and its arguments.
  std::vector<std::string> within() const {
    return {"nsenter", "--target", std::to_string(holder_.pid()),
            "--user",  "--mount",  "--preserve-credentials",
            "--"};
  }
  // Takes all the room that is left, as another program would, and gives it back.
  void fill() { shell("head -c 1G /dev/zero > \"$0/ballast\" 2>/dev/null; sync; true"); }
  void make_room() { shell("rm -f \"$0/ballast\""); }

 private:
  void shell(const std::string& script) const {
    std::vector<std::string> command = within();
    command.insert(command.end(), {"sh", "-c", script, path().string()});
    const Output output = run(command);
    if (output.status != 0) throw std::runtime_error(script + ": " + output.text);
  }
  std::string said() const {
    std::ifstream file(outside_ / "holder");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDir mount_;
  TempDir outside_;
  Process holder_;
};

}  // namespace forebay::test
