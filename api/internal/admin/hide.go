package admin

import (
	"context"
	"fmt"
	"strconv"
)

// hide blanks the entry whose id is words[0].
func (c *command) hide(words []string) error {
	id, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || id < 0 {
		return fmt.Errorf("%q is no id: %w", words[0], errUsage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	blanked, err := c.store.Hide(ctx, c.key, id)
	switch {
	case err != nil:
		return fmt.Errorf("%d: %w", id, err)
	case blanked == 0:
		fmt.Fprintf(c.stdout, "entry %d was hidden already\n", id)
	default:
		fmt.Fprintf(c.stdout, "entry %d is hidden: %d bytes\n", id, blanked)
	}
	return nil
}
