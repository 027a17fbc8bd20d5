package makesim

import (
	"fmt"
	"net/http"
	"strconv"
)

const dataStoreKind = "dataStores"

const megabyte = 1 << 20

// dataStoreResource is a data store of a team. Its row holds the size in bytes, as text.
func dataStoreResource() resource {
	return resource{
		kind: dataStoreKind, path: "/api/v2/data-stores", id: "dataStoreId",
		one: "dataStore", many: "dataStores", tenant: ofTeam,
		fields: []field{
			must("teamId", number), must("name", text), must("maxSizeMB", number), may("datastructureId", number),
		},
		changes: []field{may("name", text), may("maxSizeMB", number), may("datastructureId", number)},
		fresh:   freshDataStore,
		changed: changedDataStore,
		show:    showDataStore,
		gone: func(st *state, store object) {
			st.tables.of(recordKind).remove("dataStoreId", store["id"])
		},
	}
}

func (s *Server) dataStoreRoutes() []route {
	stores := s.serving(dataStoreResource())
	const read, write, get, edit = "datastores:read", "datastores:write", "datastores get", "datastore edit"
	return []route{
		stores.list(read, get),
		stores.get(read, get),
		stores.create(write, edit),
		stores.update(write, edit),
		stores.delete(write, edit, confirmed),
		stores.on(http.MethodGet, "/data", read, get, s.listRecords),
		stores.on(http.MethodPost, "/data", write, edit, s.createRecord),
		stores.on(http.MethodPut, "/data/{key}", write, edit, s.replaceRecord),
		stores.on(http.MethodPatch, "/data/{key}", write, edit, s.updateRecord),
		stores.on(http.MethodDelete, "/data", write, edit, s.deleteRecords),
	}
}

func freshDataStore(st *state, _ *call, store object) error {
	fill(store, object{"datastructureId": nil})
	if err := st.checkStructure(store, store); err != nil {
		return err
	}
	if plan, stores, _ := st.dataStoresBeside(store); stores >= plan.DSLimit {
		return limitExceeded("data stores")
	}
	return st.resize(store, store)
}

func changedDataStore(st *state, _ *call, store, changes object) error {
	if err := st.checkStructure(store, changes); err != nil {
		return err
	}
	if changes["maxSizeMB"] == nil {
		delete(changes, "maxSizeMB")
		return nil
	}
	return st.resize(store, changes)
}

func showDataStore(st *state, _ *call, store object) {
	records := st.recordsOf(store)
	store["records"], store["size"] = len(records), strconv.FormatInt(sizeOfAll(records), 10)
}

// checkStructure looks for the data structure that changes name, in the store's team.
func (st *state) checkStructure(store, changes object) error {
	id := changes["datastructureId"]
	if id == nil {
		return nil
	}
	structure := st.tables.of(dataStructureKind).find(id)
	if structure == nil || structure["teamId"] != store["teamId"] {
		return invalidInput(fmt.Sprintf("The team has no data structure %v.", id))
	}
	return nil
}

// resize turns maxSizeMB of a creation or an update into maxSize, which is in bytes.
func (st *state) resize(store, changes object) error {
	size := integer(changes["maxSizeMB"])
	if size < 1 {
		return badRequest("Invalid value of parameter 'maxSizeMB': a whole number from 1 on expected.")
	}
	if size*megabyte < sizeOfAll(st.recordsOf(store)) {
		return invalidInput("The data store holds more than that.")
	}
	if plan, _, others := st.dataStoresBeside(store); others+size*megabyte > plan.DSSLimit {
		return limitExceeded("space for data stores")
	}
	delete(changes, "maxSizeMB")
	changes["maxSize"] = strconv.FormatInt(size*megabyte, 10)
	return nil
}

// dataStoresBeside counts the other data stores of the store's organization and adds up what they may hold. It
// returns what the plan allows, too.
func (st *state) dataStoresBeside(store object) (plan license, stores int, bytes int64) {
	mine, _ := st.team(integer(store["teamId"]))
	for _, row := range st.tables.of(dataStoreKind).Rows {
		if of, _ := st.team(integer(row["teamId"])); of == mine && row["id"] != store["id"] {
			stores++
			bytes += maxSizeOf(row)
		}
	}
	return licenseOf(mine), stores, bytes
}

func maxSizeOf(store object) int64 {
	size, _ := strconv.ParseInt(fmt.Sprint(store["maxSize"]), 10, 64) // written by resize
	return size
}
