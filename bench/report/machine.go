package report

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Machine says where and when something is measured.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, %s",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), time.Now().Format(time.DateOnly))
}

// processor returns the name of the processor where Linux tells it.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "some processor"
	}
	_, name, ok := strings.Cut(string(info), "model name")
	if !ok {
		return "some processor"
	}
	name, _, _ = strings.Cut(name, "\n")
	return strings.Trim(name, "\t :")
}
