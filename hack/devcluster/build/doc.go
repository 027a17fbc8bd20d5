// Command build makes the binaries of a development cluster once per machine, keeps them in the
// user's cache folder and links them into a checkout's bin folder.
//
//	build [--bin FOLDER] [control-plane|node|all]
//
// It uses the standard library only, so that it starts at once in a fresh clone.
package main
