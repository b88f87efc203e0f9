//go:build !unix

package measure

import "time"

var start = time.Now()

// cpu stands in for the time of processors that this process has used.
func cpu() time.Duration { return time.Since(start) }
