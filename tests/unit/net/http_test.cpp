#include "net/http.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace dl;

TEST_CASE("what is shown of a URL has no secrets") {
  CHECK(public_url("https://user:secret@host:8080/a/b.keras?token=1#x") == "https://host:8080/a/b.keras");
  CHECK(public_url("http://host/a@b/c.h5") == "http://host/a@b/c.h5");
  CHECK(public_url("http://host") == "http://host");
  CHECK(is_url("http://h/a"));
  CHECK(is_url("https://h/a"));
  CHECK_FALSE(is_url("ftp://h/a"));
  CHECK_FALSE(is_url("models/http.keras"));
}

TEST_CASE("the name of a file is the last part of the path") {
  CHECK(file_name_of_url("https://host/a/b%20c.keras?d=/e.h5") == "b c.keras");
  CHECK(file_name_of_url("http://host/m%2") == "m%2");
  for (const char* url :
       {"http://host", "http://host/", "http://host/a/", "http://host/..", "http://host/%2e%2e", "http://host/a%2fb", "http://host/%00"})
    CHECK_THROWS_AS(file_name_of_url(url), UserError);
}
