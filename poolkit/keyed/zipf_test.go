package keyed_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// zipf chooses keys: the probability of the n-th is 1/nˢ of that of the first.
type zipf struct{ upTo []float64 }

func newZipf(n int, s float64) zipf {
	z, sum := zipf{make([]float64, n)}, 0.0
	for i := range z.upTo {
		sum += math.Pow(float64(i+1), -s)
		z.upTo[i] = sum
	}
	return z
}

func (z zipf) next(rng *rand.Rand) int {
	u := rng.Float64() * z.upTo[len(z.upTo)-1]
	low, high := 0, len(z.upTo)-1
	for low < high {
		if mid := (low + high) / 2; z.upTo[mid] < u {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// crowd is callers who use the keys of a Pool for some time, each one after another.
type crowd struct {
	callers   int
	uses      int           // of each
	lasts     time.Duration // each use
	rest      time.Duration // between two
	s         float64       // of the Zipf distribution
	hot, warm int           // uses of the hottest hundred keys, and those that did not wait
	all, hits int
}

func (c *crowd) run(t *testing.T, p *pool, keys []string, seed uint64) {
	var mu sync.Mutex
	var done sync.WaitGroup
	z := newZipf(len(keys), c.s)
	c.hot, c.warm, c.all, c.hits = 0, 0, 0, 0
	for i := range c.callers {
		done.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range c.uses {
				n := z.next(rng)
				begun := time.Now()
				l, err := p.Acquire(context.Background(), keys[n])
				if err != nil {
					t.Error(err)
					return
				}
				hit := time.Since(begun) == 0
				time.Sleep(c.lasts/2 + rand.N(c.lasts))
				l.Release()
				mu.Lock()
				c.all++
				if n < 100 {
					c.hot++
				}
				if hit {
					c.hits++
					if n < 100 {
						c.warm++
					}
				}
				mu.Unlock()
				time.Sleep(c.rest/2 + rand.N(c.rest))
			}
		})
	}
	done.Wait()
}

// With keep, a fifth of the budget stands ready for the second of two callers at once, and
// is missing elsewhere.
func TestAThousandKeysShareTwoHundredMembers(t *testing.T) {
	uses := 10_000
	if testing.Short() || underRace {
		uses = 1500
	}
	for _, c := range []struct {
		callers int
		s       float64
		keep    int // members ready for each key
		want    float64
	}{
		{1, 1, 0, 0.985},
		{5, 1, 0, 0.97}, // who comes when another has the only one counts as a miss
		{5, 1, 1, 0.96},
		{5, 1.2, 0, 0.99},
	} {
		t.Run(fmt.Sprintf("callers=%d s=%v keep=%d", c.callers, c.s, c.keep), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				w.dialTakes, w.shutTakes = 50*time.Millisecond, 5*time.Millisecond
				cfg := w.config(200, c.keep)
				cfg.MaxIdle = time.Hour
				p := open(t, w, cfg)
				keys := hosts(1000)
				crowd := &crowd{callers: c.callers, lasts: 2 * time.Millisecond, rest: 20 * time.Millisecond, s: c.s}
				crowd.uses = 2 * uses / c.callers
				crowd.run(t, p, keys, 1) // to warm up
				crowd.uses = uses / c.callers
				crowd.run(t, p, keys, 2)
				warm := float64(crowd.warm) / float64(crowd.hot)
				t.Logf("%.2f %% of %d uses of the hottest hundred keys found a member idle, %.2f %% of all uses; %d open at most, %d dials, %+v",
					100*warm, crowd.hot, 100*float64(crowd.hits)/float64(crowd.all), w.most, w.dialled(), p.Stats())
				if warm < c.want && uses > 5000 {
					t.Errorf("the hottest hundred keys found a member idle in %.4f of %d uses, want %.3f", warm, crowd.hot, c.want)
				}
				if w.most != 200 {
					t.Errorf("%d open at most, want all of 200 used, and no more", w.most)
				}
				synctest.Wait()
				before := w.dialled()
				after(30 * time.Minute)
				if n := w.dialled() - before; n > 200 {
					t.Errorf("%d dials in half an hour without callers", n)
				}
				before = w.dialled()
				after(20 * time.Minute)
				if n := w.dialled() - before; n != 0 {
					t.Errorf("%d dials in the next twenty minutes, want none", n)
				}
				after(time.Hour)
				if s := p.Stats(); s.Keys != 0 || s.Open != 0 {
					t.Errorf("%+v, want nothing left when the keys were not used for so long", s)
				}
			})
		})
	}
}

func TestAThousandKeysThatAllWantAMemberReadyDialNoMoreThanOnceEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes = 50 * time.Millisecond
		cfg := w.config(200, 1)
		cfg.MaxIdle = time.Hour
		p := open(t, w, cfg)
		keys := hosts(1000)
		for _, key := range keys {
			visit(t, p, key)
		}
		after(time.Second)
		if n := w.dialled(); n > 1000+200 {
			t.Errorf("%d dials for the first use of a thousand keys, want one for each and one for each place", n)
		}
		before := w.dialled()
		after(50 * time.Minute)
		if n := w.dialled() - before; n != 0 {
			t.Errorf("%d dials in the fifty minutes after, want none", n)
		}
		if s := p.Stats(); s.Open != 200 {
			t.Errorf("%+v, want all of the budget used", s)
		}
	})
}

func TestKeysSeenOnceLeaveNothingBehind(t *testing.T) {
	n := 20_000
	if testing.Short() || underRace {
		n = 2_000
	}
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(100, 0))
		most := 0
		for i := range n {
			acquire(t, p, fmt.Sprint(i)).Release()
			most = max(most, p.Stats().Keys)
			w.mu.Lock()
			w.made, w.open, w.pools = nil, map[string]int{fmt.Sprint(i): 1}, map[string]int{}
			w.mu.Unlock()
		}
		if most > 125 {
			t.Errorf("%d pools at once, with a budget of 100", most)
		}
		after(2 * time.Minute)
		if s := p.Stats(); s.Keys != 0 || s.Open != 0 {
			t.Errorf("%+v, want nothing left", s)
		}
	})
}
