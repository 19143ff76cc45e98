#include "chat/files/known_peers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace known_peers_test {

namespace {

parley::identity numbered(unsigned char n) {
  parley::identity id;
  id.digest.fill(n);
  return id;
}

}  // namespace

TEST_CASE("a list of peers is read as it was written") {
  const auto text = chat::to_line(numbered(1), "192.0.2.7:7117") + chat::to_line(numbered(2), "") +
                    chat::to_line(numbered(3), "unix:/run/a b");
  const auto list = chat::parse_peers(text);
  CHECK(list.bad_line == 0);
  CHECK(list.peers == std::vector<chat::known_peer>{{"192.0.2.7:7117", numbered(1), 1},
                                                    {"", numbered(2), 2},
                                                    {"unix:/run/a b", numbered(3), 3}});
  CHECK(list.has(numbered(2)));
  CHECK_FALSE(list.has(numbered(4)));
}

TEST_CASE("blank lines, comments, blanks around and a missing last line feed are taken") {
  const auto id = to_string(numbered(9));
  const auto list =
      chat::parse_peers("# friends\n\n  \t" + id + "\t host:1 \r\n#" + id + "\n" + id);
  CHECK(list.bad_line == 0);
  CHECK(list.peers ==
        std::vector<chat::known_peer>{{"host:1", numbered(9), 3}, {"", numbered(9), 5}});
}

TEST_CASE("of two entries for an address the first holds") {
  const auto list =
      chat::parse_peers(chat::to_line(numbered(1), "a:1") + chat::to_line(numbered(2), "a:1"));
  REQUIRE(list.find("a:1") != nullptr);
  CHECK(list.find("a:1")->id == numbered(1));
  CHECK(list.find("a:2") == nullptr);
  CHECK(list.find("") == nullptr);
}

TEST_CASE("a line that is damaged is told, and nothing after it is taken") {
  auto line = chat::to_line(numbered(1), "a:1");
  line[3] = line[3] == 'Q' ? 'R' : 'Q';
  const auto list = chat::parse_peers(chat::to_line(numbered(2), "b:1") + line +
                                      chat::to_line(numbered(3), "c:1"));
  CHECK(list.bad_line == 2);
  CHECK(list.peers.size() == 1);
  CHECK(chat::parse_peers("a:1 " + to_string(numbered(1))).bad_line == 1);
  for (const auto* text : {"x", "AAAAAAA", "\x1b[2J"}) CHECK(chat::parse_peers(text).bad_line == 1);
}

}  // namespace known_peers_test
