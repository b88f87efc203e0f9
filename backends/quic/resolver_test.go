package quic

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
)

// A resolver of the compatibility API cannot be told to give up.
func TestCloseDoesNotWaitForAResolverThatHangs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		var asked atomic.Int64
		p := w.clientWith("0", "", func() (string, error) {
			asked.Add(1)
			<-release
			return "", nil
		})
		_, _, err := p.IncomingGet(time.Minute)
		compattest.IsTimeout(t, err)
		if n := asked.Load(); n > settingUp {
			t.Errorf("asked %d times at once", n)
		}
		go func() {
			time.Sleep(time.Hour)
			close(release)
		}()
		begun := time.Now()
		p.Close()
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close took %v", took)
		}
		<-release
	})
}
