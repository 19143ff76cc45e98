#include <parley/credentials.hpp>

#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string>

namespace credentials_test {

using parley::credentials;

TEST_CASE("each new key is another identity") {
  const auto one = credentials::make(), two = credentials::make();
  CHECK(one.id() != two.id());
  CHECK(one.id() == parley::detail::identity_of(one.certificate()));
}

TEST_CASE("a key that was written is the same identity when it is read") {
  const auto one = credentials::make();
  const auto pem = one.to_pem();
  CHECK(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  CHECK(credentials::from_pem(pem).id() == one.id());
}

TEST_CASE("what is no Ed25519 key is refused") {
  CHECK_THROWS_AS(credentials::from_pem(""), std::runtime_error);
  CHECK_THROWS_AS(credentials::from_pem("no key"), std::runtime_error);
  const auto pem = credentials::make().to_pem();
  CHECK_THROWS_AS(credentials::from_pem(pem.substr(0, 60)), std::runtime_error);
  const parley::detail::key_ptr other(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  REQUIRE(other);
  const parley::detail::openssl_ptr<BIO, BIO_free> to(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(to.get(), other.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(to.get(), &text);
  CHECK_THROWS_AS(credentials::from_pem({text, static_cast<std::size_t>(size)}),
                  std::runtime_error);
}

TEST_CASE("an identity is the hash of the whole SubjectPublicKeyInfo") {
  // RFC 8410, 10.1: the public key of its example, hashed as `openssl pkey -pubin -outform DER |
  // sha256sum` does it.
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
      "-----END PRIVATE KEY-----\n";
  CHECK(to_string(credentials::from_pem(pem).id()) ==
        "UHURKYC-U4BH2Z5-CM25HZH-KEZM3QK-D2LW6E5-IWCVU5H-B77DOBU-STNAPQB");
}

}  // namespace credentials_test
