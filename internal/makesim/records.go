package makesim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

const recordKind = "dataStoreRecords"

// recordResource is a record of a data store. It is found by its key, not by the id that its row has.
func recordResource() resource {
	return resource{
		kind: recordKind, tenant: ofTeam,
		fields: []field{may("key", text), must("data", document)},
		seeded: []field{must("dataStoreId", number)},
		owner: func(st *state, record object) int64 {
			return integer(st.tables.of(dataStoreKind).find(record["dataStoreId"])["teamId"])
		},
		fresh: freshRecord,
	}
}

func freshRecord(st *state, _ *call, record object) error {
	store := st.tables.of(dataStoreKind).find(record["dataStoreId"])
	if store == nil {
		return invalidInput(fmt.Sprintf("There is no data store %v.", record["dataStoreId"]))
	}
	if record["key"] == nil {
		record["key"] = drawText(recordKind, st.tables.of(recordKind).number())[:12]
	}
	key, _ := record["key"].(string)
	if st.record(store, key) != nil {
		return invalidInput("The data store has a record with this key.")
	}
	return st.put(store, record, record["data"].(object))
}

func (st *state) recordsOf(store object) []object {
	if store["id"] == nil {
		return nil // is not there yet
	}
	return st.tables.of(recordKind).where("dataStoreId", store["id"])
}

// record finds a record of a data store by its key; nil if there is none.
func (st *state) record(store object, key string) object {
	records := st.recordsOf(store)
	i := slices.IndexFunc(records, func(r object) bool { return r["key"] == key })
	if i < 0 {
		return nil
	}
	return records[i]
}

func sizeOfAll(records []object) (bytes int64) {
	for _, r := range records {
		bytes += integer(r["size"])
	}
	return bytes
}

// structureOf is the data structure of a store; one without any takes all records.
func (st *state) structureOf(store object) (spec []any, strict bool) {
	structure := st.tables.of(dataStructureKind).find(store["datastructureId"])
	spec, _ = structure["spec"].([]any)
	return spec, structure["strict"] == true
}

// put gives a record its data if the store's structure and its size allow that.
func (st *state) put(store, record, data object) error {
	spec, strict := st.structureOf(store)
	if problems := checkRecord("", spec, strict, data); len(problems) > 0 {
		return badRequest(problems...)
	}
	key, _ := record["key"].(string)
	size := sizeOf(key, data)
	if sizeOfAll(st.recordsOf(store))-integer(record["size"])+size > maxSizeOf(store) {
		return storageFull()
	}
	record["data"], record["size"] = data, size
	return nil
}

func (s *Server) listRecords(c *call, store object) (any, error) {
	limit, err := pageNumber(c.query(), "pg[limit]", defaultLimit)
	if err != nil {
		return nil, err
	}
	offset, err := pageNumber(c.query(), "pg[offset]", 0)
	if err != nil {
		return nil, err
	}
	records := s.state.recordsOf(store)
	count := len(records)
	records = records[min(offset, count):]
	rows := []object{}
	for _, r := range records[:min(limit, len(records))] {
		rows = append(rows, recordObject(r))
	}
	spec, strict := s.state.structureOf(store)
	if spec == nil {
		spec = []any{}
	}
	return object{
		"records": rows, "spec": spec, "strict": strict, "count": count, "pg": object{"limit": limit, "offset": offset},
	}, nil
}

func recordObject(record object) object { return object{"key": record["key"], "data": record["data"]} }

func (s *Server) createRecord(c *call, store object) (any, error) {
	r := recordResource()
	body, err := c.fields(r.fields...)
	if err != nil {
		return nil, err
	}
	body["dataStoreId"] = store["id"]
	record, err := r.add(&s.state, c, body)
	if err != nil {
		return nil, err
	}
	return recordObject(record), nil
}

// replaceRecord takes the record itself as the body.
func (s *Server) replaceRecord(c *call, store object) (any, error) {
	return s.writeRecord(c, store, func(_, body object) object { return body })
}

// updateRecord keeps what the body does not name.
func (s *Server) updateRecord(c *call, store object) (any, error) {
	return s.writeRecord(c, store, func(data, body object) object {
		data = maps.Clone(data)
		maps.Copy(data, body)
		return data
	})
}

func (s *Server) writeRecord(c *call, store object, next func(data, body object) object) (any, error) {
	record := s.state.record(store, c.r.PathValue("key"))
	if record == nil {
		return nil, notFound()
	}
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	data, _ := record["data"].(object)
	if err := s.state.put(store, record, next(data, body)); err != nil {
		return nil, err
	}
	return recordObject(record), nil
}

// deleteRecords leaves out keys that the store does not have.
func (s *Server) deleteRecords(c *call, store object) (any, error) {
	body, err := c.fields(must("keys", list))
	if err != nil {
		return nil, err
	}
	if err := c.confirmed("dataStoreRecord"); err != nil {
		return nil, err
	}
	deleted := []string{}
	for _, key := range texts(body["keys"]) {
		if record := s.state.record(store, key); record != nil {
			s.state.tables.of(recordKind).remove("id", record["id"])
			deleted = append(deleted, key)
		}
	}
	return object{"keys": deleted}, nil
}

// storageFull is the answer to a record that does not fit into its data store.
func storageFull() error {
	return &apiError{
		status: http.StatusRequestEntityTooLarge, Code: "IM003", Message: "Out of space.", Detail: "The data store is full.",
	}
}
