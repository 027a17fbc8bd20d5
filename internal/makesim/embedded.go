package makesim

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// embedded reads a list of objects that is built in.
func embedded(list []byte) []object {
	var read []map[string]any
	if err := yaml.UnmarshalStrict(list, &read); err != nil {
		panic(fmt.Sprintf("embedded list: %v", err)) // built in and tested
	}
	rows := make([]object, 0, len(read))
	for _, row := range read {
		rows = append(rows, plain(row))
	}
	return rows
}

// fill gives a row the members that it lacks.
func fill(row, defaults object) {
	for member, value := range defaults {
		if row[member] == nil {
			row[member] = value
		}
	}
}

// hide renames members so that they stay in the simulator.
func hide(row object, members ...string) {
	for _, member := range members {
		if value, ok := row[member]; ok {
			row["_"+member] = value
			delete(row, member)
		}
	}
}
