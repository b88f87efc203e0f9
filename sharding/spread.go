package sharding

// Spread makes [Set.Reserve] balance over the first n shards, and use further ones
// only where none of these has room. At first n is 1: the lowest shard with room
// comes first, and members fold together. Less than 1 is taken for 1, and more than
// there are shards for all. It may be called at any time; what is open stays where
// it is.
func (s *Set) Spread(n int) { s.spread = max(1, min(n, s.most)) }

// staying is how many open places of a shard count for the balance. Those that are
// being closed do not: when a connection dies, its members are replaced where they
// were.
func (s *shard) staying() int { return s.open - s.held[Closing] }

// emptiest returns the shard with room where the fewest places stay open, of those
// that are spread over, and the lowest-numbered of these; else first, which may be yet
// to come into being.
func (s *Set) emptiest() int {
	best := s.first
	for i := s.first + 1; i < s.spread && best < len(s.shards) && s.shards[best].staying() > 0; i++ {
		if i == len(s.shards) {
			return i // yet to come into being, and so empty
		}
		if sh := &s.shards[i]; sh.hasRoom() && sh.staying() < s.shards[best].staying() {
			best = i
		}
	}
	return best
}

// Shed says from which shards to take n members away, so that it undoes what
// Reserve does: from the highest-numbered shard first, down to those that are spread
// over, and there from the one where the most places stay open, the highest-numbered
// of these.
//
// At most may[i] are taken from shard i; may has one number for each of [Set.Len]
// shards. So has the result; it adds up to n, or to as many as may be taken.
func (s *Set) Shed(n int, may []int) []int {
	take := make([]int, len(may))
	for i := len(may) - 1; i >= s.spread && n > 0; i-- {
		take[i] = min(n, may[i])
		n -= take[i]
	}
	for ; n > 0; n-- {
		fullest, most := -1, 0
		for i := range min(s.spread, len(may)) {
			if stay := s.shards[i].staying() - take[i]; take[i] < may[i] && stay >= most {
				fullest, most = i, stay
			}
		}
		if fullest < 0 {
			break
		}
		take[fullest]++
	}
	return take
}
