#include "cli/command_line.h"

int main(int argc, char** argv) {
  return forebay::cli::run(argc, argv);
}
