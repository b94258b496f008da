"""From runs that could not write their end to runs that say how they ended, or are tried again."""
