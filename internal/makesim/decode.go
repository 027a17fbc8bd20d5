package makesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// decodeValue reads a part of a request into a Go value.
func decodeValue(name string, value, into any) error {
	err := json.Unmarshal([]byte(encode(value)), into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest(fmt.Sprintf("Invalid type of parameter '%s.%s'.", name, wrong.Field))
	}
	return err
}

// decodeRow reads a part of a row into the type that it was made from. Null leaves the zero value.
func decodeRow(value, into any) {
	if err := json.Unmarshal([]byte(encode(value)), into); err != nil {
		panic(fmt.Sprintf("decode row: %v", err)) // was checked when it came in
	}
}

// encode is the JSON text of a value that is made of JSON.
func encode(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode row: %v", err)) // rows are made of JSON
	}
	return string(data)
}

// moment reads a time of a row; anything else is the zero time.
func moment(value any) time.Time {
	written, _ := value.(string)
	at, _ := time.Parse(time.RFC3339Nano, written)
	return at
}
