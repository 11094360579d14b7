#pragma once

namespace forebay::test {

// How often this thread has called operator new. A test program that uses this has its own operator new,
// which counts.
int allocations_of_this_thread();

}  // namespace forebay::test
