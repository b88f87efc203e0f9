package quic

import (
	"math"
	"testing"
	"time"
)

func TestABucketHoldsABurstAndFillsAtItsRate(t *testing.T) {
	now, r := time.Now(), perSecond(4, 10)
	var b bucket
	takes := func(want int) {
		t.Helper()
		n := 0
		for b.take(now, r) {
			n++
		}
		if n != want {
			t.Errorf("%d tokens, want %d", n, want)
		}
	}
	takes(10)
	takes(0)
	now = now.Add(250*time.Millisecond - 1)
	takes(0)
	now = now.Add(1)
	takes(1)
	now = now.Add(2 * time.Second)
	takes(8)
	now = now.Add(time.Hour)
	takes(10)
	if b.isFull(now.Add(2500*time.Millisecond - 1)) {
		t.Error("the bucket is full too soon")
	}
	if !b.isFull(now.Add(2500 * time.Millisecond)) {
		t.Error("the bucket is not full in time")
	}
}

func TestRatesOfAnySizeKeepToTheirBounds(t *testing.T) {
	sizes := []int{1, 2, 3, 1000, 1e9, math.MaxInt32, math.MaxInt}
	for _, tokens := range sizes {
		for _, held := range sizes {
			r := perSecond(tokens, held)
			if r.token < 0 || r.whole < r.token || r.whole > longest {
				t.Errorf("%d a second, %d at once: %+v", tokens, held, r)
			}
			now := time.Now()
			var b bucket
			for range 3 {
				if took := b.take(now, r); !took && held > 2 {
					t.Errorf("%d a second, %d at once: no token", tokens, held)
				}
			}
		}
	}
}

// A bucket does what one does that counts, exactly, the nanoseconds it has saved up.
func FuzzBucket(f *testing.F) {
	f.Add(uint(4), uint(10), []byte{0, 0, 0, 255, 0, 7, 0})
	f.Add(uint(1), uint(1), []byte{1, 200, 1, 1})
	f.Add(uint(1e9), uint(math.MaxInt), []byte{1, 2, 3})
	f.Add(uint(math.MaxInt), uint(1), []byte{0})
	f.Fuzz(func(t *testing.T, tokens, held uint, waits []byte) {
		r := perSecond(max(1, int(tokens&math.MaxInt)), max(1, int(held&math.MaxInt)))
		if r.token < 0 || r.whole < r.token || r.whole > longest {
			t.Fatalf("%d a second, %d at once: %+v", tokens, held, r)
		}
		now := time.Now()
		var b bucket
		saved := r.whole
		for _, w := range waits {
			d := r.token * time.Duration(w) / 64 // up to four tokens
			now = now.Add(d)
			saved = min(saved+d, r.whole)
			want := saved >= r.token
			if b.empty(now, r) == want {
				t.Fatalf("%+v: empty is %v with %v saved up", r, !want, saved)
			}
			if full := b.isFull(now); full != (saved == r.whole) {
				t.Fatalf("%+v: full is %v with %v saved up", r, full, saved)
			}
			if got := b.take(now, r); got != want {
				t.Fatalf("%+v: took is %v with %v saved up", r, got, saved)
			}
			if want {
				saved -= r.token
			}
		}
	})
}
