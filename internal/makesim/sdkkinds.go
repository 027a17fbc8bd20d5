package makesim

// sdkKind describes custom apps and the parts of them: connections, webhooks, modules, remote procedures (RPCs),
// functions and endpoints. All are found by their names and have sections.
type sdkKind struct {
	resource

	segment  string             // of the path
	shared   bool               // belongs to all versions of an app, and its name says of which app
	single   []string           // columns of an answer about one; nil means all
	sections map[string]section // by the last segment of the path
	public   bool               // can be made public and private
	test     bool               // can be called with test data
}

// Kinds that others refer to.
const (
	sdkAppKind        = "sdkApps"
	sdkConnectionKind = "sdkConnections"
)

// sdkParts are the kinds of parts of an app. Source: Make's SDK; of the values of empty sections, the
// documentation of custom apps.
var sdkParts = []sdkKind{
	{
		resource: resource{
			kind: sdkConnectionKind, one: "appConnection", many: "appConnections", gone: forgetConnection,
			fields: []field{must("type", text), must("label", text)}, changes: []field{may("label", text)},
		},
		segment: "connections", shared: true,
		sections: map[string]section{
			"api": emptyDocument, "parameters": emptyList, "scopes": emptyDocument, "scope": emptyList,
			"install": emptyDocument, "installSpec": emptyList, "common": commonData,
		},
	},
	{
		resource: resource{
			kind: "sdkWebhooks", one: "appWebhook", many: "appWebhooks", columns: []string{"name", "label", "type"},
			fields: []field{must("type", text), must("label", text)}, changes: []field{may("label", text)},
			fresh: absent(object{"connection": nil, "altConnection": nil}),
		},
		segment: "webhooks", shared: true,
		sections: map[string]section{
			"api": emptyDocument, "parameters": emptyList, "attach": emptyDocument, "detach": emptyDocument,
			"scope": emptyList,
		},
	},
	{
		resource: resource{
			kind: "sdkModules", one: "appModule", many: "appModules",
			fields: []field{
				must("name", text), must("typeId", number), must("label", text), must("description", text),
				may("moduleInitMode", text, "blank", "example", "module"),
			},
			changes: []field{may("label", text), may("description", text), may("connection", text)},
			fresh: absent(object{
				"public": false, "approved": false, "crud": nil, "connection": nil, "altConnection": nil, "webhook": nil,
			}),
		},
		segment: "modules", public: true,
		sections: map[string]section{
			"api": emptyDocument, "epoch": emptyDocument, "parameters": emptyList, "expect": emptyList,
			"interface": emptyList, "samples": emptyDocument, "scope": emptyList,
		},
	},
	{
		resource: resource{
			kind: "sdkRPCs", one: "appRpc", many: "appRpcs",
			fields:  []field{must("name", text), must("label", text)},
			changes: []field{may("label", text), may("connection", text), may("altConnection", text)},
			seeded:  []field{may("answer", list)},
			fresh:   absent(object{"connection": nil, "altConnection": nil, "answer": []any{}}),
		},
		segment: "rpcs", test: true,
		sections: map[string]section{"api": emptyDocument, "parameters": emptyList},
	},
	{
		resource: resource{
			kind: "sdkFunctions", one: "appFunction", many: "appFunctions", columns: []string{"name", "args"},
			fields: []field{must("name", text)}, fresh: freshSDKFunction,
		},
		segment: "functions", single: []string{"name"},
		sections: map[string]section{"code": functionCode, "test": javascript},
	},
	{
		resource: resource{
			kind: "sdkEndpoints", one: "appEndpoint", many: "appEndpoints", created: "createdAt", updated: "updatedAt",
			fields: []field{
				must("name", text), must("label", text), may("description", text), may("attachedAccounts", list),
			},
			changes: []field{
				may("label", text), may("description", text), may("context", text), may("annotations", document),
				may("attachedAccounts", list),
			},
			fresh: absent(object{
				"description": nil, "context": nil, "annotations": object{}, "attachedAccounts": []any{}, "public": false,
				"approved": false, "deprecated": false, "archived": false, "schemaVersion": 1,
			}),
		},
		segment: "endpoints", public: true,
		sections: map[string]section{
			"api": emptyDocument, "scope": emptyList, "inputParameters": emptyList, "outputParameters": emptyList,
		},
	},
}
