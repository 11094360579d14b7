#pragma once

// What the string commands' files share.

#include "server/resp/commands/command.h"

namespace forebay::server {

// strings_read.cc
void get(Context& context);
void getex(Context& context);
void mget(Context& context);
void strlen_command(Context& context);
void getrange(Context& context);
void getbit(Context& context);
void lcs(Context& context);  // strings_lcs.cc

// strings_set.cc
void set(Context& context);
void setnx(Context& context);
void setex(Context& context);
void psetex(Context& context);
void getset(Context& context);
void getdel(Context& context);
void mset(Context& context);
void msetnx(Context& context);

// strings_edit.cc
void append(Context& context);
void setrange(Context& context);
void setbit(Context& context);

}  // namespace forebay::server
