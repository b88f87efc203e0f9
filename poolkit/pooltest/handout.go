package pooltest

func oneBorrower[C comparable](r *rig[C]) { r.ready(); r.settled() }
