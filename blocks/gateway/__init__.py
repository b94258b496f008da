"""The only way to a model: the Model protocol, its providers, and the route that asks them in order."""
