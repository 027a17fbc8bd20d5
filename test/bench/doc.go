// Package bench measures what users feel, against a real API server. Its benchmarks print figures and assert none: make bench.
package bench
