package makesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// tables are the objects of all families by kind, for example "keys". They hold plain JSON only, so that they
// can be written to a file and read back.
type tables map[string]*table

// table keeps the objects of one kind in the order of their creation.
type table struct {
	Rows []object `json:"rows"`
	// Last is the last number that was given away. Numbers and what is drawn from them never come again.
	Last int64 `json:"last"`
}

// firstID leaves the numbers below to seeds.
const firstID = 1001

// of returns the table of a kind, which is empty at first.
func (ts tables) of(kind string) *table {
	t := ts[kind]
	if t == nil {
		t = &table{Last: firstID - 1}
		ts[kind] = t
	}
	return t
}

// UnmarshalJSON reads a table back with its numbers as plain makes them.
func (t *table) UnmarshalJSON(data []byte) error {
	var read struct {
		Rows []any `json:"rows"`
		Last int64 `json:"last"`
	}
	if err := decodeNumbers(data, &read); err != nil {
		return err
	}
	*t = table{Last: read.Last}
	for _, row := range read.Rows {
		o, ok := wholeNumbers(row).(object)
		if !ok {
			return fmt.Errorf("read table: a row is not an object")
		}
		t.Rows = append(t.Rows, o)
	}
	return nil
}

// number gives away the next number.
func (t *table) number() int64 {
	t.Last++
	return t.Last
}

// identify gives a row a number unless it has an id.
func (t *table) identify(row object) {
	if row["id"] == nil {
		row["id"] = t.number()
	}
}

// add keeps a copy of the row and returns it. Its id is in it.
func (t *table) add(row object) object {
	row = plain(row)
	if id, ok := row["id"].(int64); ok {
		t.Last = max(t.Last, id)
	}
	t.Rows = append(t.Rows, row)
	return row
}

// find returns the row with an id, which may be a number or its text; nil if there is none.
func (t *table) find(id any) object {
	wanted := wantedValue(id)
	i := slices.IndexFunc(t.Rows, func(row object) bool { return wanted.is(row["id"]) })
	if i < 0 {
		return nil
	}
	return t.Rows[i]
}

// where returns the rows whose member has a value, which may be a number or its text.
func (t *table) where(member string, value any) []object {
	wanted := wantedValue(value)
	rows := []object{}
	for _, row := range t.Rows {
		if wanted.is(row[member]) {
			rows = append(rows, row)
		}
	}
	return rows
}

// remove drops the rows whose member has a value.
func (t *table) remove(member string, value any) {
	wanted := wantedValue(value)
	t.Rows = slices.DeleteFunc(t.Rows, func(row object) bool { return wanted.is(row[member]) })
}

// wanted is a value to compare with many. Paths and queries name numbers by their text.
type wanted struct {
	text   string
	number int64
	whole  bool // number is what the text says
}

func wantedValue(value any) wanted {
	text := fmt.Sprint(value)
	number, err := strconv.ParseInt(text, 10, 64)
	return wanted{text: text, number: number, whole: err == nil && strconv.FormatInt(number, 10) == text}
}

func (w wanted) is(value any) bool {
	switch v := value.(type) {
	case string:
		return v == w.text
	case int64:
		return w.whole && v == w.number
	}
	return fmt.Sprint(value) == w.text
}

// drawUUID is an identifier that depends on nothing but the kind and the number.
func drawUUID(kind string, number int64) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "makesim:%s/%d", kind, number)).String()
}

// drawText is an identifier of 32 lower-case letters and digits that depends on nothing but the kind and the
// number.
func drawText(kind string, number int64) string {
	return strings.ReplaceAll(drawUUID(kind, number), "-", "")
}

// plain turns a value that encodes as a JSON object into one of plain JSON: strings, booleans, nil, []any,
// objects, int64 for whole numbers and float64 for others. It shares nothing with the value.
func plain(value any) object {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode row: %v", err)) // rows are made of JSON
	}
	var read any
	if err := decodeNumbers(data, &read); err != nil {
		panic(fmt.Sprintf("decode row: %v", err)) // was just encoded
	}
	o, _ := wholeNumbers(read).(object)
	return o
}

func decodeNumbers(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}

// wholeNumbers replaces json.Number by int64 where it is whole, else by float64.
func wholeNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case object:
		for name := range v {
			v[name] = wholeNumbers(v[name])
		}
	}
	return value
}
