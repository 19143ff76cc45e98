#include <parley/endpoint.hpp>

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace endpoint_test {

namespace {

using parley::endpoint;
using parley::port_of;
using parley::to_string;
using tcp = asio::ip::tcp;

endpoint ip(const char* address, unsigned short port) {
  return tcp::endpoint(asio::ip::make_address(address), port);
}

}  // namespace

TEST_CASE("an endpoint is written as it would be typed") {
  CHECK(to_string(ip("192.0.2.1", 1)) == "192.0.2.1:1");
  CHECK(to_string(ip("2001:db8::1", 65535)) == "[2001:db8::1]:65535");
  CHECK(to_string(ip("::", 0)) == "[::]:0");
  CHECK(to_string(asio::local::stream_protocol::endpoint("/run/parley")) == "unix:/run/parley");
}

TEST_CASE("an IPv4 caller of an IPv6 socket is shown as IPv4") {
  CHECK(to_string(ip("::ffff:192.0.2.1", 7)) == "192.0.2.1:7");
}

TEST_CASE("a Unix caller has no name of its own") {
  CHECK(to_string(asio::local::stream_protocol::endpoint()) == "unix socket");
}

TEST_CASE("only an IP endpoint has a port") {
  CHECK(port_of(ip("192.0.2.1", 7117)) == 7117);
  CHECK(port_of(ip("2001:db8::1", 7117)) == 7117);
  CHECK(port_of(asio::local::stream_protocol::endpoint("/run/parley")) == 0);
}

TEST_CASE("a default endpoint is no IP endpoint, and writing it is harmless") {
  CHECK(port_of(endpoint()) == 0);
  CHECK_FALSE(to_string(endpoint()).empty());
}

}  // namespace endpoint_test
