package poolkit

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID names a member of a pool. It is a name, not a secret: whoever may use the
// pool may ask for any member. 00000000 is an ID like any other, so absence is
// never said by a zero ID.
type ID [4]byte

// ParseID reads an ID from the form in which [ID.String] writes it: exactly eight
// hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("poolkit: an ID has 8 hexadecimal digits, %q has %d characters", s, len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("poolkit: an ID has 8 hexadecimal digits, %q has others", s)
	}
	return id, nil
}

// RandomID returns an ID drawn from crypto/rand. Backends whose peer does not
// name the members use it; the pool sees to it that no two open members share one.
func RandomID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // never fails: see crypto/rand
	return id
}

// String returns the ID as eight lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }
