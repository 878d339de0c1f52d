#include "allocation.hpp"

namespace lectern::validate {

__thread long allocations_left = -1;
__thread bool allocations_stay_out = false;
__thread bool allocation_failed = false;
bool allocator_is_ours = false;

}  // namespace lectern::validate
