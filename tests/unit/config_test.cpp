#include "portraitseg/core/config.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

enum class Colour { kRed, kGreen };
const Names<Colour> kColours = {{"red", Colour::kRed}, {"green", Colour::kGreen}};

struct Item {
  double weight = 1;
  std::string name = "a";
  void fields(Fields& f) {
    f("weight", weight, "how much", {0, 10});
    f("name", name, "which");
  }
};

struct Inner {
  bool flag = false;
  std::vector<std::int64_t> size = {1, 2};
  Colour colour = Colour::kRed;
  void fields(Fields& f) {
    f("flag", flag, "yes or no");
    f("size", size, "two numbers", {1, 100});
    f.choice("colour", colour, kColours, "of it");
    f.check(size.size() == 2, "size", "expected 2 numbers");
  }
};

struct Outer {
  std::int64_t epochs = 3;
  double lr = 0.1;
  std::string text = "plain";
  Inner inner;
  std::vector<Item> items = {Item()};
  void fields(Fields& f) {
    f("epochs", epochs, "number", {1, 1000});
    f("lr", lr, "rate", {0, 1});
    f("text", text, "words");
    f.group("inner", inner, "nested");
    f.list("items", items, "several");
  }
};

Outer read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  Outer outer;
  Config::parse(yaml, "test.yaml", overrides).read(outer);
  return outer;
}

std::string error_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  try {
    read(yaml, overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, MissingKeysKeepTheirDefaults) {
  const Outer outer = read("epochs: 7\n");
  EXPECT_EQ(outer.epochs, 7);
  EXPECT_EQ(outer.lr, 0.1);
  EXPECT_EQ(outer.items.size(), 1u);
}

TEST(Config, ReadsEveryKindOfValue) {
  const Outer outer = read(
      "epochs: 9\nlr: 1e-3\ntext: 'two words'\ninner: {flag: true, size: [3, 4], colour: green}\n"
      "items:\n  - {weight: 2}\n  - {name: b}\n");
  EXPECT_EQ(outer.lr, 1e-3);
  EXPECT_EQ(outer.text, "two words");
  EXPECT_TRUE(outer.inner.flag);
  EXPECT_EQ(outer.inner.size, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(outer.inner.colour, Colour::kGreen);
  ASSERT_EQ(outer.items.size(), 2u);
  EXPECT_EQ(outer.items[0].weight, 2);
  EXPECT_EQ(outer.items[1].name, "b");
}

TEST(Config, OneStringIsAListOfOneButOneNumberIsNone) {
  struct Words {
    std::vector<std::string> words;
    void fields(Fields& f) { f("words", words, "several"); }
  } words;
  Config::parse("words: 'encoder.*'\n", "test.yaml").read(words);
  EXPECT_EQ(words.words, std::vector<std::string>{"encoder.*"});
  EXPECT_THAT(error_of("inner: {size: 3}\n"), HasSubstr("inner.size: expected a list, found '3'"));
  EXPECT_THROW(Config::parse("words: {a: b}\n", "test.yaml").read(words), ConfigError);
}

TEST(Config, UnknownKeyNamesPlaceAndNearestWord) {
  const std::string error = error_of("epochs: 3\ninner:\n  flagg: true\n");
  EXPECT_THAT(error, HasSubstr("test.yaml:3:3: unknown key 'flagg' in 'inner'; did you mean 'flag'?"));
  EXPECT_THAT(error, HasSubstr("known: flag, size, colour"));
}

TEST(Config, WrongTypeNamesPlaceKeyAndValue) {
  EXPECT_EQ(error_of("lr: 0.1\nepochs: many\n"), "test.yaml:2:9: epochs: expected an integer, found 'many'");
  EXPECT_EQ(error_of("epochs: 3.5\n"), "test.yaml:1:9: epochs: expected an integer, found '3.5'");
  EXPECT_EQ(error_of("lr: nan\n"), "test.yaml:1:5: lr: expected a number, found 'nan'");
  EXPECT_EQ(error_of("inner: {flag: yes}\n"),
            "test.yaml:1:15: inner.flag: expected true or false, found 'yes'");
  EXPECT_EQ(error_of("inner: {size: 3}\n"), "test.yaml:1:15: inner.size: expected a list, found '3'");
  EXPECT_EQ(error_of("inner: 3\n"), "test.yaml:1:8: inner: expected a map of keys, found '3'");
  EXPECT_EQ(error_of("items: {weight: 1}\n"), "test.yaml:1:8: items: expected a list of maps, found a map");
}

TEST(Config, RangeAndWordsAreChecked) {
  EXPECT_EQ(error_of("epochs: 0\n"), "test.yaml:1:9: epochs: must be at least 1 and at most 1000, found '0'");
  EXPECT_EQ(error_of("inner: {size: [1, 200]}\n"),
            "test.yaml:1:19: inner.size: must be at least 1 and at most 100, found '200'");
  EXPECT_THAT(error_of("inner: {colour: gren}\n"),
              HasSubstr("unknown value 'gren'; did you mean 'green'?; known: red, green"));
  EXPECT_EQ(error_of("inner: {size: [1]}\n"), "test.yaml:1:15: inner.size: expected 2 numbers");
}

TEST(Config, BrokenYamlAndDoubleKeysAreRefused) {
  EXPECT_THAT(error_of("epochs: [1, 2\n"), HasSubstr("not YAML"));
  EXPECT_EQ(error_of("epochs: 1\nepochs: 2\n"), "test.yaml:2:1: key 'epochs' is written twice");
  EXPECT_EQ(error_of("- 1\n"), "test.yaml:1:1: a configuration is a map of keys");
}

TEST(Config, NothingIsNoChoice) {
  EXPECT_THAT(error_of("inner: {colour: }\n"), HasSubstr("expected a word or text, found nothing"));
  EXPECT_THAT(error_of("", {"inner.colour="}),
              HasSubstr("--set inner.colour=: inner.colour: expected a word"));
  EXPECT_EQ(read("text: \n").text, "");
}

TEST(Config, SecondDocumentsAndEndlessAliasesAreRefused) {
  EXPECT_THAT(error_of("epochs: 1\n---\nepochs: 2\n"), HasSubstr("a second YAML document"));
  EXPECT_THAT(error_of("text: &x [*x]\n"), HasSubstr("levels deep"));
  EXPECT_EQ(read("").epochs, 3);
}

TEST(Config, OverridesReplaceValuesAndNameThemselvesInErrors) {
  const Outer outer =
      read("epochs: 3\nitems: [{weight: 1}]\n", {"epochs=5", "inner.size=[7, 8]", "items.0.weight=3"});
  EXPECT_EQ(outer.epochs, 5);
  EXPECT_EQ(outer.inner.size, (std::vector<std::int64_t>{7, 8}));
  EXPECT_THAT(error_of("", {"epochs=x"}), HasSubstr("--set epochs=x: epochs: expected an integer"));
  EXPECT_THAT(error_of("", {"epochs"}), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of("", {"inner.x=1"}), HasSubstr("unknown key 'x' in 'inner'"));
  EXPECT_THAT(error_of("items: [{weight: 1}]\n", {"items.4.weight=1"}),
              HasSubstr("'4' is no item of a list of 1"));
}

TEST(Config, ExtendsMergesMapsAndReplacesLists) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "base.yaml")
      << "epochs: 4\ninner: {flag: true, size: [5, 6]}\nitems: [{weight: 1}, {weight: 2}]\n";
  std::ofstream(folder.path() / "own.yaml")
      << "extends: [base.yaml]\ninner: {size: [7, 8]}\nitems: [{weight: 9}]\n";
  Outer outer;
  Config::load(folder.path() / "own.yaml").read(outer);
  EXPECT_EQ(outer.epochs, 4);
  EXPECT_TRUE(outer.inner.flag);
  EXPECT_EQ(outer.inner.size, (std::vector<std::int64_t>{7, 8}));
  ASSERT_EQ(outer.items.size(), 1u);
  EXPECT_EQ(outer.items[0].weight, 9);
}

TEST(Config, ErrorsInAnExtendedFileNameThatFile) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "base.yaml") << "lr: 0.2\nepochs: no\n";
  std::ofstream(folder.path() / "own.yaml") << "extends: base.yaml\n";
  Outer outer;
  try {
    Config::load(folder.path() / "own.yaml").read(outer);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder.path() / "base.yaml").string() + ":2:9: epochs"));
  }
}

TEST(Config, CyclesAndMissingFilesAreRefused) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "a.yaml") << "extends: b.yaml\n";
  std::ofstream(folder.path() / "b.yaml") << "extends: a.yaml\n";
  EXPECT_THROW(Config::load(folder.path() / "a.yaml"), ConfigError);
  EXPECT_THROW(Config::load(folder.path() / "missing.yaml"), DataError);
}

TEST(Config, WrittenTextReadsBackAsTheSame) {
  Outer outer = read(
      "lr: 0.30000000000000004\ntext: 'a: \"b\" # c'\ninner: {colour: green}\nitems: [{name: x}, {name: "
      "''}]\n");
  const std::string text = ConfigWriter::yaml(outer);
  Outer again = read(text);
  EXPECT_EQ(again.lr, outer.lr);
  EXPECT_EQ(again.text, "a: \"b\" # c");
  EXPECT_EQ(again.items[1].name, "");
  EXPECT_EQ(ConfigWriter::yaml(again), text);
  EXPECT_THAT(ConfigWriter::yaml(outer, ConfigWriter::Style::kCommented),
              HasSubstr("colour: green  # of it: red | green"));
}

TEST(ConfigTest, AliasesCannotMultiplyWithoutBound) {
  std::string yaml = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'h'; ++c) {
    const std::string alias = std::string("*") + static_cast<char>(c - 1);
    yaml += std::string(1, c) + ": &" + c + " [" + alias;
    for (int i = 1; i < 10; ++i) yaml += ", " + alias;
    yaml += "]\n";
  }
  try {
    Config::parse(yaml, "bomb");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("more than 20000 values"), std::string::npos) << error.what();
  }
}

/// Options with a field that takes any value.
struct FreeOptions {
  ConfigNode value;

  void fields(Fields& f) { f("value", value, "whatever"); }
};

TEST(Config, AnyValueIsKeptAsItWasWrittenAndItsTextReadsBackTheSame) {
  const std::string text =
      "{a: [1, -2.50, [x, \"no: 1\"]], \"b c\": null, d: \"\", e: {}, f: [], g: \"-\", h: \"null\"}";
  FreeOptions options;
  Config::parse("value: " + text + "\n", "t").read(options);
  EXPECT_EQ(
      options.value.yaml(),
      "{a: [1, \"-2.50\", [x, \"no: 1\"]], \"b c\": null, d: \"\", e: {}, f: [], g: \"-\", h: \"null\"}");
  FreeOptions again;
  Config::parse(ConfigWriter::yaml(options), "t").read(again);
  EXPECT_EQ(again.value.yaml(), options.value.yaml());
  EXPECT_EQ(again.value.find("b c")->kind, ConfigNode::Kind::kNull);
  EXPECT_EQ(again.value.find("h")->kind, ConfigNode::Kind::kScalar);
  EXPECT_EQ(options.value.place.text(), "t:1:8");
}

}  // namespace
}  // namespace portraitseg
