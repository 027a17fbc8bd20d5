package makesim

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed nativeapps.yaml
var nativeAppsYAML []byte

var nativeApps = sync.OnceValue(func() []object { return embedded(nativeAppsYAML) })

// findNativeApp finds an app by name and version; nil means the latest.
func findNativeApp(name, version any) (object, error) {
	wanted := "latest"
	if version != nil {
		wanted = fmt.Sprint(version)
	}
	i := slices.IndexFunc(nativeApps(), func(app object) bool {
		return app["name"] == name && (wanted == "latest" || wanted == fmt.Sprint(app["version"]))
	})
	if i < 0 {
		return nil, notFound()
	}
	return nativeApps()[i], nil
}

func modulesOf(app object) []object {
	modules := []object{}
	all, _ := app["modules"].([]any)
	for _, each := range all {
		if module, ok := each.(object); ok {
			modules = append(modules, module)
		}
	}
	return modules
}

func listAppModules(c *call) (any, error) {
	app, err := findNativeApp(c.r.PathValue("appName"), c.r.PathValue("appVersion"))
	if err != nil {
		return nil, err
	}
	return object{"appModules": modulesOf(app)}, nil
}

// accountKinds are the kinds that a module takes: account:slack2,slack3 takes two.
func accountKinds(credential string) (component string, kinds []string) {
	component, names, _ := strings.Cut(credential, ":")
	return component, strings.Split(names, ",")
}
