package makesim

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strconv"
	"strings"
)

const iconMedia = "image/png"

// iconSize is the width and height of an app's icon in pixels. Source: Make's SDK.
const iconSize = 512

// setIcon takes a PNG of the right size.
func setIcon(c *call, app object) (any, error) {
	if err := c.sends([]string{iconMedia}); err != nil {
		return nil, err
	}
	config, err := png.DecodeConfig(bytes.NewReader(c.body))
	if err != nil || config.Width != iconSize || config.Height != iconSize {
		return nil, badRequest("Invalid icon: a PNG of 512 by 512 pixels expected.")
	}
	encoded := base64.StdEncoding.EncodeToString(c.body)
	return keepSection(app, "icon", encoded, sectionOf(app, "icon", section{})), nil
}

// getIcon answers the icon in another size, from 1 to 512 pixels. An app without an icon shows its colour.
func getIcon(app object, size string) (any, error) {
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n > iconSize {
		return nil, notFound()
	}
	var icon image.Image = image.NewUniform(themeColour(app["theme"]))
	if encoded := sectionOf(app, "icon", section{}); encoded != "" {
		if icon, err = png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded))); err != nil {
			return nil, err
		}
	}
	scaled := image.NewRGBA(image.Rect(0, 0, n, n))
	for y := range n {
		for x := range n {
			scaled.Set(x, y, icon.At(x*iconSize/n, y*iconSize/n))
		}
	}
	var body bytes.Buffer
	if err := png.Encode(&body, scaled); err != nil {
		return nil, err
	}
	return reply{status: http.StatusOK, header: map[string]string{"Content-Type": iconMedia}, body: body.Bytes()}, nil
}

// themeColour reads "#rrggbb"; black where it is something else.
func themeColour(theme any) color.Color {
	text, _ := theme.(string)
	rgb, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 16, 24)
	if err != nil {
		return color.Black
	}
	return color.RGBA{R: uint8(rgb >> 16), G: uint8(rgb >> 8), B: uint8(rgb), A: 0xff} //nolint:gosec // G115: cut to its bytes on purpose
}
