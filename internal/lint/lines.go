package lint

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// lineOf is the line of a field such as "spec.scopes[1]", or of the nearest one around it that is there.
func lineOf(node *yaml.Node, field string) int {
	line := node.Line
	for step := range strings.FieldsFuncSeq(field, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := child(node, step)
		if next == nil {
			return line
		}
		node, line = next, next.Line
	}
	return line
}

// child is the value of a key, or an element by its index; nil where there is none.
func child(node *yaml.Node, step string) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}
