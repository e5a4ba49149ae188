// Downloads over HTTP and HTTPS, by libcurl, which is opened when the first one is asked for: the other commands start without it.
// Who uses it: convert and export, whose source may be a URL.
// Proxies come from the environment, passwords from ~/.netrc, as with curl. What is printed of a URL has no password and no query.
#pragma once

#include <string>
#include <string_view>

namespace dl {

// http:// or https://
bool is_url(std::string_view text);
// For messages and records: without user, password, query and fragment.
std::string public_url(std::string_view url);
// The last part of its path, decoded: "model.keras".
std::string file_name_of_url(std::string_view url);

// What a server says of one state of a file; both may be empty.
struct HttpVersion {
  std::string etag, last_modified;
};

// Writes the file to `path`. Of a server that still has the version `known`, nothing: changed is false then.
// Three tries, a second and more apart, where the server is busy or the transfer breaks off. EnvError "URL: ...".
struct Download {
  bool changed = true;
  HttpVersion version = {};
};
Download download(const std::string& url, const std::string& path, const HttpVersion& known = {});

}  // namespace dl
