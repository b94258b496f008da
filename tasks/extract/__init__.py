"""From bytes to pages of text with word boxes, in isolated processes."""
