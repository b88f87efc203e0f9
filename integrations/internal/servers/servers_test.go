//go:build unix

package servers

import (
	"testing"
	"time"
)

func TestAServerAnswersAgainAfterItWasKilled(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Server{"redis": Redis, "nginx": Nginx, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			begun := time.Now()
			s.Kill()
			if err := s.ready(t.Context()); err == nil {
				t.Error("it answers although it was killed")
			}
			s.Start()
			t.Logf("killed and started in %v", time.Since(begun))
			if err := s.ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
