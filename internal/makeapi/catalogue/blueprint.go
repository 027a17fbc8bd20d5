package catalogue

import "encoding/json"

// scenarioSpecs are what a scenario takes and gives, as the API wants them beside the blueprint.
type scenarioSpecs struct {
	Input  json.RawMessage `json:"input_spec"`
	Output json.RawMessage `json:"output_spec"`
}

// splitBlueprint moves what an exported blueprint holds to where the API takes it: scheduling beside the blueprint, interface
// and io into metadata. The API gets metadata in any case.
// Source: normalizePayload in @makehq/sdk 1.6.10.
func splitBlueprint(members map[string]json.RawMessage) error {
	specs := scenarioSpecs{Input: json.RawMessage("[]"), Output: json.RawMessage("[]")}
	if err := takeParts(members, &specs); err != nil {
		return &ArgumentError{Name: "blueprint", Problem: "is not understood"}
	}
	metadata, err := json.Marshal(specs)
	if err != nil {
		return err
	}
	members["metadata"] = metadata
	return nil
}

func takeParts(members map[string]json.RawMessage, specs *scenarioSpecs) error {
	if members["blueprint"] == nil {
		return nil
	}
	var blueprint map[string]json.RawMessage
	if err := json.Unmarshal(members["blueprint"], &blueprint); err != nil {
		return err
	}
	if scheduling := blueprint["scheduling"]; scheduling != nil {
		members["scheduling"] = scheduling
		delete(blueprint, "scheduling")
	}
	if raw := blueprint["interface"]; raw != nil {
		var interfaces struct{ Input, Output json.RawMessage }
		if err := json.Unmarshal(raw, &interfaces); err != nil {
			return err
		}
		specs.take(interfaces.Input, interfaces.Output)
		delete(blueprint, "interface")
	}
	if raw := blueprint["io"]; raw != nil {
		var io scenarioSpecs
		if err := json.Unmarshal(raw, &io); err != nil {
			return err
		}
		specs.take(io.Input, io.Output)
		delete(blueprint, "io")
	}
	rest, err := json.Marshal(blueprint)
	members["blueprint"] = rest
	return err
}

func (s *scenarioSpecs) take(input, output json.RawMessage) {
	for _, part := range []struct {
		to   *json.RawMessage
		from json.RawMessage
	}{{&s.Input, input}, {&s.Output, output}} {
		*part.to = json.RawMessage("[]")
		if len(part.from) > 0 && string(part.from) != "null" {
			*part.to = part.from
		}
	}
}
