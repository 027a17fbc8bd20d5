package makesim

import (
	"errors"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// declaredParameters are the parameters of the first function that JavaScript code declares, for example
// "(a, b)"; empty without any function.
func declaredParameters(code string) (string, error) {
	ast, err := js.Parse(parse.NewInputString(code), js.Options{})
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n") // the rest shows the code
		return "", errors.New(message)
	}
	for _, statement := range ast.List {
		if f, ok := statement.(*js.FuncDecl); ok {
			var parameters strings.Builder
			f.Params.JS(&parameters)
			return parameters.String(), nil
		}
	}
	return "", nil
}
