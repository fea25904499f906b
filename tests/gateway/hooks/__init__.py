"""The hooks schedulers ask through."""
