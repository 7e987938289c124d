package alert

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// mapping is a YAML mapping, or nothing.
type mapping struct{ *yaml.Node }

// topLevel is the document's mapping; an empty document has an empty one.
func topLevel(doc *yaml.Node) (mapping, error) {
	empty := mapping{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return empty, nil
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return empty, nil
	}
	if top.Kind != yaml.MappingNode {
		return empty, errors.New("want a mapping of Alertmanager's sections: global, route, receivers, …")
	}
	return mapping{top}, nil
}

// value is what stands under the key, nil if nothing does.
func (m mapping) value(key string) *yaml.Node {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if v := m.Content[i+1]; m.Content[i].Value == key && !hollow(v) {
			return v
		}
	}
	return nil
}

// hollow reports whether n says no more than if it were not there.
func hollow(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		return len(n.Content) == 0
	default:
		return n.Tag == "!!null"
	}
}

// asBlock is the mapping's text in a form to which lines may be added: text
// itself where possible, else written anew without the keys that hold nothing.
func (m mapping) asBlock(text []byte) ([]byte, error) {
	var full []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.value(m.Content[i].Value) != nil {
			full = append(full, m.Content[i], m.Content[i+1])
		}
	}
	if len(full) == 0 {
		return nil, nil
	}
	if len(full) == len(m.Content) && m.Style&yaml.FlowStyle == 0 {
		return append([]byte{}, text...), nil
	}
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: full})
	if err != nil {
		return nil, fmt.Errorf("rewrite configuration: %w", err)
	}
	return out, nil
}

// yamlString is s as one YAML scalar.
func yamlString(s string) string { return fmt.Sprintf("%q", s) }
