#include <string>

#include <parley/parley.hpp>

std::string answer_to(const parley::message& message) {
  return parley::printable(message.body) + " yourself, says parley " PARLEY_VERSION;
}
