// SPDX-License-Identifier: Apache-2.0
// docs/wire.md and the dissector say what the field tables say.
#include <harness/apps/common/dissector.hpp>

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/transports/all.hpp>

namespace harness::apps {
namespace {

Catalogue everything() {
  Catalogue catalogue;
  layers::add_all(catalogue);
  transports::add_all(catalogue);
  return catalogue;
}

TEST(WirePage, HasTheTablesOfTheCode) {
  std::ifstream file(std::string(HARNESS_SOURCE_DIR) + "/docs/wire.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string mark = "<!-- from `harness docs wire` -->\n\n";
  const std::size_t at = page.str().find(mark);
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(page.str().substr(at + mark.size()), wire_tables(everything()))
      << "write it again: harness docs wire, behind the mark";
}

TEST(WirePage, TheDissectorKnowsEveryLayerWithAHeader) {
  const Catalogue catalogue = everything();
  const std::string lua = dissector(catalogue);
  for (const LayerType& layer : catalogue.layers())
    if (!layer.descriptor->headers.empty()) {
      EXPECT_THAT(lua, testing::HasSubstr("headers[\"" + std::string(layer.descriptor->name) + "\"]"));
    }
}

TEST(WirePage, ABoundaryIsNamedAfterTheHeadersItsBytesBeginWith) {
  const Catalogue catalogue = everything();
  const StackSpec stack = *stack_from("order / frag @ tcp", catalogue);
  EXPECT_EQ(headers_at(stack, 0), "payload");
  EXPECT_EQ(headers_at(stack, 1), "order,payload");
  EXPECT_EQ(headers_at(stack, 2), "frag,order,payload");
}

}  // namespace
}  // namespace harness::apps
