#include <parley/message.hpp>

#include <catch2/catch_test_macros.hpp>

namespace message_test {

TEST_CASE("a message that nobody has filled is empty, has tag 0 and is the first") {
  const parley::message m;
  CHECK(m.body.empty());
  CHECK(m.tag == 0);
  CHECK(m.sequence == 0);
}

TEST_CASE("receipts are equal when they are of the same message") {
  CHECK(parley::receipt{7} == parley::receipt{7});
  CHECK(parley::receipt{7} != parley::receipt{8});
  CHECK(parley::receipt{} == parley::receipt{0});
}

TEST_CASE("a program has 64 tags") {
  CHECK(parley::tag_count == 64);  // docs/wire.md: 64 and up are kept for parley
}

}  // namespace message_test
