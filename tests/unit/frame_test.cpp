#include <parley/protocol/frame.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "support/bytes.hpp"
#include "support/random.hpp"

namespace frame_test {

namespace {

namespace frame = parley::protocol::frame;
using namespace std::string_view_literals;
using parley::test::hex;

}  // namespace

// --- golden bytes: spelled from docs/wire.md by hand, computed by nobody ------------------------

TEST_CASE("the bytes of an ack and of a bye") {
  std::string bytes(12, '\0');
  frame::put_number(bytes.data(), frame::type::ack, 0x0102030405060708);
  CHECK(bytes == hex("000008 04 0102030405060708"));
  frame::put_number(bytes.data(), frame::type::bye, 0xfffefdfcfbfaf9f8);
  CHECK(bytes == hex("000008 07 fffefdfcfbfaf9f8"));
}

TEST_CASE("the bytes of a ping and of a pong") {
  std::string bytes(20, '\0');
  frame::put_ping(bytes.data(), frame::type::ping, 0x0102030405060708, 0x1112131415161718);
  CHECK(bytes == hex("000010 05 0102030405060708 1112131415161718"));
  frame::put_ping(bytes.data(), frame::type::pong, 0xffffffffffffffff, 0);
  CHECK(bytes == hex("000010 06 ffffffffffffffff 0000000000000000"));
}

TEST_CASE("the bytes of a message") {
  std::string bytes(12 + 5, '\0');
  frame::put_message(bytes.data(), 0x0102030405060708, 0, "hello");
  CHECK(bytes == hex("00000d 80 0102030405060708 68656c6c6f"));
  frame::put_message(bytes.data(), 0, 63, "\0\xff\n\r\0"sv);
  CHECK(bytes == hex("00000d bf 0000000000000000 00ff0a0d00"));
}

TEST_CASE("the bytes of an empty message, which writes nothing behind its header") {
  std::string bytes(12 + 1, 'x');
  frame::put_message(bytes.data(), 1, 7, {});
  CHECK(bytes == hex("000008 87 0000000000000001 78"));
}

TEST_CASE("the bytes of the longest message's header") {
  constexpr std::size_t longest = 16'777'207;  // 2^24 - 1 less 8
  std::string bytes(12 + longest, '\0');
  frame::put_message(bytes.data(), 1, 0, std::string(longest, 'm'));
  CHECK(bytes.substr(0, 13) == hex("ffffff 80 0000000000000001 6d"));
  CHECK(bytes.back() == 'm');
}

// --- numbers and headers ------------------------------------------------------------------------

TEST_CASE("numbers are big-endian and keep every bit") {
  std::string bytes(8, '\0');
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x80},
                                    std::uint64_t{0x0102030405060708}, ~std::uint64_t{0}}) {
    frame::put<8>(bytes.data(), value);
    CHECK(bytes == parley::test::big_endian(value, 8));
    CHECK(frame::get<8>(bytes.data()) == value);
  }
  CHECK(frame::get<3>("\xff\xff\xff") == 0xffffff);
  CHECK(frame::get<2>("\x80\x01") == 0x8001);
  CHECK(frame::get<1>("\x80") == 0x80);
}

TEST_CASE("a header says the length of its body, its size and its type") {
  const auto h = frame::read_header("\x01\x02\x03\x04"sv);
  CHECK(h.length == 0x010203);
  CHECK(h.size() == 0x010203 + 4);
  CHECK(h.is(frame::type::ack));
  CHECK(!h.is(frame::type::bye));
  CHECK(frame::read_header("\xff\xff\xff\x00"sv).length == 16'777'215);  // 2^24 - 1
}

TEST_CASE("a type is a control frame, skippable, or a message with its tag") {
  for (unsigned type = 0; type < 256; ++type) {
    INFO("type " << type);
    const auto h = frame::read_header(parley::test::header_of(type, 1));
    CHECK(h.type == type);
    CHECK(h.is_skippable() == (type >= 0x40 && type <= 0x7f));
    CHECK(h.is_message() == (type >= 0x80));
    if (h.is_message()) CHECK(h.tag() == type - 0x80);
  }
}

}  // namespace frame_test
