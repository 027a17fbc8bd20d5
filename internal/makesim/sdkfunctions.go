package makesim

import "fmt"

// functionCode is JavaScript whose first function is what the app calls.
var functionCode = section{media: javascript.media, check: checkJavaScript, kept: readArguments}

func freshSDKFunction(_ *state, _ *call, function object) error {
	sections, _ := function["_sections"].(object)
	if sections == nil {
		sections = object{}
		function["_sections"] = sections
	}
	fill(sections, object{"code": fmt.Sprintf("function %s() {\n}\n", function["name"])})
	readArguments(function, fmt.Sprint(sections["code"]))
	return nil
}

// readArguments keeps what lists show of a function's code.
func readArguments(function object, code string) {
	function["args"] = ""
	if parameters, err := declaredParameters(code); err == nil {
		function["args"] = parameters
	}
}
