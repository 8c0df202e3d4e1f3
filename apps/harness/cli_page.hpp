// SPDX-License-Identifier: Apache-2.0
// The command line as Markdown for docs/cli.md, from what it parses by.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace harness::apps {

/// A section a command with summary, examples and a table of what may stand behind it. [main thread]
std::string command_tables(const CLI::App& root);

}  // namespace harness::apps
