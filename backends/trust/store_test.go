package trust_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vistone/poolkit/backends/trust"
)

// forgetful is a store that can forget.
type forgetful interface {
	trust.Store
	forget(server string) error
}

type (
	memory struct{ trust.Memory }
	dir    struct{ trust.Dir }
)

func (m *memory) forget(server string) error { m.Forget(server); return nil }
func (d dir) forget(server string) error     { return d.Forget(server) }

// eachStore runs a test for each kind. Calls of open in one test return stores that
// share what they remember, as those of several processes do.
func eachStore(t *testing.T, test func(t *testing.T, open func() forgetful)) {
	t.Run("Memory", func(t *testing.T) {
		m := new(memory)
		test(t, func() forgetful { return m })
	})
	t.Run("Dir", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "to be", "made")
		test(t, func() forgetful { return dir{trust.Dir(path)} })
	})
}

func remembers(t *testing.T, s trust.Store, server string, presented, want trust.Pin) {
	t.Helper()
	got, err := s.Remember(server, presented)
	if got != want || err != nil {
		t.Errorf("%q is known by %v, %v; want %v", server, got, err, want)
	}
}

func TestAStoreRemembersTheFirstKeyOfEachServerUntilItIsToForget(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() forgetful) {
		servers := []string{
			"a.example:1", "a.example:2", "A.example:3", "[::1]:4433", "..", ".", "/", "../x", `c:\x`, "a/b", "a%2Fb", "x y\n", "", "名.example:1",
		}
		for i, server := range servers {
			remembers(t, open(), server, trust.Pin{byte(i + 1)}, trust.Pin{byte(i + 1)})
		}
		for i, server := range servers {
			remembers(t, open(), server, trust.Pin{99}, trust.Pin{byte(i + 1)})
		}
		for range 2 {
			if err := open().forget("a.example:1"); err != nil {
				t.Error(err)
			}
		}
		remembers(t, open(), "a.example:1", trust.Pin{77}, trust.Pin{77})
		remembers(t, open(), "a.example:2", trust.Pin{99}, trust.Pin{2})
	})
}

func TestManyFirstUsesAtOnceAgreeOnOneKey(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() forgetful) {
		for range 20 {
			var all sync.WaitGroup
			start := make(chan struct{})
			known := make([]trust.Pin, 32)
			for i := range known {
				all.Go(func() {
					s := open()
					<-start
					var err error
					if known[i], err = s.Remember("a.example:1", trust.Pin{byte(i + 1)}); err != nil {
						t.Error(err)
					}
				})
			}
			close(start)
			all.Wait()
			for _, pin := range known {
				if pin != known[0] || pin == (trust.Pin{}) {
					t.Fatalf("%v and %v", pin, known[0])
				}
			}
			remembers(t, open(), "a.example:1", trust.Pin{99}, known[0])
			if err := open().forget("a.example:1"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestADirHasAReadableFileForEachServerAndNothingElse(t *testing.T) {
	path := t.TempDir()
	d := trust.Dir(path)
	remembers(t, d, "a.example:1", trust.Pin{1}, trust.Pin{1})
	remembers(t, d, "../b", trust.Pin{2}, trust.Pin{2})
	files, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[1].Name() != "a.example%3A1.pin" {
		t.Fatalf("%v", files)
	}
	text, err := os.ReadFile(filepath.Join(path, files[1].Name()))
	if want := (trust.Pin{1}).String() + "\n"; string(text) != want || err != nil {
		t.Errorf("%q, %v; want %q", text, err, want)
	}
}

// What a crash leaves behind is a file with another name, which does not count.
func TestADirIsOfUseAfterACrash(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "123.new"), []byte("sha2"), 0o600); err != nil {
		t.Fatal(err)
	}
	remembers(t, trust.Dir(path), "a.example:1", trust.Pin{1}, trust.Pin{1})
}

func TestADirWithADamagedFileSaysSoAndTrustsNobodyThere(t *testing.T) {
	for _, text := range []string{"", "sha256/", "nonsense\n", trust.Pin{1}.String()[:40]} {
		path := t.TempDir()
		file := filepath.Join(path, "a.example%3A1.pin")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := trust.Dir(path).Remember("a.example:1", trust.Pin{1})
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestADirThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []trust.Dir{trust.Dir(file), trust.Dir(filepath.Join(file, "below")), ""} {
		if pin, err := d.Remember("a.example:1", trust.Pin{1}); err == nil {
			t.Errorf("%q: %v", d, pin)
		}
	}
}
