"""The run: the only place that knows everyone. Nobody imports it."""
