// Any text: what is read as an invitation is the same when it is written and read again. Any
// invitation is read back.

#include <cstddef>
#include <cstdint>
#include <string>

#include <parley/invitation.hpp>

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::fuzz::demand;
  parley::fuzz::input in(data, size);
  if (const auto read = parley::parse_invitation(in.rest())) {
    demand(!read->address.empty() && in.rest().ends_with("@" + read->address));
    demand(parley::parse_invitation(to_string(*read)) == read);
  }

  parley::invitation made;
  for (auto& byte : made.listener.digest) byte = in.byte();
  for (auto& byte : made.secret) byte = in.byte();
  made.address = in.rest();
  const auto again = parley::parse_invitation(to_string(made));
  demand(made.address.empty() ? !again : again == made);
  return 0;
}
