package makesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// blueprint is what a scenario does, as far as the simulator acts on it. The whole document is kept beside it
// as it came.
type blueprint struct {
	Name     string   `json:"name"`
	Flow     []module `json:"flow"`
	Metadata struct {
		Scenario struct {
			// KeepIncomplete stores runs that failed as incomplete executions.
			KeepIncomplete bool `json:"dlq"`
		} `json:"scenario"`
	} `json:"metadata"`
	// IO is the interface; clients send it in the blueprint or beside it.
	IO *interfaceSpec `json:"io"`
}

// interfaceSpec is an interface as it stands in and beside blueprints.
type interfaceSpec struct {
	Input  []Field `json:"input_spec"`
	Output []Field `json:"output_spec"`
}

// module is one step of a blueprint.
type module struct {
	ID int64 `json:"id"`
	// Module is the app and the module, "http:ActionSendData".
	Module     string   `json:"module"`
	Parameters object   `json:"parameters"`
	Mapper     object   `json:"mapper"`
	OnError    []module `json:"onerror"`
	Routes     []struct {
		Flow []module `json:"flow"`
	} `json:"routes"`
}

// The modules that the simulator acts on. Source: blueprints that Make exports.
const (
	returnModule  = "scenario-service:ReturnData" // its mapper is the outputs
	respondModule = "gateway:WebhookRespond"      // its mapper is the answer to who called the webhook
)

// makeTools are the apps that every organization has from the start. The others ask for confirmation when the
// first scenario uses them.
var makeTools = []string{"builtin", "datastore", "gateway", "http", "json", "scenario-service", "util"}

// readBlueprint checks the text of a blueprint and returns the document and what the simulator acts on.
func readBlueprint(source string) (object, blueprint, error) {
	var b blueprint
	if err := json.Unmarshal([]byte(source), &b); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, b, badRequest(fmt.Sprintf("Invalid type of parameter 'blueprint.%s'.", wrong.Field))
		}
		return nil, b, badRequest("Invalid JSON in parameter 'blueprint'.")
	}
	if b.Name == "" { // Source: a published measurement; Make does not check before it stores.
		return nil, b, &apiError{status: http.StatusInternalServerError, Code: "SC500", Message: "Internal Server Error"}
	}
	if problems := b.check(); len(problems) > 0 {
		return nil, b, badRequest(problems...)
	}
	return plain(json.RawMessage(source)), b, nil
}

func (b blueprint) check() []string {
	if b.Flow == nil {
		return []string{missing("blueprint.flow")}
	}
	var problems []string
	seen := map[int64]bool{}
	for _, m := range b.modules() {
		switch app, name, _ := strings.Cut(m.Module, ":"); {
		case app == "" || name == "":
			problems = append(problems, fmt.Sprintf("Invalid module name '%s' in the blueprint.", m.Module))
		case m.ID < 1:
			problems = append(problems, fmt.Sprintf("Module '%s' in the blueprint has no ID.", m.Module))
		case seen[m.ID]:
			problems = append(problems, fmt.Sprintf("Module ID %d is not unique in the blueprint.", m.ID))
		}
		seen[m.ID] = true
	}
	return problems
}

// modules are those of the flow, of its branches and of its error handlers.
func (b blueprint) modules() []module { return descend(b.Flow) }

func descend(flow []module) []module {
	var all []module
	for _, m := range flow {
		all = append(all, m)
		all = append(all, descend(m.OnError)...)
		for _, r := range m.Routes {
			all = append(all, descend(r.Flow)...)
		}
	}
	return all
}

// find returns the first module of a name; ok is false if there is none.
func (b blueprint) find(name string) (m module, ok bool) {
	modules := b.modules()
	i := slices.IndexFunc(modules, func(m module) bool { return m.Module == name })
	if i < 0 {
		return module{}, false
	}
	return modules[i], true
}

// apps are the packages in use, sorted; Make's control flow is not one.
func (b blueprint) apps() []string {
	apps := []string{}
	for _, m := range b.modules() {
		if app, _, _ := strings.Cut(m.Module, ":"); app != "builtin" {
			apps = append(apps, app)
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps)
}

// hook is the webhook that starts the scenario, zero without one.
func (b blueprint) hook() int64 {
	if len(b.Flow) == 0 {
		return 0
	}
	id, _ := b.Flow[0].Parameters["hook"].(float64)
	return int64(id)
}

// nextID is the ID that the next module gets.
func (b blueprint) nextID() int64 {
	var last int64
	for _, m := range b.modules() {
		last = max(last, m.ID)
	}
	return last + 1
}

// failing is the module that a failed run blames: the last one of the flow.
func (b blueprint) failing() module {
	if len(b.Flow) == 0 {
		return module{ID: 1, Module: "util:ThrowError"}
	}
	return b.Flow[len(b.Flow)-1]
}
