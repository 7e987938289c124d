package preset

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// document is a parsed file in which errors find their line.
type document struct {
	file string
	node yaml.Node
}

// errorAt puts file and line in front of err. The path leads through keys (strings) and
// positions (ints); as much of it is used as exists.
func (d document) errorAt(err error, path ...any) error {
	at := &d.node
	if len(at.Content) > 0 {
		at = at.Content[0]
	}
	for _, step := range path {
		next := childOf(at, step)
		if next == nil {
			break
		}
		at = next
	}
	return fmt.Errorf("%s:%d: %w", d.file, max(1, at.Line), err)
}

// childOf gives a mapping's value or a sequence's item, nil if there is none.
func childOf(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
