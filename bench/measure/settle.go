package measure

import "time"

// patience is how long a sample waits for neighbours on the machine.
const patience = 50 * time.Millisecond

// settle waits until this process gets so many cores, if that is soon.
func settle(cores int) {
	for begun := time.Now(); had(cores) < 0.9*float64(cores) && time.Since(begun) < patience; {
	}
}

// had returns how many of so many cores a short spell of work gets.
func had(cores int) float64 {
	begun, used := time.Now(), cpu()
	Crowd(cores, time.Millisecond, func(_ int, over *Bell) (n int) {
		for !over.Rung() {
			n++
		}
		return n
	})
	return float64(cpu()-used) / float64(time.Since(begun))
}
