#pragma once

/// The version of parley, stated here and nowhere else: CMake reads this line.
#define PARLEY_VERSION "0.1.0"
