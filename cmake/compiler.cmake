# Warnings are errors for our own code; libraries come in as system headers.
add_library(forebay_compile_options INTERFACE)
target_compile_options(forebay_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 through inlined library code; clang-tidy covers what these look for.
  target_compile_options(forebay_compile_options INTERFACE
    -Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-error=free-nonheap-object)
  if(FOREBAY_SANITIZE MATCHES "thread")
    # g++ warns that ThreadSanitizer doesn't understand fences; Asio's headers have some.
    target_compile_options(forebay_compile_options INTERFACE -Wno-tsan)
  endif()
else()
  target_compile_options(forebay_compile_options INTERFACE -Wthread-safety)
endif()
if(FOREBAY_SANITIZE)
  add_compile_options(-fsanitize=${FOREBAY_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FOREBAY_SANITIZE})
  if(FOREBAY_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
else()
  add_compile_options(-fstack-protector-strong -D_GLIBCXX_ASSERTIONS)
  add_link_options(-Wl,-z,relro,-z,now)
endif()

# forebay_sanitize_lightly(TARGET null|all): UndefinedBehaviorSanitizer more than doubles what a file takes to compile.
#   null: no look at each pointer for null and alignment. AddressSanitizer ends the program at a null pointer as well,
#         and only the rooms that lay out bytes by hand can misalign one.
#   all:  none of it: what is to be found is in the product, not in its tests.
function(forebay_sanitize_lightly target what)
  if(FOREBAY_SANITIZE MATCHES "undefined")
    target_compile_options(${target} PRIVATE $<IF:$<STREQUAL:${what},all>,-fno-sanitize=undefined,-fno-sanitize=null$<COMMA>alignment>)
  endif()
endfunction()
