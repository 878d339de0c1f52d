// Damage, as disks, sync tools and attackers do it.
#pragma once

#include <random>
#include <string>

namespace lectern::validate {

/// [any] `bytes` with one to four faults: bytes flipped, cut, doubled, moved, or replaced by what parsers trip over.
std::string mutated(std::string bytes, std::mt19937_64& random);

}  // namespace lectern::validate
