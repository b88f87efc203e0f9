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
		{name: "ACancelledAcquireCostsNoMember", check: cancelledAcquires[C]},
		{name: "AMemberWhoseReceiverGivesUpIsNotLost", check: cancelledHandOver[C]},
		{name: "ADialWhoseCallerGaveUpServesTheNext", check: givenUpDial[C]},
		{name: "AMemberThatThePeerHasEndedIsNotLent", check: endedNotLent[C]},
		{name: "AMemberThatHasEndedIsNotLentEvenBeforeTheWatchTells", check: endedUntold[C]},
		{name: "NoneIsLentWhenThePeerEndsAllThatAreIdle", check: allEnded[C]},
		{name: "AMemberThatEndsOnLoanIsNotLentAgain", check: endedOnLoan[C]},
		{name: "AMemberThatNobodyTouchesStays", check: untouched[C]},
		{name: "ASilentPeerHoldsUpNobody", check: silentPeer[C]},
		{name: "ThePoolRecoversFromAPeerThatFellSilent", check: recovers(func(b *Backend[C]) func() { return b.Stall }, "Stall")},
		{name: "ThePoolRecoversFromAPeerThatRefused", check: recovers(func(b *Backend[C]) func() { return b.Refuse }, "Refuse")},
		{name: "NoMoreDialsAreUnderWayThanAllowed", check: cappedDials[C]},
		{name: "ThePoolRecoversFromDialsThatFail", check: failingDials[C]},
		{name: "APermanentErrorIsToldToEverybodyAtOnce", check: permanentError[C]},
		{name: "AMemberThatComesTooLateIsShut", check: tooLate[C]},
		{name: "APanicInACallbackIsContained", check: panics[C]},
		{name: "EveryPlaceCanBeUsedAndNoMore", check: everyPlace[C]},
		{name: "AFlushReplacesEveryMember", check: flushed[C]},
		{name: "TheNumberOfIdleMembersFollowsItsBounds", check: resized[C]},
		{name: "WaitReadyWaitsForMembers", check: waitReady[C]},
		{name: "ShutdownWaitsForLeases", check: shutdown[C]},
		{name: "ShutdownWaitsNoLongerThanItsCaller", check: hastyShutdown[C]},
		{name: "CloseLeavesNothingBehindAtAnyMoment", check: closedAt[C], moments: moments()},
	}
}
