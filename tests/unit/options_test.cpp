#include <parley/options.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace options_test {

namespace {

using namespace std::chrono_literals;
using parley::options;

using change = std::function<void(options&)>;

/// What `validate` says to the defaults with one change; empty if it lets them pass.
std::string complaint(const change& c) {
  options o;
  c(o);
  try {
    parley::validate(o);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

bool passes(const change& c) { return complaint(c).empty(); }

constexpr std::size_t overhead = 12;                   // u24 length, u8 type, u64 sequence
constexpr std::size_t format_limit = 16'777'216 - 9;   // the format allows 16 MiB - 9
constexpr std::size_t largest_window = 4'294'967'295;  // u32 on the wire

/// Everything as large as the largest message needs it.
void make_room(options& o, std::size_t message) {
  o.max_message = message;
  o.window = message + overhead;
  o.outbox = message + overhead;
}

}  // namespace

TEST_CASE("the defaults are valid and are those of the design") {
  const options o;
  CHECK_NOTHROW(parley::validate(o));
  CHECK(o.name.empty());
  CHECK(o.max_message == 1'048'576);  // the defaults: 1 MiB, 4 MiB, 4 MiB, 5 s each
  CHECK(o.window == 4'194'304);
  CHECK(o.outbox == 4'194'304);
  CHECK(o.heartbeat == 5s);
  CHECK(o.connect_timeout == 5s);
  CHECK(o.handshake_timeout == 5s);
  CHECK(o.goodbye_timeout == 5s);
  CHECK(o.resume_for == 10min);  // a detached session is kept 10 min
  CHECK(o.wait_for == 0s);
  CHECK(o.retry_most == 5s);      // reconnect: 0.1 s doubling to 5 s
  CHECK(o.max_silent == 4096);    // 4,096 silent sockets
  CHECK(o.max_handshakes == 64);  // 64 handshakes under way, 16 per address
  CHECK(o.max_per_address == 16);
  CHECK(!o.on_event);
}

TEST_CASE("a name is at most 64 bytes") {
  CHECK(passes([](options& o) { o.name = std::string(64, 'n'); }));
  CHECK(!passes([](options& o) { o.name = std::string(65, 'n'); }));
}

TEST_CASE("a name is counted in bytes, not in characters") {
  const std::string two_bytes = "\xc3\xa9";  // U+00E9
  std::string name;
  for (int i = 0; i < 32; ++i) name += two_bytes;
  CHECK(passes([&](options& o) { o.name = name; }));
  CHECK(!passes([&](options& o) { o.name = name + "x"; }));
}

TEST_CASE("a name is valid UTF-8") {
  CHECK(!passes([](options& o) { o.name = "\xff"; }));
  CHECK(!passes([](options& o) { o.name = "cut \xc3"; }));
}

TEST_CASE("the largest message is at least 1 byte and at most what the format carries") {
  CHECK(!passes([](options& o) { make_room(o, 0); }));
  CHECK(passes([](options& o) { make_room(o, 1); }));
  CHECK(passes([](options& o) { make_room(o, format_limit); }));
  CHECK(!passes([](options& o) { make_room(o, format_limit + 1); }));
}

TEST_CASE("the window holds the largest message and fits 32 bits") {
  const auto with_window = [](std::size_t window) {
    return [window](options& o) { o.window = window; };
  };
  const std::size_t needed = options().max_message + overhead;
  CHECK(passes(with_window(needed)));
  CHECK(!passes(with_window(needed - 1)));
  CHECK(!passes(with_window(0)));
  CHECK(passes(with_window(largest_window)));
  CHECK(!passes(with_window(largest_window + 1)));
}

TEST_CASE("the outbox holds the largest message") {
  const auto with_outbox = [](std::size_t outbox) {
    return [outbox](options& o) { o.outbox = outbox; };
  };
  const std::size_t needed = options().max_message + overhead;
  CHECK(passes(with_outbox(needed)));
  CHECK(!passes(with_outbox(needed - 1)));
  CHECK(!passes(with_outbox(0)));
}

TEST_CASE("the heartbeat is 10 to 65,535 ms") {
  const auto with_heartbeat = [](std::chrono::milliseconds heartbeat) {
    return [heartbeat](options& o) { o.heartbeat = heartbeat; };
  };
  CHECK(!passes(with_heartbeat(9ms)));
  CHECK(passes(with_heartbeat(10ms)));
  CHECK(passes(with_heartbeat(65'535ms)));
  CHECK(!passes(with_heartbeat(65'536ms)));
  CHECK(!passes(with_heartbeat(-1ms)));
}

TEST_CASE("times are positive") {
  using field = std::chrono::milliseconds options::*;
  for (const field f :
       {&options::connect_timeout, &options::handshake_timeout, &options::goodbye_timeout}) {
    CHECK(passes([f](options& o) { o.*f = 1ms; }));
    CHECK(!passes([f](options& o) { o.*f = 0ms; }));
    CHECK(!passes([f](options& o) { o.*f = -1ms; }));
  }
}

TEST_CASE("the times that a broken connection is waited for may be nothing, or a year") {
  using field = std::chrono::milliseconds options::*;
  for (const field f : {&options::resume_for, &options::wait_for, &options::retry_most}) {
    CHECK(passes([f](options& o) { o.*f = 0ms; }));
    CHECK(passes([f](options& o) { o.*f = 1ms; }));
    CHECK(passes([f](options& o) { o.*f = 24h * 365; }));
    CHECK(!passes([f](options& o) { o.*f = -1ms; }));
    CHECK(!passes([f](options& o) { o.*f = std::chrono::milliseconds::min(); }));
  }
}

TEST_CASE("a listener has room for one peer, one silent caller and one greeting") {
  using field = std::size_t options::*;
  for (const field f : {&options::max_peers, &options::max_handshakes, &options::max_silent,
                        &options::max_per_address}) {
    CHECK(passes([f](options& o) { o.*f = 1; }));
    CHECK(!passes([f](options& o) { o.*f = 0; }));
  }
}

TEST_CASE("a complaint names the field") {
  const auto names = [](const char* field, const change& c) {
    return complaint(c).find(field) != std::string::npos;
  };
  CHECK(names("name", [](options& o) { o.name = "\xff"; }));
  CHECK(names("max_message", [](options& o) { o.max_message = 0; }));
  CHECK(names("window", [](options& o) { o.window = 0; }));
  CHECK(names("outbox", [](options& o) { o.outbox = 0; }));
  CHECK(names("heartbeat", [](options& o) { o.heartbeat = 0ms; }));
}

}  // namespace options_test
