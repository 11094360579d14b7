#pragma once

// Certificates made by the openssl program in a folder of the test.

#include <stdexcept>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {

class Certificates {
 public:
  // Who vouches for others: NAME.crt and NAME.key.
  void make_authority(const std::string& name) {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
             key(name), "-out", certificate(name), "-days", "30", "-subj", "/CN=" + name});
  }
  // NAME.crt and NAME.key, vouched for by an authority.
  void make(const std::string& name, const std::string& authority) {
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
             key(name), "-out", path(name + ".csr"), "-subj", "/CN=" + name});
    openssl({"x509", "-req", "-in", path(name + ".csr"), "-CA", certificate(authority), "-CAkey",
             key(authority), "-CAcreateserial", "-out", certificate(name), "-days", "30"});
  }
  std::string certificate(const std::string& name) const { return path(name + ".crt"); }
  std::string key(const std::string& name) const { return path(name + ".key"); }
  std::string path(const std::string& file) const { return (folder_ / file).string(); }

 private:
  static void openssl(std::vector<std::string> args) {
    args.insert(args.begin(), "openssl");
    const Output output = run(args);
    if (output.status != 0) throw std::runtime_error("openssl " + args[1] + ": " + output.text);
  }

  TempDir folder_;
};

}  // namespace forebay::test
