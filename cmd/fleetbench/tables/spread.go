package tables

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// byRun is one figure of each run.
type byRun map[int]float64

// measure gives a figure of all results that fit, by run; where several of one run fit, their median. What is not a
// number is left out.
func (s Set) measure(fits func(Result) bool, figure func(v map[string]float64) float64) byRun {
	all := map[int][]float64{}
	for _, r := range s {
		if !fits(r) {
			continue
		}
		if f := figure(r.Values); !math.IsNaN(f) && !math.IsInf(f, 0) {
			all[r.Run] = append(all[r.Run], f)
		}
	}
	out := byRun{}
	for run, figures := range all {
		out[run] = median(figures)
	}
	return out
}

// per divides run by run. Runs that only one side has are left out.
func (b byRun) per(o byRun) byRun {
	out := byRun{}
	for run, f := range b {
		if by, ok := o[run]; ok && by != 0 {
			out[run] = f / by
		}
	}
	return out
}

func median(f []float64) float64 {
	sorted := slices.Sorted(slices.Values(f))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// show gives the median, and with several runs that differ the least and the greatest; a dash if there are none.
func (b byRun) show(format func(float64) string) string {
	if len(b) == 0 {
		return "–"
	}
	var all []float64
	for _, f := range b {
		all = append(all, f)
	}
	middle, least, greatest := format(median(all)), format(slices.Min(all)), format(slices.Max(all))
	if least == greatest {
		return middle
	}
	return fmt.Sprintf("%s (%s–%s)", middle, least, greatest)
}

// The formats.

// whole groups thousands.
func whole(f float64) string {
	digits := strconv.FormatInt(int64(math.Round(f)), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var parts []string
	for len(digits) > 3 {
		parts, digits = append(parts, digits[len(digits)-3:]), digits[:len(digits)-3]
	}
	parts = append(parts, digits)
	slices.Reverse(parts)
	return sign + strings.Join(parts, ",")
}

// rounded shows about three digits.
func rounded(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100:
		return whole(f)
	case a >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// percent shows a share; one that is not quite all or nothing is never rounded to it.
func percent(f float64) string {
	switch {
	case f >= 1:
		return "100 %"
	case f <= 0:
		return "0 %"
	case f > 0.9999:
		return "> 99.99 %"
	case f < 0.0001:
		return "< 0.01 %"
	}
	return strconv.FormatFloat(100*f, 'f', 2, 64) + " %"
}

func times(f float64) string  { return strconv.FormatFloat(f, 'f', 2, 64) }
func micros(f float64) string { return strconv.FormatFloat(1e6*f, 'f', 2, 64) }
func millis(f float64) string { return rounded(1e3 * f) }
func megas(f float64) string  { return rounded(f / (1 << 20)) }
func kilos(f float64) string  { return rounded(f / (1 << 10)) }
