package poolkit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// open returns how many members are open on each of n shards.
func (w *world) open(n int) []int {
	on := make([]int, n)
	for _, c := range w.members() {
		if c.shut.Load() == 0 {
			on[c.shard]++
		}
	}
	return on
}

func TestMembersAreSharedOutEvenlyOverTheSpread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(9))
		cfg.Places, cfg.MaxShards, cfg.Spread, cfg.SingleUse = 8, 5, 3, true
		p := open(t, w, cfg)
		check := func(when string, want ...int) {
			t.Helper()
			after(time.Minute)
			if diff := cmp.Diff(want, w.open(5)); diff != "" {
				t.Errorf("%s, members are open on the shards so: %s", when, diff)
			}
		}
		check("in a full pool", 3, 3, 3, 0, 0)
		p.Resize(26, 26)
		check("with more than the spread has room for", 8, 8, 8, 2, 0)
		p.Resize(7, 7)
		check("after it shrank", 3, 2, 2, 0, 0)
		for _, c := range w.members() {
			if c.shut.Load() == 0 && c.shard == 0 {
				c.end()
			}
		}
		check("after everything on a shard had ended", 3, 2, 2, 0, 0)
		for range 5 {
			acquire(t, p)
		}
		check("with five on loan", 4, 4, 4, 0, 0)
	})
}
