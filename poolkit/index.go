package poolkit

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"math/rand/v2"
)

// index finds members by their IDs. It is a table with open addressing and linear probing,
// in which as a rule one cache line has to be fetched to find a member. With a map of Go's
// it took a quarter longer to lend one of 8,192.
//
// Peers choose IDs, so where they go depends on two numbers drawn by chance: nobody can
// choose IDs that all go to the same place.
type index[C any] struct {
	slots []slot[C] // a power of two of them, a quarter free at least
	len   int       // taken slots
	shift uint8     // of 64 bits, all but those that number the slots

	salt, factor uint64 // factor is odd
}

type slot[C any] struct {
	m     *member[C] // nil where the ID is promised to a peer
	id    ID
	taken bool
}

// fewestSlots are those of an index that has any.
const fewestSlots = 16

func newIndex[C any]() index[C] {
	return index[C]{salt: rand.Uint64(), factor: rand.Uint64() | 1}
}

// home is where an ID goes, if nothing is there. With one product instead of two, IDs that
// come in turn would now and then make a crowd.
func (x *index[C]) home(id ID) int {
	const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ divided by the golden ratio
	n := (uint64(binary.LittleEndian.Uint32(id[:])) ^ x.salt) * x.factor
	return int((n ^ n>>32) * golden >> x.shift)
}

// find returns the slot of an ID, or the free one that ends the search. There are slots.
func (x *index[C]) find(id ID) int {
	mask := len(x.slots) - 1
	i := x.home(id)
	for s := &x.slots[i&mask]; s.taken && s.id != id; s = &x.slots[i&mask] {
		i++
	}
	return i & mask
}

// get returns the member with an ID, or nil, and whether the ID is taken.
func (x *index[C]) get(id ID) (m *member[C], taken bool) {
	if x.len == 0 {
		return nil, false
	}
	s := &x.slots[x.find(id)]
	return s.m, s.taken
}

// put gives an ID to a member, or promises it where that is nil.
func (x *index[C]) put(id ID, m *member[C]) {
	if 4*(x.len+1) > 3*len(x.slots) {
		x.grow()
	}
	s := &x.slots[x.find(id)]
	if !s.taken {
		x.len++
	}
	*s = slot[C]{m: m, id: id, taken: true}
}

// grow doubles the slots. From 12,288 members on that takes 0.3 ms, once in the life of a
// pool; with fewer it is less.
func (x *index[C]) grow() {
	old := x.slots
	n := max(fewestSlots, 2*len(old))
	x.slots = make([]slot[C], n)
	x.shift = uint8(64 - bits.TrailingZeros(uint(n)))
	for _, s := range old {
		if s.taken {
			x.slots[x.find(s.id)] = s
		}
	}
}

// remove makes an ID free. What comes after it moves up, as far as that is nearer to its
// home, so that no search ends at the gap too early.
func (x *index[C]) remove(id ID) {
	if x.len == 0 {
		return
	}
	gap, mask := x.find(id), len(x.slots)-1
	if !x.slots[gap].taken {
		return
	}
	for i := (gap + 1) & mask; x.slots[i].taken; i = (i + 1) & mask {
		if home := x.home(x.slots[i].id); (i-home)&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = slot[C]{}
	x.len--
}

// all yields every member, in no order. The index must not change meanwhile.
func (x *index[C]) all() iter.Seq[*member[C]] {
	return func(yield func(*member[C]) bool) {
		for i := range x.slots {
			if m := x.slots[i].m; m != nil && !yield(m) {
				return
			}
		}
	}
}
