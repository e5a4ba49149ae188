// Hashes against TensorFlow 2.21: strings.to_hash_bucket_fast and to_hash_bucket_strong with key [133, 137], 2^62 buckets.
#include "base/fingerprint.h"

#include <doctest/doctest.h>

#include <string>

using namespace dl;

namespace {

struct Golden {
  const char* text;
  uint64_t farm, sip;
};
const Golden kGoldens[] = {
    {"", 1936946117179621455u, 316627932347062996u},
    {"a", 3694432073954588131u, 2466253977694453450u},
    {"ab", 3066228220894225694u, 3814769135020288330u},
    {"abc", 2640714258260161385u, 2288159068006480041u},
    {"abcd", 1897425971756105985u, 3196519216900852167u},
    {"abcde", 157421906844058836u, 791833368928536135u},
    {"abcdefg", 4341691227789030229u, 1733789709272385407u},
    {"abcdefgh", 4533385575889643785u, 210173030064361732u},
    {"abcdefghi", 3687479239766293058u, 2044058476612491333u},
    {"abcdefghijkl", 1064889412306809819u, 2153687337649722367u},
    {"abcdefghijklmno", 2917765375149681693u, 3522939432438454052u},
    {"abcdefghijklmnop", 1469030743107030717u, 2540178693098969412u},
    {"abcdefghijklmnopq", 2171023947900359592u, 2624051166598865710u},
    {"abcdefghijklmnopqrstuvwx", 2103004859739410167u, 1660288443649822966u},
    {"abcdefghijklmnopqrstuvwxyz01234", 496390783753762012u, 1991959764304121256u},
    {"abcdefghijklmnopqrstuvwxyz012345", 934449955909727258u, 1440154576784840432u},
    {"abcdefghijklmnopqrstuvwxyz0123456", 3791661765545721355u, 795248294650956663u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCD", 4427619004248345330u, 4534181530021228435u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL", 4144176350775567065u, 691274201674221781u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZa", 551144409197197583u, 2408228268211864133u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZab", 2308660753203318608u, 3575097799227226401u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabc", 3851432155923291393u, 3744361795031128821u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr", 571731932374703494u, 2308783171422575638u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567", 4441049716375893204u,
     3167458961402907318u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678", 1272700242548162115u,
     2896727138939633827u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabc",
     3990577711294158989u, 3038564808478738286u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd",
     2210836670444050249u, 3561280472963923590u},
    {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
     2994878638910704291u, 3702014996401533323u},
};

}  // namespace

TEST_CASE("texts of every length have TensorFlow's fingerprints") {
  constexpr uint64_t kBuckets = uint64_t{1} << 62;
  for (const Golden& g : kGoldens) {
    CAPTURE(g.text);
    CHECK(farm_fingerprint(g.text) % kBuckets == g.farm);
    CHECK(sip_hash(g.text, 133, 137) % kBuckets == g.sip);
  }
}

TEST_CASE("integers and texts are crossed as in tf.sparse.cross_hashed") {
  // HashedCrossing(1000003) of [0, 1, 2, -1] and [99999999999, 42, 7, -2^53].
  const int64_t pairs[][2] = {{0, 99999999999}, {1, 42}, {2, 7}, {-1, -9007199254740992}};
  const uint64_t bins[] = {546852, 712241, 671922, 524732};
  for (size_t i = 0; i < 4; ++i) {
    uint64_t hash = kCrossingStart;
    for (const int64_t value : pairs[i]) hash = join_fingerprints(hash, static_cast<uint64_t>(value));
    CHECK(hash % 1000003 == bins[i]);
  }
  const std::string longest(
      "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh"
      "ijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
      "qrstuvwxyz0123456789ABCDEFGHIJKLMNOP");
  CHECK(join_fingerprints(join_fingerprints(kCrossingStart, farm_fingerprint("")), farm_fingerprint(longest)) % 1000003 == 554492);
}
