package config

import (
	"fmt"
	"strconv"
	"strings"
)

// cronField is one field of a cron expression.
type cronField struct {
	name        string
	least, most int
	// words are what may stand for numbers, from least on.
	words []string
}

var cronFields = [...]cronField{
	{name: "minute", least: 0, most: 59},
	{name: "hour", least: 0, most: 23},
	{name: "day", least: 1, most: 31},
	{name: "month", least: 1, most: 12, words: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "weekday", least: 0, most: 6, words: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// checkSteps refuses a step that leads out of its range at once: "*/90" in the first field is once an hour and not every 90 minutes, as its
// writer means. Whatever else is wrong with an expression is not looked at.
func checkSteps(expr string) error {
	fields := strings.Fields(expr)
	if len(fields) != len(cronFields) {
		return nil
	}
	for i, f := range cronFields {
		for part := range strings.SplitSeq(fields[i], ",") {
			if err := f.checkStep(part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f cronField) checkStep(part string) error {
	span, step, stepped := strings.Cut(part, "/")
	n, err := strconv.Atoi(step)
	from, to, known := f.span(span)
	if stepped && err == nil && known && n > max(to-from, 1) {
		return f.tooFar(part, n, from, to)
	}
	return nil
}

func (f cronField) tooFar(part string, n, from, to int) error {
	return fmt.Errorf("%q in the %s field: a step of %d leads beyond %d to %d at once, so that it only ever comes at %d; write %d if that is meant, a smaller step, or every: for an interval that is no part of the clock's",
		part, f.name, n, from, to, from, from)
}

// span reads what stands before a step: "*", a number, which means from there on, or a range.
func (f cronField) span(text string) (from, to int, known bool) {
	if text == "*" || text == "?" {
		return f.least, f.most, true
	}
	first, last, ranged := strings.Cut(text, "-")
	from, known = f.number(first)
	if to = f.most; ranged && known {
		to, known = f.number(last)
	}
	return from, to, known
}

func (f cronField) number(text string) (n int, known bool) {
	for i, word := range f.words {
		if strings.EqualFold(word, text) {
			return f.least + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.least && n <= f.most
}
