#include <parley/error.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cctype>
#include <set>
#include <string>
#include <system_error>

namespace error_test {

namespace {

using parley::errc;

// The enumerators count up from 1 without a gap; the last one ends the list. The test that one more
// has no text fails when somebody adds an enumerator behind it, and so asks for the list to move.
constexpr int first = static_cast<int>(errc::closed);
constexpr int last = static_cast<int>(errc::refused_malformed);

}  // namespace

TEST_CASE("every error has a text of its own") {
  std::set<std::string> texts;
  for (int value = first; value <= last; ++value) {
    INFO("errc " << value);
    const auto text = make_error_code(static_cast<errc>(value)).message();
    CHECK(!text.empty());
    CHECK(text != "unknown error");
    CHECK(texts.insert(text).second);
  }
}

TEST_CASE("an error's text is one clause, in lower case and without a full stop") {
  for (int value = first; value <= last; ++value) {
    const std::string text = parley::describe(static_cast<errc>(value));
    INFO(text);
    REQUIRE(!text.empty());
    CHECK(std::isupper(static_cast<unsigned char>(text.front())) == 0);
    CHECK(text.back() != '.');
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("a number that is no error of parley's has a text too") {
  for (const int value : {first - 1, last + 1, -1}) {
    INFO(value);
    CHECK(parley::error_category().message(value) == "unknown error");
  }
}

TEST_CASE("the category is called parley and is one object") {
  CHECK(std::string(parley::error_category().name()) == "parley");
  CHECK(&parley::error_category() == &make_error_code(errc::closed).category());
}

TEST_CASE("an errc becomes an error code by itself") {
  const std::error_code ec = errc::bad_ack;
  CHECK(ec);
  CHECK(ec == errc::bad_ack);
  CHECK(ec != errc::sequence_gap);
  CHECK(ec.value() == static_cast<int>(errc::bad_ack));
  CHECK(ec.category() == parley::error_category());
  CHECK(ec.message() == parley::describe(errc::bad_ack));
}

TEST_CASE("an errc is no error of another category with the same number") {
  const std::error_code other(static_cast<int>(errc::closed), std::generic_category());
  CHECK(other != errc::closed);
}

TEST_CASE("no errc has the value that means success") {
  CHECK(!std::error_code(0, parley::error_category()));
  CHECK(first != 0);
}

TEST_CASE("an error is final where no further connection can mend it, and passes otherwise") {
  const std::set<errc> final{
      // this side, or the peer, wants no more
      errc::aborted, errc::ended_by_peer, errc::turned_away,
      // nobody there speaks parley, or not about this session
      errc::not_parley, errc::framed_peer, errc::wrong_session, errc::not_tls, errc::tls_version,
      errc::wrong_protocol, errc::no_certificate, errc::many_certificates, errc::bad_certificate,
      errc::certificate_expired, errc::own_identity, errc::wrong_identity, errc::unknown_identity,
      errc::tls_refused,
      // refusals, but that the listener is busy
      errc::refused_version, errc::refused_not_allowed, errc::refused_unknown_session,
      errc::refused_expired, errc::refused_ended, errc::refused_stale_attempt,
      errc::refused_position, errc::refused_malformed};
  for (int value = first; value <= last; ++value) {
    const auto e = static_cast<errc>(value);
    INFO("errc " << value << ", " << parley::describe(e));
    CHECK(parley::is_final(e) == final.contains(e));
  }
}

TEST_CASE("no error of the system's is final, whatever its number, and neither is success") {
  CHECK(!parley::is_final({}));
  CHECK(!parley::is_final(std::error_code(0, parley::error_category())));
  CHECK(!parley::is_final(std::error_code(last + 1, parley::error_category())));
  for (int value = first; value <= last; ++value) {
    CHECK(!parley::is_final(std::error_code(value, std::generic_category())));
    CHECK(!parley::is_final(std::error_code(value, std::system_category())));
  }
}

}  // namespace error_test
