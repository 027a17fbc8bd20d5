// Command app is what the smoke test runs in Pods: it shows what it was given.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func main() {
	listen := flag.String("listen", ":8080", "address")
	dir := flag.String("dir", "/etc/app", "folder to show")
	flag.Parse()
	http.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("GET /crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		shown := map[string]string{"POD_IP": os.Getenv("POD_IP"), "GREETING": os.Getenv("GREETING")}
		files, _ := filepath.Glob(filepath.Join(*dir, "*"))
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				shown[filepath.Base(file)] = string(data)
			}
		}
		if err := json.NewEncoder(w).Encode(shown); err != nil {
			log.Print(err)
		}
	})
	log.Printf("listening on %s", *listen)
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
