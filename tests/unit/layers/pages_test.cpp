// SPDX-License-Identifier: Apache-2.0
// docs/layers/*.md against the descriptors: options, contract and headers of a page are what the code says.
//
// Between `<!-- options -->` (contract, header) and `<!-- end -->` a page holds text made here. After a
// change of a descriptor, HARNESS_WRITE_PAGES=1 ctest -R Pages writes the pages anew; without it the test
// compares.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/option.hpp>
#include <harness/stack/property.hpp>

namespace harness {
namespace {

std::string bounds_text(const OptionSpec& option) {
  if (option.kind == OptionKind::flag) return "yes, no";
  if (option.kind != OptionKind::word)
    return print_value(option, option.low) + " … " + print_value(option, option.high);
  std::string all;
  for (const std::string_view word : option.words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

std::string options_text(const Descriptor& layer) {
  if (layer.options.empty()) return "None.\n";
  std::string text = "| option | default | bounds | meaning |\n|---|---|---|---|\n";
  for (const OptionSpec& option : layer.options)
    text += "| " + std::string(option.name) + " | " + print_value(option, option.standard) + " | " +
            bounds_text(option) + " | " + std::string(option.doc) + " |\n";
  return text;
}

std::string contract_text(const Descriptor& layer) {
  const Contract& contract = layer.contract;
  std::string text = "| | |\n|---|---|\n";
  const auto row = [&](const std::string& name, const std::string& value) {
    text += "| " + name + " | " + value + " |\n";
  };
  row("requires below", property::to_string(contract.requires_below));
  if (!contract.forbids_below.empty()) row("forbids below", property::to_string(contract.forbids_below));
  row("adds", property::to_string(contract.adds));
  if (!contract.clears.empty()) row("clears", property::to_string(contract.clears));
  if (contract.unlimited_message)
    row("largest message", "any, up to " + std::to_string(message_bytes_max) + " bytes");
  if (contract.frame_bytes_min != 0)
    row("smallest frame below", std::to_string(contract.frame_bytes_min) + " bytes");
  std::string habits;
  const auto habit = [&](bool has, const char* words) {
    if (has) habits += (habits.empty() ? "" : ", ") + std::string(words);
  };
  habit(contract.emits_control, "sends frames of its own");
  habit(contract.state_on_rx, "keeps state because of what it receives");
  habit(contract.expands_input, "output may be larger than input");
  habit(layer.pump, "is a pump");
  if (!habits.empty()) row("habits", habits);
  row("segment, swap", std::string(layer.segment == Segment::session ? "session" : "epoch") + ", " +
                           (layer.swap == SwapClass::none        ? "none"
                            : layer.swap == SwapClass::transform ? "transform"
                                                                 : "full"));
  return text;
}

std::string header_text(const Descriptor& layer) {
  if (layer.headers.empty()) return "None.\n";
  std::string text;
  for (const HeaderInfo& header : layer.headers) {
    unsigned bits = 0;
    for (const FieldInfo& field : header.fields) bits += field.bits;
    text += (text.empty() ? "`" : "\n`") + std::string(header.name) + "`, " + std::to_string((bits + 7) / 8) +
            " bytes" + (header.tag >= 0 ? ", when the first field is " + std::to_string(header.tag) : "") +
            "\n\n";
    text += "| field | bits | meaning |\n|---|---|---|\n";
    for (const FieldInfo& field : header.fields)
      text += "| " + std::string(field.name) + " | " + std::to_string(field.bits) + " | " +
              std::string(field.doc) + " |\n";
  }
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

// A family's layers share a page: check_fifo is in check.md.
std::string page_of(std::string_view layer) {
  for (const std::string_view family : {"check", "fault"})
    if (layer.starts_with(std::string(family) + "_")) return std::string(family);
  return std::string(layer);
}

using Render = std::string (*)(const Descriptor&);

// The page with each marked part made anew; a page without its marks comes back with a complaint.
std::string rendered(std::string page, const std::vector<const Descriptor*>& layers) {
  const std::pair<const char*, Render> parts[] = {
      {"options", &options_text}, {"contract", &contract_text}, {"header", &header_text}};
  const bool no_headers =
      std::all_of(layers.begin(), layers.end(), [](auto* layer) { return layer->headers.empty(); });
  for (const auto& [name, render] : parts) {
    if (render == &header_text && no_headers && page.find("## Header\nNone.\n") != std::string::npos)
      continue;
    const std::string mark = "<!-- " + std::string(name) + " -->\n";
    const std::size_t begin = page.find(mark);
    const std::size_t end = page.find("<!-- end -->", begin);
    if (begin == std::string::npos || end == std::string::npos)
      return "the page has no " + mark + " … <!-- end -->";
    std::string text;
    for (const Descriptor* layer : layers) {
      if (layers.size() > 1) text += (text.empty() ? "### " : "\n### ") + std::string(layer->name) + "\n";
      text += render(*layer);
    }
    page.replace(begin + mark.size(), end - begin - mark.size(), text);
  }
  return page;
}

TEST(Pages, SayOfEveryLayerWhatItsDescriptorSays) {
  Catalogue catalogue;
  layers::add_all(catalogue);
  std::map<std::string, std::vector<const Descriptor*>> pages;
  for (const LayerType& type : catalogue.layers())
    pages[page_of(type.descriptor->name)].push_back(type.descriptor);
  for (const auto& [name, layers] : pages) {
    const std::string path = std::string(HARNESS_SOURCE_DIR) + "/docs/layers/" + name + ".md";
    const std::string page = read(path);
    const std::string wanted = rendered(page, layers);
    const bool marked = wanted.starts_with("# ");
    if (std::getenv("HARNESS_WRITE_PAGES") != nullptr && marked && wanted != page)
      std::ofstream(path) << wanted;
    EXPECT_EQ(read(path), wanted) << "docs/layers/" << name << ".md: HARNESS_WRITE_PAGES=1 writes it";
  }
}

TEST(Pages, EveryDescriptorIsComplete) {
  Catalogue catalogue;
  layers::add_all(catalogue);
  std::map<unsigned, std::string> places;
  for (const LayerType& type : catalogue.layers()) {
    const Descriptor& layer = *type.descriptor;
    SCOPED_TRACE(layer.name);
    EXPECT_FALSE(layer.summary.empty());
    EXPECT_NE(type.describe, nullptr);
    EXPECT_GT(layer.contract.cost.nominal_ns, 0u);
    std::size_t largest = 0;
    for (const HeaderInfo& header : layer.headers) {
      unsigned bits = 0;
      for (const FieldInfo& field : header.fields) {
        bits += field.bits;
        EXPECT_FALSE(field.doc.empty());
      }
      EXPECT_EQ(bits % 8, 0u);
      largest = std::max<std::size_t>(largest, bits / 8);
    }
    EXPECT_GE(layer.header_bytes_max,
              largest);  // a frame may carry several headers, as with an acknowledgement
    EXPECT_LE(layer.contract.cost.header_bytes, largest);
    for (const OptionSpec& option : layer.options) {
      EXPECT_FALSE(option.doc.empty());
      EXPECT_LE(option.low, option.standard);
      EXPECT_LE(option.standard, option.high);
      const bool word = option.kind == OptionKind::word;
      EXPECT_EQ(word ? option.words.size() : 0, word ? static_cast<std::size_t>(option.high) + 1 : 0);
    }
    const bool family = page_of(layer.name) != layer.name;
    EXPECT_TRUE(family || places.emplace(layer.place, layer.name).second) << "two layers at one place";
  }
}

}  // namespace
}  // namespace harness
