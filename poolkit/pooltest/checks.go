package pooltest

// checks is everything that is checked. The names are those of the subtests.
func checks[C comparable]() []check[C] {
	return []check[C]{
		{name: "EveryMemberWorks", check: everyMemberWorks[C]},
		{name: "AMemberHasOneBorrowerAtATime", check: oneBorrower[C]},
		{name: "EveryMemberIsFoundByItsID", check: foundByID[C]},
		{name: "BothEndsCallAMemberTheSame", check: sameID[C]},
		{name: "AReleasedMemberServesTheNextUnlessItIsOfSingleUse", check: releasedServesNext[C]},
		{name: "ADiscardedMemberIsEnded", check: discardedIsEnded[C]},
		{name: "ALeaseEndsOnce", check: leaseEndsOnce[C]},
		{name: "AHijackedMemberBelongsToItsBorrower", check: hijacked[C]},
		{name: "AMemberThatItsBorrowerClosesGivesBackItsPlace", check: closedByBorrower[C]},
	}
}
