package tcp

import "sync"

// shared is the lookout of the process, while a pool needs it: were there one for each
// pool, a thousand small pools would have a thousand goroutines.
var shared struct {
	mu      sync.Mutex
	pools   int      // guarded by mu, as is the next
	lookout *lookout // nil while there are no pools
}

// hire returns the lookout of the process. The caller calls dismiss when it needs it no
// more.
func hire() *lookout {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.pools == 0 {
		shared.lookout = newLookout()
	}
	shared.pools++
	return shared.lookout
}

// dismiss gives back the lookout. The last to do so waits until its goroutine has
// ended.
func dismiss() {
	shared.mu.Lock()
	shared.pools--
	last := shared.lookout
	if shared.pools > 0 {
		last = nil
	} else {
		shared.lookout = nil
	}
	shared.mu.Unlock()
	if last != nil {
		last.close()
	}
}
