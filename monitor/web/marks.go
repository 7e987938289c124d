package web

import "strings"

// span is a part of a text, marked if the other text does not have it.
type span struct {
	Text string
	Mark bool
}

// longTerm is from which length on only the part of a term is marked that differs: a key is some hundred characters.
const longTerm = 40

// marked gives the lines of one text with the terms marked that the other does not have, whatever their order.
func marked(lines, other []string) [][]span {
	has := map[string]int{}
	var spare []string
	for _, line := range other {
		for _, t := range terms(line) {
			if word := bare(t); word != "" {
				has[word]++
				spare = append(spare, word)
			}
		}
	}
	out := make([][]span, 0, len(lines))
	for _, line := range lines {
		var spans []span
		for _, t := range terms(line) {
			word := bare(t)
			switch {
			case word == "":
				spans = append(spans, span{t, false})
			case has[word] > 0:
				has[word]--
				spans = append(spans, span{t, false})
			default:
				spans = append(spans, within(t, nearest(word, spare))...)
			}
		}
		out = append(out, joined(spans))
	}
	return out
}

// terms cuts a line into words and what stands between them; together they are the line.
func terms(line string) []string {
	var out []string
	for line != "" {
		n := strings.IndexAny(line, " ;")
		switch {
		case n < 0:
			n = len(line)
		case n == 0:
			n = len(line) - len(strings.TrimLeft(line, " ;"))
		}
		out = append(out, line[:n])
		line = line[n:]
	}
	return out
}

func bare(term string) string { return strings.Trim(term, " ;") }

// nearest is the word of the other text that a long one is held against: that of the same tag.
func nearest(word string, others []string) string {
	tag, _, ok := strings.Cut(word, "=")
	if !ok || len(word) < longTerm {
		return ""
	}
	for _, o := range others {
		if strings.HasPrefix(o, tag+"=") {
			return o
		}
	}
	return ""
}

// within marks what differs between a term and another, all of it if there is none.
func within(term, other string) []span {
	if other == "" {
		return []span{{term, true}}
	}
	a, b := []rune(term), []rune(other)
	head, tail := 0, 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return []span{{string(a[:head]), false}, {string(a[head : len(a)-tail]), true}, {string(a[len(a)-tail:]), false}}
}

// joined puts neighbours together that are marked alike, and drops empty ones.
func joined(spans []span) []span {
	var out []span
	for _, s := range spans {
		switch n := len(out); {
		case s.Text == "":
		case n > 0 && out[n-1].Mark == s.Mark:
			out[n-1].Text += s.Text
		default:
			out = append(out, s)
		}
	}
	return out
}
