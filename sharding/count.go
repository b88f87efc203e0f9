package sharding

// Count returns how many shards of the given number of places hold capacity
// members: the quotient rounded up, at least one and at most most.
//
// With 128 places and at most 64 shards it is the documented
// min(max((capacity+127)/128, 1), 64).
func Count(capacity, places, most int) int {
	if capacity <= 0 || places <= 0 {
		return 1
	}
	return min(max((capacity-1)/places+1, 1), most)
}
