package poolkit

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"testing"
)

// An index does what a map does, whatever it is told: each three bytes of a program are an
// operation and an ID. Few bits of chance make many IDs collide.
func runIndex(t *testing.T, salt, factor uint64, program []byte) {
	t.Helper()
	x, want := newIndex[int](), make(map[ID]*member[int])
	x.salt, x.factor = salt, factor|1
	for ; len(program) >= 3; program = program[3:] {
		id := ID{program[1], program[2] & 3}
		switch program[0] % 4 {
		case 0:
			x.remove(id)
			delete(want, id)
		case 1:
			x.put(id, nil)
			want[id] = nil
		default:
			m := &member[int]{id: id}
			x.put(id, m)
			want[id] = m
		}
		if x.len != len(want) || 4*x.len > 3*len(x.slots) {
			t.Fatalf("%d IDs in %d slots, want %d", x.len, len(x.slots), len(want))
		}
		for id, m := range want {
			if got, taken := x.get(id); got != m || !taken {
				t.Fatalf("%v names %p (%t), want %p", id, got, taken, m)
			}
		}
		if got, taken := x.get(ID{1, 2, 3, 4}); got != nil || taken {
			t.Fatalf("an ID that was never given names %p (%t)", got, taken)
		}
	}
	maps.DeleteFunc(want, func(_ ID, m *member[int]) bool { return m == nil })
	for m := range x.all() {
		if want[m.id] != m {
			t.Fatalf("%v is among all, or twice", m.id)
		}
		delete(want, m.id)
	}
	if len(want) > 0 {
		t.Fatalf("%d members are not among all", len(want))
	}
}

func TestAnIndexDoesWhatAMapDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		program := make([]byte, 3*300)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		runIndex(t, rng.Uint64(), rng.Uint64()>>rng.IntN(64), program)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(uint64(1), uint64(1), []byte("\x02ab\x02ac\x01ad\x00ab\x02ae\x00ac"))
	f.Fuzz(func(t *testing.T, salt, factor uint64, program []byte) {
		runIndex(t, salt, factor, program[:min(len(program), 3*500)])
	})
}

// Members are found by looking at few slots, whatever pattern their IDs have.
func TestSearchesAreShortWhateverTheIDs(t *testing.T) {
	for name, number := range map[string]func(i uint32) uint32{
		"by chance": func(i uint32) uint32 { return i * 2654435761 },
		"in turn":   func(i uint32) uint32 { return i },
		"backwards": func(i uint32) uint32 { return i << 16 },
		"stepwise":  func(i uint32) uint32 { return i * 4096 },
	} {
		worst := 0.
		for range 100 {
			x := newIndex[int]()
			const n = 12_000 // of 16384 slots
			var ids []ID
			for i := range uint32(n) {
				var id ID
				binary.BigEndian.PutUint32(id[:], number(i))
				ids = append(ids, id)
				x.put(id, &member[int]{id: id})
			}
			looks := 0
			for _, id := range ids {
				looks += (x.find(id)-x.home(id))&(len(x.slots)-1) + 1
			}
			worst = max(worst, float64(looks)/float64(x.len))
		}
		if worst > 5 {
			t.Errorf("IDs %s: a search takes %.1f looks on average, in the worst of 100 indexes", name, worst)
		}
		t.Logf("IDs %s: %.1f looks", name, worst)
	}
}
