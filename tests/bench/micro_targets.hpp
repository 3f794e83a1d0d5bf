#pragma once

namespace assent::bench {

/// Measures what the log must reach, prints each target with what was measured and whether it holds, as a table or as
/// JSON. True when all hold.
bool run_targets(bool as_json);

}  // namespace assent::bench
