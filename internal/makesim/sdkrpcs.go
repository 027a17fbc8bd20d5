package makesim

// testRPC checks the test data against the schema of the request and answers what the seed says; a remote
// procedure that was made through the API answers an empty list.
func testRPC(c *call, rpc object) (any, error) {
	body, err := c.fields(must("data", document), must("schema", list))
	if err != nil {
		return nil, err
	}
	data, _ := body["data"].(object)
	schema, _ := body["schema"].([]any)
	if problems := checkRecord("data.", schema, false, data); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	return rpc["_answer"], nil
}
