package makesim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpScope makes an API token an MCP token. Source: Make's documentation of MCP.
const mcpScope = "mcp:use"

// mcpRoutes are Make's cloud MCP server, as far as scenarios are tools. The token is in the header or in the
// path. Both transports are stateless, which the protocol allows: a client sees no session.
func (s *Server) mcpRoutes() []route {
	var routes []route
	for _, transport := range []string{"/stateless", "/stream"} {
		for _, prefix := range []string{"/mcp", "/mcp/u/{token}"} {
			routes = append(routes, route{pattern: prefix + transport, open: true, can: "scenario start", do: s.serveMCP})
		}
	}
	return routes
}

// serveMCP hands one request to the SDK's server, which offers what the token may run.
func (s *Server) serveMCP(c *call) (any, error) {
	value := c.r.PathValue("token")
	if value == "" {
		scheme, credential, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			value = credential
		}
	}
	if err := s.present(c, value, func(k TokenKind) bool { return k == KindAPIToken }); err != nil {
		r := errorReply(err)
		r.header["Www-Authenticate"] = "Bearer"
		return nil, &replyError{r}
	}
	if !slices.Contains(c.token.scopes, mcpScope) {
		return nil, accessDenied(s.state.knobs.MissingScopeStatus)
	}
	wanted, err := s.mcpFilter(c)
	if err != nil {
		return nil, err
	}
	longest, err := toolNameLength(c)
	if err != nil {
		return nil, err
	}
	server := sdk.NewServer(&sdk.Implementation{Name: "Make", Version: "1.0.0"}, &sdk.ServerOptions{
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
	})
	s.state.runDue(c.now)
	for _, sc := range s.state.tables.of(scenarioKind).Rows {
		if s.isTool(c, sc) && wanted(sc) {
			server.AddTool(scenarioTool(sc, longest), s.callTool(c, integer(sc["id"])))
		}
	}
	protocol := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: true, // the simulator listens on loopback under names of its own
	})
	return handover(func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(bytes.NewReader(c.body))
		protocol.ServeHTTP(w, r)
	}), nil
}

// isTool tells whether the caller may use a scenario as a tool: it is active and scheduled on demand.
func (s *Server) isTool(c *call, sc object) bool {
	return sc["isActive"] == true && onDemand(sc) && s.state.allows(c, ofTeam, integer(sc["teamId"]))
}

func onDemand(sc object) bool {
	scheduling, _ := sc["scheduling"].(object)
	return scheduling["type"] == "on-demand"
}

// mcpFilter reads organizationId, teamId and scenarioId, which may be lists and exclude one another.
func (s *Server) mcpFilter(c *call) (func(sc object) bool, error) {
	by, ids := "", []int64{}
	for _, name := range []string{"organizationId", "teamId", "scenarioId"} {
		named, err := c.queryIDs(name)
		if err != nil {
			return nil, err
		}
		if len(named) > 0 && by != "" {
			return nil, badRequest(fmt.Sprintf("Parameters '%s' and '%s' exclude each other.", by, name))
		}
		if len(named) > 0 {
			by, ids = name, named
		}
	}
	return func(sc object) bool {
		o, team := s.state.team(integer(sc["teamId"]))
		switch by {
		case "organizationId":
			return slices.Contains(ids, o.ID)
		case "teamId":
			return slices.Contains(ids, team.ID)
		case "scenarioId":
			return slices.Contains(ids, integer(sc["id"]))
		}
		return true
	}, nil
}

// queryIDs reads a list of numbers: name=1, name=1,2 or name[]=1&name[]=2.
func (c *call) queryIDs(name string) ([]int64, error) {
	var ids []int64
	for _, values := range slices.Concat(c.query()[name], c.query()[name+"[]"]) {
		for value := range strings.SplitSeq(values, ",") {
			id, err := strconv.ParseInt(value, 10, 64)
			if err != nil || id < 1 {
				return nil, badRequest(fmt.Sprintf("Invalid number in parameter '%s'.", name))
			}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// The length of tool names. Source: Make's documentation of MCP.
const (
	shortestToolNames = 32
	longestToolNames  = 160
	usualToolNames    = 56
)

func toolNameLength(c *call) (int, error) {
	n, err := pageNumber(c.query(), "maxToolNameLength", usualToolNames)
	if err == nil && (n < shortestToolNames || n > longestToolNames) {
		err = badRequest(fmt.Sprintf("Invalid value of parameter 'maxToolNameLength': %d to %d expected.", shortestToolNames, longestToolNames))
	}
	return n, err
}
