package makesim

import "strings"

// Ledger returns the entries so far, oldest first: all of them, unless Options.LedgerLimit is set and
// Options.Ledger is no LedgerFile.
func (s *Server) Ledger() []Entry {
	entries, _ := s.ledger.after(0) // a file that cannot be read stops the server, see ledger.failure
	return entries
}

func (s *Server) recordRequest(x *exchange, path string) {
	s.mu.Lock()
	now := s.now()
	path = s.state.redact(path)
	s.mu.Unlock()
	record := x.record // a copy, so that the ledger does not keep the connection
	record.Path = path
	s.ledger.append(Entry{Time: now, Number: x.number, Request: &record})
}

// redact replaces token values that a path holds: all that were issued, and whatever stands where the MCP
// server takes a token.
func (st *state) redact(path string) string {
	if strings.Count(path, "/") < 3 && len(path) < 36 { // nothing in it is as long as a token
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		inMCP := i > 1 && segments[i-1] == "u" && segments[1] == "mcp"
		if st.tokens[segment] != nil || inMCP {
			segments[i] = "[redacted]"
		}
	}
	return strings.Join(segments, "/")
}

// recordToken needs the state's lock, which makes the order of token entries the order of the events.
func (s *Server) recordToken(number int64, record TokenRecord) {
	s.ledger.append(Entry{Time: s.now(), Number: number, Token: &record})
}
