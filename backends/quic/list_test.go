package quic

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// values reads a list from both ends, and checks that its links agree.
func (l *list[T]) values(t *testing.T) []T {
	t.Helper()
	var forth, back []*node[T]
	var vs []T
	for n := l.front(); n != nil && n != &l.root; n = n.next {
		forth = append(forth, n)
		vs = append(vs, n.value)
	}
	for n := l.root.prev; n != nil && n != &l.root; n = n.prev {
		back = append(back, n)
	}
	slices.Reverse(back)
	if !slices.Equal(forth, back) {
		t.Fatalf("%d nodes from the front, %d from the back", len(forth), len(back))
	}
	return vs
}

func TestAListDoesWhatASliceDoes(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var l list[int]
		var nodes [10]node[int] // the values are their indices
		var model []int
		for step := range 500 {
			i := random.IntN(len(nodes))
			was := slices.Index(model, i)
			if was < 0 && random.IntN(3) > 0 {
				l.push(&nodes[i], i)
				model = append(model, i)
			} else {
				if removed := nodes[i].remove(); removed != (was >= 0) {
					t.Fatalf("seed %d, step %d: removed %v, was at %d", seed, step, removed, was)
				}
				if was >= 0 {
					model = slices.Delete(model, was, was+1)
				}
				if nodes[i] != (node[int]{}) {
					t.Fatal("a node remembers the list it was in")
				}
			}
			if got := l.values(t); !slices.Equal(got, model) {
				t.Fatalf("seed %d, step %d (-slice +list):\n%s", seed, step, cmp.Diff(model, got))
			}
		}
	}
}

func TestAnEmptyListHasNoEnds(t *testing.T) {
	var l list[string]
	var n node[string]
	if l.front() != nil {
		t.Error("a list that nobody has used has a front")
	}
	if n.remove() {
		t.Error("removed a node that is in no list")
	}
	l.push(&n, "only")
	if l.front() != &n || l.root.prev != &n {
		t.Error("the only node is not at both ends")
	}
	if !n.remove() || n.remove() {
		t.Error("a node is to be removed once")
	}
	if l.front() != nil || l.root.prev != &l.root {
		t.Error("an empty list has ends")
	}
}
