"""One wrapper per policy: each is a `Model` around another `Model`, with what it keeps beside it."""
