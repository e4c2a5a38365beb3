#include "portraitseg/core/text.h"

#include <gtest/gtest.h>

namespace portraitseg {
namespace {

TEST(HtmlText, EndsNeitherTagNorAttribute) {
  EXPECT_EQ(html_text("a<b> & \"c\" 'd' \xc3\xa4"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; \xc3\xa4");
}

TEST(Base64, EqualsThePublishedVectors) {  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xfb\xff\xbf"), "+/+/");
}

}  // namespace
}  // namespace portraitseg
