// Package child keeps the objects that a custom resource owns as their builders want them, with no write where nothing changed.
//
// An object of the wanted name that the resource does not own is never touched: the error is ErrForeign.
package child
