package makesim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// structureTypes are the types of fields in a data structure and what a record holds for them in JSON.
var structureTypes = map[string]kind{
	"any": anything, "array": list, "boolean": boolean, "buffer": text, "collection": document, "date": text,
	"dynamicCollection": document, "integer": number, "json": text, "number": number, "select": anything,
	"text": text, "uinteger": number,
}

// completeSpec checks the fields of a data structure and gives each the members that answers have.
func completeSpec(place string, spec any) error {
	fields, _ := spec.([]any)
	for i, value := range fields {
		at := fmt.Sprintf("%s[%d]", place, i)
		f, ok := value.(object)
		if !ok {
			return badRequest(fmt.Sprintf("Invalid type of parameter '%s': object expected.", at))
		}
		if name, _ := f["name"].(string); name == "" {
			return badRequest(missing(at + ".name"))
		}
		if name, _ := f["type"].(string); structureTypes[name] == "" {
			types := slices.Sorted(maps.Keys(structureTypes))
			return badRequest(fmt.Sprintf("Invalid value of parameter '%s.type': one of %s expected.", at, join(types)))
		}
		fill(f, object{"label": f["name"], "default": nil, "required": false})
		if err := completeSpec(at+".spec", f["spec"]); err != nil {
			return err
		}
	}
	return nil
}

// checkRecord returns what is wrong with a record. Only a strict structure refuses members that it does not name.
func checkRecord(place string, spec []any, strict bool, record object) []string {
	var problems []string
	known := map[string]bool{}
	for _, value := range spec {
		f, _ := value.(object)
		name := fmt.Sprint(f["name"])
		known[name] = true
		problems = append(problems, checkMember(place+name, f, strict, record[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(record)) {
		if strict && !known[name] {
			problems = append(problems, fmt.Sprintf("Unknown parameter '%s'.", place+name))
		}
	}
	return problems
}

func checkMember(place string, f object, strict bool, value any) []string {
	wanted := cmp.Or(structureTypes[fmt.Sprint(f["type"])], anything)
	nested, _ := f["spec"].([]any)
	switch {
	case value == nil && f["required"] == true:
		return []string{missing(place)}
	case value == nil:
		return nil
	case !wanted.holds(value):
		return []string{fmt.Sprintf("Invalid type of parameter '%s': %s expected.", place, wanted)}
	case wanted == document && len(nested) > 0:
		return checkRecord(place+".", nested, strict, value.(object))
	}
	return nil
}

// sizeOf is how many bytes a record takes.
func sizeOf(key string, data object) int64 {
	encoded, err := json.Marshal(data)
	if err != nil {
		return 0 // rows are made of JSON
	}
	return int64(len(key) + len(encoded))
}
