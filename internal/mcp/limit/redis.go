package limit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeLua string

// Redis is a Store that several processes share. Redis' own clock counts.
type Redis struct {
	client redis.Scripter
	take   *redis.Script
	prefix string
}

// NewRedis returns a Store in Redis or Valkey, version 5 or later. Every key starts with prefix; with Redis Cluster it has to hold a
// hash tag, so that the buckets of one call live on one node.
func NewRedis(client redis.Scripter, prefix string) *Redis {
	return &Redis{client: client, take: redis.NewScript(takeLua), prefix: prefix}
}

// errAnswer is an answer that the script does not give.
var errAnswer = errors.New("redis gave an answer of another shape")

// Take implements Store in one round trip; the first one after Redis started costs another, which carries the script.
func (r *Redis) Take(ctx context.Context, buckets []Bucket) (Decision, error) {
	keys, args := make([]string, len(buckets)), make([]any, 0, 2*len(buckets))
	for i, b := range buckets {
		keys[i] = r.prefix + b.Key
		args = append(args, b.Rate.interval().Microseconds(), b.Rate.depth().Microseconds())
	}
	answer, err := r.take.Run(ctx, r.client, keys, args...).Int64Slice()
	if err != nil {
		return Decision{}, fmt.Errorf("take from redis: %w", err)
	}
	if len(answer) != len(buckets)+1 {
		return Decision{}, fmt.Errorf("take from redis: %w", errAnswer)
	}
	behind := make([]time.Duration, len(buckets))
	for i := range behind {
		behind[i] = time.Duration(answer[i+1]) * time.Microsecond
	}
	return decide(buckets, answer[0] == 1, behind), nil
}
