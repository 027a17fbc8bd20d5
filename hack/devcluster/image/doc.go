// Package image makes container images from static binaries, without a base image, a daemon or a
// registry.
package image
