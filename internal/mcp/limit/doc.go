// Package limit counts calls against token buckets. A bucket fills at a steady rate and holds a burst; a call takes from several
// buckets at once, from all of them or from none. Memory keeps the buckets of one process, Redis those of many, and Shared uses
// Redis and, while that does not answer, this process's part of each bucket: it never lets calls through uncounted.
//
// It must not know what is counted: neither callers nor tools nor HTTP.
package limit
